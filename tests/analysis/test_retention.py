import math

import pandas as pd
import pytest

from attnbench.analysis.breakdown import breakdown_table, l50_by_arm
from attnbench.analysis.retention import RETENTION_COLUMNS, real_text, retention_table
from tests.metrics_rows import curve_rows, metrics_of, metrics_row


def text_arm(bleu, chrf=None, examples=None, model="fixed", **values):
    """Rows of one arm of real text: BLEU (and chrF) by bucket, one for each seed."""
    chrf = chrf or bleu
    return [
        metrics_row(
            task="text_pairs",
            model=model,
            length=length,
            length_min=length - 9,
            protocol="mixed",
            train_min_length=1,
            train_max_length=60,
            seed=seed,
            bleu=score,
            chrf=chrf[length][seed],
            token_accuracy=0.1,
            examples=(examples or {}).get(length, 500),
            **{"bits_available": None, "bits_recovered": None} | values,
        )
        for length, by_seed in bleu.items()
        for seed, score in enumerate(by_seed)
    ]


def table_of(rows, score="bleu"):
    table = retention_table(metrics_of(rows))
    return table[table["score"] == score].set_index("length")


def halves_of(rows, score="bleu"):
    table = breakdown_table(metrics_of(rows))
    return table[table["score"] == score].to_dict("records")


def test_retention_is_the_share_of_the_best_bucket_by_seed():
    # Best in the mean at 20: seed 0 keeps 10/20 and 4/20, seed 1 keeps 15/30 and 12/30; mean 0.3, deviation .1414.
    table = table_of(text_arm({10: [10, 15], 20: [20, 30], 40: [4, 12]}))
    assert table["retention"].tolist() == pytest.approx([0.5, 1.0, 0.3])
    assert table["is_best"].tolist() == [False, True, False]
    margin = 12.7062 * 0.141421 / math.sqrt(2)
    assert (table.loc[40, "low"], table.loc[40, "high"]) == pytest.approx((0.0, 0.3 + margin), abs=1e-4)
    assert table["seeds"].tolist() == [2, 2, 2]


def test_one_seed_has_no_interval():
    assert table_of(text_arm({10: [20], 20: [10]}))["low"].isna().all()


def test_buckets_of_fewer_than_a_hundred_sentences_say_so():
    table = table_of(text_arm({10: [20], 20: [10], 40: [5]}, examples={10: 99, 20: 100}))
    assert table["few_sentences"].tolist() == [True, False, False]
    assert table["examples"].tolist() == [99, 100, 500]


def test_the_length_at_which_half_is_left_is_interpolated_in_log_length():
    # From 1 at 10 to 0 at 40 by way of 1/2 at 20.
    (row,) = halves_of(text_arm({10: [20.0, 22.0], 40: [0.0, 0.0]}))
    assert (row["threshold"], row["length"], row["censored"]) == ("half", pytest.approx(20), "")
    assert (row["accuracy_threshold"], row["seeds"]) == (0.5, 2)


def test_the_interval_is_over_the_seeds_own_lengths():
    # Seeds keep 1/4 and 0 at 40: they pass one half at 2/3 and 1/2 of the two octaves.
    (row,) = halves_of(text_arm({10: [20.0, 20.0], 40: [5.0, 0.0]}))
    places = [math.log2(10) + 2 * 2 / 3, math.log2(10) + 1]
    mean, margin = sum(places) / 2, 12.7062 * abs(places[0] - places[1]) / 2
    assert (row["low"], row["high"]) == pytest.approx((2 ** (mean - margin), 2 ** (mean + margin)), rel=1e-4)


def test_what_lies_ahead_of_the_best_bucket_is_no_fall():
    (row,) = halves_of(text_arm({10: [5.0], 20: [20.0], 40: [18.0]}))
    assert (row["length"], row["censored"]) == (40, "above")


def test_an_arm_whose_best_bucket_is_the_longest_is_censored_there():
    (row,) = halves_of(text_arm({10: [5.0], 40: [20.0]}))
    assert (row["length"], row["censored"], row["seeds_above"]) == (40, "above", 1)


def test_less_than_one_of_a_hundred_is_not_learnt():
    rows = text_arm({10: [0.9, 0.8], 40: [0.1, 0.0]}, chrf={10: [20, 20], 40: [18, 18]})
    (row,) = halves_of(rows)
    assert (row["censored"], row["seeds_not_learnt"]) == ("not_learnt", 2)
    assert math.isnan(row["length"])
    assert table_of(rows).empty
    (row,) = halves_of(rows, "chrf")
    assert row["censored"] == "above"


def test_bleu_and_chrf_have_rows_of_their_own():
    rows = text_arm({10: [20.0], 40: [0.0]}, chrf={10: [40.0], 40: [30.0]})
    assert halves_of(rows)[0]["censored"] == ""
    assert halves_of(rows, "chrf")[0]["censored"] == "above"


def test_real_text_has_no_rows_of_accuracy():
    rows = text_arm({10: [20.0], 40: [0.0]}) + curve_rows({4: [1.0], 16: [0.0]})
    table = breakdown_table(metrics_of(rows))
    assert set(table.loc[table["task"] == "text_pairs", "score"]) == {"bleu", "chrf"}
    assert set(table.loc[table["task"] == "reverse", "score"]) == {
        "token_accuracy",
        "teacher_forced_accuracy",
    }
    assert [arm.task for arm in l50_by_arm(table)] == ["reverse"]
    assert [arm.task for arm in l50_by_arm(table, "bleu")] == ["text_pairs"]


def test_sentences_of_known_entropy_are_no_real_text():
    rows = text_arm({10: [20.0], 40: [0.0]}, bits_available=30.0)
    assert real_text(metrics_of(rows)) == set()
    assert retention_table(metrics_of(rows)).empty
    assert "L50" in set(breakdown_table(metrics_of(rows))["threshold"])


def test_symbols_have_columns_and_no_rows():
    table = retention_table(metrics_of(curve_rows({4: [1.0]})))
    assert list(table.columns) == list(RETENTION_COLUMNS)
    assert table.empty
    assert isinstance(table, pd.DataFrame)
