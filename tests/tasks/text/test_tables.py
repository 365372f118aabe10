import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.errors import UserError
from attnbench.runs.data import find_data
from attnbench.tasks.text import tables
from attnbench.tasks.text.formats import PairFiles
from attnbench.tasks.text.pairs import Pair

datasets = pytest.importorskip("datasets")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = [
    {"translation": {"en": "one two, three", "fr": "un deux, trois"}, "note": "a"},
    {"translation": {"en": "four", "fr": "quatre"}, "note": None},
]
PAIRS = (Pair("one two, three", "un deux, trois", 3), Pair("four", "quatre", 1))


@pytest.fixture(autouse=True)
def _no_cache_of_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tables.load_set.cache_clear()
    yield
    tables.load_set.cache_clear()


def read(path: Path, source: str, target: str) -> tuple[Pair, ...]:
    return PairFiles(path, None, source, target).read().pairs


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_csv_has_named_fields_and_quoted_commas_and_lines(tmp_path: Path, name: str) -> None:
    text = b'en,fr\r\n"one two, three","un\ndeux, trois"\r\nfour,quatre\r\n'
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read(tmp_path / name, "en", "fr") == PAIRS


def test_an_empty_cell_of_a_csv_is_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("source,target\na,\nb,c\n")
    found = PairFiles(tmp_path / "a.csv", None, "source", "target").read()
    assert (found.pairs, found.empty) == ((Pair("b", "c", 1),), 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source,target\na,b\nc,d,e\n", "a.csv, line 3: expected 2 fields (source, target), got 3"),
        ("en,fr\na,b\n", "a.csv, line 2: Unknown field 'source'. Known: en, fr"),
        ('source,target\n"a"b,c\n', "a.csv, line 2: expected CSV"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError) as raised:
        read(tmp_path / "a.csv", "source", "target")
    assert expected in str(raised.value)


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet_has_fields_within_fields(tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain"
    parquet.write_table(pa.Table.from_pylist(ROWS), plain)
    content = plain.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read(tmp_path / name, "translation.en", "translation.fr") == PAIRS


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(UserError, match="expected Parquet, got something else"):
        read(tmp_path / "a.parquet", "source", "target")


@pytest.mark.parametrize(("module", "words"), [("pyarrow", "a.parquet"), ("datasets", "task.dataset=wmt14")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "a.parquet"
    load = (
        (lambda: read(path, "source", "target"))
        if module == "pyarrow"
        else (lambda: tables.load_set("wmt14", None))
    )
    with pytest.raises(UserError, match="pip install 'attnbench\\[datasets\\]'") as raised:
        load()
    assert words in str(raised.value)


def many(start: int, count: int) -> list[dict[str, dict[str, str]]]:
    pairs = [(f"w{i % 7} w{i} end", f"m{i % 7} m{i} fin") for i in range(start, start + count)]
    return [{"translation": {"en": en, "fr": fr}} for en, fr in pairs]


def save(folder: Path, splits: dict[str, list[dict[str, dict[str, str]]]], how: str) -> None:
    found = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()})
    if how == "disk":
        found.save_to_disk(folder)
        return
    folder.mkdir()
    for name, rows in splits.items():
        if how == "parquet":
            found[name].to_parquet(folder / f"{name}.parquet")
        else:
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def words_for(folder: Path, *more: str) -> list[str]:
    fields = ["task.source_field=translation.en", "task.target_field=translation.fr", "task.units=word"]
    return ["task=text_pairs", f"task.dataset={folder}", *fields, *more]


@pytest.mark.parametrize("how", ["disk", "parquet", "json"])
def test_a_set_has_its_own_splits(tmp_path: Path, how: str) -> None:
    save(tmp_path / "set", {"train": many(0, 60), "validation": many(100, 9), "test": many(200, 8)}, how)
    request = request_run(Configuration(), words_for(tmp_path / "set"))
    task = request.spec.task
    notes = " ".join(task.notes())
    for count in ("60", "9", "8"):
        assert count in notes
    assert request.spec.data is not None


def test_a_set_without_a_test_is_split_as_files_are(tmp_path: Path) -> None:
    save(tmp_path / "set", {"train": many(0, 200)}, "disk")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many(0, 200)))
    ours = request_run(Configuration(), words_for(tmp_path / "set")).spec.task
    words = [word for word in words_for(tmp_path) if "dataset" not in word]
    files = request_run(Configuration(), [*words, f"task.source={tmp_path / 'a.jsonl'}"]).spec.task
    spans = [task.training_range(None, None) for task in (ours, files)]
    batches = [task.training_batch(0, 0, 16, span) for task, span in zip((ours, files), spans, strict=True)]
    assert batches[0].source.equal(batches[1].source)


def test_the_fingerprint_of_a_set_is_that_of_its_rows(tmp_path: Path) -> None:
    save(tmp_path / "a", {"train": many(0, 40)}, "disk")
    save(tmp_path / "b", {"train": many(0, 40)}, "parquet")
    save(tmp_path / "c", {"train": many(1, 40)}, "disk")
    prints = [request_run(Configuration(), words_for(tmp_path / each)).spec.data for each in "abc"]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task.source=a.csv"], "task.dataset=SET and task.source="),
        (["task.dataset_config=x"], "SET holds one saved set. Leave it out."),
        (["task.source_field=translation.de"], "Unknown field 'translation.de'"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(tmp_path: Path, words: list[str], expected: str) -> None:
    save(tmp_path / "set", {"train": many(0, 40)}, "disk")
    with pytest.raises(UserError) as raised:
        _ = request_run(Configuration(), words_for(tmp_path / "set", *words)).spec.task.notes()
    assert expected.replace("SET", str(tmp_path / "set")) in str(raised.value)


def test_a_configuration_without_a_set_is_refused() -> None:
    with pytest.raises(UserError, match="belongs to task"):
        request_run(Configuration(), ["task=text_pairs", "task.dataset_config=x"])


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="datasets could not load it"):
        request_run(Configuration(), words_for(tmp_path / "empty"))


def test_a_set_that_is_gone_is_named(tmp_path: Path) -> None:
    save(tmp_path / "set", {"train": many(0, 40)}, "disk")
    spec = request_run(Configuration(), words_for(tmp_path / "set")).spec
    (tmp_path / "set").rename(tmp_path / "other")
    tables.load_set.cache_clear()
    with pytest.raises(UserError) as raised:
        find_data(spec, tmp_path / "run", "Put the set back where it was.")
    assert f"task.dataset={tmp_path / 'set'}: datasets could not load it" in str(raised.value)
    assert "Put the set back where it was." in str(raised.value)
