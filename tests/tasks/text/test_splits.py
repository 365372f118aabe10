from pathlib import Path

from attnbench.vocabulary import PAD, UNKNOWN
from tests.tasks.text.text_examples import (
    held_out,
    numbered_pairs,
    sources,
    text_pairs,
    training_sources,
    write_tsv,
)

PINNED_TEST = ["verse 15", "verse 19"]
PINNED_VALIDATION = ["verse 13", "verse 22", "verse 34", "verse 37", "verse 4", "verse 5", "verse 7"]


def test_splits_of_one_file_are_disjoint_and_complete(tmp_path: Path) -> None:
    pairs = numbered_pairs(400)
    task = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.2, test_share=0.1)
    parts = [
        set(training_sources(task)),
        set(sources(task, held_out(task, "validation", examples=999))),
        set(sources(task, held_out(task, "test", examples=999))),
    ]
    assert set.union(*parts) == {source for source, _ in pairs}
    assert sum(map(len, parts)) == 400
    # Shares of 80 and 40 expected; four standard deviations of a binomial.
    assert 48 <= len(parts[1]) <= 112
    assert 16 <= len(parts[2]) <= 64


def test_equal_sources_stay_together(tmp_path: Path) -> None:
    pairs = [(source, f"{target} {i}") for i in range(4) for source, target in numbered_pairs(60)]
    task = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.3, test_share=0.3)
    train = set(training_sources(task))
    validation, test = (set(sources(task, held_out(task, split))) for split in ("validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_the_split_depends_on_the_source_alone(tmp_path: Path) -> None:
    pairs = numbered_pairs(200)
    whole = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.2, test_share=0.2)
    half = text_pairs(
        source=write_tsv(tmp_path / "b.tsv", [(source, "other") for source, _ in reversed(pairs[:100])]),
        validation_share=0.2,
        test_share=0.2,
    )
    kept = {source for source, _ in pairs[:100]}
    assert set(sources(half, held_out(half, "test"))) == set(sources(whole, held_out(whole, "test"))) & kept


def test_the_hash_never_changes(tmp_path: Path) -> None:
    """Pinned: another hash would move pairs between the splits of published results."""
    pairs = [(f"verse {i}", "x") for i in range(40)]
    task = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.1, test_share=0.1)
    assert sorted(sources(task, held_out(task, "test"))) == PINNED_TEST
    assert sorted(sources(task, held_out(task, "validation"))) == PINNED_VALIDATION


def test_files_of_its_own_give_a_split_whole(three_files: dict[str, str]) -> None:
    task = text_pairs(**three_files)
    assert len(training_sources(task)) == 50
    assert sorted(sources(task, held_out(task, "validation"))) == sorted(
        source for source, _ in numbered_pairs(20, first=100)
    )


def test_a_test_file_does_not_move_the_validation(three_files: dict[str, str]) -> None:
    shares = {"validation_share": 0.2, "test_share": 0.2}
    alone = text_pairs(source=three_files["source"], **shares)
    with_test = text_pairs(source=three_files["source"], test_source=three_files["test_source"], **shares)
    assert sources(alone, held_out(alone, "validation")) == sources(
        with_test, held_out(with_test, "validation")
    )
    assert len(training_sources(with_test)) > len(training_sources(alone))


def test_vocabularies_know_the_training_alone(three_files: dict[str, str]) -> None:
    task = text_pairs(**three_files, units="word")
    assert set(task.source_vocabulary.tokens[4:]) == {f"w{i}" for i in range(50)}
    assert set(task.target_vocabulary.tokens[4:]) == {f"w{i}"[::-1] for i in range(50)}
    assert all((batch.source[batch.source != PAD] == UNKNOWN).all() for batch in held_out(task, "test"))


def test_subwords_are_learnt_from_the_training_alone(tmp_path: Path) -> None:
    train = write_tsv(tmp_path / "a.tsv", [("aaaa bbbb", "cccc")] * 9)
    first, second = (
        text_pairs(source=train, validation_source=train, test_source=write_tsv(tmp_path / f"{i}.tsv", rows))
        for i, rows in enumerate([[("zzzz zzzz", "yyyy")] * 99, [("a", "b")]])
    )
    assert first.source_vocabulary.tokens == second.source_vocabulary.tokens
    assert not any("zz" in token for token in first.source_vocabulary.tokens)
