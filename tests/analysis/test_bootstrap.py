import math
import random

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from attnbench.analysis import bootstrap
from attnbench.analysis.bootstrap import (
    BITS,
    DRAWS,
    TextDraws,
    corpus_bleu,
    corpus_chrf,
    counts_of,
    interval_of,
    mean_draws,
    sentence_weights,
)
from attnbench.analysis.statistics import mean_interval
from attnbench.runs.records import sentence_rows
from attnbench.tasks.base import LengthRange
from attnbench.training.evaluation import Scores
from tests.metrics_rows import metrics_of
from tests.planted_sentences import TOKENS, joined_runs, planted_run


def texts(count, generator):
    """Hypotheses and references that share some words; some are empty, and some of a word or two."""
    words = ["the", "a", "dog,", "cat.", "sees", "(it)", "vidas", "ĉielo", "x"]
    pairs = []
    for _ in range(count):
        reference = generator.choices(words, k=generator.choice([1, 2, 3, 8, 15]))
        hypothesis = [word for word in reference if generator.random() < 0.7] or generator.choices(["", "x"])
        pairs.append((" ".join(hypothesis), " ".join(reference)))
    return [list(side) for side in zip(*pairs, strict=True)]


def counted(hypotheses, references):
    scores = Scores(hypotheses=hypotheses, references=references)
    scores.example_nats, scores.example_tokens = [1.0] * len(references), [1] * len(references)
    return counts_of(pd.DataFrame(sentence_rows(LengthRange(1, 10), scores)))


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("seed", range(10))
def test_scores_of_any_sample_are_those_of_sacrebleu(count, seed):
    generator = random.Random(seed)
    hypotheses, references = texts(count, generator)
    counts = counted(hypotheses, references)
    drawn = generator.choices(range(count), k=count)
    own = [hypotheses[i] for i in drawn], [[references[i] for i in drawn]]
    assert corpus_bleu(counts[drawn].sum(axis=0)) == pytest.approx(BLEU(force=True).corpus_score(*own).score)
    assert corpus_chrf(counts[drawn].sum(axis=0)) == pytest.approx(CHRF().corpus_score(*own).score)


def test_nothing_right_and_nothing_written_score_nothing():
    for hypothesis in ("x x x x", ""):
        counts = counted([hypothesis], ["a b c d e"]).sum(axis=0)
        assert (corpus_bleu(counts), corpus_chrf(counts)) == (0.0, 0.0)


def draws_of(runs):
    rows, sentences = joined_runs(runs)
    return TextDraws.of(metrics_of(rows), sentences)


def test_without_a_spread_of_sentences_the_interval_is_that_of_students_t():
    values = np.array([[20.0, 10.0], [21.0, 14.0], [23.0, 11.0], [19.0, 12.0], [22.0, 13.0]])
    draws = np.broadcast_to(values, (DRAWS, 5, 2))
    low, high = interval_of(mean_draws(values, draws, [0, 1, 2, 3, 4]))
    for column in range(2):
        expected = mean_interval(values[:, column])
        width = expected.high - expected.low
        assert low[column] == pytest.approx(expected.low, abs=0.05 * width)
        assert high[column] == pytest.approx(expected.high, abs=0.05 * width)


def test_one_seed_has_the_interval_of_its_sentences():
    # The mean of 400 sentences, whose nats have a standard deviation of 10, of 25 tokens each.
    nats = 50 + 10 * np.random.default_rng(0).standard_normal(400)
    drawn = draws_of([planted_run(np.full(400, 0.5), nats)]).of_arm(0, [0], [10], BITS)
    low, high = interval_of(mean_draws(drawn[0], drawn, [0]))
    error = nats.std() / math.sqrt(400) / TOKENS / math.log(2)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_arms_and_seeds_share_the_draws_of_sentences():
    # Hard sentences are hard for all: their nats differ by far, those of two arms on one sentence by 5.
    nats = 50 + 20 * np.random.default_rng(1).standard_normal(100)
    runs = [
        planted_run(np.full(100, 0.5), nats + 5 * (model == "fixed"), model=model)
        for model in ("blind", "fixed")
    ]
    drawn = draws_of(runs)
    alone, apart = drawn.of_arm(1, [0], [10], BITS), drawn.of_arm(1, [0], [10], BITS, minus=0)
    assert np.ptp(alone) > 0.3
    assert apart == pytest.approx(5 / TOKENS / math.log(2), abs=1e-5)


def test_the_draws_of_one_arm_do_not_depend_on_others():
    generator = np.random.default_rng(2)
    runs = [planted_run(generator.random(50), model=model) for model in ("blind", "fixed", "uniform")]
    alone, among = (
        draws_of(runs[1:2]).of_arm(0, [0], [10], "bleu"),
        draws_of(runs).of_arm(1, [0], [10], "bleu"),
    )
    assert (alone == among).all()


def test_sentences_in_another_order_are_not_paired():
    right = np.linspace(0.2, 0.8, 50)
    rows, sentences = joined_runs(planted_run(right, seed=seed) for seed in (0, 1))
    turned = sentences.copy()
    own = turned["run_id"] == rows[1]["run_id"]
    turned.loc[own, "sentence"] = 51 - turned.loc[own, "sentence"]
    metrics = metrics_of(rows)
    assert TextDraws.of(metrics, sentences).of_arm(0, [0, 1], [10], "bleu") is not None
    assert TextDraws.of(metrics, turned).of_arm(0, [0, 1], [10], "bleu") is None


@pytest.mark.parametrize("values", [{"bleu": 12.5}, {"examples": 49}, {"cross_entropy_nats": 1.9}])
def test_sentences_that_are_not_those_of_their_row_count_as_none(values):
    assert draws_of([planted_run(np.full(50, 0.5), **values)]).of_arm(0, [0], [10], "bleu") is None
    assert draws_of([planted_run(np.full(50, 0.5))]).of_arm(0, [0], [10], "bleu") is not None


def test_a_seed_without_sentences_leaves_its_arm_without_draws():
    rows, sentences = joined_runs(planted_run(np.full(50, 0.5), seed=seed) for seed in (0, 1))
    drawn = TextDraws.of(metrics_of(rows), sentences[sentences["run_id"] == rows[0]["run_id"]])
    assert drawn.of_arm(0, [0], [10], "bleu") is not None
    assert drawn.of_arm(0, [0, 1], [10], "bleu") is None


def test_draws_that_are_not_defined_leave_an_interval_only_where_they_are_few():
    draws = np.tile(np.arange(1000.0)[:, None], 2)
    draws[:20, 0] = draws[:30, 1] = math.nan
    low, high = interval_of(draws)
    assert (low[0] > 20, high[0] > 950) == (True, True)
    assert np.isnan([low[1], high[1]]).all()


def test_an_end_among_infinite_draws_is_infinite():
    draws = np.concatenate([np.arange(900.0), np.full(100, math.inf)])[:, None]
    low, high = interval_of(draws)
    assert 24 <= low[0] <= 25
    assert high[0] == math.inf


def test_draws_that_are_all_equal_give_no_interval():
    draws = 20.0 + 1e-13 * np.random.default_rng(0).standard_normal((1000, 1))
    assert np.isnan(interval_of(draws)).all()
    assert np.isnan(interval_of(np.full((1000, 1), math.inf))).all()


def test_many_sentences_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr(bootstrap, "_MOST_CELLS", 250 * 60)
    parts = [*sentence_weights(1, 10, 60)]
    assert [len(part) for part in parts] == [250] * 4
    assert (np.concatenate(parts).sum(axis=1) == 60).all()
    assert np.concatenate(parts).mean() == 1
