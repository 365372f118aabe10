"""The ceiling of accuracy behind a channel of known size: known numbers, and codes that cannot exceed it."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

import pytest

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.tasks.base import LengthRange
from attnbench.tasks.ceiling import UniformAnswers, rate_bits, uniform_ceiling

Source = tuple[Hashable, ...]


@pytest.mark.parametrize(
    ("tokens", "accuracy"),
    [(1, 1.0), (4, 1.0), (8, 1.0), (16, 0.71), (24, 0.57), (32, 0.49), (10**6, 0.0637)],
)
def test_of_32_bits_and_16_symbols(tokens: int, accuracy: float) -> None:
    assert UniformAnswers(tokens, 16).accuracy_ceiling(32) == pytest.approx(accuracy, abs=0.005)


def test_a_coin_by_hand() -> None:
    # H_b(.110028) = .5: half a bit for each of two values leaves 11 % of the answers wrong.
    assert uniform_ceiling(0.5, 2) == pytest.approx(1 - 0.110028, abs=1e-6)
    assert rate_bits(0.110028, 2) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("symbols", [1, 2, 3, 10, 16, 64])
def test_no_bits_leave_chance_and_all_bits_leave_no_error(symbols: int) -> None:
    assert UniformAnswers(7, symbols).accuracy_ceiling(0) == pytest.approx(1 / symbols)
    assert UniformAnswers(7, symbols).accuracy_ceiling(7 * math.log2(symbols)) == 1.0
    assert UniformAnswers(7, symbols).accuracy_ceiling(10**6) == 1.0


@pytest.mark.parametrize("symbols", [2, 3, 16])
def test_it_rises_with_bits_and_falls_with_length(symbols: int) -> None:
    by_bits = [UniformAnswers(40, symbols).accuracy_ceiling(bits) for bits in range(41)]
    by_length = [UniformAnswers(n, symbols).accuracy_ceiling(9) for n in range(10, 90)]
    assert all(low < high for low, high in itertools.pairwise(by_bits))
    assert all(high > low for high, low in itertools.pairwise(by_length))
    assert all(1 / symbols <= each <= 1 for each in by_bits + by_length)


@pytest.mark.parametrize(("symbols", "bits"), [(2, 3), (3, 4), (16, 32)])
def test_at_the_ceiling_the_rate_is_what_crosses(symbols: int, bits: int) -> None:
    for tokens in range(bits, 60):
        error = 1 - UniformAnswers(tokens, symbols).accuracy_ceiling(bits)
        assert tokens * rate_bits(error, symbols) <= bits + 1e-6
        if error:
            assert tokens * rate_bits(error, symbols) == pytest.approx(bits, abs=1e-6)


def best_share(groups: Iterator[tuple[Hashable, Hashable]]) -> float:
    """Return how often the best answer is right, to one who knows the first of each pair and is asked the second."""
    answers: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for known, answer in groups:
        answers[known][answer] += 1
    asked = sum(sum(counts.values()) for counts in answers.values())
    return sum(max(counts.values()) for counts in answers.values()) / asked


def free_running(sources: Sequence[Source], code: Sequence[int]) -> float:
    """Return the best accuracy of a decoder that has the code alone."""
    n = len(sources[0])
    return best_share(((k, i), x[i]) for x, k in zip(sources, code, strict=True) for i in range(n))


def teacher_forced(sources: Sequence[Source], code: Sequence[int]) -> float:
    """Return the best accuracy of a decoder that has the right symbols before each one besides."""
    n = len(sources[0])
    return best_share(((k, x[:i]), x[i]) for x, k in zip(sources, code, strict=True) for i in range(n))


@pytest.mark.parametrize("decode", [free_running, teacher_forced])
@pytest.mark.parametrize(
    ("tokens", "symbols", "bits"), [(1, 3, 1), (2, 2, 1), (3, 2, 1), (2, 3, 1), (2, 2, 2), (4, 2, 0)]
)
def test_no_code_at_all_exceeds_it(
    tokens: int, symbols: int, bits: int, decode: Callable[[Sequence[Source], Sequence[int]], float]
) -> None:
    sources = list(itertools.product(range(symbols), repeat=tokens))
    best = max(decode(sources, code) for code in itertools.product(range(2**bits), repeat=len(sources)))
    ceiling = UniformAnswers(tokens, symbols).accuracy_ceiling(bits)
    assert best <= ceiling + 1e-9
    assert best > ceiling - 0.25  # and it is not far away
    if bits in (0, tokens * math.log2(symbols)):
        assert best == pytest.approx(ceiling)


def test_no_code_of_pairs_exceeds_it_in_recall() -> None:
    """Two of three keys with one of two values each, asked in either order, by one bit that does not know the order."""
    keys = list(itertools.combinations(range(3), 2))
    sources = [
        dict(zip(pair, values, strict=True))
        for pair in keys
        for values in itertools.product((0, 1), repeat=2)
    ]

    def looks(code: Sequence[int]) -> Iterator[tuple[Hashable, Hashable]]:
        for source, k in zip(sources, code, strict=True):
            for first, second in itertools.permutations(source):
                yield (k, first), source[first]
                yield (k, first, source[first], second), source[second]

    best = max(best_share(looks(code)) for code in itertools.product((0, 1), repeat=len(sources)))
    assert 0.7 < best <= UniformAnswers(2, 2).accuracy_ceiling(1)


def test_a_known_end_mark_is_one_answer_more() -> None:
    # Five answers of which one is known and the others are guessed among four.
    assert UniformAnswers(4, 4, known=1).accuracy_ceiling(0) == pytest.approx((4 / 4 + 1) / 5)
    assert UniformAnswers(4, 4, known=1).accuracy_ceiling(8) == 1.0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task=copy", "task.vocabulary_size=5"], UniformAnswers(6, 5)),
        (["task=reverse"], UniformAnswers(6, 16)),
        (["task=reverse", "task.eos=true"], UniformAnswers(6, 16, known=1)),
        (["task=recall", "task.vocabulary_size=5"], UniformAnswers(6, 5)),
        (["task=recall", "task.question=before"], UniformAnswers(1, 16)),
        # What comes again, or in an order of its own, is neither independent nor uniform.
        (["task=repeat"], None),
        (["task=periodic", "task.period=2"], None),
        (["task=periodic", "task.period=6"], UniformAnswers(6, 16)),
        (["task=sort"], None),
        (["task=story_qa"], None),
        (["task=translation"], None),
        (["task=summary"], None),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_the_answers_that_are_independent_and_uniform(
    words: list[str], expected: UniformAnswers | None
) -> None:
    task = request_run(Configuration(), words).spec.task
    assert task.uniform_answers(LengthRange(6, 6)) == expected
