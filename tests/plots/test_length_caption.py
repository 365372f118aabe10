"""The sentences below the figures against length."""

import numpy as np
import pytest

from attnbench.analysis.bootstrap import NO_DRAWS, TextDraws
from attnbench.analysis.breakdown import breakdown_table
from attnbench.analysis.curves import curve_table
from attnbench.plots.length import length_caption
from attnbench.plots.points import split_panels
from tests.metrics_rows import curve_rows, metrics_of, metrics_row
from tests.planted_sentences import joined_runs, planted_run
from tests.plots.sweeps import ACCURACIES, panels_of, sweep_of, text_rows, two_arms


def test_intervals_and_number_of_seeds_are_stated():
    caption = length_caption(panels_of(two_arms()), ACCURACIES)
    assert "mean of 3 seeds" in caption
    assert "95 % Student t interval" in caption
    assert "All arms: hidden size 64, at most 1,500 training steps." in caption


def test_unequal_numbers_of_seeds_and_missing_intervals_are_stated():
    rows = curve_rows({4: [1.0, 1.0, 1.0], 8: [0.9, 0.8]})
    caption = length_caption(panels_of(rows), ACCURACIES)
    assert "mean of 2 to 3 seeds" in caption
    assert "(none where there are two or all seeds are equal)" in caption


def test_a_length_with_one_seed_among_several_is_why_it_has_no_interval():
    caption = length_caption(panels_of(curve_rows({4: [1.0, 0.8, 0.9], 8: [0.9]})), ACCURACIES)
    assert "(none where there is one seed)" in caption
    caption = length_caption(panels_of(curve_rows({4: [1.0, 1.0, 1.0], 8: [0.9]})), ACCURACIES)
    assert "(none where there is one seed or all seeds are equal)" in caption


def test_buckets_of_few_sentences_are_named():
    rows = [row | {"examples": 6 if row["length"] == 40 else 100} for row in text_rows()]
    assert "too few sentences, under 100, at 21–40 (6)" in length_caption(panels_of(rows), ["bleu"])
    assert "sentences" not in length_caption(panels_of(text_rows()), ["bleu"])


def test_budgets_that_differ_are_all_named():
    # An arm that was solved early has the budget of the others all the same.
    rows = two_arms() + curve_rows({4: [1.0]}, model="bahdanau", steps=700)
    assert length_caption(panels_of(rows), ACCURACIES).endswith("at most 1,500 training steps.")
    longer = curve_rows({4: [1.0]}, variant="training.steps=6000", steps=6000)
    assert length_caption(panels_of(rows + longer), ACCURACIES).endswith(
        "at most 1,500 or 6,000 training steps."
    )
    unknown = two_arms(steps=None)
    assert "training steps" not in length_caption(panels_of(unknown), ACCURACIES)


@pytest.mark.parametrize(("bits", "is_told"), [(-0.5, True), (0.0, False)])
def test_bits_below_zero_are_explained(bits, is_told):
    panels = panels_of(two_arms(bits_recovered=bits))
    told = "below 0: the predictions cost more bits than knowing nothing would"
    assert (told in length_caption(panels, ["bits_recovered"])) == is_told
    assert told not in length_caption(panels, ACCURACIES)


def test_one_seed_has_no_interval():
    assert "one seed, so there is no interval" in length_caption(panels_of(text_rows()), ["bleu"])


@pytest.mark.parametrize("stop_reason", ["budget", "plateau"])
def test_hollow_points_are_explained_where_there_are_any(stop_reason):
    caption = length_caption(panels_of(two_arms(stop_reason=stop_reason)), ACCURACIES)
    assert ("hollow" in caption) == (stop_reason == "budget")


def test_free_running_and_teacher_forced_are_told_apart():
    caption = length_caption(panels_of(two_arms()), ACCURACIES)
    assert "Free-running:" in caption
    assert "teacher-forced:" in caption
    assert "L50:" in caption


def test_shading_is_explained_for_extrapolation():
    ranges = {"train_min_length": 4, "train_max_length": 16}
    caption = length_caption(panels_of(two_arms(protocol="extrapolation", **ranges)), ACCURACIES)
    assert "length generalisation" in caption
    assert "length generalisation" not in length_caption(panels_of(two_arms()), ACCURACIES)


def test_bits_and_bleu_are_not_explained_by_breakdowns():
    assert "lower bound" in length_caption(panels_of(two_arms()), ["bits_recovered"])
    assert "L50" not in length_caption(panels_of(two_arms()), ["bits_recovered"])


def test_what_arms_share_is_named_and_what_differs_is_not():
    rows = [metrics_row(variant="model.cell=gru", hidden_size=size, steps=None) for size in (32, 64)]
    caption = length_caption(panels_of(rows), ACCURACIES)
    assert caption.endswith("All arms: model.cell=gru.")


def test_what_arms_share_is_named_also_where_something_else_differs():
    variants = [f"task.vocabulary_size={size};training.learning_rate=0.02" for size in (2, 4)]
    rows = [metrics_row(variant=variant, steps=None) for variant in variants]
    caption = length_caption(panels_of(rows), ACCURACIES)
    assert caption.endswith("All arms: hidden size 64, training.learning_rate=0.02.")


def test_what_only_the_arms_of_one_panel_share_is_named_for_it():
    settings = (
        ("copy", 64, "model.cell=gru"),
        ("copy", 64, "model.cell=gru;model.layers=2"),
        ("sort", 128, ""),
    )
    rows = [
        metrics_row(task=task, hidden_size=size, variant=variant, steps=None)
        for task, size, variant in settings
    ]
    caption = length_caption(panels_of(rows), ACCURACIES)
    assert caption.endswith(
        "In “copy: one model per length”: hidden size 64, model.cell=gru; "
        "in “sort: one model per length”: hidden size 128."
    )


def test_the_budget_is_told_once():
    caption = length_caption(panels_of(two_arms(variant="training.steps=1000", steps=1000)), ACCURACIES)
    assert caption.endswith("All arms: hidden size 64, at most 1,000 training steps.")


def bleu_caption(*, seeds, with_sentences):
    generator = np.random.default_rng(0)
    ease = {length: generator.uniform(0.7, 1.3, 100) for length in (10, 20)}
    rows, sentences = joined_runs(
        planted_run((0.6 - 0.02 * length + 0.01 * seed) * ease[length], length=length, seed=seed)
        for seed in range(seeds)
        for length in ease
    )
    metrics = metrics_of(rows)
    draws = TextDraws.of(metrics, sentences) if with_sentences else NO_DRAWS
    panels = split_panels(metrics, curve_table(metrics, draws), breakdown_table(metrics, draws=draws))
    return length_caption(panels, ["bleu"])


def test_it_is_said_what_the_intervals_of_real_text_are_over():
    both = bleu_caption(seeds=3, with_sentences=True)
    assert "bars and brackets: 95 % interval over sentences (bootstrap) and seeds (Student t)" in both
    alone = bleu_caption(seeds=3, with_sentences=False)
    assert "95 % Student t interval over seeds alone, not over sentences" in alone
    one = bleu_caption(seeds=1, with_sentences=True)
    assert "Lines: one seed; bars and brackets: 95 % bootstrap interval over sentences alone" in one
    assert "one seed, so there is no interval" in bleu_caption(seeds=1, with_sentences=False)


def test_of_two_seeds_no_interval_is_drawn_and_the_caption_says_so():
    caption = length_caption(panels_of(curve_rows({4: [1.0, 0.8], 8: [0.9, 0.7]})), ACCURACIES)
    assert "faint: each seed; no interval is drawn of two seeds" in caption
    assert "bars:" not in caption


def test_a_text_is_named_by_its_files_or_not_at_all():
    rows = [row | {"variant": "task.data=68ee2a71"} for row in text_rows(seeds=3)]
    assert "68ee2a71" not in length_caption(panels_of(rows), ["bleu"])
    panels = split_panels(*sweep_of(rows), {"68ee2a71": "train.en and train.eo"})
    assert "text train.en and train.eo, at most" in length_caption(panels, ["bleu"])


def test_the_line_of_the_commonest_word_is_explained_where_accuracy_of_a_text_is_drawn():
    rows = [row | {"token_accuracy": 0.1, "chance_accuracy": 0.286} for row in text_rows(seeds=3)]
    assert "the line of one who always writes the commonest word" in length_caption(
        panels_of(rows), ACCURACIES
    )
    assert "commonest word" not in length_caption(panels_of(two_arms()), ACCURACIES)
