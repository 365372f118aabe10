import pytest
import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.randomness import generator_for
from attnbench.tasks.base import LengthRange
from attnbench.tasks.summary import CUES, Summary

DOCUMENT = (
    "the king sold the boat . notably , the poet hid the gate . the cook lost the mill . "
    "remember that the king hid the barn ."
)
SUMMARY = "poet hid gate king hid barn"


def summary(cued: int = 2, vocabulary_size: int = 32, eos: bool = False) -> Summary:
    return Summary(name="summary", vocabulary_size=vocabulary_size, cued=cued, eos=eos)


def at(length: int) -> LengthRange:
    return LengthRange(length, length)


def test_a_document_summarised_by_hand() -> None:
    source = torch.tensor([summary().source_vocabulary.encode(DOCUMENT)])
    target = torch.tensor([summary().target_vocabulary.encode(SUMMARY)])
    batch = Batch(source, torch.tensor([source.shape[1]]), torch.zeros_like(target), target > 0)
    assert summary().solve(batch).tolist() == target.tolist()


class TestSamples:
    task = summary()
    batch = task.sample("test", 5, 400, generator_for(0))

    def test_cues_are_two_words_so_that_documents_of_one_length_need_no_padding(self) -> None:
        assert {len(cue) for cue in CUES} == {2}
        assert self.batch.source.shape == (400, 5 * 6 + 2 * 2)
        assert self.batch.target.shape == (400, 2 * 3)

    def test_every_pair_of_sentences_is_cued_equally_often(self) -> None:
        places = [
            tuple(
                i for i, each in enumerate(text.split(" . ")) if each.startswith(tuple(map(" ".join, CUES)))
            )
            for text in map(self.task.source_vocabulary.decode, self.batch.source.tolist())
        ]
        counts = [places.count(pair) for pair in set(places)]
        assert len(counts) == 10
        assert max(abs(count - 40) for count in counts) < 4 * (400 * 0.1 * 0.9) ** 0.5

    def test_each_word_is_surely_itself_and_possibly_its_whole_sentence(self) -> None:
        batch = self.batch
        assert batch.alignment_sure is not None
        assert batch.alignment_possible is not None
        assert (batch.alignment_sure.sum(dim=2) == 1).all()
        assert (batch.alignment_possible.sum(dim=2) == 8).all()  # cue, words and full stop
        aligned = batch.source.gather(1, batch.alignment_sure.int().argmax(dim=2))
        source, target = self.task.source_vocabulary, self.task.target_vocabulary
        assert [source.decode(row) for row in aligned.tolist()] == list(batch.references or ())
        assert [target.decode(row) for row in batch.target.tolist()] == list(batch.references or ())

    def test_the_words_of_one_sentence_share_their_possible_links(self) -> None:
        possible = self.batch.alignment_possible
        assert possible is not None
        assert torch.equal(possible[:, 0], possible[:, 2])
        assert not (possible[:, 0] & possible[:, 3]).any()


def test_five_bits_a_word_at_every_length() -> None:
    for length in (2, 6, 50):
        assert summary().information_bits(at(length)) == 30.0
    assert summary(cued=6).information_bits(at(6)) == 90.0
    assert summary(vocabulary_size=1).information_bits(at(3)) == 0.0


@pytest.mark.parametrize(
    ("vocabulary_size", "cued", "eos", "chance"),
    [
        (32, 3, False, 1 / 96),
        (32, 3, True, 1 / 10),  # always "end"
        (1, 2, True, 2 / 7),  # always the same word
        (1, 2, False, 1 / 3),
    ],
)
def test_chance_worked_by_hand(vocabulary_size: int, cued: int, eos: bool, chance: float) -> None:
    assert summary(cued, vocabulary_size, eos).chance_accuracy(at(7)) == pytest.approx(chance)


def test_all_sentences_may_be_cued_but_not_more() -> None:
    batch = summary(cued=4).sample("test", 4, 3, generator_for(0))
    assert batch.target.shape == (3, 12)
    summary(cued=4).check_length(4)
    with pytest.raises(UserError, match=r"length 3 \(sentences\): 4 sentences.*from 4, or task\.cued=3"):
        summary(cued=4).check_length(3)
