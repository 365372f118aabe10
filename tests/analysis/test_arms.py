import pandas as pd

from attnbench.analysis.arms import arm_table, arms_of, number_arms, sort_arms
from attnbench.arm import NO_CHANGES, Arm, Variant
from attnbench.runs.metrics_csv import ARM_COLUMNS
from tests.metrics_rows import metrics_of, metrics_row, metrics_table


def test_fields_are_the_columns_that_tell_arms_apart():
    assert Arm._fields == ARM_COLUMNS


def test_lengths_and_seeds_of_per_length_are_one_arm():
    table = metrics_table([metrics_row(length=length, seed=seed) for length in (4, 8) for seed in (0, 1)])
    assert set(arms_of(table)) == {Arm("reverse", "fixed", NO_CHANGES, "per_length", 64, None, None)}


def test_train_ranges_are_arms_of_their_own_in_the_other_protocols():
    rows = [
        metrics_row(protocol=protocol, train_min_length=4, train_max_length=longest)
        for protocol in ("mixed", "extrapolation")
        for longest in (16, 32)
    ]
    assert [arm.train_max_length for arm in arms_of(metrics_table(rows))] == [16, 32, 16, 32]
    assert len(set(arms_of(metrics_table(rows)))) == 4


def test_an_unknown_train_range_is_none():
    row = metrics_row(protocol="mixed", train_min_length=None, train_max_length=None)
    assert arms_of(metrics_table([row]))[0][-2:] == (None, None)


def test_a_missing_variant_is_the_default():
    table = metrics_table([metrics_row()]).assign(variant=pd.Series([None], dtype="str"))
    assert arms_of(table)[0].variant == NO_CHANGES


def test_arms_are_sorted_and_distinct():
    plain = Arm("copy", "fixed", NO_CHANGES, "mixed", 64, None, None)
    ranged, wide = plain._replace(train_max_length=8), plain._replace(hidden_size=128)
    assert sort_arms([wide, ranged, plain, wide]) == [plain, ranged, wide]


def test_rows_are_numbered_by_the_place_of_their_arm():
    arms, numbers = number_arms(metrics_table([metrics_row(model=name) for name in ("fixed", "blind")]))
    assert [arm.model for arm in arms] == ["blind", "fixed"]
    assert numbers.tolist() == [1, 0]


def test_of_buckets_that_end_at_the_same_length_the_narrowest_stays():
    buckets = [(1, 20), (21, 40), (1, 10), (11, 20)]
    rows = [metrics_row(length_min=least, length=length) for least, length in buckets]
    rows += [metrics_row(model="bahdanau", length_min=1, length=20), metrics_row(length=8)]
    kept = metrics_of(rows).frame
    assert list(zip(kept["model"], kept["length_min"].fillna(0), kept["length"], strict=True)) == [
        ("fixed", 21, 40),
        ("fixed", 1, 10),
        ("fixed", 11, 20),
        ("bahdanau", 1, 20),
        ("fixed", 0, 8),
    ]


def test_rows_without_a_value_take_their_arm_along_where_it_has_no_others():
    rows = [
        metrics_row(model=name, bleu=bleu)
        for name, bleu in (("blind", None), ("fixed", 20.0), ("slots", 1.0))
    ]
    scored = metrics_of(rows).having("bleu")
    assert [arm.model for arm in scored.arms] == ["fixed", "slots"]
    assert scored.numbers.tolist() == [0, 1]
    assert {arm.model: own["bleu"].tolist() for arm, own in scored.by_arm().items()} == {
        "fixed": [20.0],
        "slots": [1.0],
    }


def test_a_table_of_arms_has_them_again():
    arms = [
        Arm("copy", "fixed", Variant.parse("a=1"), "mixed", 64, 4, 32),
        Arm("copy", "fixed", NO_CHANGES, "per_length", 8, None, None),
    ]
    assert arms_of(arm_table(arms)) == arms
    assert list(arm_table([]).columns) == list(ARM_COLUMNS)
