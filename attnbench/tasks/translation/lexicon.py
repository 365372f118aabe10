"""Words of English with their French, chosen so that no French word is ever shortened before a vowel.

What may follow `que`, `ne`, `le`, `la`, `ce`, `ma` (names, nouns, adjectives that stand before the noun, verbs) begins
with a consonant; what may follow `a` does so in English. Every list of nouns alternates between the genders, so that
any cut of it keeps both.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal, NamedTuple

Gender = Literal["m", "f"]
GENDERS: tuple[Gender, ...] = ("m", "f")


class Noun(NamedTuple):
    """A name or a noun."""

    english: str
    french: str
    gender: Gender


class Verb(NamedTuple):
    """A verb in the third person, and the English form that follows `does not`."""

    english: str
    base: str
    french: str


class Agreeing(NamedTuple):
    """An adjective or a determiner."""

    english: str
    masculine: str
    feminine: str

    def french(self, gender: Gender) -> str:
        """Return the form that goes with a noun of that gender."""
        return self.masculine if gender == "m" else self.feminine


class Invariable(NamedTuple):
    """A word whose French has one form."""

    english: str
    french: str


@dataclass(frozen=True)
class Lexicon:
    """The open kinds of words.

    Attributes:
        living: nouns for people and animals; they act.
        things: nouns for things and places; they are acted on.
        before: adjectives that stand before the French noun.
        behind: adjectives that stand behind the French noun, or behind a linking verb.
        actions: verbs without an object.
        deeds: verbs with an object.
        links: verbs that join the subject and an adjective.
        speech: verbs that are followed by `that`.
        adverbs: they stand before the English verb and behind the French one.
    """

    names: tuple[Noun, ...]
    living: tuple[Noun, ...]
    things: tuple[Noun, ...]
    before: tuple[Agreeing, ...]
    behind: tuple[Agreeing, ...]
    actions: tuple[Verb, ...]
    deeds: tuple[Verb, ...]
    links: tuple[Verb, ...]
    speech: tuple[Verb, ...]
    adverbs: tuple[Invariable, ...]


DEFINITE = (
    Agreeing("the", "le", "la"),
    Agreeing("this", "ce", "cette"),
    Agreeing("my", "mon", "ma"),
    Agreeing("our", "notre", "notre"),
    Agreeing("every", "chaque", "chaque"),
)
INDEFINITE = Agreeing("a", "un", "une")
"""Never behind `que` (it would be shortened), nor behind a negated verb (it would become `de`)."""

PREPOSITIONS = (
    Invariable("in", "dans"),
    Invariable("on", "sur"),
    Invariable("under", "sous"),
    Invariable("behind", "derrière"),
    Invariable("toward", "vers"),
    Invariable("against", "contre"),
)
CONNECTIVES = (
    Invariable("and", "et"),
    Invariable("but", "mais"),
    Invariable("or", "ou"),
    Invariable("when", "quand"),
    Invariable("if", "si"),
)


@cache
def lexicon(words_per_kind: int) -> Lexicon:
    """Return the lexicon with so many words of each kind, or all there are."""
    kinds = {field.name: getattr(WHOLE, field.name)[:words_per_kind] for field in fields(WHOLE)}
    return replace(WHOLE, **kinds)


def _rows(text: str) -> list[list[str]]:
    return [row.split() for row in text.split(",")]


def _nouns(masculine: str, feminine: str) -> tuple[Noun, ...]:
    """Return the nouns of two lists in turn; a name stands alone because it is the same in both languages."""
    pairs = zip(_rows(masculine), _rows(feminine), strict=True)
    return tuple(
        Noun(row[0], row[-1], gender) for pair in pairs for row, gender in zip(pair, GENDERS, strict=True)
    )


def _verbs(text: str) -> tuple[Verb, ...]:
    return tuple(Verb(*row) for row in _rows(text))


def _adjectives(text: str) -> tuple[Agreeing, ...]:
    return tuple(Agreeing(row[0], row[1], row[-1]) for row in _rows(text))


def _invariables(text: str) -> tuple[Invariable, ...]:
    return tuple(Invariable(*row) for row in _rows(text))


WHOLE = Lexicon(
    names=_nouns(
        "Paul, Pierre, Lucas, Marc, Thomas, Victor, Daniel, Simon",
        "Marie, Julie, Sophie, Claire, Laura, Louise, Nina, Lucie",
    ),
    living=_nouns(
        """dog chien, cat chat, horse cheval, rabbit lapin, wolf loup, fox renard, duck canard, pig cochon,
        monkey singe, king roi, boy garçon, baker boulanger, doctor médecin, teacher professeur, soldier soldat,
        prince prince, father père, brother frère, thief voleur, poet poète""",
        """mouse souris, cow vache, goat chèvre, hen poule, frog grenouille, turtle tortue, giraffe girafe,
        whale baleine, wasp guêpe, queen reine, girl fille, woman femme, lady dame, witch sorcière, mother mère,
        princess princesse, sister sœur, fairy fée, duchess duchesse, widow veuve""",
    ),
    things=_nouns(
        """garden jardin, bed lit, bridge pont, village village, boat bateau, castle château, theatre théâtre,
        wall mur, field champ, market marché, shop magasin, mirror miroir""",
        """house maison, table table, river rivière, forest forêt, mountain montagne, city ville, car voiture,
        station gare, kitchen cuisine, tower tour, chair chaise, beach plage""",
    ),
    before=_adjectives(
        """big grand grande, small petit petite, good bon bonne, beautiful beau belle, new nouveau nouvelle,
        young jeune, bad mauvais mauvaise, pretty joli jolie, fat gros grosse, nasty vilain vilaine"""
    ),
    behind=_adjectives(
        """red rouge, white blanc blanche, happy content contente, green vert verte, sad triste, black noir noire,
        tired fatigué fatiguée, blue bleu bleue, mad fou folle, grey gris grise, proud fier fière, rich riche,
        lost perdu perdue, calm calme, lazy paresseux paresseuse, shy timide, curious curieux curieuse,
        famous célèbre, slow lent lente, quick rapide, strong fort forte, funny drôle, nervous nerveux nerveuse,
        sick malade"""
    ),
    actions=_verbs(
        """sleeps sleep dort, sings sing chante, laughs laugh rit, dances dance danse, cries cry pleure,
        works work travaille, runs run court, falls fall tombe, swims swim nage, smiles smile sourit,
        dreams dream rêve, trembles tremble tremble, snores snore ronfle, lies lie ment, speaks speak parle,
        travels travel voyage, plays play joue, walks walk marche, coughs cough tousse, wins win gagne"""
    ),
    deeds=_verbs(
        """sees see voit, follows follow suit, finds find trouve, watches watch regarde, thanks thank remercie,
        hides hide cache, carries carry porte, washes wash lave, pushes push pousse, pulls pull tire,
        draws draw dessine, paints paint peint, takes take prend, loses lose perd, protects protect protège,
        touches touch touche, cleans clean nettoie, leaves leave quitte, visits visit visite, shows show montre,
        sells sell vend, prefers prefer préfère, fears fear craint, saves save sauve, hates hate déteste,
        describes describe décrit, chooses choose choisit, knows know connaît"""
    ),
    links=_verbs("seems seem semble, becomes become devient, remains remain reste, appears appear paraît"),
    speech=_verbs(
        """says say dit, thinks think pense, believes believe croit, swears swear jure, repeats repeat répète,
        claims claim prétend"""
    ),
    adverbs=_invariables(
        """often souvent, always toujours, sometimes parfois, rarely rarement, really vraiment, suddenly soudain,
        finally enfin, already déjà, still encore, also aussi, probably probablement, clearly clairement"""
    ),
)
