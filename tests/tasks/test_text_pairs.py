import itertools
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from attnbench.batch import Batch
from attnbench.errors import UserError
from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.text_pairs import TextPairs
from attnbench.vocabulary import BOS, EOS, PAD, UNKNOWN
from tests.tasks.text_examples import numbered_pairs, text_pairs, write_tsv

ALL = LengthRange(1, 60)
PINNED_TEST = ["verse 15", "verse 19"]
PINNED_VALIDATION = ["verse 13", "verse 22", "verse 34", "verse 37", "verse 4", "verse 5", "verse 7"]
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "bible_en_eo"


@pytest.fixture
def three_files(tmp_path: Path) -> dict[str, str]:
    return {
        "source": write_tsv(tmp_path / "train.tsv", numbered_pairs(50)),
        "validation_source": write_tsv(tmp_path / "validation.tsv", numbered_pairs(20, first=100)),
        "test_source": write_tsv(tmp_path / "test.tsv", numbered_pairs(30, first=200)),
    }


def held_out(
    task: TextPairs, split: Split, lengths: LengthRange = ALL, seed: int = 0, examples: int = 99
) -> list[Batch]:
    return list(task.evaluation_batches(split, seed, lengths, examples, batch_size=8))


def sources(task: TextPairs, batches: list[Batch]) -> list[str]:
    return [task.source_vocabulary.decode(row) for batch in batches for row in batch.source.tolist()]


def training_sources(task: TextPairs) -> list[str]:
    return sources(task, [task.training_batch(0, 0, 9999, ALL)])


def same(left: Batch, right: Batch) -> bool:
    return (
        torch.equal(left.source, right.source)
        and torch.equal(left.target, right.target)
        and left.references == right.references
    )


class TestBatches:
    def test_one_pair_by_hand(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("b a b", "x"), ("a", "y  z")])
        task = text_pairs(source=path, validation_source=path, test_source=path, units="word")
        batch = task.training_batch(0, 0, 2, ALL)
        # Sources: a and b stand twice each, so a comes first. Targets: x, y, z by name. Short sources come first.
        assert batch.source.tolist() == [[4, PAD, PAD], [5, 4, 5]]
        assert batch.source_lengths.tolist() == [1, 3]
        assert batch.target.tolist() == [[5, 6, EOS], [4, EOS, PAD]]
        assert batch.scored.tolist() == [[True, True, True], [True, True, False]]
        assert batch.references == ("y z", "x")
        assert batch.alignment_sure is None

    def test_without_end_mark_the_words_alone_are_scored(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("b a b", "x")])
        task = text_pairs(source=path, validation_source=path, test_source=path, units="word", eos=False)
        assert task.training_batch(0, 0, 2, ALL).target.tolist() == [[4]]
        assert not task.ends_with_mark

    def test_an_epoch_holds_every_pair_once(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        for epoch in range(2):
            batches = [task.training_batch(0, epoch * 8 + step, 7, ALL) for step in range(8)]
            assert sorted(len(batch) for batch in batches) == [1, 7, 7, 7, 7, 7, 7, 7]
            assert sorted(sources(task, batches)) == sorted(source for source, _ in numbered_pairs(50))

    def test_a_batch_is_a_function_of_seed_and_step(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        forward = [task.training_batch(3, step, 7, ALL) for step in range(20)]
        other = text_pairs(**three_files)
        for step in (19, 0, 8, 7, 3):
            assert same(other.training_batch(3, step, 7, ALL), forward[step])

    def test_seeds_and_epochs_differ(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        first = [task.training_batch(0, step, 7, ALL) for step in range(8)]
        later = [task.training_batch(0, step, 7, ALL) for step in range(8, 16)]
        other = [task.training_batch(1, step, 7, ALL) for step in range(8)]
        assert sources(task, first) != sources(task, later)
        assert sources(task, first) != sources(task, other)

    def test_sources_of_a_batch_are_of_similar_length(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("a " * (1 + i % 10), "x") for i in range(200)])
        task = text_pairs(source=path, validation_source=path, test_source=path, units="word")
        for step in range(10):
            batch = task.training_batch(0, step, 20, ALL)
            assert len(set(batch.source_lengths.tolist())) == 1

    def test_training_keeps_to_the_range(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        wanted = [source for source, _ in numbered_pairs(50) if 3 <= len(source.split()) <= 5]
        batches = [task.training_batch(0, 0, 99, LengthRange(3, 5))]
        assert sorted(sources(task, batches)) == sorted(wanted)

    def test_a_range_without_pairs_is_refused(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        with pytest.raises(UserError, match="No training pair has 20 to 30 source words"):
            task.training_batch(0, 0, 8, LengthRange(20, 30))
        with pytest.raises(UserError, match="No validation pair has 20 to 30 source words"):
            held_out(task, "validation", LengthRange(20, 30))

    def test_padding_stands_behind_every_real_token(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        for batch in held_out(task, "test"):
            positions = torch.arange(batch.source.shape[1])
            assert torch.equal(batch.source != PAD, positions < batch.source_lengths[:, None])
            assert torch.equal(batch.scored, batch.target != PAD)
            assert ((batch.target == EOS).sum(dim=1) == 1).all()
            last = batch.scored.sum(dim=1) - 1
            assert (batch.target.gather(1, last[:, None]) == EOS).all()

    def test_references_are_what_the_target_decodes_to(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        for batch in held_out(task, "test"):
            decoded = tuple(task.target_vocabulary.decode(row) for row in batch.target.tolist())
            assert batch.references == decoded


class TestEvaluation:
    def test_every_seed_sees_the_same_examples(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        pairs = zip(held_out(task, "test", seed=0), held_out(task, "test", seed=1), strict=True)
        assert all(same(left, right) for left, right in pairs)

    def test_more_examples_contain_the_fewer(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        few, many = (sources(task, held_out(task, "test", examples=n)) for n in (5, 20))
        assert (len(few), len(many)) == (5, 20)
        assert set(few) < set(many)

    def test_buckets_divide_the_test(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        lengths = [6, 2, 9]
        ranges = [task.evaluation_range(length, lengths) for length in lengths]
        assert ranges == [LengthRange(3, 6), LengthRange(1, 2), LengthRange(7, 9)]
        found = [source for each in ranges for source in sources(task, held_out(task, "test", each))]
        assert sorted(found) == sorted(source for source, _ in numbered_pairs(30, first=200))
        short = sources(task, held_out(task, "test", LengthRange(1, 2)))
        assert {len(source.split()) for source in short} == {1, 2}

    def test_short_ones_come_first(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        lengths = [length for batch in held_out(task, "test") for length in batch.source_lengths.tolist()]
        assert lengths == sorted(lengths)

    def test_a_bucket_without_pairs_yields_nothing_and_is_noted(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        assert held_out(task, "test", LengthRange(10, 20)) == []
        assert task.evaluation_notes([4, 20, 30, 9]) == [
            "No test pair has 10-20 or 21-30 source words: these buckets have no row."
        ]

    def test_pairs_beyond_the_buckets_are_counted(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        longer = sum(len(source.split()) > 4 for source, _ in numbered_pairs(30, first=200))
        assert task.count_outside([2, 4]) == longer > 0
        notes = task.evaluation_notes([2, 4])
        assert notes == [f"{longer} of 30 test pairs have more than 4 source words: not evaluated."]

    def test_validation_is_over_the_trained_range(self, three_files: dict[str, str]) -> None:
        assert text_pairs(**three_files).validation_ranges(LengthRange(1, 40)) == [LengthRange(1, 40)]

    def test_lengths_start_at_one(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        task.check_length(1)
        with pytest.raises(UserError, match="length 0"):
            task.check_length(0)

    def test_chance_is_the_majority_answer_of_the_training(self, tmp_path: Path) -> None:
        train = write_tsv(tmp_path / "train.tsv", [("a b", "x x x y"), ("b", "x")])
        test = write_tsv(tmp_path / "test.tsv", [("a", "x y"), ("a b", "y y y"), ("a b c", "x x x x x x x")])
        task = text_pairs(source=train, validation_source=train, test_source=test, units="word")
        assert task.chance_accuracy(LengthRange(1, 1)) == 1 / 3  # x of "x y <eos>"
        assert task.chance_accuracy(LengthRange(1, 3)) == 8 / 15
        # Never x, so guessing is better: x, y, <eos>, <unk>.
        assert task.chance_accuracy(LengthRange(2, 2)) == 1 / 4
        assert task.answers == [EOS, UNKNOWN, 4, 5]
        assert task.information_bits(LengthRange(1, 1)) is None

    def test_chance_is_what_the_majority_answerer_scores(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        batches = held_out(task, "test")
        target = torch.cat([batch.target[batch.scored] for batch in batches])
        train = task.training_batch(0, 0, 999, ALL)
        majority = train.target[train.scored].bincount().argmax()
        assert task.chance_accuracy(ALL) == pytest.approx(float((target == majority).float().mean()))

    def test_answers_are_all_tokens_but_padding_and_start(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        assert {PAD, BOS} | set(task.answers) == set(range(len(task.target_vocabulary.tokens)))
        assert PAD not in task.answers
        assert BOS not in task.answers

    def test_all_sources_up_to_the_maximum_are_trained_on(self) -> None:
        task = text_pairs()
        assert task.training_range(None, None) == LengthRange(1, 60)
        assert task.training_range([5, 30], None) == LengthRange(5, 30)

    @pytest.mark.parametrize("requested", [[5], [], [0, 5], [9, 8], [1, 61], [1, 2, 3]])
    def test_a_range_that_is_none_is_refused(self, requested: list[int]) -> None:
        with pytest.raises(
            UserError, match=r"expected \[shortest, longest\] from 1 to task.maximum_length=60"
        ):
            text_pairs().training_range(requested, None)

    def test_one_length_is_refused(self) -> None:
        with pytest.raises(UserError, match="takes its lengths from its files"):
            text_pairs().training_range(None, 8)

    def test_buckets_reach_up_to_the_longest_source(self) -> None:
        task = text_pairs()
        assert task.default_test_lengths(LengthRange(1, 60)) == [10, 20, 30, 40, 50, 60]
        assert task.default_test_lengths(LengthRange(1, 50)) == [9, 17, 25, 34, 42, 50]
        assert task.default_test_lengths(LengthRange(15, 30)) == [15, 20, 25, 30]
        assert task.default_test_lengths(LengthRange(1, 2)) == [1, 2]


class TestSplits:
    def test_splits_of_one_file_are_disjoint_and_complete(self, tmp_path: Path) -> None:
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

    def test_equal_sources_stay_together(self, tmp_path: Path) -> None:
        pairs = [(source, f"{target} {i}") for i in range(4) for source, target in numbered_pairs(60)]
        task = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.3, test_share=0.3)
        train = set(training_sources(task))
        validation, test = (set(sources(task, held_out(task, split))) for split in ("validation", "test"))
        assert not train & validation
        assert not train & test
        assert not validation & test

    def test_the_split_depends_on_the_source_alone(self, tmp_path: Path) -> None:
        pairs = numbered_pairs(200)
        whole = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.2, test_share=0.2)
        half = text_pairs(
            source=write_tsv(tmp_path / "b.tsv", [(source, "other") for source, _ in reversed(pairs[:100])]),
            validation_share=0.2,
            test_share=0.2,
        )
        kept = {source for source, _ in pairs[:100]}
        assert (
            set(sources(half, held_out(half, "test"))) == set(sources(whole, held_out(whole, "test"))) & kept
        )

    def test_the_hash_never_changes(self, tmp_path: Path) -> None:
        """Pinned: another hash would move pairs between the splits of published results."""
        pairs = [(f"verse {i}", "x") for i in range(40)]
        task = text_pairs(source=write_tsv(tmp_path / "a.tsv", pairs), validation_share=0.1, test_share=0.1)
        assert sorted(sources(task, held_out(task, "test"))) == PINNED_TEST
        assert sorted(sources(task, held_out(task, "validation"))) == PINNED_VALIDATION

    def test_files_of_its_own_give_a_split_whole(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files)
        assert len(training_sources(task)) == 50
        assert sorted(sources(task, held_out(task, "validation"))) == sorted(
            source for source, _ in numbered_pairs(20, first=100)
        )

    def test_a_test_file_does_not_move_the_validation(self, three_files: dict[str, str]) -> None:
        shares = {"validation_share": 0.2, "test_share": 0.2}
        alone = text_pairs(source=three_files["source"], **shares)
        with_test = text_pairs(source=three_files["source"], test_source=three_files["test_source"], **shares)
        assert sources(alone, held_out(alone, "validation")) == sources(
            with_test, held_out(with_test, "validation")
        )
        assert len(training_sources(with_test)) > len(training_sources(alone))

    def test_vocabularies_know_the_training_alone(self, three_files: dict[str, str]) -> None:
        task = text_pairs(**three_files, units="word")
        assert set(task.source_vocabulary.tokens[4:]) == {f"w{i}" for i in range(50)}
        assert set(task.target_vocabulary.tokens[4:]) == {f"w{i}"[::-1] for i in range(50)}
        assert all((batch.source[batch.source != PAD] == UNKNOWN).all() for batch in held_out(task, "test"))

    def test_subwords_are_learnt_from_the_training_alone(self, tmp_path: Path) -> None:
        train = write_tsv(tmp_path / "a.tsv", [("aaaa bbbb", "cccc")] * 9)
        first, second = (
            text_pairs(
                source=train, validation_source=train, test_source=write_tsv(tmp_path / f"{i}.tsv", rows)
            )
            for i, rows in enumerate([[("zzzz zzzz", "yyyy")] * 99, [("a", "b")]])
        )
        assert first.source_vocabulary.tokens == second.source_vocabulary.tokens
        assert not any("zz" in token for token in first.source_vocabulary.tokens)


class TestNotes:
    def test_what_was_left_out_is_said(self, tmp_path: Path) -> None:
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

    def test_splitting_off_and_joining_are_said(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text("".join(f'{{"source": ["a{i}", "b"], "target": "x y z"}}\n' for i in range(100)))
        notes = " ".join(text_pairs(source=str(path)).notes())
        assert "test (split off the training files by a hash of the source: validation, test)." in notes
        assert "100 pairs have a list of several strings" in notes
        assert "Unknown words of the sources: none." in notes


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
        monkeypatch.setattr("attnbench.tasks.text_pairs.encoded_text", None)
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
        roles, sides = ("", "validation_", "test_"), ("source", "target")
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
