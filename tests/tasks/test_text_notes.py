from pathlib import Path

import pytest

from tests.tasks.text_examples import text_pairs, write_tsv


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    train = [("a b", "x"), ("a " * 6, "x"), ("a", "x " * 21), ("a", ""), ("a " * 5, "x " * 20)]
    test = [("a b", "x"), ("a " * 6, "y"), ("c", "x"), ("", "x")]
    path = write_tsv(tmp_path / "train.tsv", train)
    task = text_pairs(
        source=path,
        validation_source=path,
        test_source=write_tsv(tmp_path / "test.tsv", test),
        units="word",
        maximum_length=5,
    )
    assert task.notes() == [
        "Pairs: 2 training, 2 validation, 3 test.",
        "The training keeps pairs of up to 5 source words (task.maximum_length); its longest has 5.",
        "Left out as too long: 2 of training and 2 of validation "
        "(more than 5 source words or 20 target words).",
        "Left out because a side is empty: 3 pairs.",
        "Warning: 2 of 2 validation pairs stand word for word in the training too.",
        "Warning: 1 of 3 test pairs stand word for word in the training too.",
        "Unknown words of the sources: 0 (0.0%) in training, 0 (0.0%) in validation, 1 (11.1%) in test.",
        "Unknown words of the targets: 0 (0.0%) in training, 0 (0.0%) in validation, 1 (33.3%) in test.",
        "The source vocabulary has 6 tokens of 300: the text has no more.",
        "The target vocabulary has 5 tokens of 300: the text has no more.",
    ]


def test_splitting_off_and_joining_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"source": ["a{i}", "b"], "target": "x y z"}}\n' for i in range(100)))
    notes = " ".join(text_pairs(source=str(path)).notes())
    assert "test (split off the training files by a hash of the source: validation, test)." in notes
    assert "100 pairs have a list of several strings" in notes
    assert "Unknown words of the sources: none." in notes


def test_duplicates_are_said(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [("a b", "x"), ("a b", "x"), ("a b", "y"), ("a  b", "x")])
    other = write_tsv(tmp_path / "b.tsv", [("c", "x"), ("d", "y")])
    notes = text_pairs(source=path, validation_source=other, test_source=path, units="word").notes()
    assert (
        "Duplicates: 2 of 4 training, 2 of 4 test pairs repeat an earlier one of their split word for word, "
        "and are kept." in notes
    )
    assert not any(
        "Duplicates" in note
        for note in text_pairs(source=other, validation_source=other, test_source=other).notes()
    )


@pytest.mark.parametrize(("unit", "is_said"), [("words", True), ("characters", False), ("subwords", False)])
def test_sources_without_blanks_are_said_where_words_measure_them(
    tmp_path: Path, unit: str, is_said: bool
) -> None:
    path = write_tsv(tmp_path / "a.tsv", [("來有天飯來下。", "x y")] * 9 + [("a b", "x y")])
    notes = " ".join(text_pairs(**same_everywhere(path), length_unit=unit).notes())
    expected = "Warning: 9 of 10 training sources are one word without a blank"
    assert (expected in notes) == is_said
    assert ("task.length_unit=characters or subwords" in notes) == is_said
    assert "training targets" not in notes


def test_targets_without_blanks_are_said_for_bleu_counts_words(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [("x y", "來有天飯來下。")])
    notes = " ".join(text_pairs(**same_everywhere(path)).notes())
    assert "1 of 1 training targets are one word without a blank: BLEU" in notes


def test_other_blanks_and_long_words_are_said_with_their_file(tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path / "a.tsv", [("dit\u00a0: oui", "says: yes"), ("a b", "x" * 1000), ("a b", "x" * 1001)]
    )
    task = text_pairs(**same_everywhere(path))
    notes = task.notes()
    assert (
        f"{path}: Left out because of a word of more than 1,000 characters: 1 example; the longest has 1,001."
        in notes
    )
    assert any(
        note.startswith(f"{path}: 1 example has other blanks than those of ASCII (U+00A0).") for note in notes
    )
    assert sorted(len(pair.target) for pair in task._splits.train) == [9, 1000]


def same_everywhere(path: str) -> dict[str, str]:
    return dict.fromkeys(("source", "validation_source", "test_source"), path)
