"""Rows for pages of sweeps: names with markup, and very many."""

from tests.metrics_rows import curve_rows, metrics_row

HOSTILE = """<b>own</b> & "arm"</script><script>planted=1</script><img src=x onerror='planted=1'>"""


def hostile_rows() -> list[dict[str, object]]:
    """Two arms, one of them named after markup, on a task that is too."""
    names = {"task": "<i>reverse</i>", "variant": "task.source=<script>planted=1</script>"}
    return [
        *curve_rows({4: [0.9, 0.8], 8: [0.5, 0.4]}, **names),
        *curve_rows({4: [0.9, 0.8], 8: [0.8, 0.7]}, model=HOSTILE, **names),
    ]


def many_rows(count: int) -> list[dict[str, object]]:
    """So many rows: 20 lengths of 5 seeds, and as many arms as that takes."""
    models = ["fixed", *(f"own_{number}" for number in range(1, count // 100))]
    return [
        metrics_row(
            model=model, length=length, seed=seed, token_accuracy=max(0.07, 1 - length / (30 + place))
        )
        for place, model in enumerate(models)
        for length in range(2, 42, 2)
        for seed in range(5)
    ]
