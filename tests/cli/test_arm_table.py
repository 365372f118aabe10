"""A sweep begins by saying what its arms are made of."""

from rich.console import Console

from attnbench.cli.arm_table import arm_table
from attnbench.config.composition import Configuration
from attnbench.config.sweep_axes import SweepWords
from attnbench.config.sweep_plan import plan_sweep


def rows(*overrides: str, models: str, lengths: str = "2,8") -> list[list[str]]:
    plan = plan_sweep(Configuration(), SweepWords(models=models, lengths=lengths, overrides=overrides))
    console = Console(width=160)
    with console.capture() as capture:
        console.print(arm_table([run.spec for run in plan.runs], plan.lengths))
    return [line.split() for line in capture.get().splitlines() if line.strip() and "─" not in line]


def test_every_arm_has_its_size_its_parameters_and_what_crosses_at_both_ends() -> None:
    header, fixed, luong = rows("model.hidden_size=64", "training=default", models="fixed,luong_dot")
    assert " ".join(header) == "task arm hidden parameters context at 2 context at 8"
    assert fixed == ["reverse", "fixed", "64", "86,932", "64", "64"]
    assert [luong[1], *luong[-2:]] == ["luong_dot", "128", "512"]


def test_lengths_are_turned_into_source_tokens() -> None:
    _, pairs = rows("task=recall", models="luong_dot", lengths="3")
    assert pairs[-1] == str(6 * 64)


def test_matched_arms_are_listed_with_the_sizes_they_were_given() -> None:
    _, fixed, bahdanau = rows("match=parameters", models="fixed,bahdanau")
    assert (fixed[2], bahdanau[2]) == ("64", "60")


def test_only_that_of_a_variant_is_shown_in_which_arms_differ() -> None:
    header, one, two = rows("model.layers=1,2", "training.steps=7", models="fixed")
    assert "variant" in header
    assert one[2] == "64"  # one layer is the default
    assert two[2] == "model.layers=2"
