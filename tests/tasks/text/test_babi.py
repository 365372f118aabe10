import gzip
from pathlib import Path

import pytest
import torch

from attnbench.errors import UserError
from attnbench.tasks.base import LengthRange
from attnbench.tasks.text.babi import Babi, BabiFile
from attnbench.tasks.text.pairs import Block, Pair, PairsRead
from attnbench.training.evaluation import evaluate
from attnbench.vocabulary import PAD
from tests import SHARED
from tests.answerers import MajorityAnswerer, UniformGuesser
from tests.configuration import CONFIGURATION
from tests.tasks.text.babi_examples import TWO_STORIES, babi, numbered_stories, write_stories
from tests.tasks.text.text_examples import held_out, sources
from tests.test_every_yaml import check_contract

ALL = LengthRange(1, 320)
DATA = SHARED / "data" / "babi"
PINNED = {"validation": [22, 32], "test": [2, 4, 11, 14, 15, 19, 34, 35]}
REAL = {  # test questions, those that stand word for word in the training file, longest story of the training
    "qa1_single-supporting-fact": (1000, 16, 10),
    "qa2_two-supporting-facts": (1000, 0, 68),
    "qa6_yes-no-questions": (1000, 4, 26),
}


@pytest.fixture
def two_stories(tmp_path: Path) -> Babi:
    path = str(write_stories(tmp_path / "qa.txt", TWO_STORIES))
    return babi(source=path, validation_source=path, test_source=path)


@pytest.fixture
def many_stories(tmp_path: Path) -> Babi:
    return babi(
        source=str(write_stories(tmp_path / "train.txt", numbered_stories(60))),
        test_source=str(write_stories(tmp_path / "test.txt", numbered_stories(20, first=50))),
    )


class TestBatches:
    def test_the_question_is_given_and_every_word_of_the_answer_scored(self, two_stories: Babi) -> None:
        (batch,) = held_out(two_stories, "test", LengthRange(2, 2))
        words = two_stories.target_vocabulary.tokens
        assert [words[number] for number in batch.target[0].tolist()] == [
            *("What", "is", "John", "carrying", "?"),
            *("milk", "football"),
        ]
        assert batch.scored.tolist() == [[False] * 5 + [True] * 2]
        assert sources(two_stories, [batch]) == ["Mary moved to the bathroom . John got milk ."]
        assert batch.references is None
        assert not two_stories.ends_with_mark

    def test_an_answer_is_aligned_with_its_supporting_sentences(self, tmp_path: Path) -> None:
        text = "1 a b.\n2 c.\n3 d e f.\n4 who?\tx,y\t3 1\n"
        path = str(write_stories(tmp_path / "qa.txt", text))
        (batch,) = held_out(babi(source=path, validation_source=path, test_source=path), "test", ALL)
        assert batch.alignment_sure is not None
        assert batch.alignment_possible is not None
        #                                    a     b     .     c      .      d     e     f     .
        expected = torch.tensor([True, True, True, False, False, True, True, True, True])
        assert not batch.alignment_sure[0, :2].any()
        assert torch.equal(batch.alignment_sure[0, 2:], expected.repeat(2, 1))
        assert torch.equal(batch.alignment_sure, batch.alignment_possible)

    def test_alignment_stays_with_its_question_in_any_batch(self, many_stories: Babi) -> None:
        batch = many_stories.training_batch(0, 3, 16, ALL)
        answers = batch.target[batch.scored].tolist()
        assert batch.alignment_sure is not None
        for row, answer in enumerate(answers):
            supported = batch.source[row][batch.alignment_sure[row].any(dim=0)]
            place = many_stories.target_vocabulary.tokens[answer]
            assert many_stories.source_vocabulary.decode(supported.tolist()).endswith(
                f"went to the {place} ."
            )
            assert len(supported) == 6

    def test_padding_is_neither_scored_nor_aligned(self, two_stories: Babi) -> None:
        batch = two_stories.training_batch(0, 0, 9, ALL)
        assert batch.alignment_sure is not None
        assert not batch.scored[batch.target == PAD].any()
        assert not (batch.alignment_sure & (batch.source == PAD).unsqueeze(1)).any()
        assert torch.equal(batch.alignment_sure.any(dim=2), batch.scored)

    def test_lengths_count_sentences(self, many_stories: Babi) -> None:
        for batch in held_out(many_stories, "test", LengthRange(2, 3)):
            dots = (batch.source == many_stories.source_vocabulary.encode(".")[0]).sum(dim=1)
            assert set(dots.tolist()) <= {2, 3}


class TestChance:
    def test_given_words_do_not_count(self, two_stories: Babi) -> None:
        # Scored: bathroom, milk, football, no; each once, so that the first of them is the majority's.
        assert two_stories.chance_accuracy(ALL) == 1 / 4
        tokens = two_stories.target_vocabulary.tokens
        assert sorted(tokens[number] for number in two_stories.answers) == [
            "bathroom",
            "football",
            "milk",
            "no",
        ]

    def test_the_better_of_guesser_and_majority_scores_chance(self, many_stories: Babi) -> None:
        training = [many_stories.training_batch(0, step, 32, ALL) for step in range(20)]
        cpu = torch.device("cpu")
        majority, guesser = (
            evaluate(answerer, many_stories, held_out(many_stories, "test", ALL), cpu)
            for answerer in (MajorityAnswerer(many_stories, training), UniformGuesser(many_stories))
        )
        chance = many_stories.chance_accuracy(ALL)
        assert max(majority.token_accuracy, 1 / 4) == pytest.approx(chance)
        assert guesser.token_accuracy == pytest.approx(1 / 4, abs=0.25)
        assert majority.hypotheses == []

    def test_information_is_not_known(self, two_stories: Babi) -> None:
        assert two_stories.information_bits(ALL) is None


class TestSplits:
    def test_equal_questions_about_equal_stories_stay_together(self, tmp_path: Path) -> None:
        path = write_stories(tmp_path / "qa.txt", numbered_stories(40) * 3)
        task = babi(source=str(path), validation_share=0.3, test_share=0.3)
        train, validation, test = (
            set(task._splits.pairs(split)) for split in ("train", "validation", "test")
        )
        assert not train & validation
        assert not train & test
        assert not validation & test
        assert len(train | validation | test) == 120

    def test_the_hash_of_story_and_question_never_changes(self, tmp_path: Path) -> None:
        """Pinned: another hash would move questions between the splits of published results."""
        story = "1 Ann went.\n" + "".join(f"{i} Is it {i}?\tno\t1\n" for i in range(2, 42))
        task = babi(source=str(write_stories(tmp_path / "qa.txt", story)))
        found = {
            split: [int(pair.question.split()[2]) for pair in task._splits.pairs(split)]
            for split in ("validation", "test")
        }
        assert found == PINNED

    def test_what_is_said(self, many_stories: Babi) -> None:
        notes = many_stories.notes()
        assert notes[0].startswith("Questions: ")
        assert "60 test (split off the training files by a hash of the source: validation)." in notes[0]
        assert not any("left out" in note.lower() for note in notes)
        assert "Where the target stands in the source is known for" in " ".join(notes)
        assert "Unknown words of the targets: 0 (0.0%) in training" in " ".join(notes)

    def test_questions_of_the_training_are_counted_in_the_test(self, tmp_path: Path) -> None:
        train = write_stories(tmp_path / "train.txt", numbered_stories(40))
        test = write_stories(tmp_path / "test.txt", numbered_stories(1) + numbered_stories(4, first=100))
        task = babi(source=str(train), validation_source=str(test), test_source=str(test))
        assert "Warning: 1 of 11 test questions stand word for word in the training too." in task.notes()

    def test_long_stories_are_left_out_of_the_training_and_counted(self, tmp_path: Path) -> None:
        path = str(write_stories(tmp_path / "train.txt", numbered_stories(5)))
        task = babi(source=path, validation_source=path, test_source=path, maximum_length=3)
        assert (
            "Left out as too long: 3 of training and 3 of validation (more than 3 sentences before them)."
            in (task.notes())
        )
        assert task.evaluation_notes([3]) == [
            "3 of 15 test questions have more than 3 sentences before them: not evaluated."
        ]


class TestReadiness:
    def test_the_yaml_alone_says_what_to_give(self) -> None:
        with pytest.raises(UserError, match=r"babi needs task\.source=FILE"):
            babi().check_ready()

    def test_buckets_reach_up_to_the_longest_story_of_the_training(self, many_stories: Babi) -> None:
        assert many_stories.training_range(None, None) == ALL
        assert many_stories.default_test_lengths(ALL) == [1, 2, 3, 4, 5]
        assert many_stories.default_test_lengths(LengthRange(1, 2)) == [1, 2]
        assert many_stories.default_test_lengths(LengthRange(9, 20)) == [9]

    def test_a_length_it_cannot_make_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"babi cannot make length 0 \(sentences\)"):
            babi().check_length(0)

    def test_the_fingerprint_follows_content_and_roles(self, tmp_path: Path) -> None:
        first = str(write_stories(tmp_path / "a.txt", numbered_stories(9)))
        same = str(write_stories(tmp_path / "b.txt", numbered_stories(9)))
        assert babi(source=first).data_fingerprint() == babi(source=same).data_fingerprint()
        fingerprints = {
            babi(source=first).data_fingerprint(),
            babi(source=first, test_source=first).data_fingerprint(),
            babi(source=first, validation_source=first).data_fingerprint(),
        }
        assert len(fingerprints) == 3


@pytest.mark.parametrize("model", ["blind", "fixed", "luong_general", "bahdanau", "transformer"])
def test_a_model_trains_and_is_evaluated_on_stories(model: str, tmp_path: Path) -> None:
    source = write_stories(tmp_path / "train.txt", numbered_stories(60))
    check_contract(
        CONFIGURATION, [f"model={model}", "task=babi", f"task.source={source}", "test_lengths=[2,5]"]
    )


@pytest.mark.parametrize("name", REAL)
def test_real_stories(name: str) -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/babi")
    train, test = (str(DATA / f"{name}_{split}.txt") for split in ("train", "test"))
    task = babi(source=train, validation_source=train, test_source=test)
    splits = task._splits
    questions, repeated, longest = REAL[name]
    assert (len(splits.test), splits.repeated["test"]) == (questions, repeated)
    assert max(pair.length for pair in splits.train) == longest
    assert all(pair.sure for pair in splits.test)


def read(path: Path, text: str | bytes) -> PairsRead:
    return BabiFile(write_stories(path / "qa.txt", text)).read()


def refusal(path: Path, text: str) -> str:
    with pytest.raises(UserError) as error:
        read(path, text)
    return str(error.value)


def test_a_question_becomes_a_pair_of_the_story_before_it_and_its_answer(tmp_path: Path) -> None:
    pairs = read(tmp_path, TWO_STORIES).pairs
    assert pairs == (
        Pair("Mary moved to the bathroom .", "bathroom", 1, "Where is Mary ?"),
        Pair("Mary moved to the bathroom . John got milk .", "milk football", 2, "What is John carrying ?"),
        Pair("Ann went .", "no", 1, "Is she here ?"),
    )
    assert [pair.length for pair in pairs] == [1, 2, 1]


def test_every_word_of_an_answer_stands_in_each_supporting_sentence(tmp_path: Path) -> None:
    pairs = read(tmp_path, TWO_STORIES).pairs
    assert [pair.sure for pair in pairs] == [
        (Block(0, 1, 0, 6),),
        (Block(0, 2, 6, 10), Block(0, 2, 0, 6)),
        (Block(0, 1, 0, 3),),
    ]
    assert all(pair.sure == pair.possible for pair in pairs)


@pytest.mark.parametrize(
    "text",
    [
        TWO_STORIES.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TWO_STORIES.encode(),
        TWO_STORIES.rstrip("\n").encode(),
        TWO_STORIES.replace("\n1 ", "\n\n1 ").encode(),
        TWO_STORIES.replace("? \t", "?\t").encode(),
        TWO_STORIES.replace("\n", "\r").encode(),
        TWO_STORIES.encode("utf-16"),
        gzip.compress(TWO_STORIES.encode(), mtime=0),
    ],
    ids=[
        "windows",
        "byte order mark",
        "no last line end",
        "blank line between stories",
        "no blank before the tab",
        "old mac",
        "utf-16",
        "gzip",
    ],
)
def test_the_same_stories_are_read_from_other_hands(tmp_path: Path, text: bytes) -> None:
    assert read(tmp_path, text) == read(tmp_path, TWO_STORIES)


def test_any_language_and_answers_of_letters_are_read(tmp_path: Path) -> None:
    text = "1 Mary snanghar mein gayi.\n2 कार्यालय में।\n3 Mary kahan hai?\ts,s\t1 2\n"
    (pair,) = read(tmp_path, text).pairs
    assert pair.source == "Mary snanghar mein gayi . कार्यालय में।"
    assert pair.target == "s s"


def test_words_stand_between_the_blanks_of_ascii(tmp_path: Path) -> None:
    text = "1 Marie\u00a0va .\n2 Qui\u00a0va\u2028?\tJean\u3000Paul\t1\n"
    (pair,) = read(tmp_path, text).pairs
    assert (pair.source, pair.question, pair.target) == (
        "Marie\u00a0va .",
        "Qui\u00a0va\u2028 ?",
        "Jean\u3000Paul",
    )
    assert pair.sure == (Block(0, 1, 0, 2),)


def test_an_answer_without_support_has_no_alignment(tmp_path: Path) -> None:
    pairs = read(tmp_path, "1 Ann went.\n2 Where?\there\t\n3 Who?\tAnn\n").pairs
    assert [pair.sure for pair in pairs] == [(), ()]


def test_sentences_are_counted_not_line_numbers(tmp_path: Path) -> None:
    text = "1 a.\n2 a?\tx\t1\n5 b.\n6 b?\ty\t5\n"
    assert [pair.length for pair in read(tmp_path, text).pairs] == [1, 2]
    assert read(tmp_path, text).pairs[1].sure == (Block(0, 1, 2, 4),)


STORY = "1 Ann went.\n2 Where is Ann?\there\t1\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3 Who went? \t\t1", "got no answer: 3 Who went?"),
        ("3 Who went?\t", "got no answer"),
        ("3 Who went?\tAnn,\t1", "got no answer"),
        ("3 Who went?\tAnn\t1\t2", "got 4 columns"),
        ("3 \tAnn\t1", "expected a number, a blank and a sentence"),
        ("3 Who went?\tAnn\t7", "sentences of this story before line number 3, got 7."),
        ("3 Who went?\tAnn\t3", "before line number 3, got 3 (a question)."),
        ("3 Who went?\tAnn\t1 2", "before line number 3, got 2 (a question)."),
        ("3 Who went?\tAnn\tone", "got one."),
        ("3 Who went?\tAnn\t" + "1" * 5000, "got 1111"),
        ("1 Who went?\tAnn\t1", "expected sentences before the question, got an empty story."),
        ("3 ", "expected a number, a blank and a sentence, such as '1 Mary moved to the bathroom.', got 3"),
        ("Ann went.", "expected a number, a blank and a sentence"),
        ("2 Ann went.", "expected the line number 1 (a new story) or a number above 2, got 2."),
        ("0 Ann went.", "expected the line number 1 (a new story) or a number above 2, got 0."),
    ],
)
def test_a_line_that_is_none_of_babi_is_refused_with_its_place(
    tmp_path: Path, line: str, expected: str
) -> None:
    message = refusal(tmp_path, STORY + line + "\n")
    assert message.startswith(f"{tmp_path / 'qa.txt'}, line 3: ")
    assert expected in message
    assert len(message) < 400 + len(str(tmp_path))


def test_the_first_line_begins_a_story(tmp_path: Path) -> None:
    assert "line 1: expected the line number 1 (a new story), got 4." in refusal(tmp_path, "4 Ann went.\n")


def test_stories_without_a_question_are_refused(tmp_path: Path) -> None:
    assert "qa.txt holds no question: expected a question, a tab" in refusal(tmp_path, "1 Ann went.\n")
    assert "qa.txt is empty" in refusal(tmp_path, "\n")
