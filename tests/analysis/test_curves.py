import math

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.arms import Metrics
from attnbench.analysis.curves import curve_table, missing_scores
from tests.growth import growth
from tests.metrics_rows import curve_rows, metrics_of, metrics_row, metrics_table

CONTRACT = """task, model, variant, protocol, hidden_size, train_min_length, train_max_length, score, length,
mean, low, high, seeds, chance, ceiling, interval_over"""


def points(table, score="token_accuracy"):
    return table[table["score"] == score].reset_index(drop=True)


def test_columns_are_the_contracts_in_its_order():
    table = curve_table(metrics_of([metrics_row()]))
    assert list(table.columns) == CONTRACT.replace("\n", " ").replace(",", " ").split()


def test_mean_and_interval_of_three_seeds_by_hand():
    row = points(curve_table(metrics_of(curve_rows({8: [0.5, 0.6, 0.7]})))).iloc[0]
    assert row["mean"] == pytest.approx(0.6)
    assert (row["low"], row["high"]) == pytest.approx((0.6 - 0.248414, 0.6 + 0.248414), abs=1e-6)
    assert row["seeds"] == 3


def test_one_seed_and_equal_seeds_have_no_interval():
    table = points(curve_table(metrics_of(curve_rows({4: [0.1, 0.1, 0.1], 8: [0.9]}))))
    assert table["mean"].tolist() == [0.1, 0.9]
    assert table["low"].isna().all()
    assert table["high"].isna().all()
    assert table["seeds"].tolist() == [3, 1]


def test_accuracies_end_at_one_and_bits_do_not():
    rows = [
        metrics_row(seed=seed, token_accuracy=a, bits_recovered=a) for seed, a in enumerate([0.9, 1.0, 1.0])
    ]
    table = curve_table(metrics_of(rows))
    assert points(table)["high"][0] == 1.0
    assert points(table, "bits_recovered")["high"][0] > 1.0


def test_an_interval_of_accuracies_never_goes_below_zero():
    table = points(curve_table(metrics_of(curve_rows({8: [0.0, 0.0, 0.1]}))))
    assert table["low"][0] == 0.0


def test_missing_cells_are_left_out_and_never_zero():
    table = points(curve_table(metrics_of(curve_rows({4: [0.8, None, 0.6], 8: [None, None, None]}))))
    assert table["length"].tolist() == [4]
    assert table["mean"][0] == pytest.approx(0.7)
    assert table["seeds"][0] == 2


def test_a_score_without_values_has_no_rows():
    table = curve_table(metrics_of([metrics_row(bits_recovered=None)]))
    assert list(table["score"]) == ["token_accuracy", "teacher_forced_accuracy", "sequence_accuracy"]


def test_chance_belongs_to_scores_of_single_tokens():
    table = curve_table(metrics_of([metrics_row(bleu=20.0, chrf=30.0)])).set_index("score")
    assert table.loc[["token_accuracy", "teacher_forced_accuracy"], "chance"].tolist() == [0.0625, 0.0625]
    assert table.loc[["sequence_accuracy", "bits_recovered", "bleu", "chrf"], "chance"].isna().all()


@pytest.mark.parametrize(
    "difference",
    [
        {"task": "copy"},
        {"model": "bahdanau"},
        {"variant": "model.cell=gru"},
        {"hidden_size": 128},
        {"protocol": "mixed", "train_min_length": 4, "train_max_length": 32},
    ],
)
def test_rows_are_pooled_over_nothing_but_seeds(difference):
    rows = curve_rows({8: [0.2, 0.4]}) + curve_rows({8: [0.8]}, **difference)
    table = points(curve_table(metrics_of(rows)))
    assert sorted(table["mean"]) == pytest.approx([0.3, 0.8])


def test_train_ranges_are_pooled_for_per_length_and_for_nothing_else():
    rows = []
    for protocol in ("per_length", "mixed", "extrapolation"):
        for longest, accuracy in ((16, 0.2), (32, 0.8)):
            rows += curve_rows({8: [accuracy]}, [longest], protocol=protocol, train_max_length=longest)
    table = points(curve_table(metrics_of(rows)))
    assert table["protocol"].tolist() == ["extrapolation"] * 2 + ["mixed"] * 2 + ["per_length"]
    assert table["train_max_length"].tolist() == [16, 32, 16, 32, pd.NA]
    assert table["mean"].tolist() == pytest.approx([0.2, 0.8, 0.2, 0.8, 0.5])


def test_several_runs_of_one_seed_count_as_one():
    rows = curve_rows({8: [0.2, 0.4]}) + curve_rows({8: [0.6]}, learning_rate=1e-3, run_id="again")
    row = points(curve_table(metrics_of(rows))).iloc[0]
    # Seed 0 stands at the mean of its two runs, 0.4.
    assert (row["mean"], row["seeds"]) == (pytest.approx(0.4), 2)


def test_arms_may_have_different_lengths_and_rows_any_order():
    rows = curve_rows({8: [0.5], 4: [1.0]}) + curve_rows({16: [0.9], 2: [1.0], 8: [0.95]}, model="bahdanau")
    table = points(curve_table(metrics_of(rows)))
    assert table["model"].tolist() == ["bahdanau"] * 3 + ["fixed"] * 2
    assert table["length"].tolist() == [2, 8, 16, 4, 8]


def test_buckets_that_end_at_the_same_length_are_never_pooled():
    rows = [metrics_row(length=20, length_min=least, token_accuracy=a) for least, a in ((1, 0.9), (11, 0.5))]
    assert points(curve_table(metrics_of(rows)))["mean"].tolist() == [0.5]


def test_no_rows_give_no_curve():
    assert len(curve_table(metrics_of([]))) == 0


def test_curves_cost_ten_times_as_much_for_ten_times_as_many_rows():
    accuracies = {length: [0.5 + math.sin(s) / 3 for s in range(25)] for length in range(1, 101)}
    metrics = metrics_table(
        [row for size in (16, 32, 64, 128) for row in curve_rows(accuracies, hidden_size=size)]
    )
    assert len(points(curve_table(Metrics.of(metrics)))) == 400
    assert (
        growth(lambda: curve_table(Metrics.of(metrics[:1000])), lambda: curve_table(Metrics.of(metrics))) < 30
    )


def test_scores_that_rows_lack_and_a_run_writes_are_counted():
    without = metrics_row(length=4, token_accuracy=None, bits_recovered=None)
    text = metrics_row(length=4, task="text", bits_recovered=None, bits_available=None, bleu=20.0)
    rows = [without, metrics_row(length=8), text, {**text, "bleu": None, "run_id": "other"}]
    assert missing_scores(metrics_table(rows)) == {
        "token_accuracy": (1, 4),
        "bits_recovered": (1, 2),
        "bleu": (1, 2),
    }
    assert missing_scores(metrics_table([metrics_row()])) == {}


def channel_rows(**values):
    """Rows of 32 bits that cross, of 4 bits a token, with the rate–distortion ceilings at 8, 16 and 24 tokens."""
    ceilings = {8: 1.0, 16: 0.7078, 24: 0.5678}
    return [
        metrics_row(
            **{
                "length": length,
                "seed": seed,
                "bits_available": 4.0 * length,
                "channel_bits": 32,
                "accuracy_ceiling": ceiling,
            }
            | values
        )
        for length, ceiling in ceilings.items()
        for seed in (0, 1)
    ]


def ceilings_of(rows, score):
    table = curve_table(metrics_of(rows))
    return table.loc[table["score"] == score, "ceiling"].tolist()


def test_each_score_has_its_ceiling():
    rows = channel_rows()
    for score in ("token_accuracy", "teacher_forced_accuracy"):
        assert ceilings_of(rows, score) == pytest.approx([1.0, 0.7078, 0.5678])
    # Of 64 bits 32 are missing, of 96 bits 64: one sequence in 2 ** 32, and in 2 ** 64.
    assert ceilings_of(rows, "sequence_accuracy") == pytest.approx([1.0, 2.0**-32, 2.0**-64], rel=1e-9)
    assert ceilings_of(rows, "bits_recovered") == [32, 32, 32]
    assert ceilings_of(channel_rows(channel_bits=48), "bits_recovered") == [32, 48, 48]
    assert np.isnan(ceilings_of(channel_rows(bleu=20.0), "bleu")).all()


def test_without_a_rate_distortion_ceiling_only_the_bits_have_one():
    rows = channel_rows(accuracy_ceiling=None)
    for score in ("token_accuracy", "teacher_forced_accuracy", "sequence_accuracy"):
        assert np.isnan(ceilings_of(rows, score)).all()
    assert ceilings_of(rows, "bits_recovered") == [32, 32, 32]


@pytest.mark.parametrize("lacking", ["channel_bits", "bits_available"])
def test_without_the_bits_there_is_no_ceiling_of_bits(lacking):
    assert np.isnan(ceilings_of(channel_rows(**{lacking: None}), "bits_recovered")).all()


def test_tables_without_the_columns_have_no_ceiling():
    assert metrics_table(curve_rows({4: [1.0]}))["channel_bits"].isna().all()
    assert curve_table(metrics_of(curve_rows({4: [1.0]})))["ceiling"].isna().all()
