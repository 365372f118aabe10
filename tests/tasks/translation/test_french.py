"""The words of English and French, and the grammar that joins them."""

import math
from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from attnbench.tasks.translation.automaton import PhraseGrammar, Sentence, State
from attnbench.tasks.translation.french import PLACES, french_grammar
from attnbench.tasks.translation.lexicon import (
    CONNECTIVES,
    DEFINITE,
    INDEFINITE,
    PREPOSITIONS,
    WHOLE,
    lexicon,
)
from attnbench.tasks.translation.task import Oracle

VOWELS = set("aeiouyhàâéèêëîïôùûœ")


def translated(english: str) -> str:
    return Oracle(english.split()).translate()


def drawn(english: str) -> Sentence:
    """Return this sentence as the smallest grammar makes it."""
    grammar, random, words = french_grammar(1), Random(0), english.split()
    candidates = (grammar.draw(len(words), random) for _ in range(50_000))
    return next(sentence for sentence in candidates if sentence.source == words)


def every_sentence(grammar: PhraseGrammar, state: State, words: int) -> Iterator[tuple[float, str, str]]:
    """Yield the probability and both sides of every sentence, by trying all choices."""
    if words == 0:
        yield 1.0, "", ""
    for phrase, share in zip(*grammar.choices(state, words), strict=True):
        rests = list(every_sentence(grammar, phrase.following, words - len(phrase.source)))
        for chosen in product(*(range(len(choice)) for choice in phrase.source)):
            english = " ".join(choice[i] for choice, i in zip(phrase.source, chosen, strict=True))
            french = " ".join(word.forms[chosen[word.anchor]] for word in phrase.target)
            for probability, more_english, more_french in rests:
                joint = share * probability / math.prod(map(len, phrase.source))
                yield joint, f"{english} {more_english}".strip(), f"{french} {more_french}".strip()


class TestLexicon:
    def test_there_are_enough_words(self) -> None:
        assert len(WHOLE.names) >= 12
        assert len(WHOLE.living + WHOLE.things) >= 40
        assert len(WHOLE.actions + WHOLE.deeds + WHOLE.links + WHOLE.speech) >= 25
        assert len(WHOLE.before + WHOLE.behind) >= 25

    def test_no_french_word_is_shortened_before_a_vowel(self) -> None:
        nouns = [noun.french for noun in WHOLE.names + WHOLE.living + WHOLE.things]
        adjectives = [form for each in WHOLE.before for form in (each.masculine, each.feminine)]
        verbs = [verb.french for verb in WHOLE.actions + WHOLE.deeds + WHOLE.links + WHOLE.speech]
        assert [word for word in nouns + adjectives + verbs if word[0].lower() in VOWELS] == []

    def test_no_english_word_needs_an_instead_of_a(self) -> None:
        words = [*WHOLE.living, *WHOLE.things, *WHOLE.before, *WHOLE.behind]
        assert [word.english for word in words if word.english[0] in "aeiou"] == []

    def test_no_two_words_are_alike_in_either_language(self) -> None:
        nouns, verbs = WHOLE.names + WHOLE.living + WHOLE.things, WHOLE.actions + WHOLE.deeds
        verbs = verbs + WHOLE.links + WHOLE.speech
        agreeing = [*WHOLE.before, *WHOLE.behind, *DEFINITE, INDEFINITE]
        fixed = [*WHOLE.adverbs, *PREPOSITIONS, *CONNECTIVES]
        english = [word.english for word in [*nouns, *verbs, *agreeing, *fixed]] + [
            verb.base for verb in verbs
        ]
        french = [word.french for word in [*nouns, *verbs, *fixed]]
        french += [form for word in agreeing for form in {word.masculine, word.feminine}]
        for words in (english, french):
            assert sorted(words) == sorted(set(words))

    def test_a_cut_keeps_both_genders(self) -> None:
        cut = lexicon(2)
        assert [[noun.gender for noun in nouns] for nouns in (cut.names, cut.living, cut.things)] == [
            ["m", "f"]
        ] * 3
        assert lexicon(1000) == WHOLE


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("Paul sleeps", "Paul dort"),
        ("my pretty white mouse rarely sings", "ma jolie souris blanche chante rarement"),
        ("Marie sees the dog who seems happy", "Marie voit le chien qui semble content"),
        ("the queen who sees the dog seems happy", "la reine qui voit le chien semble contente"),
        ("Paul says that Julie does not seem sad", "Paul dit que Julie ne semble pas triste"),
        ("this cow never sleeps in front of our house", "cette vache ne dort jamais devant notre maison"),
        ("Paul no longer follows a wolf in a field", "Paul ne suit plus un loup dans un champ"),
        ("the cow often becomes mad while the wolf becomes mad",
         "la vache devient souvent folle pendant que le loup devient fou"),
        ("Paul sees every lady who hides a lazy wolf", "Paul voit chaque dame qui cache un loup paresseux"),
    ],
)  # fmt: skip
def test_sentences_translated_by_hand(english: str, french: str) -> None:
    assert translated(english) == french


class TestAlignment:
    @pytest.mark.parametrize(
        ("english", "french", "sure", "possible"),
        [
            ("Paul often sleeps", "Paul dort souvent", [(0, 0), (1, 2), (2, 1)], []),
            (
                "Paul does not sleep",
                "Paul ne dort pas",
                [(0, 0), (1, 2), (2, 3), (3, 2)],
                [(1, 1), (2, 1), (3, 1)],
            ),
            ("Paul never sleeps", "Paul ne dort jamais", [(0, 0), (1, 1), (2, 2), (3, 1)], []),
            (
                "Paul no longer sleeps",
                "Paul ne dort plus",
                [(0, 0), (1, 1), (2, 3), (3, 2)],
                [(1, 2), (3, 1)],
            ),
            (
                "the big red dog sleeps",
                "le grand chien rouge dort",
                [(0, 0), (1, 1), (2, 3), (3, 2), (4, 4)],
                [(0, 3), (1, 3), (3, 3)],
            ),
            (
                "Paul sleeps because Paul sleeps",
                "Paul dort parce que Paul dort",
                [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 4)],
                [],
            ),
            ("Paul seems red", "Paul semble rouge", [(0, 0), (1, 1), (2, 2)], [(2, 0)]),
            (
                "Paul sees the dog who seems red",
                "Paul voit le chien qui semble rouge",
                [(i, i) for i in range(7)],
                [(2, 3), (6, 3)],
            ),
            (
                "Paul sleeps in front of the garden",
                "Paul dort devant le jardin",
                [(0, 0), (1, 1), (2, 3), (3, 5), (4, 6)],
                [(2, 2), (2, 4), (3, 6)],
            ),
        ],
    )
    def test_links_drawn_by_hand(
        self, english: str, french: str, sure: list[tuple[int, int]], possible: list[tuple[int, int]]
    ) -> None:
        sentence = drawn(english)
        assert " ".join(sentence.target) == french
        assert sentence.sure == sure
        assert sorted(sentence.possible) == possible

    def test_an_adjective_agrees_with_the_subject_across_a_relative_clause(self) -> None:
        sentence = drawn("the dog who sees Paul seems red")
        assert (6, 1) in sentence.possible
        assert (6, 4) not in sentence.possible


class TestGrammar:
    def test_what_may_follow_or_end_makes_one(self) -> None:
        for words in (1, 40):
            grammar = french_grammar(words)
            for state, phrases in grammar.phrases.items():
                assert sum(each.probability for each in phrases) + grammar.ends[state] == pytest.approx(1)

    def test_every_phrase_leads_somewhere(self) -> None:
        assert {template.following for of in PLACES.values() for template in of} <= set(PLACES)

    @pytest.mark.parametrize("words_per_kind", [1, 40])
    def test_every_length_from_two_on_can_be_made(self, words_per_kind: int) -> None:
        grammar = french_grammar(words_per_kind)
        possible = [length for length in range(151) if grammar.choices(grammar.start, length).phrases]
        assert possible == list(range(2, 151))

    def test_all_short_sentences_counted(self) -> None:
        """Both sides tell the whole way through the grammar, so that its entropy is theirs."""
        grammar = french_grammar(2)
        for length in (2, 3, 4):
            found = list(every_sentence(grammar, grammar.start, length))
            probabilities = [probability for probability, _, _ in found]
            assert sum(probabilities) == pytest.approx(1)
            assert (
                len({english for _, english, _ in found})
                == len({french for _, _, french in found})
                == len(found)
            )
            entropy = -sum(probability * math.log2(probability) for probability in probabilities)
            assert grammar.derivation_bits(length) == pytest.approx(entropy)
            assert all(translated(english) == french for _, english, french in found)

    def test_french_tells_the_way_in_long_sentences_too(self) -> None:
        grammar = french_grammar(1)
        found = list(every_sentence(grammar, grammar.start, 8))
        assert len(found) > 10_000
        assert len({french for _, _, french in found}) == len(found)

    @pytest.mark.parametrize("length", [2, 9, 30, 100])
    def test_the_dictionary_alone_translates_what_the_grammar_made(self, length: int) -> None:
        random = Random(length)
        for sentence in (french_grammar(40).draw(length, random) for _ in range(100)):
            assert translated(" ".join(sentence.source)) == " ".join(sentence.target)
