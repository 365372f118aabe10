"""A synchronous grammar of English and French: what may follow what, and how each phrase is said.

Example words in capitals stand for all words of their kind: MARIE a name, DOG a living being, HOUSE a thing, THE a
definite determiner, A any determiner, BIG and RED adjectives before and behind the French noun, HAPPY an adjective
that agrees with the subject, OFTEN an adverb, IN a preposition, AND a connective; the verbs are named by their kind
in the lexicon, `base` standing for the form that follows `does not`.

In the French of a phrase `pas<not~does` says that `pas` translates `not` and depends on `does`; without `<` a word
translates the English word of the same name. `~SUBJECT` is the noun that the verb belongs to.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import NamedTuple

from attnbench.tasks.translation.automaton import Phrase, PhraseGrammar, State, TargetWord
from attnbench.tasks.translation.lexicon import (
    CONNECTIVES,
    DEFINITE,
    GENDERS,
    INDEFINITE,
    PREPOSITIONS,
    Agreeing,
    Gender,
    Lexicon,
    Noun,
    lexicon,
)

Words = Mapping[str, tuple[tuple[str, str], ...]]
"""For each kind the English words with their French."""

NOUNS = ("MARIE", "DOG", "HOUSE")
HEAD_PLACES = ("clause", "object", "definite object")
"""Where a noun becomes the one that a following `who` or verb belongs to."""


class Template(NamedTuple):
    """A phrase before its words are known, with its weight against the others of its place."""

    weight: float
    english: str
    french: str
    following: str


def noun_phrases(
    weight: float, determiner: str, noun: str, following: str, opening: tuple[str, str] = ("", "")
) -> list[Template]:
    """Return a noun with and without adjectives; `opening` is what stands ahead of it in English and in French."""
    of = f"~{noun}"
    shapes = [
        (0.45, f"{determiner} {noun}", f"{determiner}{of} {noun}"),
        (0.20, f"{determiner} BIG {noun}", f"{determiner}{of} BIG{of} {noun}"),
        (0.25, f"{determiner} RED {noun}", f"{determiner}{of} {noun} RED{of}"),
        (0.10, f"{determiner} BIG RED {noun}", f"{determiner}{of} BIG{of} {noun} RED{of}"),
    ]
    return [
        Template(weight * share, f"{opening[0]} {english}", f"{opening[1]} {french}", following)
        for share, english, french in shapes
    ]


def affirmed(weight: float, kind: str, following: str, english: str = "", french: str = "") -> list[Template]:
    """Return a verb with and without an adverb; `english` and `french` are what always stands behind it."""
    return [
        Template(0.8 * weight, f"{kind} {english}", f"{kind} {french}", following),
        Template(0.2 * weight, f"OFTEN {kind} {english}", f"{kind} OFTEN {french}", following),
    ]


def denied(weight: float, kind: str, following: str, english: str = "", french: str = "") -> list[Template]:
    """Return a negated verb: its French stands between two words."""
    base = f"base-{kind}"
    shapes = [
        (0.5, f"does not {base}", f"ne<not~does {base}~does pas<not~does"),
        (0.25, f"never {kind}", f"ne<never {kind} jamais<never"),
        (0.25, f"no longer {kind}", f"ne<no~longer {kind} plus<longer~no"),
    ]
    return [
        Template(weight * share, f"{before} {english}", f"{around} {french}", following)
        for share, before, around in shapes
    ]


def predicates(after: str, any_object: str, definite_object: str) -> list[Template]:
    """Return what can be said of a subject, but for speech."""
    return [
        *affirmed(2.4, "ACTS", after),
        *denied(1.2, "ACTS", after),
        *affirmed(2.4, "DOES", any_object),
        *denied(1.2, "DOES", definite_object),
        *affirmed(1.0, "SEEMS", after, "HAPPY", "HAPPY~SUBJECT"),
        *denied(0.6, "SEEMS", after, "HAPPY", "HAPPY~SUBJECT"),
    ]


def objects(determiner: str, after_living: str, after: str) -> list[Template]:
    """Return what can be acted on."""
    return [
        Template(2, "MARIE", "MARIE", after),
        *noun_phrases(4, determiner, "DOG", after_living),
        *noun_phrases(4, determiner, "HOUSE", after),
    ]


def where(weight: float, following: str) -> list[Template]:
    """Return places at which something is done."""
    return [
        *noun_phrases(0.9 * weight, "A", "HOUSE", following, opening=("IN", "IN")),
        *noun_phrases(0.1 * weight, "A", "HOUSE", following, opening=("in front of", "devant<front~in~of")),
    ]


CLAUSE_ENDS = [
    Template(3, "AND", "AND", "clause"),
    Template(1, "because", "parce<because que<because", "clause"),
    Template(1, "while", "pendant<while que<while", "clause"),
]
AFTER_VERB = [*where(1.5, "end"), *CLAUSE_ENDS]
MAIN = [
    *predicates("after verb", "object", "definite object"),
    *affirmed(1.2, "SAYS", "clause", "that", "que<that"),
]
PLACES: dict[str, list[Template]] = {
    "clause": [Template(3, "MARIE", "MARIE", "predicate"), *noun_phrases(7, "THE", "DOG", "subject")],
    "subject": [Template(2, "who", "qui<who", "aside"), *MAIN],
    "predicate": MAIN,
    "object": objects("A", "living object", "after verb"),
    "definite object": objects("THE", "living object", "after verb"),
    "living object": [Template(1.5, "who", "qui<who", "predicate"), *AFTER_VERB],
    "after verb": AFTER_VERB,
    "end": CLAUSE_ENDS,
    "aside": predicates("after aside", "object aside", "definite object aside"),
    "object aside": objects("A", "after aside", "after aside"),
    "definite object aside": objects("THE", "after aside", "after aside"),
    "after aside": [*where(2, "predicate"), *MAIN],
}
END_WEIGHTS = {"living object": 2.0, "after verb": 2.0, "end": 2.0}


@cache
def french_grammar(words_per_kind: int) -> PhraseGrammar:
    """Return the grammar with so many words of each open kind, or all there are."""
    words = lexicon(words_per_kind)
    states = [State(place, gender) for place in PLACES for gender in GENDERS]
    weighed = {state: list(_weighed_phrases(state, words)) for state in states}
    totals = {state: sum(each.probability for each in weighed[state]) + _end(state) for state in states}
    phrases = {
        state: [
            Phrase(each.probability / totals[state], each.source, each.target, each.following, each.head)
            for each in weighed[state]
        ]
        for state in states
    }
    ends = {state: _end(state) / totals[state] for state in states}
    return PhraseGrammar(State("clause", "m"), phrases, ends)


def _end(state: State) -> float:
    return END_WEIGHTS.get(state.place, 0.0)


def _weighed_phrases(state: State, words: Lexicon) -> Iterator[Phrase]:
    """Yield every phrase of a place, once for each gender that its noun may have; probabilities not yet normalised."""
    for template, gender in product(PLACES[state.place], GENDERS):
        noun = next((kind for kind in NOUNS if kind in template.english.split()), None)
        if noun is None and gender != state.gender:
            continue
        share = 1.0 if noun is None else _share(_nouns(words, noun), gender)
        if share > 0:
            yield _phrase(template, share, noun, gender, state, words)


def _phrase(
    template: Template, share: float, noun: str | None, gender: Gender, state: State, words: Lexicon
) -> Phrase:
    kinds = _kinds(words, gender)
    english = template.english.split()
    is_head = noun is not None and state.place in HEAD_PLACES
    return Phrase(
        probability=template.weight * share,
        source=tuple(tuple(said for said, _ in kinds.get(slot, ((slot, slot),))) for slot in english),
        target=tuple(_target_word(text, english, kinds) for text in template.french.split()),
        following=State(template.following, gender if is_head else state.gender),
        head=english.index(noun) if is_head and noun else None,
    )


def _target_word(text: str, english: list[str], kinds: Words) -> TargetWord:
    word, *depends = text.split("~")
    form, _, anchor = word.partition("<")
    return TargetWord(
        anchor=english.index(anchor or form),
        forms=(form,) if anchor else tuple(french for _, french in kinds[form]),
        possible=tuple(english.index(other) for other in depends if other != "SUBJECT"),
        agrees="SUBJECT" in depends,
    )


def _kinds(words: Lexicon, gender: Gender) -> Words:
    """Return the words of every kind, agreeing with a noun of that gender."""
    definite, any_determiner = _agreeing(DEFINITE, gender), _agreeing((*DEFINITE, INDEFINITE), gender)
    behind = _agreeing(words.behind, gender)
    verbs = {"ACTS": words.actions, "DOES": words.deeds, "SEEMS": words.links, "SAYS": words.speech}
    return {
        **{kind: _of_gender(_nouns(words, kind), gender) for kind in NOUNS},
        **{kind: tuple((verb.english, verb.french) for verb in of) for kind, of in verbs.items()},
        **{f"base-{kind}": tuple((verb.base, verb.french) for verb in of) for kind, of in verbs.items()},
        **{"THE": definite, "A": any_determiner},
        **{"BIG": _agreeing(words.before, gender), "RED": behind, "HAPPY": behind},
        **{"OFTEN": words.adverbs, "IN": PREPOSITIONS, "AND": CONNECTIVES},
    }


def _nouns(words: Lexicon, kind: str) -> tuple[Noun, ...]:
    return {"MARIE": words.names, "DOG": words.living, "HOUSE": words.things}[kind]


def _share(nouns: tuple[Noun, ...], gender: Gender) -> float:
    return sum(noun.gender == gender for noun in nouns) / len(nouns)


def _of_gender(nouns: tuple[Noun, ...], gender: Gender) -> tuple[tuple[str, str], ...]:
    return tuple((noun.english, noun.french) for noun in nouns if noun.gender == gender)


def _agreeing(words: tuple[Agreeing, ...], gender: Gender) -> tuple[tuple[str, str], ...]:
    return tuple((word.english, word.french(gender)) for word in words)
