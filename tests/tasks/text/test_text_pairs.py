import hashlib
import itertools
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch

from attnbench.errors import UserError
from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.text.encoded_text import content_key
from attnbench.tasks.text.text_pairs import TextPairs
from tests import SHARED
from tests.tasks.text.text_examples import (
    ALL,
    held_out,
    numbered_pairs,
    text_pairs,
    training_sources,
    write_links,
    write_tsv,
)

DATA = SHARED / "data" / "bible_en_eo"
SUMMARIES = SHARED / "data" / "scitldr"


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
            ({"source": "a.en", "target": "a.eo", "test_source": "b.tsv"}, "a.en, a.eo, b.tsv. Check"),
            ({"source": "a.tsv", "units": "word", "length_unit": "subwords"}, "task.units=word makes none"),
            ({"source": "a.en", "target": "a.eo", "header": False}, "task.header=false speaks of"),
            ({"source": "a.jsonl", "header": True}, "task.header=true speaks of"),
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
        one = write_tsv(tmp_path / "one.tsv", [("a", "x"), ("b", "x")])
        with pytest.raises(UserError, match=r"raise task.validation_share \(now 0.05\)"):
            text_pairs(source=one).check_ready()

    def test_being_ready_needs_no_vocabulary(
        self, three_files: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("attnbench.tasks.text.task.encoded_text", None)
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

    def test_one_source_alone_cannot_be_split(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("near red house", f"x{i}") for i in range(200)])
        with pytest.raises(UserError, match="All 200 pairs have one source, and equal sources stay"):
            text_pairs(source=path).check_ready()


class TestLengthUnit:
    PAIRS = (("來有天飯來下。", "x y"), ("我小看。", "y"), ("a bc d", "z z z"))

    def task(self, tmp_path: Path, unit: str, **changed: object) -> TextPairs:
        path = write_tsv(tmp_path / "a.tsv", self.PAIRS)
        files = dict.fromkeys(("source", "validation_source", "test_source"), path)
        return text_pairs(**files, length_unit=unit, **changed)

    def lengths(self, task: TextPairs, split: Split = "train") -> list[int]:
        return task._text.splits[split].lengths.tolist()

    def test_characters_count_with_the_blanks_between_words(self, tmp_path: Path) -> None:
        task = self.task(tmp_path, "characters", units="word", maximum_length=6)
        assert self.lengths(task) == [4, 6]
        assert self.lengths(task, "test") == [7, 4, 6]
        assert task.length_unit == "characters"
        assert "1 of training" in " ".join(task.notes())
        assert "(more than 6 source characters or 22 target characters)" in " ".join(task.notes())

    def test_subwords_count_the_tokens_that_the_model_reads(self, tmp_path: Path) -> None:
        task = self.task(tmp_path, "subwords", source_vocabulary_size=265)
        for split in ("train", "test"):
            assert self.lengths(task, split) == task._text.splits[split].sources.lengths.tolist()
        assert sum(len(batch) for batch in held_out(task, "test", LengthRange(8, 60))) == 2

    def test_a_limit_in_subwords_holds_for_what_the_model_reads(self, tmp_path: Path) -> None:
        """The vocabulary is learnt from the long ones too, or leaving them out would change the lengths."""
        free, limited = (self.task(tmp_path, "subwords", maximum_length=longest) for longest in (60, 12))
        assert limited.source_vocabulary.tokens == free.source_vocabulary.tokens
        assert self.lengths(limited) == [length for length in self.lengths(free) if length <= 12]
        assert 0 < len(self.lengths(limited)) < 3

    def test_the_cache_tells_units_apart(self, tmp_path: Path) -> None:
        words, subwords = (self.task(tmp_path, unit, maximum_length=12) for unit in ("words", "subwords"))
        keys = {content_key(task._splits, task._encoding) for task in (words, subwords)}
        assert len(keys) == 2

    def test_a_word_may_be_as_long_as_a_source_where_words_are_no_measure(self, tmp_path: Path) -> None:
        pairs = [("字" * 1500, "x"), ("字" * 2500, "x"), ("字", "y")]
        path = write_tsv(tmp_path / "a.tsv", pairs)
        files = dict.fromkeys(("source", "validation_source", "test_source"), path)
        task = text_pairs(**files, length_unit="characters", maximum_length=2000)
        assert self.lengths(task) == [1500, 1]


class TestAlignment:
    def test_links_lie_between_the_pieces_of_their_words(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("abc de", "fg hij")])
        links = write_links(tmp_path / "a.links", "0-1 1p0")
        task = text_pairs(
            source=path,
            validation_source=path,
            test_source=path,
            alignment=links,
            source_vocabulary_size=260,
            target_vocabulary_size=260,
        )
        batch = task.training_batch(0, 0, 1, ALL)
        # One token a byte, the blank before each word included: source _abc_de, target _fg_hij and the end mark.
        assert batch.source.shape == (1, 7)
        assert batch.target.shape == (1, 8)
        assert batch.alignment_sure is not None
        assert batch.alignment_possible is not None
        sure = torch.zeros(8, 7, dtype=torch.bool)
        sure[3:7, 0:4] = True
        assert torch.equal(batch.alignment_sure[0], sure)
        sure[0:3, 4:7] = True
        assert torch.equal(batch.alignment_possible[0], sure)
        assert held_out(task, "test")[0].alignment_sure is None

    def test_a_marked_sentence_holds_every_word_but_not_the_end_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text('{"source": ["a b", "c", "d"], "target": "x y", "labels": [0, 1, 1]}\n')
        files = dict.fromkeys(("source", "validation_source", "test_source"), str(path))
        task = text_pairs(**files, units="word", gold_field="labels")
        (batch,) = held_out(task, "test")
        assert batch.alignment_sure is not None
        assert batch.alignment_sure[0].int().tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
        assert not any("list of several strings" in note for note in task.notes())

    def test_splits_that_are_split_off_keep_their_links(self, tmp_path: Path) -> None:
        pairs = [(f"w{i} b", f"c w{i}") for i in range(100)]
        links = write_links(tmp_path / "a.links", *["0-1"] * 100)
        task = text_pairs(
            source=write_tsv(tmp_path / "a.tsv", pairs), alignment=links, test_share=0.3, units="word"
        )
        for batch in held_out(task, "test"):
            assert batch.alignment_sure is not None
            assert batch.alignment_sure.int().tolist() == [[[0, 0], [1, 0], [0, 0]]] * len(batch)

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            (
                {"source": "a.tsv", "gold_field": "gold"},
                "names a field of a .jsonl or .parquet, and task.source=a.tsv is none",
            ),
            (
                {"source": "a.jsonl", "gold_field": "gold", "alignment": "a.links"},
                "task.gold_field=gold and task.alignment=a.links both say where",
            ),
            ({"source": "a.tsv", "test_alignment": "a.links"}, "needs task.test_source=FILE"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, changed: dict[str, object], expected: str) -> None:
        with pytest.raises(UserError) as error:
            text_pairs(**changed).check_ready()
        assert expected in str(error.value)

    def test_another_number_of_links_is_refused(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", numbered_pairs(3))
        links = write_links(tmp_path / "a.links", "0-0", "0-0")
        with pytest.raises(UserError, match=r"a\.links has 2 lines and .*a\.tsv has 3"):
            text_pairs(source=path, alignment=links).check_ready()

    def test_the_fingerprint_follows_the_links_and_their_role(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", numbered_pairs(3))
        links = [write_links(tmp_path / f"{i}.links", "0-0", "0-0", f"{i}-0") for i in range(2)]
        files = {"source": path, "test_source": path}
        tasks = [
            text_pairs(**files),
            text_pairs(**files, alignment=links[0]),
            text_pairs(**files, alignment=links[1]),
            text_pairs(**files, test_alignment=links[0]),
        ]
        assert len({task.data_fingerprint() for task in tasks}) == 4

    def test_runs_made_before_there_were_links_keep_their_names(self, tmp_path: Path) -> None:
        later = {
            "alignment",
            "validation_alignment",
            "test_alignment",
            "gold_field",
            "header",
            "batch_tokens",
        }
        later |= {"dataset", "dataset_config"}
        defaults = {field.name: field.default for field in fields(TextPairs) if field.default is not MISSING}
        assert defaults == {**dict.fromkeys(later), "length_unit": "words"}
        assert all(getattr(text_pairs(), name) is None for name in later)
        path = write_tsv(tmp_path / "a.tsv", [("a", "b")])
        content, nothing = hashlib.sha256(b"a\tb\n").hexdigest(), "none none"
        expected = hashlib.sha256(f"{content} none {nothing} {nothing}".encode()).hexdigest()
        assert text_pairs(source=path).data_fingerprint() == expected


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


def test_real_summaries_have_one_marked_sentence_each() -> None:
    if not SUMMARIES.is_dir():
        pytest.skip("needs ../shared/data/scitldr")
    files = {"source": "train", "validation_source": "dev", "test_source": "test"}
    fields_used = {"source_field": "source_sents", "target_field": "targets.0", "gold_field": "source_labels"}
    task = text_pairs(**{key: str(SUMMARIES / f"{name}.jsonl") for key, name in files.items()}, **fields_used)
    test = task._splits.pairs("test")
    assert len(test) == 618
    assert all(len(pair.sure) == 1 and pair.sure[0].source_stop <= pair.length for pair in test)
