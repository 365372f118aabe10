from dataclasses import replace

import pytest

from attnbench.report.settings import SweepTables
from attnbench.report.verdict import verdict_markdown, verdict_text, verdicts
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import write_rows
from attnbench.runs.training_records import Progress, TrainingRecords
from tests.metrics_rows import curve_rows, metrics_row, metrics_table
from tests.plots.sweeps import FALLING, STAYING, text_rows, two_arms

LONG = {"variant": "training.steps=6000", "steps": 6000}


def all_verdicts(rows, baseline=None):
    return verdicts(SweepTables.of(metrics_table(rows), baseline))


def each_verdict_of(rows):
    """The text of each setting by itself."""
    return [verdict_text([each]) for each in all_verdicts(rows)]


def verdict_of(rows, baseline=None):
    return verdict_text(all_verdicts(rows, baseline))


def test_what_was_done_is_the_first_of_the_method():
    (verdict,) = all_verdicts(two_arms())
    assert verdict.method[0] == "4 to 32 symbols; hidden size 64, 3 seeds, at most 1,500 training steps."
    text = verdict_of(two_arms(variant="model.cell=gru;training.steps=1000", steps=1000))
    assert "hidden size 64, model.cell=gru, 3 seeds, at most 1,000 training steps." in text


def test_one_sentence_comes_first_then_what_was_found_what_not_and_how():
    (verdict,) = all_verdicts(two_arms())
    assert verdict.heading == "reverse: one model per length"
    assert verdict.headline == "fixed breaks down at 19 symbols; luong general does not up to 32."
    assert verdict.found[0].startswith("fixed (context of 64 numbers) breaks down at 18.8 symbols [")
    assert "], between tested 16 and 32; " in verdict.found[0]
    assert verdict.found[1] == "luong general (context of 64 numbers) does not break down up to 32 symbols."
    assert verdict.not_shown[0].startswith("That memory, and not training, limits fixed: ")
    assert verdict.not_shown[1] == "Whether luong general breaks down beyond 32 symbols."
    assert verdict.not_shown[-1] == "Other tasks, sizes or budgets."
    meaning = (
        "(L50) where its mean free-running accuracy falls through half of the way from perfect to chance"
    )
    assert meaning in verdict.method[1]
    assert all(each.endswith(".") for own in verdict.lists.values() for each in own)


def test_of_an_unfinished_sweep_headline_and_limits_say_how_much_is_done():
    tables = SweepTables.of(metrics_table(two_arms()))
    (whole,) = verdicts(tables)
    (part,) = verdicts(replace(tables, progress=Progress(25, 36)))
    assert part.headline == f"Unfinished, 25 of 36 planned runs: {whole.headline}"
    assert part.not_shown == (
        "What the rest of the plan changes: 25 of 36 planned runs are done.",
        *whole.not_shown,
    )
    assert (part.found, part.method) == (whole.found, whole.method)


def test_seeds_that_differ_between_lengths_are_a_range():
    rows = curve_rows({4: [1.0, 1.0, 1.0], 8: [0.9, 0.9, 0.9], 16: [0.2]})
    assert "hidden size 64, 1 to 3 seeds" in verdict_of(rows)
    shared = curve_rows({4: [1.0], 8: [0.9]}, seeds=[0])
    apart = shared + curve_rows({4: [1.0], 8: [0.9]}, seeds=[1], model="bahdanau")
    assert "hidden size 64, one seed, " in verdict_of(shared)
    assert "hidden size 64, one seed each, not the same one, " in verdict_of(apart)


def test_text_and_markdown_hold_every_sentence_under_its_heading():
    (verdict,) = found = all_verdicts(two_arms())
    text, markdown = verdict_text(found), verdict_markdown(found)
    assert text.startswith(f"{verdict.heading}\n{verdict.headline}\n\nFound:\n- {verdict.found[0]}\n")
    assert markdown.startswith(
        f"# {verdict.heading}\n\n**{verdict.headline}**\n\n## Found\n\n- {verdict.found[0]}\n"
    )
    for name, own in verdict.lists.items():
        listed = "\n".join(f"- {each}" for each in own)
        assert f"{name}:\n{listed}\n" in text
        assert f"## {name}\n\n{listed}\n" in markdown


def test_on_a_terminal_lines_are_wrapped_and_the_method_is_left_to_the_file():
    found = all_verdicts(two_arms())
    text = verdict_text(found, width=60, has_method=False)
    assert max(map(len, text.splitlines())) <= 60
    assert text.endswith("Method: verdict.md\n")
    assert "training steps" not in text
    assert " ".join(found[0].found[0].split()) in " ".join(text.split())


def test_names_of_a_person_are_no_markup_in_markdown():
    text = verdict_markdown(all_verdicts(two_arms(task="<script>*x*")))
    assert r"# \<script>\*x\*: one model per length" in text


def test_each_arm_is_said_to_hold_up_to_the_longest_length_that_it_was_tested_at():
    rows = curve_rows({4: [1.0] * 3, 8: [1.0] * 3}, model="luong_general") + curve_rows(
        STAYING, model="bahdanau"
    )
    rows += curve_rows({4: [0.3] * 3, 8: [0.3] * 3}) + curve_rows(
        {8: [0.3] * 3, 16: [0.3] * 3}, model="slots"
    )
    (verdict,) = all_verdicts(rows)
    assert (
        "bahdanau does not break down up to 32 symbols; luong general does not break down up to 8 symbols"
        in (verdict.headline)
    )
    assert "slots is below half already at 8 symbols" in verdict.headline
    assert "fixed is below half already at 4 symbols" in verdict.headline
    assert "luong general (context of 64 numbers) does not break down up to 8 symbols." in verdict.found
    assert "Whether luong general breaks down beyond 8 symbols." in verdict.not_shown


def test_headlines_say_what_each_arm_does():
    def headline(rows):
        return all_verdicts(rows)[0].headline

    assert headline(curve_rows(STAYING)) == "fixed does not break down up to 32 symbols."
    rows = curve_rows(FALLING) + curve_rows(STAYING, model="luong_general")
    rows += curve_rows(STAYING, model="bahdanau") + curve_rows(FALLING, model="fixed_init")
    assert headline(rows) == (
        "fixed init breaks down at 19 symbols and fixed at 19; bahdanau and luong general do not up to 32."
    )
    rows = curve_rows({4: [0.4], 8: [0.3]}) + curve_rows({4: [0.06], 8: [0.06]}, model="blind")
    assert headline(rows) == "fixed is below half already at 4 symbols; blind did not learn."
    many = [row for layers in range(2, 8) for row in curve_rows(FALLING, variant=f"model.layers={layers}")]
    assert headline(many) == "6 arms break down at 19 to 19 symbols."


@pytest.mark.parametrize(
    ("accuracies", "lengths", "interval"),
    [
        # Half way from 1/16 to 1 is 0.53.
        ({4: [0.50, 0.58]}, "4", "0.54 [0.03, 1.00] at 4 symbols"),
        ({4: [0.45, 0.53]}, "4", "0.49 [0.00, 1.00] at 4 symbols"),
        ({4: [0.9, 0.91, 0.92], 8: [0.5, 0.6, 0.45]}, "8", "0.52 [0.33, 0.71] at 8 symbols"),
        (
            {4: [0.6, 0.5, 0.7], 8: [0.9] * 3, 16: [0.5, 0.6, 0.7]},
            "4 and 16",
            "0.60 [0.35, 0.85] at 4 and 0.60 [0.35, 0.85] at 16 symbols",
        ),
    ],
)
def test_where_the_interval_holds_half_way_nothing_is_decided(accuracies, lengths, interval):
    (verdict,) = all_verdicts(curve_rows(accuracies))
    assert verdict.headline == f"Whether fixed breaks down is not decided at {lengths} symbols."
    assert verdict.found[0] == (
        "Whether an arm breaks down is not decided where its interval holds half of the way from perfect to chance: "
        f"fixed (context of 64 numbers) {interval}."
    )
    both = all_verdicts(curve_rows(accuracies) + curve_rows(STAYING, model="bahdanau"))[0].headline
    assert both == (
        "bahdanau does not break down up to 32 symbols; whether fixed breaks down is not decided at "
        f"{lengths} symbols."
    )


@pytest.mark.parametrize(
    ("accuracies", "headline"),
    [
        ({4: [0.9, 0.91, 0.92], 8: [0.3, 0.31, 0.32]}, "fixed breaks down at "),
        # An interval holds half way, and a longer length is below it with all of its interval.
        ({4: [0.6, 0.5, 0.7], 8: [0.3, 0.31, 0.32]}, "fixed breaks down at "),
        ({4: [0.4, 0.5], 8: [0.1, 0.1]}, "Whether fixed breaks down is not decided at 4 "),
        ({4: [0.54]}, "fixed does not break down up to 4 "),
        ({4: [0.4, 0.4]}, "fixed is below half already at 4 "),
    ],
)
def test_what_the_intervals_leave_no_doubt_of_is_decided(accuracies, headline):
    assert all_verdicts(curve_rows(accuracies))[0].headline.startswith(headline)


def test_below_half_at_once_says_how_many_runs_the_budget_ended():
    rows = curve_rows({4: [0.4, 0.4, 0.41], 8: [0.3, 0.3, 0.3]}, stop_reason="budget")
    (verdict,) = all_verdicts(rows + curve_rows({4: [0.06]}, model="blind", stop_reason="budget"))
    ended = "where the budget ended 3 of 3 runs: more training may lift them"
    assert verdict.headline == (
        f"fixed is below half already at 4 symbols, {ended}; blind did not learn, where the budget ended 1 of 1 run."
    )
    assert verdict.found[0].endswith(f"the shortest length, 4 symbols, {ended}.")


def test_settings_of_one_task_are_told_apart_by_their_headings():
    headings = [each.heading for each in all_verdicts(two_arms() + two_arms(**LONG))]
    assert headings == [
        "reverse: one model per length, at most 1,500 training steps",
        "reverse: one model per length, at most 6,000 training steps",
    ]


def test_what_did_not_break_down_is_told_apart_at_once():
    rows = curve_rows({4: [0.4], 8: [0.3]}) + curve_rows({4: [0.06], 8: [0.06]}, model="blind")
    text = verdict_of(rows)
    assert "breaks down at" not in text
    assert "fixed is below half already at 4 symbols; blind did not learn." in text
    assert "not learnt, which is no breakdown" in text
    assert all_verdicts(curve_rows(FALLING))[0].headline == "fixed breaks down at 19 symbols."
    without = curve_rows({4: [None]}, teacher_forced_accuracy=0.8)
    assert "Without free-running accuracies no breakdown is known." in verdict_of(without)


def test_bits_below_zero_are_none_that_shows():
    text = verdict_of(curve_rows({4: [0.5], 8: [0.1]}, bits_recovered=-1.6))
    assert "none by fixed (-1.6); below zero, predictions cost more bits than knowing nothing would." in text
    text = verdict_of(curve_rows({4: [0.5], 8: [0.1]}, bits_recovered=0.0))
    assert "none by fixed (0.0)." in text


def test_breakdowns_have_their_length_interval_context_and_ends():
    rows = two_arms()
    for row in rows:
        if row["model"] == "fixed" and row["length"] == 32:
            row["stop_reason"] = "budget"
    text = verdict_of(rows)
    assert "fixed (context of 64 numbers) breaks down at 18.8 symbols [" in text
    assert "between tested 16 and 32; the budget ended 3 of 6 runs there." in text
    assert "luong general (context of 64 numbers) does not break down" in text
    assert "up to 32 symbols." in text


def test_of_a_channel_the_bits_are_told_instead_of_the_numbers():
    text = verdict_of([row | {"channel_bits": 16} for row in two_arms()])
    assert "fixed (context of 16 bits) breaks down at" in text


def test_without_an_interval_the_sentence_says_why():
    text = verdict_of(curve_rows({4: [1.0], 32: [0.0]}))
    assert "symbols, between tested 4 and 32 (one seed);" in text
    assert "One seed gives no interval." in text


def test_arms_that_did_not_learn_or_lay_below_are_told_apart():
    rows = curve_rows({4: [0.4], 8: [0.3]}) + curve_rows(
        {4: [0.06], 8: [0.06]}, model="blind", context_size=0
    )
    text = verdict_of(rows)
    assert "fixed (context of 64 numbers) is below half already at the shortest length, 4 symbols." in text
    assert (
        "blind (context of 0 numbers) came nowhere 0.05 of the way from chance to perfect: not learnt" in text
    )


def test_the_contrast_of_few_pairs_has_gap_interval_and_pairs_but_no_p():
    # Gaps over log length: the trapezoid over 4, 8, 16, 32 of .01/3, .29/3, .39667, .69.
    text = verdict_of(two_arms())
    assert "averages free-running accuracy over log length" in text
    assert (
        "Accuracy against fixed, averaged over 4 to 32 symbols, n = 3 pairs of seeds: luong general 0.280 higher ["
        in text
    )
    assert "No test of 3 pairs: below 5 none can come under 0.05." in text
    assert "p =" not in text
    assert "A p-value, since 3 pairs cannot come below 0.05" in text


def test_five_pairs_can_reach_the_usual_level():
    rows = curve_rows({4: [0.5, 0.51, 0.52, 0.53, 0.54]}) + curve_rows({4: [0.9] * 5}, model="bahdanau")
    text = verdict_of(rows)
    assert "averaged over 4 symbols alone, n = 5 pairs of seeds: bahdanau 0.380 higher [" in text
    assert "], p = 0.0312, the floor of 5 pairs." in text
    assert "exact one-sided sign-flip test of higher; of 5 pairs the smallest is 1/2^5 = 0.0312." in text
    assert "cannot come below" not in text
    assert "Brackets are 95 % Student t intervals over seeds." in text


def test_what_is_lower_has_no_p_for_higher_was_asked():
    rows = curve_rows({4: [0.9] * 5}) + curve_rows({4: [0.5, 0.51, 0.52, 0.53, 0.54]}, model="bahdanau")
    text = verdict_of(rows)
    assert "n = 5 pairs of seeds: bahdanau 0.380 lower [-0.400, -0.360]." in text
    assert "No test of what is lower: higher was asked." in text
    assert "p =" not in text


def test_below_three_pairs_there_is_no_verdict_and_the_sentence_says_so():
    rows = curve_rows({4: [0.5, 0.6]}) + curve_rows({4: [0.9, 0.9]}, model="bahdanau")
    text = verdict_of(rows)
    assert (
        "No verdict on the comparison of bahdanau with fixed: 2 pairs of seeds, and 3 are the least." in text
    )
    assert "p =" not in text
    assert "higher" not in text


def test_short_lengths_are_equivalent_not_or_undecided():
    fixed = {4: [1.0] * 3, 8: [0.99, 0.991, 0.99], 16: [0.95, 0.93, 0.96], 32: [0.2] * 3}
    rows = curve_rows(fixed) + curve_rows({length: [1.0] * 3 for length in fixed}, model="bahdanau")
    assert (
        "On short inputs, where fixed is within a tenth of perfect, the gap's interval is: bahdanau within ±0.02 at 8, "
        "not within ±0.02 at 16, without an interval at 4, all pairs being equal."
    ) in verdict_of(rows)


def test_without_a_baseline_nothing_is_compared():
    assert "Nothing was compared: there is no baseline arm" in verdict_of(
        curve_rows(STAYING, model="bahdanau")
    )
    assert "no other arm shares this setting" in verdict_of(curve_rows(FALLING))


# Five seeds that fall at about 19, and once more with changes of -2 to +2 %.
FIVE = {4: [1.0] * 5, 8: [0.9] * 5, 16: [0.60, 0.61, 0.62, 0.63, 0.64], 32: [0.3] * 5}
AGAIN = {4: [1.0] * 5, 8: [0.9] * 5, 16: [0.605, 0.61, 0.625, 0.625, 0.64], 32: [0.3] * 5}


def test_a_breakdown_is_said_to_stay_only_after_a_longer_budget_and_its_cause_is_left_open():
    alone = verdict_of(curve_rows(FIVE))
    assert "That memory, and not training, limits fixed" in alone
    assert "it stays" not in alone
    stays = each_verdict_of(curve_rows(FIVE) + curve_rows(AGAIN, **LONG))
    assert (
        "With 4 times the budget (6,000 steps) the breakdown of fixed is at 19.4 (the seeds' own L50: +0.2% ["
        in stays[0]
    )
    assert "]), below +10%: it stays: more steps do not help." in stays[0]
    open_cause = (
        "That memory, and not training, limits fixed: it may be an optimum that training does not leave."
    )
    assert open_cause in stays[0]
    # The longer runs themselves have no longer ones.
    assert "limits fixed: no runs with a larger budget show it." in stays[1]


def test_a_breakdown_that_moved_was_limited_by_training():
    text = each_verdict_of(two_arms() + curve_rows(STAYING, **LONG))[0]
    assert (
        "With 4 times the budget (6,000 steps) the breakdown of fixed is at > 32: it moved, so it was limited "
        "by training" in text
    )
    assert "it stays" not in text
    assert "That memory, and not training, limits fixed" in text


@pytest.mark.parametrize(
    ("values", "after", "doubt"),
    [
        ({"variant": "training.steps=2000", "steps": 2000}, {}, "the budget is not 3 times as large"),
        (LONG, {"context_size": None}, "its context is not of one size"),
        (LONG, {"stop_reason": "budget"}, "10 of 10 longer runs around it had not levelled off"),
    ],
)
def test_what_keeps_the_verdict_from_saying_that_it_stays_is_named(values, after, doubt):
    text = verdict_of(curve_rows(FIVE) + curve_rows(AGAIN, **values | after))
    assert f"not shown to move, nor to stay ({doubt})." in text
    assert "it stays" not in text


def test_three_pairs_and_a_wide_interval_are_named_too():
    after = {4: [1.0] * 3, 8: [0.9] * 3, 16: [0.5, 0.62, 0.7], 32: [0.3] * 3}
    text = verdict_of(curve_rows(FALLING) + curve_rows(after, **LONG))
    assert "(3 pairs of seeds, and 5 are the least, the interval does not end below +10%)" in text


def test_a_rerun_without_an_interval_is_not_shown_to_move():
    rows = curve_rows({4: [1.0], 32: [0.0]}) + curve_rows({4: [1.0], 32: [0.0]}, **LONG)
    text = verdict_of(rows)
    assert "(1 pair of seeds, and 5 are the least, the change has no interval)" in text
    assert "it stays" not in text


EXTRAPOLATION = {"protocol": "extrapolation", "train_min_length": 4, "train_max_length": 8}


def test_under_extrapolation_a_fall_is_one_of_length_generalisation():
    text = verdict_of(curve_rows(FIVE, **EXTRAPOLATION))
    assert text.startswith(
        "reverse: extrapolation, trained on 4–8\nLength generalisation: fixed, trained to 8, falls at 19 symbols.\n"
    )
    assert "- fixed (context of 64 numbers), trained to 8, falls at 19.4 symbols [" in text
    assert "falls through half of the way from perfect to chance" in text
    assert "memory" not in text
    assert "not training" not in text


def test_under_extrapolation_a_larger_budget_is_no_word_about_memory_or_training():
    text = verdict_of(curve_rows(FIVE, **EXTRAPOLATION) + curve_rows(AGAIN, **EXTRAPOLATION | LONG))
    assert (
        "With 4 times the budget (6,000 steps) the breakdown of fixed is at 19.4 (the seeds' own L50: +0.2% ["
        in text
    )
    assert "memory" not in text
    assert "limited by training" not in text


@pytest.mark.parametrize(
    ("model", "variant", "is_named"),
    [
        ("luong_location", "", True),
        ("transformer", "model.positions=learnt", True),
        ("transformer", "model.positions=rotary", False),
        ("luong_general", "", False),
    ],
)
def test_weights_of_positions_beyond_the_train_range_are_named(model, variant, is_named):
    rows = curve_rows(FIVE, model=model, variant=variant, **EXTRAPOLATION)
    name = model.replace("_", " ")
    words = f"What {name} would do with trained weights: those of positions beyond the train range never were"
    assert (words in verdict_of(rows)) == is_named
    within = EXTRAPOLATION | {"train_max_length": 32}
    assert words not in verdict_of(curve_rows(FIVE, model=model, variant=variant, **within))


def test_bits_have_their_plateau_or_say_that_none_was_shown():
    level = {4: [15.9] * 5, 8: [29, 30, 31, 30, 30]}
    level |= {length: [40, 42.2, 44, 42, 41] for length in (16, 32, 64)}
    level[64] = [40.2, 42, 44, 42, 41]
    rows = curve_rows(level) + curve_rows(level, model="luong_general")
    for row in rows:
        row |= {"token_accuracy": 0.9, "sequence_accuracy": 0.9, "teacher_forced_accuracy": 0.9}
        row["bits_available"] = 4.0 * row["length"]
        bits = row["bits_available"] if row["model"] == "luong_general" else level[row["length"]][row["seed"]]
        row["bits_recovered"] = bits
    text = verdict_of(rows)
    assert "Bits of the target recovered: fixed at least 41.8 bits [40." in text
    assert (
        "0.65 per number, levelling off from 16 symbols on: the capacity learnt at this size and budget"
        in text
    )
    assert "luong general at least 95 % of those at the longest length, 64" in text
    assert "fixed at least 20.0, without a plateau" in verdict_of(curve_rows(FALLING))


def channel(accuracy, ceiling, **values):
    return curve_rows(
        {16: accuracy},
        channel_bits=32,
        accuracy_ceiling=ceiling,
        bits_available=64.0,
        sequence_accuracy=0.0,
        **values,
    )


@pytest.mark.parametrize(
    ("accuracy", "is_leak"),
    [
        ([0.75, 0.76, 0.75], True),
        ([0.74, 0.69, 0.72], False),  # the mean is above, the interval is not
        ([0.71, 0.71, 0.71], False),
        ([0.9, 0.9, 0.9], True),  # no interval, and no spread either
        ([0.9], False),
    ],
)
def test_an_arm_above_its_ceiling_is_named_as_a_leak(accuracy, is_leak):
    text = verdict_of(channel(accuracy, 0.71))
    words = (
        "A leak: more crosses than the bits of the context, since scores lie above their ceiling: fixed at 16"
    )
    assert (words in text) == is_leak
    assert ("leak" in text) == is_leak


def test_what_no_code_keeps_above_half_is_said_and_that_the_breakdown_before_is_not_shown_to_be_that():
    rows = [
        row
        for length, mean in {4: 0.99, 8: 0.4, 16: 0.1, 24: 0.08}.items()
        for row in curve_rows({length: [mean] * 3})
    ]
    for row in rows:
        row["channel_bits"] = 16
        row["accuracy_ceiling"] = {4: 1.0, 8: 0.71, 16: 0.49, 24: 0.39}[row["length"]]
    text = verdict_of(rows)
    assert (
        "Whatever the training, no code of so few bits stays above half of the way from perfect to chance: fixed from "
        "16 symbols on." in text
    )
    assert (
        "- Ceilings, which no training exceeds: fixed 0.71 at 8, 0.49 at 16 and 0.39 at 24 symbols." in text
    )
    assert (
        "- That memory, and not training, limits fixed before 16 symbols, where some code stays above half."
        in text
    )
    higher = verdict_of([row | {"accuracy_ceiling": max(0.6, row["accuracy_ceiling"])} for row in rows])
    assert "Whatever the training" not in higher
    assert "That memory, and not training, limits fixed" in higher


def test_what_differs_between_arms_of_one_model_stands_in_brackets():
    rows = curve_rows(FALLING) + curve_rows(FALLING, variant="model.layers=2")
    text = verdict_of(rows)
    assert "fixed breaks down at 19 symbols and fixed (layers=2) at 19." in text
    assert "That memory, and not training, limits fixed and fixed (layers=2): " in text
    assert "fixed, layers=2" not in text


def test_bits_above_those_that_cross_are_a_leak_too():
    rows = channel([0.5, 0.51, 0.52], 0.71)
    assert "leak" not in verdict_of([row | {"bits_recovered": 31.0 + row["seed"] / 2} for row in rows])
    assert "leak" in verdict_of([row | {"bits_recovered": 33.0 + row["seed"] / 8} for row in rows])


def test_extrapolation_and_bleu_are_limits():
    ranges = {"protocol": "extrapolation", "train_min_length": 4, "train_max_length": 8}
    assert "length generalisation, which this protocol mixes" in verdict_of(two_arms(**ranges))
    assert "A test of BLEU against the baseline" in verdict_of(text_rows(seeds=3))


def test_what_another_rate_learnt_is_no_breakdown():
    fast = {"variant": "training.learning_rate=0.03", "learning_rate": 3e-2}
    slow = {"variant": "training.learning_rate=0.001", "learning_rate": 1e-3}
    rows = curve_rows({4: [1.0], 16: [0.06]}, **fast) + curve_rows({4: [1.0], 16: [0.9]}, **slow)
    held, stuck = each_verdict_of(rows)
    words = "stayed at chance at some lengths, where another learning rate left it: not learnt at this rate"
    assert f"fixed (context of 64 numbers) {words}, which is no breakdown." in stuck
    assert "fixed (context of 64 numbers) does not break down" in held
    assert "breaks down at" not in stuck
    assert "not learnt at this rate" not in held


def test_real_text_is_told_by_what_it_retains_and_not_by_token_accuracy():
    # fixed 17.5, 15, 10 at 10, 20, 40; bahdanau 27.5, 25, 20: neither falls under half; by 8 more at 40 fixed does.
    rows = [
        row | {"token_accuracy": 0.1, "examples": 100 if row["length"] == 10 else 400} for row in text_rows()
    ]
    for row in rows:
        row["bleu"] -= 8 if row["model"] == "fixed" and row["length"] == 40 else 0
    text = verdict_of(rows)
    # 15 / 17.5 = 6/7 at 20 and 2 / 17.5 = 4/35 at 40: half lies (6/7 - 1/2) / (6/7 - 4/35) = 25/52 of the way.
    assert (
        "By BLEU, less than half of an arm's own best bucket is left for fixed at 27.9 source words, between tested 20 "
        "and 40 (one seed); by BLEU, more than half of it is left up to 40 source words: bahdanau." in text
    )
    assert (
        "- BLEU relative to each arm's best bucket: fixed best at 1–10, 0.86 at 11–20, 0.11 at 21–40; bahdanau"
        in text
    )
    assert "sentences" not in text
    assert text.startswith(
        "translation: mixed lengths, trained on 1–40, real text\nBy BLEU, less than half of an arm's best is left for "
        "fixed at 28 source words; more than half of it up to 40 for bahdanau.\n"
    )
    assert "perfect to chance" not in text
    assert "ccuracy against" not in text


def test_buckets_of_few_sentences_make_no_headline_and_are_named_first():
    counts = {10: 50, 20: 10, 40: 400}
    (verdict,) = all_verdicts([row | {"examples": counts[row["length"]]} for row in text_rows()])
    assert verdict.headline == (
        "The test has too few sentences to say what is retained: 50 at 1–10 and 10 at 11–20 source words; 100 in a "
        "bucket are the least."
    )
    assert verdict.found[0] == (
        "Buckets of fewer than 100 sentences, whose scores move with each of them: 1–10 (50, the best of fixed and "
        "bahdanau); 11–20 (10)."
    )


def test_an_arm_judged_by_enough_sentences_keeps_its_headline():
    # bahdanau is best at 21–40, so the 50 sentences at 1–10 decide nothing about it.
    rows = [row | {"examples": 50 if row["length"] == 10 else 400} for row in text_rows()]
    for row in rows:
        row["bleu"] += row["length"] if row["model"] == "bahdanau" else 0
    assert all_verdicts(rows)[0].headline == (
        "By BLEU, more than half of an arm's best is left up to 40 source words for bahdanau. The test has too few "
        "sentences to say what is retained by fixed: 50 at 1–10 source words; 100 in a bucket are the least."
    )


def test_several_comparisons_are_not_corrected():
    assert "A correction for 2 comparisons" in verdict_of(two_arms() + curve_rows(STAYING, model="bahdanau"))


@pytest.mark.parametrize(("seeds", "caveat"), [(3, "fewer than 5 seeds"), (6, "within 0.02 of perfect")])
def test_intervals_that_may_cover_less_are_named(seeds, caveat):
    accuracies = {4: [0.99 + 0.001 * seed for seed in range(seeds)]}
    text = verdict_of(curve_rows(accuracies))
    assert caveat in text
    assert "(docs/coverage.md)" in text


def test_settings_have_paragraphs_of_their_own():
    rows = two_arms() + two_arms(task="copy") + two_arms(**LONG)
    paragraphs = each_verdict_of(rows)
    assert [text.partition(":")[0] for text in paragraphs] == ["copy", "reverse", "reverse"]


def test_what_is_missing_is_not_told_as_if_it_were_there():
    without = verdict_of(two_arms(token_accuracy=None))
    assert "Nothing was compared: no row has the free-running accuracy." in without
    text = verdict_of(two_arms(stop_reason=None))
    assert "how its runs ended is not known." in text
    assert "the budget ended" not in text


def tuning_row(**values):
    """A row of tuning.csv of a rate that was chosen."""
    names = ("task", "model", "variant", "protocol", "hidden_size", "train_min_length", "train_max_length")
    row = {name: value for name, value in metrics_row(**values).items() if name in names}
    edge = values.get("at_edge", "true")
    return row | {"learning_rate": 0.01, "validation_token_accuracy": 0.9, "chosen": "true", "at_edge": edge}


def test_rates_that_were_not_tuned_are_a_limit_of_a_comparison():
    told = "What each arm does at its best learning rate: rates were not tuned (--tune-rates)."
    tables = SweepTables.of(metrics_table(two_arms()))
    assert told in verdicts(tables)[0].not_shown
    assert told not in verdicts(replace(tables, is_tuned=True))[0].not_shown
    assert told not in all_verdicts(curve_rows(FALLING))[0].not_shown


def test_arms_that_never_left_their_warm_up_are_named(tmp_path):
    rows = two_arms()
    for row in rows:
        warmup = 250 if row["model"] == "fixed" else 10
        RunFolder(tmp_path / "runs" / str(row["run_id"])).prepare(
            {"run_id": row["run_id"], "training": {"steps": 100, "warmup_steps": warmup}}, [row["length"]]
        )
    (verdict,) = verdicts(SweepTables.of(metrics_table(rows), None, TrainingRecords([tmp_path])))
    told = [each for each in verdict.not_shown if "warm-up" in each]
    assert told == [
        "What fixed learns at the learning rate that was set: the budget ended within the warm-up, so no step had that "
        "rate (training.steps, training.warmup_steps)."
    ]


def test_rates_that_none_lies_beyond_are_told_with_their_lengths(tmp_path):
    tuning = [tuning_row(length=32), tuning_row(length=4), tuning_row(length=16, at_edge="false")]
    tuning += [tuning_row(length=4, model="luong_general", at_edge="false"), tuning_row(model="slots")]
    write_rows(tmp_path / "tuning.csv", tuning, list(tuning[0]))
    rows = two_arms()
    text = verdict_text(verdicts(SweepTables.of(metrics_table(rows), None, TrainingRecords([tmp_path]))))
    said = "- The best learning rate: of all that were tried it is the lowest or the highest of them for "
    assert f"{said}fixed at 4 and 32 symbols; a better one may lie beyond (tuning.csv)." in text.splitlines()
    assert said not in verdict_of(rows)


def test_a_rate_of_a_model_of_many_lengths_is_told_without_one(tmp_path):
    ranges = {"protocol": "mixed", "train_min_length": 4, "train_max_length": 32}
    tuning = [tuning_row(**ranges)]
    write_rows(tmp_path / "tuning.csv", tuning, list(tuning[0]))
    rows = curve_rows(FALLING, **ranges)
    text = verdict_text(verdicts(SweepTables.of(metrics_table(rows), None, TrainingRecords([tmp_path]))))
    assert "is the lowest or the highest of them for fixed; a better one may lie beyond" in text


def test_text_without_sentences_is_said_to_have_intervals_over_seeds_alone():
    rows = [row | {"token_accuracy": 0.1, "examples": 400} for row in text_rows(seeds=3)]
    assert "Intervals of retention are over seeds alone, on the same sentences" in verdict_of(rows)
    assert "Brackets are 95 % Student t intervals by name" in verdict_of(rows)


def test_bits_gained_over_blind_are_told_where_there_is_that_arm():
    rows = [row | {"token_accuracy": 0.1, "examples": 400} for row in text_rows()]
    # 1, 0.8 and 0.2 nats less than blind: half lies at 20 · 2^(0.3 / 0.6).
    nats = {("fixed", 10): 3.0, ("fixed", 20): 3.2, ("fixed", 40): 3.8}
    for row in rows:
        row["model"] = {"bahdanau": "blind"}.get(row["model"], row["model"])
        row["run_id"] = f"{row['model']}-{row['seed']}"
        row["cross_entropy_nats"] = nats.get((row["model"], row["length"]), 4.0)
    text = verdict_of(rows)
    assert (
        "By bits per target token gained over blind, less than half of an arm's own best bucket is left for fixed at "
        "28.3 source words, between tested 20 and 40 (one seed)." in text
    )
    assert (
        "- Bits per target token gained over blind relative to each arm's best bucket: fixed best at 1–10, 0.80 at "
        "11–20, 0.20 at 21–40." in text
    )
    assert "fixed best at 1–10, 0.29 at 11–20, 1.15 at 21–40" in text
    assert "what blind has of it lies in the text." in text
    without = verdict_of([row for row in rows if row["model"] == "fixed"])
    assert "gained over blind" not in without
    assert "so it has no half." in without
