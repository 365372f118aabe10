import re
from dataclasses import replace

from attnbench.report.law_words import all_verdicts, law_verdicts
from attnbench.report.settings import SweepTables
from attnbench.report.verdict import verdict_text
from attnbench.runs.training_records import Progress
from tests.metrics_rows import curve_rows, law_rows, metrics_table

STEPS, SIZES, LENGTHS = (500, 1000, 2000, 4000), (16, 32, 64), (4, 6, 8, 12, 16, 24, 32, 48)


def planted(steps, size):
    return 0.2 * steps + 0.5 * size - 0.75


def laws_of(*arms):
    tables = SweepTables.of(metrics_table([row for rows in arms for row in rows]))
    return law_verdicts(tables.laws, tables.price_laws)


def law_block(*arms):
    return verdict_text(laws_of(*arms)[:1])


def test_the_law_is_said_with_its_intervals_its_range_and_what_it_had_not_seen():
    (law,) = laws_of(law_rows(STEPS, SIZES, planted, seeds=4, lengths=LENGTHS))
    assert law.heading == "reverse: one model per length: the law of the breakdown"
    assert law.headline.startswith(
        "Over 500 to 2,000 steps and hidden size 16 to 32, L50 of fixed goes as steps^0.19 ["
    )
    assert "· hidden size^0." in law.headline
    assert re.sub(r"factor of \d\.\d", "factor of F", law.found[0]) == (
        "Fixed: of 2 cells held out of the largest budget (4,000), 2 were measured, and 2 of them lie in their 95 % "
        "intervals, a factor of F wide; the fit has seen their seeds, and under --budgets their trunks: a mild test. "
        "Of 4 cells held out of the largest size (64), 4 were measured, and 4 of them lie in their 95 % "
        "intervals, a factor of F wide."
    )
    assert "not tested" not in law.headline
    assert law.found[1].startswith(
        "Fixed: fitted to 6 cells; 4 seeds each; log2 L50 at one step and one unit "
    )
    assert "twice the steps makes L50 1.1" in law.found[1]
    assert law.not_shown == ("Fixed: nothing that was tested contradicts it.",)


def test_where_the_law_bends_and_misses_the_verdict_says_so():
    bent = law_rows((*STEPS, 8000), SIZES, lambda s, h: planted(s, h) - 0.06 * (s - 11) ** 2, lengths=LENGTHS)
    (law,) = laws_of(bent)
    assert law.headline.endswith("; it bends in the steps; it misses 3 of the 7 cells that test it.")
    head = verdict_text([law])
    assert (
        "it bends in the steps: later doublings move L50 less, taken over the 8 fitted cells and all 15 cells, "
        "those held out too." in head
    )
    assert "coefficient of the square of log2 steps -0.0" in head
    assert "], with the 7 held out -0.0" in head
    assert "it misses 8,000 steps at hidden size 16 (" in head
    assert "expected in [" in head


def test_a_law_that_misses_what_was_held_out_says_so_first():
    beyond = law_rows(
        STEPS, SIZES, lambda s, h: planted(s, h) + 1.5 * (s > 11.5 or h > 5.5), lengths=(*LENGTHS, 128)
    )
    (law,) = laws_of(beyond)
    assert law.headline.endswith(
        "; with the cells held out it bends in the hidden size; it misses 6 of the 6 cells that test it."
    )


def test_the_law_of_a_sweep_that_is_unfinished_says_so():
    tables = SweepTables.of(metrics_table(law_rows(STEPS, SIZES, planted, lengths=LENGTHS)))
    found = all_verdicts(replace(tables, progress=Progress(3, 1000)))[-1]
    assert found.heading.endswith("the law of the breakdown")
    assert found.headline.startswith("Unfinished, 3 of 1,000 planned runs")


def test_floor_and_ceiling_are_counted():
    stuck = curve_rows(
        {8: [0.0] * 5, 16: [0.0] * 5}, variant="training.steps=50", hidden_size=16, chance_accuracy=0.0
    )
    rows = law_rows(STEPS, SIZES, planted, lengths=(8, 12, 16)) + [row | {"steps": 50} for row in stuck]
    head = law_block(rows)
    assert (
        "ceiling: 5 of 12 cells and 1 seed of other cells did not fall up to the longest tested (16)" in head
    )
    assert "floor: 1 seed was below half already at the shortest tested length (8)" in head
    assert "; 2 of 30 seeds' L50 as bounds, in 2 cells; " in head
    assert (
        "floor: 1 cell learnt nothing, of which it says nothing; taking this as below the shortest tested length moves "
        "no exponent out of its interval." in head
    )
    deeper = law_block(law_rows(STEPS, SIZES, lambda s, h: planted(s, h) - 1, lengths=(6, 8, 12, 16)))
    assert "cells were below half already at the shortest tested length (6)" in deeper


def test_an_exponent_whose_interval_holds_zero_is_not_shown_to_differ_from_it():
    rows = law_rows(STEPS, SIZES, lambda steps, size: 0.5 * size + 1, lengths=LENGTHS)
    assert "that it depends on the steps is not shown" in law_block(rows)


def test_without_an_exponent_the_reason_is_given():
    block = law_block(
        law_rows([500, 1000, 2000], [32], lambda s, h: 20 if s > 10 else planted(s, h), lengths=LENGTHS)
    )
    assert "No law is shown." in block
    assert (
        "- Fixed: no exponent: 2 of 3 cells broke down within the tested lengths, and 3 are the least."
        in block
    )


def test_the_control_has_one_sentence():
    attention = law_rows(STEPS, SIZES, lambda steps, size: 20, lengths=LENGTHS, model="luong_general")
    block = law_block(law_rows(STEPS, SIZES, planted, lengths=LENGTHS), attention)
    assert "- No cell broke down, so there is no law: luong general did not fall in 12 of 12 cells." in block
    assert block.count("luong general") == 2  # and in the price of length


def test_the_price_of_length_is_said_for_every_arm():
    def priced(rows, cost):
        return [row | {"steps_to_90": cost(row["length"])} for row in rows]

    fixed = priced(law_rows(STEPS, SIZES, planted, lengths=LENGTHS), lambda length: length**2)
    attention = law_rows(STEPS, SIZES, lambda steps, size: 20, lengths=LENGTHS, model="luong_general")
    block = law_block(fixed, priced(attention, lambda length: 100 + length % 3))
    price = next(line for line in block.split("\n") if line.startswith("- The price of length"))
    assert "length^2.00" in price
    assert "length^0.0" in price
    assert price.endswith("other sizes: law.csv.")


def test_one_seed_has_no_test_of_what_was_held_out():
    block = law_block(law_rows(STEPS, SIZES, planted, lengths=LENGTHS, seeds=1))
    assert "none is compared with an interval, since an interval needs two seeds." in block
    assert "one seed, so no interval" in block
    assert "; the law was not tested." in block


def test_tasks_have_blocks_of_their_own_and_a_sweep_of_one_cell_has_none():
    rows = (
        law_rows(STEPS, SIZES, planted, lengths=LENGTHS),
        law_rows(STEPS, SIZES, planted, lengths=LENGTHS, task="copy"),
    )
    assert len(laws_of(*rows)) == 2
    assert not laws_of(law_rows([500], [16], planted, lengths=LENGTHS))


def test_bounds_held_out_are_counted_apart_and_alone_they_test_nothing():
    some = law_block(law_rows(STEPS, SIZES, planted, lengths=LENGTHS[:5]))
    assert "; the exponent of the hidden size was not tested." in some
    assert (
        "of 2 cells held out of the largest budget (4,000), 1 was measured, and lies in its 95 % interval, a factor of "
        "1.1 wide; 1 is a bound, which does not contradict its interval;" in some
    )
    assert (
        "Of 4 cells held out of the largest size (64) none was measured, so the law was not tested there; 4 are "
        "bounds, which do not contradict their intervals." in some
    )
    assert "the exponent of the hidden size rests on two sizes and was not tested" in some
    above = law_block(
        law_rows(STEPS, SIZES, lambda s, h: planted(s, h) + 0.6, lengths=LENGTHS[:5], spread=0.3)
    )
    assert "; the law was not tested." in above
    assert "nothing that was tested contradicts it" not in above


def test_bounds_that_contradict_the_law_test_it():
    off = lambda steps, size: planted(steps, size) + 3 * (steps > 11.5 or size > 5.5)  # noqa: E731
    block = law_block(law_rows(STEPS, SIZES, off, lengths=LENGTHS[:6]))
    assert "not tested" not in block
    assert "none was measured; 4 are bounds, and 3 of them contradict the law" in block
    assert "; it misses 5 of the 5 cells that test it." in block
    assert "it misses 4,000 steps at hidden size 16 (> 24, expected in [" in block


def test_what_did_not_learn_is_counted_and_said_where_it_moves_an_exponent():
    rows = [
        row | {"token_accuracy": 0.0} if row["seed"] < 2 and row["steps"] == 500 else row
        for row in law_rows(STEPS, SIZES, planted, lengths=LENGTHS)
    ]
    block = law_block(rows)
    assert "; 4 seeds left out as not learnt; " in block
    assert "floor: 6 seeds left out as not learnt; taking this as below the shortest" in block
    assert "tested length gives steps^" in block
    assert ", outside of the interval." in block


def test_a_law_without_cells_to_test_it_is_said_to_be_untested():
    block = law_block(law_rows(STEPS, SIZES, lambda s, h: 0.3 * s + 0.6 * h - 4.3, lengths=LENGTHS))
    assert "; the law was not tested." in block
    assert "no cell was held out to test it on" in block


def test_no_law_of_a_channel_goes_on_to_where_its_bits_end():
    rows = [
        row | {"channel_bits": 32, "accuracy_ceiling": 0.4 if row["length"] > 30 else 1.0}
        for row in law_rows(STEPS, SIZES, planted, lengths=LENGTHS)
    ]
    assert "the bits that cross allow no L50 of 32 or more, so no power law goes on to there" in law_block(
        rows
    )


def test_two_budgets_at_two_sizes_make_no_law():
    """Whatever they are, a line fits two points."""
    assert not laws_of(law_rows((500, 1000), (16, 32), planted, lengths=LENGTHS))
