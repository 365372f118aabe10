"""Examples in words become padded batches with their alignments."""

from attnbench.randomness import generator_for
from attnbench.tasks.examples import Example, batch_of, draws_from

LONG = Example(
    source=[5, 6, 7], target=[8, 9], scored=[False, True], sure=[(1, 2)], possible=[(1, 0), (1, 2)]
)
SHORT = Example(source=[4], target=[4], scored=[True], sure=[(0, 0)])


def test_short_rows_are_padded_on_the_right() -> None:
    batch = batch_of([LONG, SHORT])
    assert batch.source.tolist() == [[5, 6, 7], [4, 0, 0]]
    assert batch.source_lengths.tolist() == [3, 1]
    assert batch.target.tolist() == [[8, 9], [4, 0]]
    assert batch.scored.tolist() == [[False, True], [True, False]]


def test_links_stand_where_they_point_and_possible_ones_include_sure_ones() -> None:
    batch = batch_of([LONG, SHORT])
    assert batch.alignment_sure is not None
    assert batch.alignment_possible is not None
    assert batch.alignment_sure.nonzero().tolist() == [[0, 1, 2], [1, 0, 0]]
    assert batch.alignment_possible.nonzero().tolist() == [[0, 1, 0], [0, 1, 2], [1, 0, 0]]


def test_without_links_nothing_is_aligned() -> None:
    batch = batch_of([Example(source=[4, 5], target=[6], scored=[True], sure=[])])
    assert batch.alignment_sure is not None
    assert batch.alignment_sure.shape == (1, 1, 2)
    assert not batch.alignment_sure.any()


def test_draws_are_a_function_of_the_generator() -> None:
    first, again = (draws_from(generator_for("words", 1)) for _ in range(2))
    assert [first.random() for _ in range(3)] == [again.random() for _ in range(3)]
    generator = generator_for("words", 1)
    assert draws_from(generator).random() != draws_from(generator).random()
