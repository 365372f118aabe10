"""A sweep begins by saying what its arms are made of."""

import pytest
from rich.console import Console

from attnbench.cli.dry_run import arm_table
from attnbench.config.compose import Configuration
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from tests.commands import TINY, attnbench


def rows(*overrides: str, models: str, lengths: str = "2,8") -> list[list[str]]:
    plan = plan_sweep(Configuration(), SweepOptions(models=models, lengths=lengths, overrides=overrides))
    console = Console(width=160)
    with console.capture() as capture:
        console.print(arm_table([run.spec for run in plan.runs], plan.lengths))
    return [line.split() for line in capture.get().splitlines() if line.strip() and "─" not in line]


def test_every_arm_has_its_size_its_parameters_and_what_crosses_over_the_lengths() -> None:
    header, fixed, luong, *_ = rows("model.hidden_size=64", "training=default", models="fixed,luong_dot")
    assert header == ["task", "arm", "hidden", "parameters", "context"]
    assert fixed == ["reverse", "fixed", "64", "86,932", "64"]
    assert [luong[1], luong[-1]] == ["luong_dot", "128–512"]


def test_lengths_are_turned_into_source_tokens() -> None:
    _, pairs, *_ = rows("task=recall", models="luong_dot", lengths="3")
    assert pairs[-1] == str(6 * 64)


@pytest.mark.parametrize(
    ("task", "lengths"),
    [
        (["--task", "story_qa", "task.wording=varied"], "2,6"),
        (["--task", "text_pairs", "task.source=pairs.tsv"], "3,9"),
    ],
)
def test_before_the_sweep_and_after_it_the_same_is_said_of_contexts(
    tmp_path, monkeypatch, task, lengths
) -> None:
    """Where sources of one length differ in tokens, both take the mean of the same test examples."""
    monkeypatch.chdir(tmp_path)
    texts = [" ".join(f"w{i * k % 17 * 10 ** (i % 5)}" for k in range(1, 2 + i % 9)) for i in range(150)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{text} {i}\tv{i}\n" for i, text in enumerate(texts)))
    words = [*TINY, "training.test_examples=40", "--protocol", "mixed", "--no-plot", "--seeds", "2"]
    done = attnbench(
        "sweep", "--executor", "inline", "--models", "fixed,luong_dot", "--lengths", lengths, *task, *words
    )
    assert done.status == 0, done.err
    (before,) = [line.split()[-1] for line in done.err.splitlines() if " luong_dot " in line and "–" in line][
        :1
    ]
    (after,) = [line.split()[-2] for line in done.out.splitlines() if line.startswith(" luong dot")]
    assert before == after
    assert "–" in before


def test_matched_arms_are_listed_with_the_sizes_they_were_given() -> None:
    _, fixed, bahdanau, *_ = rows("match=parameters", models="fixed,bahdanau")
    assert (fixed[2], bahdanau[2]) == ("64", "60")


def test_only_that_of_a_variant_is_shown_in_which_arms_differ() -> None:
    header, one, two, *_ = rows("model.layers=1,2", "training.steps=7", models="fixed")
    assert "variant" in header
    assert one[2] == "64"  # one layer is the default
    assert two[2] == "model.layers=2"
