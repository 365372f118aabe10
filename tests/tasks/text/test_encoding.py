import numpy as np
import pytest

from attnbench.tasks.text.encoding import BlockEncoder, EncodedBlocks
from attnbench.tasks.text.pairs import Block, Pair
from attnbench.tasks.text.subwords import FrequentWords, SubwordVocabulary

LETTERS = FrequentWords.train(["a b c d e"], None)
PIECES = SubwordVocabulary.train(["low lower lowest"] * 9 + ["x"], 263)


def links(*places: tuple[int, int]) -> tuple[Block, ...]:
    """Return blocks of one word by one, from pairs of target and source word."""
    return tuple(Block(target, target + 1, source, source + 1) for target, source in places)


def test_masks_are_true_inside_the_blocks_of_the_chosen_pairs() -> None:
    blocks = EncodedBlocks.of([[Block(0, 1, 1, 3)], [], [Block(0, 2, 0, 1), Block(1, 2, 2, 3)]])
    mask = blocks.mask(np.array([2, 0, 1]), (3, 2, 4)).int()
    assert mask.tolist() == [
        [[1, 0, 0, 0], [1, 0, 1, 0]],
        [[0, 1, 1, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
    ]


def test_masks_are_those_of_a_slow_loop() -> None:
    generator = np.random.default_rng(0)
    starts = generator.integers(0, 5, (9, 4, 2))
    stops = starts + generator.integers(0, 4, (9, 4, 2))
    lists = [
        [Block(int(t), int(u), int(s), int(r)) for (t, s), (u, r) in zip(*each, strict=True)][: i % 5]
        for i, each in enumerate(zip(starts, stops, strict=True))
    ]
    chosen = np.array([7, 0, 8, 4, 5])
    expected = np.zeros((5, 9, 10), dtype=bool)
    for row, index in enumerate(chosen):
        for target_start, target_stop, source_start, source_stop in lists[index]:
            expected[row, target_start:target_stop, source_start:source_stop] = True
    assert expected.any()
    assert (EncodedBlocks.of(lists).mask(chosen, (5, 9, 10)).numpy() == expected).all()


def test_no_pair_with_a_block_gives_empty_masks() -> None:
    assert not EncodedBlocks.of([[], []]).mask(np.array([1]), (1, 2, 3)).any()


def test_a_word_is_a_token_where_units_are_words() -> None:
    pair = Pair("a b c", "d e", 3, sure=links((0, 2)), possible=links((0, 2), (1, 0)))
    sure, possible = BlockEncoder(LETTERS, LETTERS).encode([pair])
    assert sure.blocks.tolist() == [[0, 1, 2, 3]]
    assert possible.blocks.tolist() == [[0, 1, 2, 3], [1, 2, 0, 1]]


def test_blocks_stand_behind_the_question() -> None:
    encoder = BlockEncoder(LETTERS, LETTERS)
    pair = Pair("a b c", "d e", 1, "a unknown", sure=(), possible=(Block(0, 2, 0, 3),))
    assert encoder.given_tokens(pair) == 2
    assert encoder.encode([pair])[1].blocks.tolist() == [[2, 4, 0, 3]]


@pytest.mark.parametrize("words", [["low", "xyz", "low"], ["漢字", "low", "it's", "<pad>", "e\u0301"]])
def test_a_link_between_words_holds_for_exactly_their_pieces(words: list[str]) -> None:
    text = " ".join(words)
    encoder = BlockEncoder(PIECES, PIECES)
    same_places = links(*((place, place) for place in range(len(words))))
    sure, _ = encoder.encode([Pair(text, text, len(words), sure=same_places, possible=same_places)])
    numbers = PIECES.encode(text)
    assert len(numbers) > len(words)
    found = [PIECES.decode(numbers[start:stop]) for start, stop, _, _ in sure.blocks.tolist()]
    assert found == words
    assert sure.blocks[-1, 1] == sure.blocks[-1, 3] == len(numbers)
