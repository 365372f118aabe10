from functools import cache

import pytest

from attnbench.errors import UserError
from attnbench.inspection.capture import capture_attention
from attnbench.inspection.examples import own_text
from attnbench.inspection.load import TrainedRun
from attnbench.vocabulary import UNKNOWN
from tests.inspection.small_runs import small_spec, untrained
from tests.runs.tiny_runs import text_spec


@cache
def run_of(*overrides: str) -> TrainedRun:
    return untrained(small_spec(*overrides))


STORY = ("task=story_qa", "task.people=3")


def test_a_text_is_read_by_the_tasks_vocabulary():
    run = run_of()
    own = own_text(run, " a  c b ")
    assert own.batch.source.tolist() == [run.spec.task.source_vocabulary.encode("a c b")]
    assert own.unknown == ()


def test_words_outside_the_vocabulary_are_named_and_read_as_unknown():
    own = own_text(run_of(), "a zebra b <pad> <eos>")
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
        own_text(run_of(), text)


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
    own = own_text(run_of(*overrides), text)
    assert own.batch.scored.tolist() == [[True] * tokens]


def test_a_person_may_say_how_much_is_to_be_answered():
    assert own_text(run_of(), "a b c", answer_tokens=2).batch.target.shape == (1, 2)
    with pytest.raises(UserError, match="at least 1"):
        own_text(run_of(), "a b c", answer_tokens=0)


def test_a_question_is_given_and_one_word_answered():
    run = run_of(*STORY)
    portrait = capture_attention(
        run, own_text(run, "Alice lives in Paris .", "Where does Alice live ?").batch, has_expected=False
    )
    assert portrait.written[:-1] == ("Where", "does", "Alice", "live", "?")
    assert portrait.is_given == (True, True, True, True, True, False)
    assert portrait.expected == ()


def test_a_question_that_stands_ahead_of_the_source_is_put_there():
    run = run_of(*STORY, "task.question=before")
    batch = own_text(run, "Alice lives in Paris .", "Where does Alice live ?").batch
    words = run.spec.task.source_vocabulary.decode(batch.source[0].tolist())
    assert words == "Where does Alice live ? Alice lives in Paris ."
    assert batch.scored.tolist() == [[True]]


def test_unknown_words_of_a_question_are_named_too():
    own = own_text(run_of(*STORY), "Alice lives in Oz .", "Where does Zoltan live ?")
    assert own.unknown == ("Oz", "Zoltan")


def test_a_question_to_a_task_without_any_is_refused():
    with pytest.raises(UserError, match="reverse asks no questions"):
        own_text(run_of(), "a b", "why ?")


@pytest.mark.parametrize("question", [None, " "])
def test_a_missing_question_is_asked_for_with_an_example(question):
    with pytest.raises(UserError, match=r"answers questions: expected one beside the text, such as '.* \?'"):
        own_text(run_of(*STORY), "Alice lives in Paris .", question)
    with pytest.raises(UserError, match="expected one beside the text"):
        own_text(run_of(*STORY, "task.question=before"), "Alice lives in Paris .", question)


def test_a_person_may_write_pieces_of_words_where_the_task_does(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"a{i} b\tc{i} d\n" for i in range(90)))
    subwords = ("task.units=subword", "task.source_vocabulary_size=300", "task.target_vocabulary_size=300")
    own = own_text(untrained(text_spec(source, *subwords)), "a1 zebra")
    assert own.unknown == ()
    assert own.batch.source.shape[1] > 2


def test_a_text_has_the_words_of_the_corpus(tmp_path):
    source = tmp_path / "pairs.tsv"
    source.write_text("".join(f"dit\u00a0: a{i}\tc{i} d\n" for i in range(90)), encoding="utf-8")
    own = own_text(untrained(text_spec(source)), "dit\u00a0: zebra\u00a0!")
    assert own.batch.source.shape == (1, 2)
    assert own.unknown == ("zebra\u00a0!",)
