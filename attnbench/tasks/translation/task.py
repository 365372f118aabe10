"""Translation of English sentences into French, made by one grammar and solved by a dictionary."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import takewhile

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from attnbench.batch import Batch
from attnbench.ranges import Count
from attnbench.tasks.base import LengthRange, MarkableTask, Split, refuse_length
from attnbench.tasks.examples import Example, batch_of, draws_from
from attnbench.tasks.translation.automaton import PhraseGrammar, Sentence
from attnbench.tasks.translation.french import french_grammar
from attnbench.tasks.translation.lexicon import (
    CONNECTIVES,
    DEFINITE,
    INDEFINITE,
    PREPOSITIONS,
    WHOLE,
    Agreeing,
    Gender,
    Noun,
    Verb,
)
from attnbench.vocabulary import EOS, PAD, WordVocabulary

SHORTEST = 2


@dataclass(frozen=True, kw_only=True)
class Translation(MarkableTask):
    """Say an English sentence in French. The length counts English words, exactly; French may have more or fewer.

    Most French adjectives stand behind the noun, all agree with its gender, and a negation is wrapped around the verb:

        source   the big red mouse does not see Paul
        target   la grande souris rouge ne voit pas Paul

    An adjective behind a verb agrees with a subject that may stand far ahead of it, and some words become two:

        source   this queen who follows a dog seems happy because my brother never sleeps
        target   cette reine qui suit un chien semble contente parce que mon frère ne dort jamais

    Every French word is surely aligned with the English word that it translates, and possibly with those that it
    depends on: an article with its noun, an adjective with the noun that it agrees with, `ne … pas` with `does`.

    Sentences grow by subordinate and coordinate clauses. They are drawn from a probabilistic grammar, given their
    number of English words. The words of a sentence can be told from its French, so that its information is known
    exactly; where the decoder is told how many words to write (no end mark), what that tells is left out of it.

    Attributes:
        vocabulary_size: how many words there are of each open kind (names, nouns for the living, nouns for things,
            kinds of verbs and of adjectives, adverbs); a kind that has fewer uses all of them.
    """

    length_unit = "words"

    vocabulary_size: Count

    @cached_property
    def source_vocabulary(self) -> WordVocabulary:
        phrases = self._grammar.every_phrase()
        return WordVocabulary(sorted({word for each in phrases for words in each.source for word in words}))

    @cached_property
    def target_vocabulary(self) -> WordVocabulary:
        phrases = self._grammar.every_phrase()
        return WordVocabulary(
            sorted({form for each in phrases for word in each.target for form in word.forms})
        )

    @property
    def _grammar(self) -> PhraseGrammar:
        return french_grammar(self.vocabulary_size)

    def check_length(self, length: int) -> None:
        if length < SHORTEST:
            reason = "a sentence has a subject and a verb."
            raise refuse_length(self, length, reason, f"Use lengths from {SHORTEST}.")

    def sample(self, split: Split, length: int, count: int, generator: Generator) -> Batch:
        random = draws_from(generator)
        sentences = [self._grammar.draw(length, random) for _ in range(count)]
        references = tuple(" ".join(sentence.target) for sentence in sentences)
        return replace(batch_of([self._example(each) for each in sentences]), references=references)

    def _example(self, sentence: Sentence) -> Example:
        target = self._target(" ".join(sentence.target))
        return Example(
            source=self.source_vocabulary.encode(" ".join(sentence.source)),
            target=target,
            scored=[True] * len(target),
            sure=sentence.sure,
            possible=sentence.possible,
        )

    def _target(self, french: str) -> list[int]:
        return self.target_vocabulary.encode(french) + [EOS] * self.eos

    def solve(self, batch: Batch) -> Tensor:
        english = [self.source_vocabulary.decode(row) for row in batch.source.tolist()]
        rows = [torch.tensor(self._target(Oracle(words.split()).translate())) for words in english]
        return pad_sequence(rows, batch_first=True, padding_value=PAD)

    def chance_accuracy(self, lengths: LengthRange) -> float:
        """Return the better of a guesser among all words and one who always says the commonest word, exactly."""
        expected = self._grammar.target_words(lengths.maximum)
        ends = [1.0] if self.eos else []
        return max(1 / len(self.answers), max(*expected.values(), *ends) / sum([*expected.values(), *ends]))

    def information_bits(self, lengths: LengthRange) -> float:
        """Return the entropy of the French sentence, given its number of words where the decoder is told that.

        No two ways through the grammar lead to the same French, so this is the entropy of the way.
        """
        bits = self._grammar.derivation_bits(lengths.maximum)
        if self.eos:
            return bits
        shares = self._grammar.target_lengths(lengths.maximum).values()
        return bits + sum(share * math.log2(share) for share in shares if share)


NEGATIONS: dict[tuple[str, ...], str] = {
    ("does", "not"): "pas",
    ("never",): "jamais",
    ("no", "longer"): "plus",
}
FIXED: dict[tuple[str, ...], list[str]] = {
    ("in", "front", "of"): ["devant"],
    ("because",): ["parce", "que"],
    ("while",): ["pendant", "que"],
    ("that",): ["que"],
    ("who",): ["qui"],
    **{(word.english,): [word.french] for word in (*PREPOSITIONS, *CONNECTIVES)},
}
OPENS_CLAUSE = {"that", "because", "while", *(word.english for word in CONNECTIVES)}


class Oracle:
    """Translates one sentence from left to right.

    >>> Oracle("the big red mouse does not seem happy because Paul often sleeps".split()).translate()
    'la grande souris rouge ne semble pas contente parce que Paul dort souvent'
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.place = 0
        self.awaits_subject = True
        self.last_noun: Gender = "m"
        self.subject: Gender = "m"

    def translate(self) -> str:
        """Return the French sentence."""
        return " ".join(french for part in self._parts() for french in part)

    def _parts(self) -> Iterator[list[str]]:
        while self.place < len(self.words):
            yield self._fixed() or self._noun_phrase() or self._verb_phrase()

    def _ahead(self, pattern: tuple[str, ...]) -> bool:
        return tuple(self.words[self.place : self.place + len(pattern)]) == pattern

    def _take(self) -> str:
        self.place += 1
        return self.words[self.place - 1]

    def _fixed(self) -> list[str]:
        for pattern, french in FIXED.items():
            if self._ahead(pattern):
                self.place += len(pattern)
                if pattern == ("who",):
                    self.subject = self.last_noun
                self.awaits_subject |= pattern[0] in OPENS_CLAUSE
                return french
        return []

    def _noun_phrase(self) -> list[str]:
        """Translate a name, or what reaches from a determiner to a noun."""
        ahead = self.words[self.place :]
        if ahead[0] not in nouns() and ahead[0] not in determiners():
            return []
        before_noun = list(takewhile(lambda word: word not in nouns(), ahead))
        self.place += len(before_noun)
        noun = nouns()[self._take()]
        self._note(noun)
        determiner = [determiners()[word].french(noun.gender) for word in before_noun[:1]]
        before = _agreeing(before_noun, WHOLE.before, noun.gender)
        return [*determiner, *before, noun.french, *_agreeing(before_noun, WHOLE.behind, noun.gender)]

    def _note(self, noun: Noun) -> None:
        """Keep the gender of the noun, and of the subject where one is awaited."""
        self.last_noun = noun.gender
        if self.awaits_subject:
            self.subject, self.awaits_subject = noun.gender, False

    def _verb_phrase(self) -> list[str]:
        """Translate an adverb or a negation, the verb, and an adjective behind it."""
        adverbs = {word.english: word.french for word in WHOLE.adverbs}
        negation = next((each for each in NEGATIONS if self._ahead(each)), ())
        self.place += len(negation)
        adverb = [adverbs[self._take()]] if self.words[self.place] in adverbs else []
        verb = [verbs()[self._take()]]
        if negation:
            verb = ["ne", *verb, NEGATIONS[negation]]
        adjective = _agreeing(self.words[self.place : self.place + 1], WHOLE.behind, self.subject)
        self.place += len(adjective)
        return [*verb, *adverb, *adjective]


def _agreeing(words: Iterable[str], adjectives: tuple[Agreeing, ...], gender: Gender) -> list[str]:
    """Return the French of those words that are among the adjectives."""
    french = {each.english: each.french(gender) for each in adjectives}
    return [french[word] for word in words if word in french]


@cache
def nouns() -> dict[str, Noun]:
    """Return names and nouns by their English."""
    return {noun.english: noun for noun in (*WHOLE.names, *WHOLE.living, *WHOLE.things)}


@cache
def determiners() -> dict[str, Agreeing]:
    """Return determiners by their English."""
    return {word.english: word for word in (*DEFINITE, INDEFINITE)}


@cache
def verbs() -> dict[str, str]:
    """Return the French of either English form of a verb."""
    every: tuple[Verb, ...] = (*WHOLE.actions, *WHOLE.deeds, *WHOLE.links, *WHOLE.speech)
    return {form: verb.french for verb in every for form in (verb.english, verb.base)}
