from pathlib import Path

import pytest
import torch

from attnbench.errors import UserError
from attnbench.tasks.base import LengthRange
from attnbench.tasks.text.encoding import BatchSize, count_batches
from attnbench.vocabulary import BOS, EOS, PAD, UNKNOWN
from tests.tasks.text.text_examples import ALL, held_out, numbered_pairs, same, sources, text_pairs, write_tsv


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

    def test_a_batch_of_tokens_holds_no_more_with_its_padding_and_every_pair_once(
        self, tmp_path: Path
    ) -> None:
        path = write_tsv(
            tmp_path / "a.tsv", [(f"s{i} " * (1 + i % 10), "x " * (1 + i % 4)) for i in range(60)]
        )
        task = text_pairs(
            source=path, validation_source=path, test_source=path, units="word", batch_tokens=40
        )
        count = count_batches(task._text.splits["train"], ALL, BatchSize(7, 40))
        for epoch in range(2):
            batches = [task.training_batch(0, epoch * count + step, 7, ALL) for step in range(count)]
            assert sum(len(batch) for batch in batches) == 60
            assert len(set(sources(task, batches))) == 60
            for batch in batches:
                assert batch.source.numel() + batch.target.numel() <= 40
        # Greedy: with the first pair of the next one a batch would have held too many.
        assert count < 60 / 2

    def test_a_pair_of_more_tokens_than_a_batch_may_hold_stands_alone(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [("a " * (1 + i), "x") for i in range(6)])
        task = text_pairs(source=path, validation_source=path, test_source=path, units="word", batch_tokens=1)
        assert [len(task.training_batch(0, step, 7, ALL)) for step in range(6)] == [1] * 6

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

    def test_targets_that_are_all_one_are_refused(self, tmp_path: Path) -> None:
        path = write_tsv(tmp_path / "a.tsv", [(source, "yes") for source, _ in numbered_pairs(9)])
        task = text_pairs(source=path, validation_source=path, test_source=path)
        with pytest.raises(
            UserError, match=r"a\.tsv: all 9 pairs .* the same target, so there is nothing to know"
        ):
            task.check_information([10])
        other = write_tsv(
            tmp_path / "b.tsv", [*((source, "yes") for source, _ in numbered_pairs(9)), ("z", "no")]
        )
        text_pairs(source=other, validation_source=path, test_source=path).check_information([10])

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
    in_pieces = text_pairs(**same_everywhere(path)).notes()
    assert in_pieces[-1] == (
        "A small text: rare words are read in pieces (subwords). task.units=word keeps them whole."
    )


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
