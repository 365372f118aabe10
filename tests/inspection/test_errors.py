import pytest
import torch

from attnbench.batch import Batch
from attnbench.inspection.decode import Decoded, greedy_decode
from attnbench.inspection.errors import WORST, ErrorCounts, looks_described
from attnbench.training.evaluation import evaluate
from attnbench.vocabulary import EOS
from tests.inspection.hand_built import asked
from tests.models.arms import arm
from tests.tasks.synthetic import synthetic_task
from tests.training.fitting import CPU

EDITS = ("inserted", "left_out", "exchanged", "swapped", "cut_off", "repeated")


def counted(batch: Batch, written: list[list[int]], looked_at: list[list[int]] | None = None) -> ErrorCounts:
    tokens = torch.tensor(written)
    weights = None
    if looked_at is not None:
        weights = torch.nn.functional.one_hot(torch.tensor(looked_at), batch.source.shape[1]).float()
    counts = ErrorCounts()
    counts.add(Decoded(batch, tokens, tokens > 0, weights), 0)
    return counts


def in_sequence(expected: list[int], written: list[int]) -> dict[str, list[int]]:
    """Return the output positions of each kind of error that there is, once for each."""
    counts = counted(asked([[4]], [expected]), [written])
    found = {
        kind: [place for place in range(counts.positions) for _ in range(counts.count(kind, place) or 0)]
        for kind in EDITS
    }
    return {kind: places for kind, places in found.items() if places}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([4, 5, 6, 7], {}),
        ([9, 5, 6, 7], {"exchanged": [0]}),
        ([5, 4, 6, 7], {"swapped": [0, 1]}),
        ([4, 5, 7, 6], {"swapped": [2, 3]}),
        ([4, 4, 6, 7], {"exchanged": [1], "repeated": [1]}),
        ([4, 9, 9, 7], {"exchanged": [1, 2], "repeated": [2]}),
        ([4, 4, 5, 6], {"inserted": [1], "cut_off": [3], "repeated": [1]}),
        ([4, 6, 7, 9], {"left_out": [1]}),
    ],
)
def test_errors_are_counted_where_the_expected_word_stands(written, expected):
    assert in_sequence([4, 5, 6, 7], written) == expected


def test_one_slip_is_one_error_and_token_accuracy_stays_what_it_is():
    expected = [4, 5, 6, 7, 8, 9] * 5 + [EOS]
    written = [4, *expected]
    gold = [[[int(place == at) for at in range(30)] for place in range(30)] + [[0] * 30]]
    batch = asked([expected[:-1]], [expected], sure=gold)
    # It looks at the first word twice, and then always where its own word stands.
    counts = counted(batch, [written], looked_at=[[0, *range(30), 0]])
    assert (counts.count("right"), counts.count("words")) == (1, 31)
    assert counts.count("inserted", 1) == counts.count("inserted") == 1
    assert [counts.count(kind) for kind in ("exchanged", "left_out", "looked_wrong", "looked_right")] == [
        0
    ] * 4
    assert counts.worst[0].edits == 1


def test_gold_moves_along_with_the_word_it_belongs_to():
    gold = [[[int(place == at) for at in range(5)] for place in range(5)]]
    batch = asked([[4, 5, 6, 7, 8]], [[4, 5, 6, 7, 8]], sure=gold)
    # The first word is too many; 9 stands for 6, whose place is 2.
    assert counted(batch, [[9, 4, 5, 9, 7]], looked_at=[[4, 0, 1, 2, 3]]).count("looked_right", 2) == 1
    counts = counted(batch, [[9, 4, 5, 9, 7]], looked_at=[[4, 0, 1, 3, 3]])
    assert (counts.count("looked_wrong", 2), counts.count("looked_wrong")) == (1, 1)


def test_a_word_that_is_right_is_no_repetition():
    assert in_sequence([4, 4, 5], [4, 4, 5]) == {}


def test_answers_that_stand_apart_make_no_sequence():
    batch = asked([[4, 5]], [[4, 5, 6, 7]])
    apart = Batch(
        batch.source, batch.source_lengths, batch.target, torch.tensor([[False, True, False, True]])
    )
    tokens = torch.tensor([[4, 7, 6, 5]])
    counts = ErrorCounts()
    counts.add(Decoded(apart, tokens, apart.scored, None), 0)
    assert [counts.count(kind) for kind in EDITS] == [None, None, 2, None, None, None]
    assert (counts.count("words"), counts.count("right"), counts.positions) == (2, 0, 2)


def test_every_error_is_looked_wrong_or_said_wrong():
    batch = asked([[4, 5, 6]], [[4, 5, 6, 7]], sure=[[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]])
    counts = counted(batch, [[4, 9, 9, 7]], looked_at=[[0, 1, 0, 2]])
    assert [counts.count("looked_right", place) for place in range(4)] == [0, 1, 0, 0]
    assert [counts.count("looked_wrong", place) for place in range(4)] == [0, 0, 1, 0]
    assert [counts.accuracy(place) for place in range(4)] == [1, 0, 0, 1]
    assert counts.accuracy() == 0.5


def test_the_looks_of_right_words_are_counted_in_right_answers_and_in_wrong_ones():
    gold = [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]] * 2
    batch = asked([[4, 5, 6]] * 2, [[4, 5, 6]] * 2, sure=gold)
    # The first answer is right and looks away once; the second has a wrong word, and a right one that looks away.
    counts = counted(batch, [[4, 5, 6], [4, 9, 6]], looked_at=[[0, 0, 2], [2, 1, 2]])
    assert [counts.count("right_looked_wrong", place) for place in range(3)] == [1, 1, 0]
    assert [counts.count("right_looked_right", place) for place in range(3)] == [1, 0, 2]
    assert (counts.count("looked_right"), counts.count("looked_wrong")) == (1, 0)


def test_right_words_behind_a_slip_look_where_their_own_word_stands():
    gold = [[[int(place == at) for at in range(3)] for place in range(3)] + [[0] * 3]]
    batch = asked([[4, 5, 6]], [[4, 5, 6, EOS]], sure=gold)
    counts = counted(batch, [[4, 4, 5, 6, EOS]], looked_at=[[0, 0, 1, 0, 0]])
    assert (counts.count("right"), counts.count("inserted")) == (1, 1)
    assert (counts.count("right_looked_right"), counts.count("right_looked_wrong")) == (2, 1)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ((3, 1), (1, 9), "75\u00a0% of the words exchanged, and at 10\u00a0% of the right words"),
        ((1, 9), (2, 8), "20\u00a0% of the right words; so a look elsewhere is no sign of an error here"),
        ((0, 0), (2, 8), ""),
        ((1, 1), (0, 0), ""),
        ((None, None), (None, None), ""),
    ],
)
def test_the_looks_of_errors_are_told_beside_those_of_right_words(wrong, right, said):
    kinds = ("looked_wrong", "looked_right", "right_looked_wrong", "right_looked_right")
    told = looks_described(dict(zip(kinds, (*wrong, *right), strict=True)))
    assert told.endswith(said)
    assert bool(told) == bool(said)


def test_a_look_at_a_possible_position_is_right():
    batch = asked([[4, 5]], [[6]], sure=[[[1, 0]]], possible=[[[1, 1]]])
    assert counted(batch, [[9]], looked_at=[[1]]).count("looked_right") == 1


def test_an_end_mark_that_is_missed_is_an_error_of_neither_look():
    batch = asked([[4]], [[4, EOS]], sure=[[[1], [0]]])
    counts = counted(batch, [[4, 4]], looked_at=[[0, 0]])
    assert (counts.count("words"), counts.count("right")) == (2, 1)
    assert (counts.count("looked_wrong"), counts.count("looked_right")) == (0, 0)
    assert counts.count("looked_wrong", 1) is None


@pytest.mark.parametrize("written", [[[4, 5]], [[9, 9]]])
def test_an_arm_without_weights_looks_neither_right_nor_wrong(written):
    counts = counted(asked([[4, 5]], [[4, 5]], sure=[[[1, 0], [0, 1]]]), written)
    assert (counts.count("looked_wrong"), counts.count("looked_right")) == (None, None)


def test_what_was_never_written_is_wrong_and_was_looked_at_nowhere():
    batch = asked([[4, 5]], [[4, 5]], sure=[[[1, 0], [0, 1]]])
    counts = counted(batch, [[4]], looked_at=[[0]])
    assert (counts.count("right"), counts.count("looked_wrong")) == (1, 0)
    assert (counts.count("left_out", 1), counts.worst[0].looked_at) == (1, (0,))


def test_batches_of_other_lengths_add_up():
    counts = counted(asked([[4]], [[4, 5, 6]]), [[4, 5, 9]])
    counts.add(Decoded(asked([[4]], [[4]]), torch.tensor([[4]]), torch.tensor([[True]]), None), 1)
    assert [counts.count("words", place) for place in range(3)] == [2, 1, 1]
    assert [counts.accuracy(place) for place in range(3)] == [1, 1, 0]
    assert counts.count("words") == 4


def test_the_worst_come_first_and_right_ones_never():
    wrong = [0, 2, 1, 2] + [1] * 20
    rows = [[9] * each + [4, 5][each:] for each in wrong]
    counts = ErrorCounts()
    for start in range(0, len(rows), 6):
        part = rows[start : start + 6]
        batch = asked([[4, 5]] * len(part), [[4, 5]] * len(part))
        counts.add(Decoded(batch, torch.tensor(part), torch.ones(len(part), 2) > 0, None), start)
    assert [each.index for each in counts.worst] == [1, 3, 2, 4, 5, 6, 7, 8, 9, 10]
    assert len(counts.worst) == WORST
    assert (counts.worst[0].expected, counts.worst[0].written, counts.worst[0].wrong) == ((4, 5), (9, 9), 2)


@pytest.mark.parametrize("written", [[], [EOS]])
def test_an_empty_answer_leaves_every_word_out_and_looks_nowhere(written):
    batch = asked([[4, 5]], [[4, 5, EOS]], sure=[[[1, 0], [0, 1], [0, 0]]])
    tokens = torch.tensor([written], dtype=torch.int64)
    counts = ErrorCounts()
    counts.add(Decoded(batch, tokens, tokens > 0, torch.full((1, len(written), 2), 0.5)), 0)
    left_out = [counts.count("left_out", place) for place in range(3)]
    assert left_out == [1, 1, int(not written)]
    assert [counts.count(kind) for kind in ("exchanged", "looked_wrong", "looked_right")] == [0, 0, 0]


def test_one_slip_is_less_bad_than_two_wrong_words():
    expected = [4, 5, 6, 7, 8]
    batch = asked([expected] * 3, [expected] * 3)
    counts = counted(batch, [[4, 4, 5, 6, 7], [9, 9, 6, 7, 8], [9, 5, 6, 7, 8]])
    assert [(each.index, each.edits, each.wrong) for each in counts.worst] == [
        (1, 2, 2),
        (0, 1, 4),
        (2, 1, 1),
    ]


@pytest.mark.parametrize(
    "task", [synthetic_task("reverse"), synthetic_task("copy", eos=True), synthetic_task("recall")]
)
def test_errors_are_those_of_the_evaluation(task):
    sizes = len(task.source_vocabulary.tokens), len(task.target_vocabulary.tokens)
    model = arm("luong_dot").build(*sizes, 0).eval()
    batch = task.sample("test", 3, 200, torch.Generator().manual_seed(0))
    scores = evaluate(model, task, [batch], CPU)
    counts = ErrorCounts()
    counts.add(greedy_decode(model, task, batch), 0)
    assert scores.tokens
    assert (counts.count("right"), counts.count("words")) == (scores.correct_free, scores.tokens)
