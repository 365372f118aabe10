"""The words of the stories: people, what may be said of them, and what may be said beside the point."""

from dataclasses import dataclass

PERSON, OBJECT = "{person}", "{object}"


@dataclass(frozen=True)
class Relation:
    """One thing to tell of a person.

    Attributes:
        question: asks for the object; the last word is a question mark.
        statements: ways to tell it, the plainest first, each naming person and object once; the last word is a
            full stop.
        objects: single words, in no other relation and nowhere else in a story.
    """

    question: str
    statements: tuple[str, ...]
    objects: tuple[str, ...]


def words_of(text: str) -> tuple[str, ...]:
    """Return the words between the blanks."""
    return tuple(text.split())


PEOPLE = words_of(
    """
    Alice Bob Carol Dave Emma Frank Grace Henry Irene Jack Karen Liam Mary Noah Olivia Peter Quentin Rose Sarah
    Thomas Ursula Victor Wendy Xavier Yvonne Zoe Adam Bella Charles Diana Edward Fiona George Hannah Isaac Julia
    Kevin Laura Martin Nina Oscar Paula Robert Sophie Tina Ulrich Vera Walter Anna Boris Clara Daniel Eva Felix
    Gloria Hugo Ida Jonas Kate Leo Marta Nathan Otto Ruth
    """
)

# Said right behind a name, in varied stories.
APPOSITIONS = (
    "who is tall",
    "who has a dog",
    "who wears glasses",
    "with the red hat",
    "the baker",
    "my cousin",
)

# Said at the end of a sentence, whoever it is about.
ADJUNCTS = (
    "as everybody knows",
    "they say",
    "I believe",
    "so we hear",
    "to our surprise",
    "since last summer",
    "because of a friend",
    "despite the rain",
    "these days",
    "once again",
    "without any doubt",
    "with great joy",
    "like many others",
    "against all advice",
    "after a long search",
    "for a while",
    "at last",
    "by chance",
)

RELATIONS = (
    Relation(
        question="Where does {person} live ?",
        statements=(
            "{person} lives in {object} .",
            "{person} has a home in {object} .",
            "the home of {person} is in {object} .",
        ),
        objects=words_of(
            """
            Paris London Berlin Madrid Rome Vienna Prague Lisbon Dublin Athens Oslo Stockholm Helsinki Warsaw
            Budapest Brussels Copenhagen Amsterdam Zurich Geneva Milan Naples Barcelona Munich Hamburg Moscow
            Istanbul Cairo Tokyo Beijing Delhi Toronto
            """
        ),
    ),
    Relation(
        question="Where does {person} work ?",
        statements=(
            "{person} works at the {object} .",
            "{person} has a job at the {object} .",
            "the {object} pays {person} every month .",
        ),
        objects=words_of(
            """
            bakery bank hospital school library museum theatre factory airport station harbour hotel restaurant
            pharmacy garage cinema zoo farm mill brewery court embassy laboratory university bookshop market
            prison studio stadium kindergarten castle monastery
            """
        ),
    ),
    Relation(
        question="What does {person} like ?",
        statements=(
            "{person} likes {object} .",
            "{person} is fond of {object} .",
            "it is {object} that {person} likes most .",
        ),
        objects=words_of(
            """
            tea coffee milk bread cheese butter honey apples pears plums grapes cherries lemons bananas soup rice
            pasta pizza salad fish chicken eggs tomatoes potatoes carrots onions mushrooms beans nuts chocolate cake
            biscuits
            """
        ),
    ),
    Relation(
        question="What does {person} play ?",
        statements=(
            "{person} plays the {object} .",
            "{person} practises the {object} every day .",
            "the {object} is what {person} plays .",
        ),
        objects=words_of(
            """
            piano violin viola cello guitar flute clarinet oboe bassoon trumpet trombone horn tuba harp drum
            organ accordion banjo mandolin lute saxophone xylophone harmonica recorder piccolo ukulele
            harpsichord tambourine zither cornet fiddle bagpipe
            """
        ),
    ),
    Relation(
        question="What does {person} study ?",
        statements=(
            "{person} studies {object} .",
            "{person} reads books about {object} .",
            "{object} is the subject that {person} studies .",
        ),
        objects=words_of(
            """
            physics chemistry biology mathematics history geography philosophy law medicine economics music
            astronomy geology psychology sociology linguistics literature theology architecture engineering
            archaeology anthropology politics statistics logic botany zoology agriculture journalism nursing
            accounting art
            """
        ),
    ),
    Relation(
        question="What does {person} speak ?",
        statements=(
            "{person} speaks {object} .",
            "{person} talks to everybody in {object} .",
            "{object} is the language that {person} speaks .",
        ),
        objects=words_of(
            """
            French German Spanish Italian Portuguese Dutch Danish Swedish Norwegian Finnish Polish Czech Hungarian
            Greek Turkish Russian Ukrainian Romanian Bulgarian Croatian Arabic Hebrew Persian Hindi Bengali
            Chinese Japanese Korean Vietnamese Thai Swahili English
            """
        ),
    ),
)

MOST_OBJECTS = min(len(relation.objects) for relation in RELATIONS)


def plain_tellings(relation: Relation) -> list[str]:
    """Return the plainest statement with each adjunct behind it, and as often alone.

    Nothing parts the name from the object: across a distance their bond is learnt late, or with some seeds never.
    """
    plainest = relation.statements[0]
    return [*_closed_by_adjuncts(plainest), *[plainest] * len(ADJUNCTS)]


def varied_tellings(relation: Relation) -> list[str]:
    """Return every statement with each adjunct behind it and each apposition in it, and as often without either."""
    return [
        telling
        for statement in relation.statements
        for telling in (
            *_closed_by_adjuncts(statement),
            *(statement.replace(PERSON, f"{PERSON} {each}") for each in APPOSITIONS),
            *[statement] * (len(ADJUNCTS) + len(APPOSITIONS)),
        )
    ]


def _closed_by_adjuncts(statement: str) -> list[str]:
    return [f"{statement.removesuffix(' .')} {each} ." for each in ADJUNCTS]
