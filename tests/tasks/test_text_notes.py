from pathlib import Path

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
