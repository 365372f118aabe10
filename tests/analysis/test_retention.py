import math

import numpy as np
import pandas as pd
import pytest

from attnbench.analysis.bootstrap import TextDraws
from attnbench.analysis.breakdown import LengthCurve, breakdown_table, find_crossing, first_falls, l50_by_arm
from attnbench.analysis.curves import curve_table
from attnbench.analysis.retention import RETENTION_COLUMNS, real_text, retention_table
from tests.metrics_rows import curve_rows, metrics_of, metrics_row
from tests.planted_sentences import joined_runs, planted_run


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


def with_blind(gains, blind_nats=4.0, **values):
    """Rows of `blind` and of an arm that gains so many bits per token over it, by bucket, one for each seed."""
    flat = {length: [20.0] * len(by_seed) for length, by_seed in gains.items()}
    rows = text_arm(flat, model="blind", cross_entropy_nats=blind_nats, **values)
    for row in text_arm(flat, **values):
        rows.append(
            row | {"cross_entropy_nats": blind_nats - gains[row["length"]][row["seed"]] * math.log(2)}
        )
    return rows


def test_of_the_bits_gained_over_blind_a_share_is_retained():
    table = table_of(with_blind({10: [1.0, 1.2], 20: [0.5, 0.6], 40: [0.1, 0.3]}), "bits_over_blind")
    assert table["model"].unique().tolist() == ["fixed"]
    assert table["mean"].tolist() == pytest.approx([1.1, 0.55, 0.2])
    assert table["retention"].tolist() == pytest.approx([1.0, 0.5, 0.175])


def test_half_of_the_bits_gained_has_a_length():
    # From 1 at 10 to 0 at 40 by way of 1/2 at 20.
    (row,) = halves_of(with_blind({10: [1.0, 2.0], 40: [0.0, 0.0]}), "bits_over_blind")
    assert (row["model"], row["length"], row["threshold"]) == ("fixed", pytest.approx(20), "half")


def test_an_arm_that_gains_next_to_nothing_over_blind_is_not_learnt():
    (row,) = halves_of(with_blind({10: [0.09], 40: [0.0]}), "bits_over_blind")
    assert row["censored"] == "not_learnt"


def test_cross_entropy_has_a_difference_and_no_share_or_half():
    rows = with_blind({10: [1.0, 1.0], 40: [0.4, 0.2]})
    table = table_of(rows, "cross_entropy_bits")
    own = table[table["model"] == "fixed"]
    assert own["difference"].tolist() == pytest.approx([0.0, 0.7])
    assert own["is_best"].tolist() == [True, False]
    assert own["retention"].isna().all()
    assert table.loc[table["model"] == "blind", "difference"].tolist() == pytest.approx([0.0, 0.0])
    assert halves_of(rows, "cross_entropy_bits") == []


def test_without_a_blind_arm_nothing_is_said_of_gains():
    rows = text_arm({10: [20.0], 40: [10.0]})
    assert table_of(rows, "bits_over_blind").empty
    assert len(table_of(rows, "cross_entropy_bits")) == 2
    assert halves_of(rows, "bits_over_blind") == []


def planted(shares, sentences=200, models=("fixed",), spread=0.3, seeds=2):
    """Rows and draws of arms whose n-grams match at these shares by bucket, in hard and in easy sentences."""
    generator = np.random.default_rng(0)
    runs = []
    for length, share in shares.items():
        ease = 1 + spread * generator.uniform(-1, 1, sentences)
        runs += [
            planted_run(share * ease, 50 / share / ease, length, model=model, seed=seed)
            for model in models
            for seed in range(seeds)
        ]
    rows, table = joined_runs(runs)
    metrics = metrics_of(rows)
    return metrics, TextDraws.of(metrics, table)


def test_where_sentences_are_at_hand_intervals_are_over_them_too():
    metrics, draws = planted({10: 0.6, 20: 0.3})
    table = retention_table(metrics, draws).set_index(["score", "length"])
    row = table.loc[("bleu", 20)]
    assert row["interval_over"] == "sentences and seeds"
    # Seeds that are all equal have no interval of their own; the sentences spread.
    assert row["retention"] - 0.05 < row["low"] < row["retention"] < row["high"] < row["retention"] + 0.05
    assert math.isnan(retention_table(metrics).set_index(["score", "length"]).loc[("bleu", 20), "low"])
    assert table.loc[("bleu", 10), ["low", "high"]].isna().all()
    assert table.loc[("cross_entropy_bits", 20), "interval_over"] == "sentences and seeds"


def test_one_seed_has_an_interval_over_sentences_alone():
    metrics, draws = planted({10: 0.6, 20: 0.2}, seeds=1)
    table = retention_table(metrics, draws)
    assert set(table.loc[~table["is_best"], "interval_over"]) == {"sentences"}
    row = breakdown_table(metrics, draws=draws).set_index("score").loc["bleu"]
    assert row["low"] < row["length"] < row["high"]
    assert row["interval_over"] == "sentences"


def test_the_length_at_half_has_an_interval_over_sentences_and_seeds():
    metrics, draws = planted({10: 0.6, 20: 0.5, 40: 0.1})
    row = breakdown_table(metrics, draws=draws).set_index("score").loc["bleu"]
    assert 20 < row["low"] < row["length"] < row["high"] < 40
    assert row["interval_over"] == "sentences and seeds"


def test_an_interval_may_end_beyond_the_longest_tested():
    # Near one half at the longest bucket of few sentences: some draws fall, others do not.
    for share, censored in ((0.302, "above"), (0.285, "")):
        metrics, draws = planted({10: 0.6, 40: share}, sentences=20)
        row = breakdown_table(metrics, draws=draws).set_index("score").loc["bleu"]
        assert row["censored"] == censored
        assert 10 < row["low"] <= row["length"]
        assert math.isnan(row["high"])


def test_where_no_draw_falls_there_is_no_interval():
    metrics, draws = planted({10: 0.6, 40: 0.6})
    row = breakdown_table(metrics, draws=draws).set_index("score").loc["bleu"]
    assert (row["censored"], row["interval_over"]) == ("above", "")
    assert math.isnan(row["low"])


def test_many_curves_fall_where_each_alone_does():
    generator = np.random.default_rng(0)
    lengths = [10, 20, 30, 60]
    curves = np.column_stack([np.ones(200), generator.uniform(0.2, 1.2, (200, 3))])
    alone = [find_crossing(LengthCurve(lengths, curve.tolist(), [0.0] * 4), 0.5) for curve in curves]
    expected = [math.inf if each.censored else each.length for each in alone]
    assert {math.isinf(each) for each in expected} == {True, False}
    assert first_falls(lengths, curves, 0.5).tolist() == pytest.approx(expected)
    assert first_falls([10], curves[:, :1], 0.5).tolist() == [math.inf] * 200


def test_bars_of_bleu_are_over_sentences_where_they_are_at_hand():
    metrics, draws = planted({10: 0.6, 20: 0.3})
    curve = curve_table(metrics, draws).set_index(["score", "length"])
    row = curve.loc[("bleu", 20)]
    assert row["low"] < row["mean"] < row["high"]
    assert row["interval_over"] == "sentences and seeds"
    assert curve_table(metrics).set_index(["score", "length"]).loc[("bleu", 20), "interval_over"] == ""


def test_a_bar_over_few_sentences_reaches_its_point_and_one_sentence_has_none():
    # Of three sentences without a match of four words, draws are smoothed otherwise than their sum.
    for sentences in (1, 3):
        metrics, draws = planted({10: 0.6, 20: 0.06}, sentences=sentences, spread=0.9, seeds=1)
        row = curve_table(metrics, draws).set_index(["score", "length"]).loc[("bleu", 20)]
        assert math.isnan(row["low"]) == (sentences == 1)
        assert (row["interval_over"] == "") == (sentences == 1)
        assert sentences == 1 or row["low"] <= row["mean"] <= row["high"]
