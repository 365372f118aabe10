"""Arms are brought to one number of parameters by their hidden sizes, or it is said why not."""

import subprocess
import sys
from dataclasses import replace

import pytest

from attnbench.errors import UserError
from attnbench.models.config import ModelConfig
from attnbench.models.sizing import VocabularySizes, count_parameters, match_parameters
from tests.models.arms import arm, arm_names

SIZES = VocabularySizes(20, 17)


def arms_of(hidden_size: int, *names: str) -> dict[str, ModelConfig]:
    return {name: arm(name, hidden_size=hidden_size, embedding_size=hidden_size) for name in names}


@pytest.mark.parametrize("name", arm_names())
def test_parameters_are_counted_as_built(name: str) -> None:
    built = arm(name).build(SIZES.source, SIZES.target, 0)
    assert count_parameters(arm(name), SIZES) == sum(each.numel() for each in built.parameters())


def test_counting_does_not_wait_for_the_compiler_of_torch() -> None:
    program = (
        "import sys\n"
        "from attnbench.models.sizing import VocabularySizes, count_parameters\n"
        "from tests.models.arms import arm\n"
        "count_parameters(arm('fixed'), VocabularySizes(20, 17))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_fixed_at_two_units_counts_as_by_hand() -> None:
    tiny = arm(
        "fixed", hidden_size=2, embedding_size=1, bidirectional=False, read="after", cell="gru", layers=1
    )
    encoder = 20 * 1 + 3 * 2 * (1 + 2 + 2)  # embedding; per gate input and state weights and two biases
    decoder = 17 * 1 + 3 * 2 * (1 + 2 + 2) + 2 * 17 + 17  # the same, and the output layer
    bridge, readout = 2 * 2 + 2, 2 * 2 + 2 + 2 * 2
    assert count_parameters(tiny, SIZES) == encoder + decoder + bridge + readout


def test_matched_arms_lie_within_five_per_cent_of_each_other_and_the_baseline_stays() -> None:
    arms = arms_of(64, "luong_dot", "fixed", "bahdanau", "slots", "fixed_init")
    assert len({count_parameters(each, SIZES) for each in arms.values()}) > 2
    hidden = match_parameters(arms, "fixed", SIZES)
    counts = [count_parameters(replace(arms[name], hidden_size=size), SIZES) for name, size in hidden.items()]
    assert hidden["fixed"] == 64
    assert max(counts) <= 1.05 * min(counts)
    assert hidden.keys() == arms.keys()
    assert hidden["bahdanau"] < 64 < hidden["luong_dot"]


def test_only_sizes_that_the_arm_allows_are_taken() -> None:
    hidden = match_parameters(arms_of(64, "fixed", "multihead"), "fixed", SIZES)
    assert hidden["multihead"] % 4 == 0


def test_the_baseline_may_be_any_arm() -> None:
    hidden = match_parameters(arms_of(64, "bahdanau", "fixed"), "bahdanau", SIZES)
    assert hidden["bahdanau"] == 64
    assert hidden["fixed"] > 64


def test_an_arm_alone_is_matched() -> None:
    assert match_parameters(arms_of(8, "fixed"), "fixed", SIZES) == {"fixed": 8}


def test_what_cannot_be_reached_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"transformer comes nearest with [\d,]+ \([+-]\d+\.\d%\) at hidden size \d+"
    ):
        match_parameters(arms_of(8, "fixed", "transformer"), "fixed", SIZES)
