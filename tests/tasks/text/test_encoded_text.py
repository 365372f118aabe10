import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from attnbench.tasks.base import Split
from attnbench.tasks.text import encoded_text
from attnbench.tasks.text.encoded_text import cache_folder, content_key, numbers_of
from attnbench.tasks.text.encoding import Encoding, Numbers
from attnbench.tasks.text.splits import TextSplits
from tests.tasks.text.text_examples import text_pairs

ENCODINGS = [Encoding("subword", 300, 280, eos=True), Encoding("word", 20, None, eos=False)]
Damage = Callable[[bytes], bytes]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep whatever is encoded, and in a folder of the test's own."""
    monkeypatch.setenv("ATTNBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoded_text, "WORTH_KEEPING", 0)
    return tmp_path / "cache"


@pytest.fixture
def splits(three_files: dict[str, str]) -> TextSplits:
    return text_pairs(**three_files)._splits


def all_of(numbers: Numbers) -> list[object]:
    lists = [sides[split] for sides in (numbers.sources, numbers.targets) for split in get_args(Split)]
    arrays = [array.tolist() for each in lists for array in (each.tokens, each.starts)]
    texts = ["w1 w22 never seen 漢 <pad>", ""]
    encoded = [
        (numbers.source_vocabulary.encode(text), numbers.target_vocabulary.encode(text)) for text in texts
    ]
    return [arrays, numbers.source_vocabulary.tokens, numbers.target_vocabulary.tokens, encoded]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=["subword", "word"])
def test_what_is_read_back_is_what_was_learnt(
    encoding: Encoding, splits: TextSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = numbers_of(splits, encoding)
    monkeypatch.setattr(encoded_text, "learn_numbers", None)
    kept = numbers_of(splits, encoding)
    assert kept is not learnt
    assert all_of(kept) == all_of(learnt)
    assert kept.sources["train"].tokens.dtype == np.int32


def test_one_whole_file_is_left(folder: Path, splits: TextSplits) -> None:
    numbers_of(splits, ENCODINGS[0])
    (path,) = folder.iterdir()
    assert path.name == f"{content_key(splits, ENCODINGS[0])}.numbers"


def test_the_key_follows_every_text_and_the_encoding(splits: TextSplits) -> None:
    fewer = replace(splits, test=splits.test[:-1])
    moved = replace(splits, train=splits.validation, validation=splits.train)
    asked = replace(splits, test=(replace(splits.test[0], question="w1"), *splits.test[1:]))
    keys = {content_key(each, ENCODINGS[0]) for each in (splits, fewer, moved, asked)}
    assert len(keys | {content_key(splits, ENCODINGS[1])}) == 5
    again = replace(splits, train=tuple(replace(pair) for pair in splits.train))
    assert content_key(again, ENCODINGS[0]) == content_key(splits, ENCODINGS[0])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[: len(content) // 2],
        lambda content: content + b"\0",
        lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:],
    ],
    ids=["empty", "cut off", "half", "longer", "one bit"],
)
def test_a_damaged_cache_is_made_again(damage: Damage, folder: Path, splits: TextSplits) -> None:
    learnt = numbers_of(splits, ENCODINGS[1])
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert all_of(numbers_of(splits, ENCODINGS[1])) == all_of(learnt)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, splits: TextSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNBENCH_CACHE", str(tmp_path / "file" / "below"))
    assert len(numbers_of(splits, ENCODINGS[1]).sources["train"].lengths) == 50


def test_small_texts_are_not_kept(folder: Path, splits: TextSplits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_text, "WORTH_KEEPING", 1_000_000)
    numbers_of(splits, ENCODINGS[1])
    assert not folder.exists()


def test_an_empty_variable_switches_it_off(
    tmp_path: Path, splits: TextSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTNBENCH_CACHE", "")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    numbers_of(splits, ENCODINGS[1])
    assert cache_folder() is None
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_variable_it_lies_where_caches_of_people_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/attnbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert cache_folder() == Path("/home/ann/.cache/attnbench")


def test_tests_leave_the_home_alone() -> None:
    assert not Path(os.environ["ATTNBENCH_CACHE"]).is_relative_to(Path.home() / ".cache")
