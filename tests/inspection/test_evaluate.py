import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from attnbench.inspection import decode
from attnbench.inspection.capture import capture_attention
from attnbench.inspection.errors import ErrorCounts
from attnbench.inspection.evaluate import (
    ATTENTION_COLUMNS,
    CAUSAL_COLUMNS,
    ERROR_COLUMNS,
    attention_rows,
    causal_rows,
    error_rows,
    evaluate_attention,
    evaluate_causes,
    evaluate_errors,
)
from attnbench.inspection.examples import held_out
from attnbench.inspection.load import TrainedRun, load_run
from attnbench.runs.metrics_csv import read_rows
from tests.inspection.small_runs import small_spec
from tests.runs.tiny_runs import executed

EXAMPLES = 8
ARMS = ("fixed", "bahdanau", "multihead", "transformer", "uniform")


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    heads = {name: ["model.heads=2"] if name in ("multihead", "transformer") else [] for name in ARMS}
    specs = {name: small_spec("task=recall", f"model={name}", *heads[name]) for name in ARMS}
    return {name: load_run(executed(folder, spec).path) for name, spec in specs.items()}


@pytest.fixture(params=ARMS)
def run(request, runs) -> TrainedRun:
    return runs[request.param]


def test_alignment_is_that_of_metrics_csv(run):
    scores = evaluate_attention(run, held_out(run))
    (row,) = read_rows(run.folder.metrics_file)
    model = scores.by_kind.get("model")
    if row["alignment_accuracy"] == "":
        assert model is None
    elif run.spec.model.name != "uniform":  # of equal weights the first is taken there, and all alike here
        assert model is not None
        assert model.alignment_accuracy == pytest.approx(float(row["alignment_accuracy"]))
    assert scores.examples == EXAMPLES


def test_beside_the_weights_stand_equal_and_permuted_ones(run):
    rows = attention_rows(run, evaluate_attention(run, held_out(run), with_heads=True))
    assert all(tuple(row) == ATTENTION_COLUMNS for row in rows)
    kinds = [row["weights"] for row in rows if row["layer"] is None]
    has_weights = run.spec.model.name != "fixed"
    assert kinds == ["model", "uniform", *(["permuted"] if has_weights else [])]
    assert (rows[0]["entropy_bits"] is not None) == has_weights
    assert rows[1]["alignment_accuracy"] == pytest.approx(1 / 6)
    assert rows[1]["change_bits"] == 0
    heads = {"multihead": 2, "transformer": 2 * 2}.get(run.spec.model.name, 0)
    assert len([row for row in rows if row["layer"] is not None]) == heads


def test_causes_of_every_arm_with_weights(run):
    counts = evaluate_causes(run, held_out(run), permutations=3)
    rows = causal_rows(run, held_out(run).lengths, counts)
    assert all(tuple(row) == CAUSAL_COLUMNS for row in rows)
    changes = ["erased_most_attended", "erased_random", "erased_largest_gradient", "permuted"]
    assert [row["change"] for row in rows] == changes
    has_weights = run.spec.model.name != "fixed"
    assert [row["words"] for row in rows] == [EXAMPLES * 3 * has_weights] * 4
    assert [row["flip_rate"] is not None for row in rows] == [has_weights] * 3 + [False]
    assert (rows[3]["median_variation"] is not None) == has_weights


def test_causes_can_be_sought_at_a_few_positions_of_long_answers(runs):
    run = runs["bahdanau"]
    counts = evaluate_causes(run, held_out(run), permutations=1, most_positions=2)
    assert counts.words == EXAMPLES * 2


def test_errors_by_position_add_up(run):
    counts = evaluate_errors(run, held_out(run))
    rows = error_rows(run, held_out(run).lengths, counts)
    assert all(tuple(row) == ERROR_COLUMNS for row in rows)
    assert [row["position"] for row in rows] == [None, 1, 2, 3]
    assert rows[0]["words"] == sum(row["words"] for row in rows[1:]) == EXAMPLES * 3
    assert rows[0]["swapped"] is None
    if run.spec.model.name != "fixed":
        assert rows[0]["looked_wrong"] + rows[0]["looked_right"] == rows[0]["words"] - rows[0]["right"]
        # No sequence is to be written: words stand where they are expected, aligned or not.
        assert rows[0]["right_looked_wrong"] + rows[0]["right_looked_right"] == rows[0]["right"]


def test_portions_change_nothing_that_is_not_drawn(run, monkeypatch):
    examples = held_out(run)
    told: list[tuple[int, int]] = []
    whole, errors = evaluate_attention(run, examples), evaluate_errors(run, examples)
    monkeypatch.setattr(decode, "AT_ONCE", 1)
    parts = evaluate_attention(run, examples, on_progress=lambda done, of: told.append((done, of)))
    assert told == [(done, EXAMPLES) for done in range(1, EXAMPLES + 1)]
    for kind in set(whole.by_kind) - {"permuted"}:
        assert vars(parts.by_kind[kind]) == pytest.approx(vars(whole.by_kind[kind]), abs=1e-4)
    again = evaluate_errors(run, examples)
    assert isinstance(again, ErrorCounts)
    assert error_rows(run, examples.lengths, again) == error_rows(run, examples.lengths, errors)
    assert again.worst == errors.worst


def test_an_attention_example_shows_one_example_as_the_model_saw_it(run):
    (example,) = held_out(run).pick([2])
    attention_example = capture_attention(run, example.batch, example.index)
    source, target = len(attention_example.source), len(attention_example.expected)
    assert (attention_example.index, source, target, len(attention_example.written)) == (2, 6, 6, 6)
    assert attention_example.is_given == (True, False) * 3
    assert attention_example.gradients.shape == (target, source)
    assert attention_example.gradients.sum(axis=1) == pytest.approx([0, 1] * 3, abs=1e-5)
    assert attention_example.sure.shape == (target, source)
    name = run.spec.model.name
    assert (attention_example.weights is None) == (name == "fixed")
    shapes = {"multihead": (1, 2, target, source), "transformer": (2, 2, target, source)}
    assert (None if attention_example.heads is None else attention_example.heads.shape) == shapes.get(name)
    assert (
        (attention_example.encoder is None) == (attention_example.decoder is None) == (name != "transformer")
    )


def test_an_example_of_one_word_is_drawn(runs):
    run = runs["bahdanau"]
    (example,) = held_out(run, 1).pick([0])
    assert capture_attention(run, example.batch, 0).weights.shape == (2, 2)


def test_a_test_without_gold_has_no_alignment(runs, monkeypatch):
    run = runs["bahdanau"]
    batches = run.spec.task.evaluation_batches("test", 0, held_out(run).lengths, EXAMPLES, EXAMPLES)
    unaligned = [replace(batch, alignment_sure=None, alignment_possible=None) for batch in batches]
    monkeypatch.setattr(type(run.spec.task), "evaluation_batches", lambda *_: unaligned)
    rows = attention_rows(run, evaluate_attention(run, held_out(run)))
    assert [row["alignment_accuracy"] for row in rows] == [None] * 3
    errors = error_rows(run, held_out(run).lengths, evaluate_errors(run, held_out(run)))
    assert (errors[0]["looked_wrong"], errors[0]["looked_right"]) == (None, None)


LONG_INPUTS = """
import resource
import torch
torch.set_num_threads(1)
from attnbench.inspection.examples import held_out
from attnbench.inspection.evaluate import evaluate_attention
from tests.inspection.small_runs import small_spec, untrained
for examples in ({one_portion}, {several_portions}):
    sizes = ["model.hidden_size=64", f"training.test_examples={{examples}}", *{options}]
    run = untrained(small_spec("task=reverse", "model={model}", "task.length=500", *sizes))
    scores = evaluate_attention(run, held_out(run, 500), with_heads=True)
    assert scores.examples == examples
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options", "one_portion", "several_portions"),
    [("transformer", ["model.heads=8", "model.layers=4"], 1, 4), ("bahdanau", [], 5, 20)],
)
def test_long_inputs_take_little_memory_however_many_there_are(model, options, one_portion, several_portions):
    program = LONG_INPUTS.format(
        model=model, options=options, one_portion=one_portion, several_portions=several_portions
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    of_one, of_several = (int(line) for line in finished.stdout.split())
    assert of_several < 1.5 * 2**20
    # At once, the several would take 0.17 GiB more (bahdanau) or 0.54 (transformer).
    assert of_several - of_one < 0.08 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["luong_general", "uniform"])
def test_attention_looks_at_the_sentence_of_the_answer_and_equal_weights_do_not(name, tmp_path):
    lengths = ["task=story_qa", "task.length=4", "task.people=8", f"model={name}"]
    steps = 1500 if name == "luong_general" else 100  # equal weights are equal after any number of steps
    trained = [f"training.steps={steps}", "training.evaluate_every=100", "training.batch_size=32"]
    sizes = ["model.hidden_size=32", "model.embedding_size=32", "training.test_examples=200"]
    run = load_run(executed(tmp_path, small_spec(*lengths, *trained, *sizes)).path)
    scores = evaluate_attention(run, held_out(run)).by_kind
    chance = scores["uniform"].alignment_accuracy
    found = scores["model"].alignment_accuracy
    assert (found >= 0.8) if name == "luong_general" else (found == pytest.approx(chance))
    assert chance == pytest.approx(1 / 4, abs=0.02)
    assert torch.is_grad_enabled()


def test_an_attention_example_can_be_drawn_without_torch():
    program = "import sys, attnbench.inspection.attention_example; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
