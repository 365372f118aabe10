from functools import cache

import pytest
import torch

from attnbench.errors import UserError
from attnbench.inspection.capture import capture_attention
from attnbench.inspection.decode import greedy_decode
from attnbench.inspection.examples import custom_text, evaluated_lengths, held_out
from attnbench.inspection.load import TrainedRun, load_run
from attnbench.runs.metrics_csv import read_rows
from attnbench.vocabulary import UNKNOWN
from tests.inspection.small_runs import small_spec, untrained
from tests.runs.tiny_runs import executed, text_spec, tiny_spec

EXAMPLES = 11


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    small = (f"training.test_examples={EXAMPLES}", "training.evaluation_batch_size=4", "training.steps=2")
    spec = tiny_spec("model=luong_dot", "task.vocabulary_size=2", *small)
    return load_run(executed(tmp_path_factory.mktemp("runs"), spec, 2, 3).path)


def test_every_example_has_a_number_and_can_be_had_alone(run):
    examples = held_out(run, 3)
    sources = torch.cat([batch.source for _, batch in examples.batches()])
    assert [start for start, _ in examples.batches()] == [0, 4, 8]
    picked = examples.pick([10, 0, 5])
    assert [each.index for each in picked] == [10, 0, 5]
    assert torch.cat([each.batch.source for each in picked]).equal(sources[[10, 0, 5]])


@pytest.mark.parametrize("index", [EXAMPLES, -1])
def test_a_number_out_of_range_is_refused(run, index):
    with pytest.raises(
        UserError, match=rf"No example {index}: the test at 3 tokens has 11 examples, .* 0 to 10"
    ):
        held_out(run, 3).pick([0, index])


def test_the_longest_evaluated_length_is_taken_where_none_is_named(run):
    assert evaluated_lengths(run) == [2, 3]
    assert held_out(run).lengths.maximum == 3
    with pytest.raises(UserError, match="length 0: expected a whole number"):
        held_out(run, 0)


def test_a_length_that_the_task_cannot_make_is_refused(tmp_path):
    run = load_run(executed(tmp_path, tiny_spec("task=recall", "task.keys=4")).path)
    with pytest.raises(UserError, match="cannot make length 5"):
        held_out(run, 5)


def test_the_examples_are_those_that_metrics_csv_was_counted_on(run):
    for row in read_rows(run.folder.metrics_file):
        right = words = 0
        for _, batch in held_out(run, int(row["length"])).batches():
            tokens = greedy_decode(run.model, run.spec.task, batch).tokens
            right, words = right + int((tokens == batch.target).sum()), words + batch.target.numel()
        assert right / words == pytest.approx(float(row["token_accuracy"]))


def test_fewer_examples_are_examples_of_the_same_length(run):
    batches = [batch for _, batch in held_out(run, 2).fewer(3).batches()]
    assert [batch.source.shape for batch in batches] == [(3, 2)]


def test_files_are_taken_by_buckets(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} {'b ' * (i % 4)}\tc{i} d\n" for i in range(90)))
    run = load_run(executed(tmp_path / "runs", text_spec(source), 2, 4).path)
    examples = held_out(run, 4)
    assert (examples.lengths.minimum, examples.lengths.maximum) == (3, 4)
    assert all(set(batch.source_lengths.tolist()) <= {3, 4} for _, batch in examples.batches())
    with pytest.raises(UserError, match="has 0 examples, so choose another length"):
        held_out(run, 40).pick([0])


def test_the_first_examples_of_a_run_on_files_are_there_without_the_files(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} b\tc{i} d\n" for i in range(90)))
    path = executed(tmp_path / "runs", text_spec(source), 1, 2).path
    before = [batch.source for _, batch in held_out(load_run(path), 2).batches()]
    source.unlink()
    examples, none = held_out(load_run(path), 2), held_out(load_run(path), 1)
    assert [each.index for each in examples.first(2)] == [0, 1]
    assert torch.cat([each.batch.source for each in examples.pick([2, 0])]).equal(before[0][[2, 0]])
    assert (examples.is_empty, none.is_empty) == (False, True)
    with pytest.raises(UserError, match="No example 0: the test at 1 words has 0 examples"):
        none.first(1)
    for ask in (lambda: examples.first(4), lambda: examples.pick([3]), lambda: next(examples.batches())):
        with pytest.raises(UserError, match="are not found"):
            ask()


@cache
def run_of(*overrides: str) -> TrainedRun:
    return untrained(small_spec(*overrides))


STORY = ("task=story_qa", "task.people=3")


def test_a_text_is_read_by_the_tasks_vocabulary():
    run = run_of()
    own = custom_text(run, " a  c b ")
    assert own.batch.source.tolist() == [run.spec.task.source_vocabulary.encode("a c b")]
    assert own.unknown == ()


def test_words_outside_the_vocabulary_are_named_and_read_as_unknown():
    own = custom_text(run_of(), "a zebra b <pad> <eos>")
    assert own.unknown == ("zebra", "<pad>", "<eos>")
    assert own.batch.source[0, 1:].tolist() == [UNKNOWN, own.batch.source[0, 2], UNKNOWN, UNKNOWN]
    assert capture_attention(run_of(), own.batch, has_expected=False).source == (
        "a",
        "<unk>",
        "b",
        "<unk>",
        "<unk>",
    )


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(UserError, match="text is empty"):
        custom_text(run_of(), text)


@pytest.mark.parametrize(
    ("overrides", "text", "tokens"),
    [
        ((), "a b c d e", 5),
        (("task=copy",), "a", 1),
        (("task=summary", "task.length=4"), "note that the cook lost the mill . the poet hid the gate .", 9),
        (("task=translation", "task.length=6"), "Paul sleeps", 2),
    ],
)
def test_as_much_is_answered_as_in_the_tasks_own_examples(overrides, text, tokens):
    own = custom_text(run_of(*overrides), text)
    assert own.batch.scored.tolist() == [[True] * tokens]


def test_a_person_may_say_how_much_is_to_be_answered():
    assert custom_text(run_of(), "a b c", answer_tokens=2).batch.target.shape == (1, 2)
    with pytest.raises(UserError, match="at least 1"):
        custom_text(run_of(), "a b c", answer_tokens=0)


def test_a_question_is_given_and_one_word_answered():
    run = run_of(*STORY)
    attention_example = capture_attention(
        run, custom_text(run, "Alice lives in Paris .", "Where does Alice live ?").batch, has_expected=False
    )
    assert attention_example.written[:-1] == ("Where", "does", "Alice", "live", "?")
    assert attention_example.is_given == (True, True, True, True, True, False)
    assert attention_example.expected == ()


def test_a_question_that_stands_ahead_of_the_source_is_put_there():
    run = run_of(*STORY, "task.question=before")
    batch = custom_text(run, "Alice lives in Paris .", "Where does Alice live ?").batch
    words = run.spec.task.source_vocabulary.decode(batch.source[0].tolist())
    assert words == "Where does Alice live ? Alice lives in Paris ."
    assert batch.scored.tolist() == [[True]]


def test_unknown_words_of_a_question_are_named_too():
    own = custom_text(run_of(*STORY), "Alice lives in Oz .", "Where does Zoltan live ?")
    assert own.unknown == ("Oz", "Zoltan")


def test_a_question_to_a_task_without_any_is_refused():
    with pytest.raises(UserError, match="reverse asks no questions"):
        custom_text(run_of(), "a b", "why ?")


@pytest.mark.parametrize("question", [None, " "])
def test_a_missing_question_is_asked_for_with_an_example(question):
    with pytest.raises(UserError, match=r"answers questions: expected one beside the text, such as '.* \?'"):
        custom_text(run_of(*STORY), "Alice lives in Paris .", question)
    with pytest.raises(UserError, match="expected one beside the text"):
        custom_text(run_of(*STORY, "task.question=before"), "Alice lives in Paris .", question)


def test_a_person_may_write_pieces_of_words_where_the_task_does(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} b\tc{i} d\n" for i in range(90)))
    subwords = ("task.units=subword", "task.source_vocabulary_size=300", "task.target_vocabulary_size=300")
    own = custom_text(untrained(text_spec(source, *subwords)), "a1 zebra")
    assert own.unknown == ()
    assert own.batch.source.shape[1] > 2


def test_a_text_has_the_words_of_the_corpus(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"dit\u00a0: a{i}\tc{i} d\n" for i in range(90)), encoding="utf-8")
    own = custom_text(untrained(text_spec(source)), "dit\u00a0: zebra\u00a0!")
    assert own.batch.source.shape == (1, 2)
    assert own.unknown == ("zebra\u00a0!",)
