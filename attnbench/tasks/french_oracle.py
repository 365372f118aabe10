"""English into French by the dictionary, word by word: this knows nothing of the grammar that makes the sentences."""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile

from attnbench.tasks.french_lexicon import (
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
