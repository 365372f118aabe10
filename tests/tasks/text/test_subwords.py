import os
import subprocess
import sys

import pytest

from attnbench.tasks.text.subwords import SMALLEST_SUBWORD_VOCABULARY, FrequentWords, SubwordVocabulary
from attnbench.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNKNOWN
from tests import SHARED

TEXTS = ["the lower the newer", "the lowest and the newest", "low and new , “ low ”"] * 3
DATA = SHARED / "data" / "bible_en_eo"


@pytest.fixture(scope="module")
def subwords() -> SubwordVocabulary:
    return SubwordVocabulary.train(TEXTS, 280)


def test_special_tokens_come_first(subwords: SubwordVocabulary) -> None:
    assert subwords.tokens[:4] == SPECIAL_TOKENS
    assert (PAD, BOS, EOS, UNKNOWN) == (0, 1, 2, 3)


def test_the_size_counts_every_token(subwords: SubwordVocabulary) -> None:
    assert len(subwords.tokens) == 280
    assert len(SubwordVocabulary.train(TEXTS, SMALLEST_SUBWORD_VOCABULARY).tokens) == 260


def test_a_small_text_gives_fewer_tokens_than_asked() -> None:
    assert len(SubwordVocabulary.train(["ab ab", "c"], 4000).tokens) == 262  # "ab" and "▁ab" occur twice


def test_a_size_without_room_for_every_byte_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="260"):
        SubwordVocabulary.train(TEXTS, 259)


def test_frequent_words_become_one_readable_token(subwords: SubwordVocabulary) -> None:
    tokens = [subwords.tokens[number] for number in subwords.encode("the lowest low")]
    assert tokens[0] == "▁the"
    assert "".join(tokens) == "▁the▁lowest▁low"
    assert len(tokens) < 6


def test_bytes_that_are_no_character_are_shown_as_numbers(subwords: SubwordVocabulary) -> None:
    assert [subwords.tokens[number] for number in subwords.encode("漢")] == ["▁", "<e6>", "<bc>", "<a2>"]


@pytest.mark.parametrize(
    "text",
    [
        "the lowest",
        "never seen : 漢字 😀 é e\u0301 ß",
        "<pad> <eos> </s> a<unk>b",
        "▁ Ġ ĠĠ ▁the",
        "it's don't 12,5 % a\u200bb",
        "dit\u00a0: \u00a0 a\u3000\u2028 \x85b",
        "x",
        "",
    ],
)
def test_any_text_comes_back_as_it_was(subwords: SubwordVocabulary, text: str) -> None:
    numbers = subwords.encode(text)
    assert subwords.decode(numbers) == text
    assert all(number >= len(SPECIAL_TOKENS) for number in numbers)


def test_special_tokens_are_not_written(subwords: SubwordVocabulary) -> None:
    numbers = [BOS, *subwords.encode("the low"), EOS, PAD]
    assert subwords.decode(numbers) == "the low"
    assert subwords.decode([UNKNOWN, *subwords.encode("low")]) == "<unk> low"


def test_a_torn_character_is_written_as_a_mark_not_refused(subwords: SubwordVocabulary) -> None:
    assert subwords.decode(subwords.encode("漢")[:-1]) == "�"


PROGRAM = """
import hashlib, sys
from attnbench.tasks.text.subwords import SubwordVocabulary
words = SubwordVocabulary.train(sys.stdin.read().splitlines(), 320)
print(hashlib.sha256(repr([words.tokens, words.encode("a newcomer lower")]).encode()).hexdigest())
"""


def test_training_gives_the_same_in_every_process() -> None:
    text = "\n".join(
        f"{word} {word[::-1]}er" for word in ["lower", "newest", "wide", "tallest", "bright"] * 5
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=text,
            env={**os.environ, "PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": parallel},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, parallel in (("1", "false"), ("2", "true"))
    }
    assert len(results) == 1


FORK = """
import os
from attnbench.tasks.text.subwords import SubwordVocabulary
words = SubwordVocabulary.train(["low lower"] * 9, 300)
if os.path.isdir("/proc/self/task"):
    assert len(os.listdir("/proc/self/task")) == 1
if os.fork() == 0:
    words.encode("lowest")
    SubwordVocabulary.train(["low lower"] * 9, 300)
    os._exit(0)
assert os.wait()[1] == 0
"""


def test_training_leaves_no_threads_behind_and_forks_silently() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


def test_real_text_comes_back_as_it_was() -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/bible_en_eo")
    for side in ("en", "eo"):
        seen = (DATA / f"train.{side}").read_text().splitlines()[:2000]
        words = SubwordVocabulary.train(seen, 1000)
        for line in [*seen[:200], *(DATA / f"test.{side}").read_text().splitlines()]:
            assert words.decode([*words.encode(line), EOS]) == line


def test_words_are_ranked_by_count_and_then_by_name() -> None:
    words = FrequentWords.train(["b a b", "c a d"], 7)
    assert words.tokens == (*SPECIAL_TOKENS, "a", "b", "c")
    assert words.encode("d c a") == [UNKNOWN, 6, 4]
    assert words.decode([6, UNKNOWN, 4, EOS]) == "c <unk> a"


def test_a_word_spelt_like_a_special_token_is_unknown() -> None:
    words = FrequentWords.train(["<pad> <eos> a"], 100)
    assert words.tokens == (*SPECIAL_TOKENS, "a")
    assert words.encode("<pad> <bos> <eos> <unk> a") == [UNKNOWN] * 4 + [4]
