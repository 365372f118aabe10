"""Sentences as chains of phrases in two languages, with the exact mathematics of sentences of one length.

The grammar is a finite automaton whose arcs are phrases. Conditioning it on the number of source words is a sum over
arcs, shortest sentences first, so that entropies and expected counts need no sampling.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from random import Random
from typing import NamedTuple

from attnbench.tasks.examples import Link


class State(NamedTuple):
    """A place in the sentence and the gender of the noun that the next verb belongs to."""

    place: str
    gender: str


@dataclass(frozen=True)
class TargetWord:
    """One word of a phrase's target.

    Attributes:
        anchor: the source position in the phrase that it translates.
        forms: what it is for each of the words that may stand there.
        possible: other source positions in the phrase that it depends on.
        agrees: whether it depends on the head of the sentence so far, which stands in an earlier phrase.
    """

    anchor: int
    forms: tuple[str, ...]
    possible: tuple[int, ...] = ()
    agrees: bool = False


@dataclass(frozen=True, eq=False)
class Phrase:
    """A piece of a sentence: independent uniform choices of words, and where the sentence goes on.

    Attributes:
        probability: that it is chosen in its state, before a length is asked for.
        source: the words that may stand at each source position.
        target: the words of the target in their order.
        following: the state after it.
        head: the source position in the phrase that words of later phrases agree with, where there is one.
    """

    probability: float
    source: tuple[tuple[str, ...], ...]
    target: tuple[TargetWord, ...]
    following: State
    head: int | None = None

    @cached_property
    def word_bits(self) -> float:
        """The entropy of the words, given the phrase."""
        return sum(math.log2(len(words)) for words in self.source)


class Choices(NamedTuple):
    """The phrases that may come next and how probable they are, given how many source words are left."""

    phrases: tuple[Phrase, ...]
    shares: tuple[float, ...]


class _Step(NamedTuple):
    """Where a phrase leads, and its words on both sides."""

    following: State
    source: int
    target: int


_Lengths = dict[int, float]
"""How probable each number of target words is."""


def _no_lengths() -> _Lengths:
    return defaultdict(float)


@dataclass
class Sentence:
    """A sentence in both languages, with its alignment."""

    source: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    sure: list[Link] = field(default_factory=list)
    possible: list[Link] = field(default_factory=list)
    head: int = 0

    def append(self, phrase: Phrase, random: Random) -> None:
        """Choose the words of a phrase and write them behind what is there."""
        start = len(self.source)
        chosen = [int(random.random() * len(words)) for words in phrase.source]
        self.source += [words[choice] for words, choice in zip(phrase.source, chosen, strict=True)]
        for word in phrase.target:
            place = len(self.target)
            self.target.append(word.forms[chosen[word.anchor]])
            self.sure.append((place, start + word.anchor))
            self.possible += [(place, start + other) for other in word.possible]
            if word.agrees:
                self.possible.append((place, self.head))
        if phrase.head is not None:
            self.head = start + phrase.head


class PhraseGrammar:
    """Sentences of an exact number of source words, each as probable as in the automaton given that number.

    Args:
        start: the state before the first phrase.
        phrases: what may follow in each state.
        ends: how probable it is that the sentence is over in a state; with the phrases' probabilities it makes 1.
    """

    def __init__(
        self, start: State, phrases: Mapping[State, Sequence[Phrase]], ends: Mapping[State, float]
    ) -> None:
        self.start, self.phrases, self.ends = start, phrases, ends
        self._ending = [{state: ends.get(state, 0.0) for state in phrases}]
        self._choices: dict[tuple[State, int], Choices] = {}

    def every_phrase(self) -> Iterator[Phrase]:
        """Yield the phrases of all states."""
        return chain.from_iterable(self.phrases.values())

    def choices(self, state: State, words: int) -> Choices:
        """Return what may come next when exactly `words` source words are left; nothing where none are."""
        if (state, words) not in self._choices:
            fitting = [each for each in self.phrases[state] if self._weight(each, words) > 0]
            weights = [self._weight(each, words) for each in fitting]
            shares = tuple(weight / sum(weights) for weight in weights)
            self._choices[state, words] = Choices(tuple(fitting), shares)
        return self._choices[state, words]

    def _weight(self, phrase: Phrase, words: int) -> float:
        left = words - len(phrase.source)
        return phrase.probability * self._ends_after(left)[phrase.following] if left >= 0 else 0.0

    def _ends_after(self, words: int) -> dict[State, float]:
        """Return from each state the probability that the sentence ends after exactly so many source words."""
        while len(self._ending) <= words:
            length = len(self._ending)
            ending = {
                state: sum(self._weight(each, length) for each in of) for state, of in self.phrases.items()
            }
            self._ending.append(ending)
        return self._ending[words]

    def draw(self, length: int, random: Random) -> Sentence:
        """Return a sentence of exactly `length` source words."""
        sentence, state = Sentence(), self.start
        while len(sentence.source) < length:
            phrases, shares = self.choices(state, length - len(sentence.source))
            phrase = random.choices(phrases, shares)[0]
            sentence.append(phrase, random)
            state = phrase.following
        return sentence

    def derivation_bits(self, length: int) -> float:
        """Return the entropy of the choices that make a sentence of that length."""
        bits: list[dict[State, float]] = []
        for words in range(length + 1):
            bits.append(
                {state: self._bits(self.choices(state, words), words, bits) for state in self.phrases}
            )
        return bits[length][self.start]

    @staticmethod
    def _bits(choices: Choices, words: int, shorter: list[dict[State, float]]) -> float:
        return sum(
            share * (each.word_bits - math.log2(share) + shorter[words - len(each.source)][each.following])
            for each, share in zip(*choices, strict=True)
        )

    def uses(self, length: int) -> dict[Phrase, float]:
        """Return how often each phrase is expected in a sentence of that length."""
        visits: list[dict[State, float]] = [defaultdict(float) for _ in range(length + 1)]
        visits[length][self.start] = 1.0
        used: dict[Phrase, float] = defaultdict(float)
        for words in range(length, 0, -1):
            for state, visited in visits[words].items():
                for each, share in zip(*self.choices(state, words), strict=True):
                    used[each] += visited * share
                    visits[words - len(each.source)][each.following] += visited * share
        return used

    def target_words(self, length: int) -> dict[str, float]:
        """Return how often each target word is expected in a sentence of that length."""
        expected: dict[str, float] = defaultdict(float)
        for phrase, uses in self.uses(length).items():
            for word in phrase.target:
                for form in word.forms:
                    expected[form] += uses / len(word.forms)
        return expected

    def target_lengths(self, length: int) -> dict[int, float]:
        """Return how probable each number of target words is in a sentence of that length."""
        reached: list[dict[State, _Lengths]] = [defaultdict(_no_lengths) for _ in range(length + 1)]
        reached[length][self.start][0] = 1.0
        for words in range(length, 0, -1):
            for state, written in reached[words].items():
                for step, share in self._steps(state, words).items():
                    lengths = reached[words - step.source][step.following]
                    for target, probability in written.items():
                        lengths[target + step.target] += probability * share
        over = _no_lengths()
        for written in reached[0].values():
            for target, probability in written.items():
                over[target] += probability
        return over

    def _steps(self, state: State, words: int) -> dict[_Step, float]:
        """Return how probable each kind of next phrase is; phrases that differ in their words alone are added."""
        steps: dict[_Step, float] = defaultdict(float)
        for each, share in zip(*self.choices(state, words), strict=True):
            steps[_Step(each.following, len(each.source), len(each.target))] += share
        return steps
