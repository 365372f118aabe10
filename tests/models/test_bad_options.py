"""Options of arms that cannot work: refused before anything is built, with what to do."""

import pytest

from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.models.seq2seq import Seq2SeqModel
from tests.configuration import CONFIGURATION

AT_LEAST_1 = "model.{}: expected greater than or equal to 1, got {}."
HEADS = "model.heads=3 does not divide model.hidden_size=64; every head needs as much of it."
UNFED = "Unknown key 'model.input_feeding'"
BAD = [
    *[([f"model={name}", "model.heads=3"], HEADS) for name in ("multihead", "linear")],
    *[([f"model={name}", "model.heads=3"], HEADS) for name in ("transformer", "transformer_fixed")],
    *[
        ([f"model={name}", "model.heads=0"], AT_LEAST_1.format("heads", 0))
        for name in ("multihead", "linear")
    ],
    (["model=slots", "model.slots=0"], AT_LEAST_1.format("slots", 0)),
    (["model=slots", "model.slots=-1"], AT_LEAST_1.format("slots", -1)),
    (["model=luong_location", "model.positions=0"], AT_LEAST_1.format("positions", 0)),
    (["model=luong_local_m", "model.window=0"], AT_LEAST_1.format("window", 0)),
    (["model=luong_local_p", "model.window=0"], AT_LEAST_1.format("window", 0)),
    (["model=luong_local_p", "model.score=genral"], "Did you mean general?"),
    (["model=luong_local_p", "model.score=location"], "expected 'dot', 'general' or 'concat'"),
    (["model=linear", "model.feature_map=el"], "Did you mean elu?"),
    (["model=fixed", "model.read=befor"], "Did you mean before?"),
    (
        ["model=fixed", "model.output_reads=context"],
        "expected 'state', 'state_context_word' or 'last_state_context_word'",
    ),
    (
        ["model.output_reads=state_context_word", "model.hidden_size=7", "model.bidirectional=false"],
        "model.hidden_size=7 is odd. Use an even number, or model.output_reads=state.",
    ),
    (
        ["model.first_state=backward", "model.bidirectional=false"],
        "an encoder of one direction has no backward state",
    ),
    (["model=bahdanau", "model.query=after"], "Did you mean after_input?"),
    (["model=luong_dot", "model.query=before"], "Unknown key 'model.query'"),
    (["model=transformer", "model.positions=rotry"], "Did you mean rotary?"),
    (["model=transformer", "model.learnt_positions=0"], AT_LEAST_1.format("learnt_positions", 0)),
    (["model=transformer", "model.positions=learn"], "Did you mean learnt?"),
    (["model=transformer", "model.cell=gru"], "Unknown key 'model.cell'"),
    (["model=transformer", "model.layers=0"], AT_LEAST_1.format("layers", 0)),
    (
        ["model=transformer", "model.hidden_size=12"],
        "model.positions=rotary pairs up numbers, and model.hidden_size=12 with model.heads=4 leaves an odd number",
    ),
    (
        ["model=transformer", "model.positions=sinusoidal", "model.hidden_size=9", "model.heads=3"],
        "leaves an odd number of them",
    ),
    *[([f"model={name}", "model.input_feeding=true"], UNFED) for name in ("fixed", "fixed_init", "blind")],
    *[
        ([f"model={name}", "model.input_feeding=true"], UNFED)
        for name in ("bahdanau", "slots", "transformer")
    ],
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_an_option_that_cannot_work_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        request_run(CONFIGURATION, words)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ["model=multihead", "model.heads=1"],
        ["model=multihead", "model.heads=64"],
        ["model=luong_local_p", "model.window=1"],
        ["model=slots", "model.slots=1"],
        ["model=transformer", "model.positions=sinusoidal", "model.hidden_size=12"],
        ["model=transformer", "model.hidden_size=8"],
        ["model=transformer", "model.positions=learnt", "model.hidden_size=9", "model.heads=3"],
    ],
    ids=" ".join,
)
def test_the_edge_of_what_works_is_accepted(words: list[str]) -> None:
    assert isinstance(request_run(CONFIGURATION, words).spec.model.build(5, 5, 0), Seq2SeqModel)
