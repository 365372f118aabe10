import itertools
from dataclasses import fields
from pathlib import Path

import pytest

from attnbench.errors import UserError
from attnbench.tasks.text_pairs import TextPairs
from tests.tasks.text_examples import held_out, numbered_pairs, text_pairs, training_sources, write_tsv

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "bible_en_eo"


class TestReadiness:
    def test_the_yaml_alone_says_what_to_give(self) -> None:
        with pytest.raises(UserError, match=r"task\.source=FILE with task\.target=FILE"):
            text_pairs().check_ready()

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"source": "a.en"}, "expected task.target=FILE"),
            ({"target": "a.eo"}, "needs task.source=FILE"),
            ({"source": "a.tsv", "target": "a.eo"}, "leave task.target=a.eo out"),
            ({"source": "a.tsv", "test_target": "a.eo"}, "needs task.test_source=FILE"),
            ({"source": "a.tsv", "validation_source": "b.txt"}, "expected task.validation_target=FILE"),
            ({"source": "a.tsv", "validation_share": 0.5, "test_share": 0.5}, "take 1 of the training"),
            ({"source": "a.tsv", "test_share": 0.0}, "nothing for the test: give task.test_source"),
            ({"source": "a.tsv", "source_vocabulary_size": 259}, "expected at least 260"),
            ({"source": "a.tsv", "units": "word", "target_vocabulary_size": 4}, "expected at least 5"),
            ({"source": "a.tsv"}, "a.tsv does not exist"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changed: dict[str, object], expected: str) -> None:
        with pytest.raises(UserError) as error:
            text_pairs(**changed).check_ready()
        assert expected in str(error.value)

    def test_files_of_different_length_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.en").write_text("one\ntwo\n")
        (tmp_path / "a.eo").write_text("unu\n")
        with pytest.raises(UserError, match=r"a\.en has 2 lines and .*a\.eo has 1"):
            text_pairs(source=str(tmp_path / "a.en"), target=str(tmp_path / "a.eo")).check_ready()

    def test_a_split_without_pairs_is_refused(self, tmp_path: Path, three_files: dict[str, str]) -> None:
        long = write_tsv(tmp_path / "long.tsv", [("a " * 61, "x"), ("", "x")])
        with pytest.raises(UserError, match=r"No train pair is left in .*long.tsv"):
            text_pairs(**three_files | {"source": long}).check_ready()
        with pytest.raises(
            UserError, match=r"No validation pair is left in .*long.tsv: 1 pairs have .* 1 are too"
        ):
            text_pairs(**three_files | {"validation_source": long}).check_ready()
        one = write_tsv(tmp_path / "one.tsv", [("a", "x")])
        with pytest.raises(UserError, match=r"raise task.validation_share \(now 0.05\)"):
            text_pairs(source=one).check_ready()

    def test_being_ready_needs_no_vocabulary(
        self, three_files: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("attnbench.tasks.text_task.encoded_text", None)
        text_pairs(**three_files).check_ready()


class TestIdentity:
    def test_the_fingerprint_follows_the_content_not_the_path(
        self, tmp_path: Path, three_files: dict[str, str]
    ) -> None:
        before = text_pairs(**three_files).data_fingerprint()
        moved = {
            key: str(Path(path).rename(tmp_path / f"moved-{key}.tsv")) for key, path in three_files.items()
        }
        assert text_pairs(**moved).data_fingerprint() == before
        assert len(before) == 64
        for path in moved.values():
            content = Path(path).read_text()
            Path(path).write_text(content + "one more\tline\n")
            assert text_pairs(**moved).data_fingerprint() != before
            Path(path).write_text(content)

    def test_the_fingerprint_tells_roles_apart(self, three_files: dict[str, str]) -> None:
        train, other, _ = three_files.values()
        fingerprints = {
            text_pairs(source=train).data_fingerprint(),
            text_pairs(source=train, test_source=other).data_fingerprint(),
            text_pairs(source=train, validation_source=other).data_fingerprint(),
            text_pairs(source=other, validation_source=train).data_fingerprint(),
        }
        assert len(fingerprints) == 4

    def test_changed_files_are_read_again(self, tmp_path: Path, three_files: dict[str, str]) -> None:
        assert len(training_sources(text_pairs(**three_files))) == 50
        write_tsv(tmp_path / "train.tsv", numbered_pairs(10))
        assert len(training_sources(text_pairs(**three_files))) == 10

    def test_equal_tasks_share_what_they_loaded(self, three_files: dict[str, str]) -> None:
        first, second = text_pairs(**three_files), text_pairs(**three_files)
        assert first == second
        assert hash(first) == hash(second)
        assert first.source_vocabulary is second.source_vocabulary

    def test_paths_are_marked(self) -> None:
        roles, sides = ("", "validation_", "test_"), ("source", "target", "alignment")
        expected = {role + side for role, side in itertools.product(roles, sides)}
        assert {field.name for field in fields(TextPairs) if field.metadata.get("path")} == expected


@pytest.mark.parametrize("units", ["subword", "word"])
def test_real_text(units: str) -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/bible_en_eo")
    task = text_pairs(
        source=str(DATA / "dev.en"),
        target=str(DATA / "dev.eo"),
        test_source=str(DATA / "test.en"),
        test_target=str(DATA / "test.eo"),
        units=units,
    )
    counts = [
        sum(map(len, held_out(task, "test", task.evaluation_range(length, lengths), examples=9999)))
        for lengths in [(10, 20, 30, 40, 60)]
        for length in lengths
    ]
    assert counts == [25, 386, 502, 297, 191]
    assert task.count_outside([10, 60]) == 11
