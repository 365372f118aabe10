"""tuning.csv: every rate that was tried, which were chosen, and at which edges."""

from dataclasses import replace

import pytest

from attnbench.analysis.breakdown import breakdown_table, l50_by_arm
from attnbench.analysis.rates import lengths_at_edge, runs_at_chance
from attnbench.arm import NO_CHANGES
from attnbench.errors import UserError
from attnbench.runs.metrics_csv import read_rows, write_rows
from attnbench.runs.store import RunStore
from attnbench.runs.training_records import TrainingRecords
from attnbench.sweeps.learning_rates import TUNING_SEED, TunedRate, at_rate, choose_rates
from attnbench.sweeps.tuning_table import (
    TUNING_COLUMNS,
    check_tuning_seed,
    chosen_in_words,
    tuning_rows,
    write_tuning,
)
from tests.metrics_rows import as_text, curve_rows, metrics_of
from tests.runs.tiny_runs import tiny_spec

SPEC = replace(tiny_spec(), seed=TUNING_SEED)
# What the first versions wrote: a seed of the sweep, and neither `solved` nor `note`.
OLD_COLUMNS = [name for name in TUNING_COLUMNS if name not in ("solved", "note")]


def tuned(rate, nats, accuracy=0.5, spec=SPEC):
    return TunedRate(at_rate(spec, rate), nats, accuracy, 4)


def rows_of(*grid):
    return tuning_rows(grid, choose_rates(grid))


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "sweep")


def test_a_chosen_rate_at_an_edge_of_all_that_were_tried_is_pointed_out():
    rows = rows_of(tuned(0.01, 3.0), tuned(0.001, 1.0), tuned(0.003, 2.0))
    assert [(row["learning_rate"], row["chosen"], row["at_edge"], row["note"]) for row in rows] == [
        (0.001, "true", "true", "The lowest rate tried: a better one may lie below."),
        (0.003, "false", "false", ""),
        (0.01, "false", "false", ""),
    ]
    assert [row["validation_nats"] for row in rows] == [1.0, 2.0, 3.0]
    assert {row["seed"] for row in rows} == {TUNING_SEED}
    highest = rows_of(tuned(0.001, 2.0), tuned(0.01, 1.0))[-1]
    assert (highest["at_edge"], highest["note"]) == (
        "true",
        "The highest rate tried: a better one may lie above.",
    )


def test_a_chosen_rate_between_others_is_not_and_each_training_has_edges_of_its_own():
    longer = replace(SPEC, lengths=replace(SPEC.lengths, minimum=9, maximum=9))
    rows = rows_of(
        *(tuned(rate, abs(rate - 0.003)) for rate in (0.001, 0.003, 0.01)),
        *(tuned(rate, abs(rate - 0.03), spec=longer) for rate in (0.001, 0.003, 0.01, 0.03, 0.1)),
    )
    assert [row["learning_rate"] for row in rows if row["chosen"] == "true"] == [0.003, 0.03]
    assert {(row["at_edge"], row["note"]) for row in rows} == {("false", "")}


def test_the_table_says_which_rates_solved_the_work():
    rows = rows_of(
        tuned(0.001, 0.1, accuracy=1.0), tuned(0.01, 0.0, accuracy=0.9), tuned(0.1, None, accuracy=None)
    )
    assert [(row["solved"], row["chosen"]) for row in rows] == [
        ("true", "true"),
        ("false", "false"),
        ("false", "false"),
    ]


def test_the_choice_is_told_with_the_edges(store):
    rows = rows_of(tuned(0.001, 1.0), tuned(0.01, 2.0))
    assert list(chosen_in_words(rows, store.tuning_file)) == [
        "  fixed: learning rate 0.001 for length 3",
        "  1 of the chosen rates lie at the edge of all that were tried: a better one may lie beyond. "
        f"Which: {store.tuning_file}",
    ]


def test_the_choice_is_told_by_length_and_by_what_else_differs(store):
    other = replace(SPEC, lengths=replace(SPEC.lengths, minimum=2, maximum=9))
    larger = replace(SPEC, model=replace(SPEC.model, hidden_size=2 * SPEC.model.hidden_size))
    tried = [tuned(rate, 1.0, spec=spec) for spec in (other, SPEC) for rate in (0.001, 0.01)]
    (line,) = [each for each in chosen_in_words(rows_of(*tried), store.tuning_file) if "edge" not in each]
    assert line == "  fixed: learning rate 0.001 for lengths 3 and 2 to 9"
    tried += [tuned(rate, 1 - rate, spec=larger) for rate in (0.001, 0.01)]
    lines = [each for each in chosen_in_words(rows_of(*tried), store.tuning_file) if "edge" not in each]
    size = SPEC.model.hidden_size
    assert lines == [
        f"  fixed (hidden size {size}): learning rate 0.001 for lengths 3 and 2 to 9",
        f"  fixed (hidden size {2 * size}): learning rate 0.01 for length 3",
    ]


def test_rows_of_other_lengths_stay_and_those_of_the_same_are_renewed(store):
    longer = replace(SPEC, lengths=replace(SPEC.lengths, minimum=9, maximum=9))
    write_tuning(store, rows_of(tuned(0.001, 1.0), tuned(0.01, 2.0)))
    write_tuning(store, rows_of(tuned(0.001, 1.0, spec=longer), tuned(0.01, 2.0, spec=longer)))
    write_tuning(store, rows_of(tuned(0.001, 1.0), tuned(0.01, 0.5), tuned(0.1, 3.0)))
    found = [
        (row["train_max_length"], row["learning_rate"], row["chosen"]) for row in read_rows(store.tuning_file)
    ]
    assert found == [
        *(("9", "0.001", "true"), ("9", "0.01", "false")),
        *(("3", "0.001", "false"), ("3", "0.01", "true"), ("3", "0.1", "false")),
    ]


def test_a_damaged_table_is_made_anew(store):
    rows = rows_of(tuned(0.001, 1.0), tuned(0.01, 2.0))
    store.path.mkdir()
    store.tuning_file.write_text("seed,learning_rate\n0")
    check_tuning_seed(store)
    write_tuning(store, rows)
    assert len(read_rows(store.tuning_file)) == 2


def test_a_folder_that_was_tuned_with_a_seed_of_its_results_is_refused(store):
    check_tuning_seed(store)
    write_tuning(store, rows_of(tuned(0.001, 1.0), tuned(0.01, 2.0)))
    check_tuning_seed(store)
    write_tuning(
        store, rows_of(*(tuned(rate, 1.0, spec=tiny_spec("seed=7", "task.length=9")) for rate in (0.1, 0.2)))
    )
    with pytest.raises(UserError, match="an earlier version chose"):
        check_tuning_seed(store)


@pytest.mark.parametrize("columns", [TUNING_COLUMNS, OLD_COLUMNS])
def test_the_table_of_any_version_tells_the_report_of_edges_and_of_rates_that_learn(store, columns):
    spec = replace(tiny_spec("model.hidden_size=64"), seed=TUNING_SEED, variant=NO_CHANGES)
    rows = rows_of(tuned(0.001, 1.0, 0.9, spec), tuned(0.005, 0.5, 0.06, spec))
    store.path.mkdir()
    write_rows(store.tuning_file, [{name: row[name] for name in columns} for row in rows], columns)
    tuning = TrainingRecords([store.path]).tuning_rows()
    # At the rate that was chosen by its lower cross-entropy, 0.005, the runs of the sweep stay at chance.
    metrics = metrics_of(curve_rows({2: [1.0], 3: [0.06]}))
    assert runs_at_chance(metrics, tuning)["length"].tolist() == [3]
    found = l50_by_arm(breakdown_table(metrics, tuning))
    assert [each.censored for each in found.values()] == ["not_learnt"]
    assert [each.censored for each in l50_by_arm(breakdown_table(metrics)).values()] == [""]
    assert lengths_at_edge(tuning) == {metrics.arms[0]: [3]}
    assert lengths_at_edge([row | {"at_edge": "false"} for row in as_text(rows)]) == {}
