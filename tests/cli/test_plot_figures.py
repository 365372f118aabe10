"""`attnbench plot --figure`: one figure in place of those against length."""

import pytest

from attnbench.runs.metrics_csv import write_rows
from tests.commands import attnbench, rows_of
from tests.metrics_rows import curve_rows, law_rows

MEMORY_FILES = ["memory.csv", "memory.png", "memory.svg"]


@pytest.fixture
def sweep(tmp_path):
    """A metrics.csv of a fixed vector that breaks down at 8 and of attention that does not."""
    falling = curve_rows({4: [1.0], 16: [0.0]}, chance_accuracy=0.0)
    staying = curve_rows({4: [1.0], 16: [1.0]}, model="bahdanau", chance_accuracy=0.0, context_size=1024)
    (tmp_path / "sweep").mkdir()
    write_rows(tmp_path / "sweep" / "metrics.csv", [*falling, *staying])
    return tmp_path / "sweep"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_memory_figure_is_written_beside_the_metrics_with_its_table_and_nothing_else(sweep):
    done = attnbench("plot", sweep, "--figure", "memory")
    assert (done.status, done.out) == (0, "")
    assert names_in(sweep) == sorted([*MEMORY_FILES, "metrics.csv"])
    assert done.err.splitlines() == [str(sweep / name) for name in MEMORY_FILES]
    rows = [(row["model"], row["context_size"], row["censored"]) for row in rows_of(sweep / "memory.csv")]
    assert rows == [("bahdanau", "1024.0", "above"), ("fixed", "64.0", "")]
    assert float(rows_of(sweep / "memory.csv")[1]["length"]) == pytest.approx(8.0)


def test_a_table_alone_and_another_folder_will_do(sweep, tmp_path):
    out = tmp_path / "new" / "out"
    done = attnbench("plot", sweep / "metrics.csv", sweep, "--figure", "memory", "--out", out)
    assert done.status == 0
    assert names_in(out) == sorted([*MEMORY_FILES, "metrics.csv"])
    # The same runs given twice count once.
    assert len(rows_of(out / "metrics.csv")) == len(rows_of(sweep / "metrics.csv"))
    assert names_in(sweep) == ["metrics.csv"]


def test_without_the_option_the_figures_against_length_are_drawn(sweep):
    assert attnbench("plot", sweep).status == 0
    assert "accuracy_vs_length.png" in names_in(sweep)
    assert "memory.png" not in names_in(sweep)


def test_an_unknown_figure_is_wrong_use_and_names_the_nearest(sweep):
    done = attnbench("plot", sweep, "--figure", "memry")
    assert done.status == 2
    assert (
        done.err
        == "attnbench: Unknown figure 'memry'. Known: capacity, law, memory, price. Did you mean memory?\n"
    )
    assert names_in(sweep) == ["metrics.csv"]
    # The name is looked at before the sweep.
    assert "Unknown figure" in attnbench("plot", sweep / "absent", "--figure", "nothing").err


def test_a_sweep_without_accuracies_has_no_memory_figure_and_says_why(sweep, tmp_path):
    write_rows(sweep / "metrics.csv", curve_rows({4: [None]}))
    done = attnbench("plot", sweep, "--figure", "memory", "--out", tmp_path / "out")
    assert done.status == 2
    assert "token_accuracy" in done.err
    assert not (tmp_path / "out").exists()


def test_the_price_figure_is_written_with_its_table(sweep):
    done = attnbench("plot", sweep, "--figure", "price")
    assert done.status == 0
    assert "the price of length\nNo exponent for bahdanau" in done.out
    assert names_in(sweep) == ["metrics.csv", "price.csv", "price.png", "price.svg"]
    assert [row["seeds_censored"] for row in rows_of(sweep / "price.csv")] == ["1"] * 4


def test_the_capacity_figure_is_written_with_its_table(sweep):
    assert attnbench("plot", sweep, "--figure", "capacity").status == 0
    assert names_in(sweep) == ["capacity.csv", "capacity.png", "capacity.svg", "metrics.csv"]
    assert [row["kind"] for row in rows_of(sweep / "capacity.csv")] == ["length", "length", "plateau"] * 2


@pytest.mark.parametrize(
    ("figure", "values", "reason"),
    [
        ("capacity", {"bits_recovered": None}, "expected rows with bits_recovered and bits_available"),
        ("memory", {"context_size": None}, "expected an arm that learnt and has a context"),
        ("memory", {"token_accuracy": 0.0625}, "expected an arm that learnt and has a context"),
        ("price", {"protocol": "mixed"}, "expected runs of their own for each length"),
        ("price", {"steps": None}, "expected runs of their own for each length"),
        ("price", {"train_max_length": None}, "expected runs of their own for each length"),
    ],
)
def test_a_sweep_that_a_figure_cannot_show_is_refused_with_the_reason(
    sweep, tmp_path, figure, values, reason
):
    write_rows(sweep / "metrics.csv", curve_rows({4: [1.0]}, **values))
    done = attnbench("plot", sweep, "--figure", figure, "--out", tmp_path / "out")
    assert done.status == 2
    assert f"--figure {figure}: {reason}" in done.err
    assert not (tmp_path / "out").exists()


def test_a_memory_figure_without_an_arm_says_of_each_why(sweep):
    rows = curve_rows({4: [1.0], 16: [0.0]}, model="blind", chance_accuracy=0.0, context_size=0)
    rows += curve_rows({4: [0.0], 16: [0.0]}, chance_accuracy=0.0)
    write_rows(sweep / "metrics.csv", rows)
    done = attnbench("plot", sweep, "--figure", "memory")
    assert done.status == 2
    assert "blind: no context, which a log axis cannot show (L50 8)" in done.err
    assert "fixed: not learnt" in done.err
    assert names_in(sweep) == ["metrics.csv"]


def test_the_law_is_written_with_both_its_tables_and_told(tmp_path):
    rows = law_rows(
        (500, 1000, 2000, 4000), (16, 32, 64), lambda steps, size: 0.2 * steps + 0.5 * size - 0.75
    )
    write_rows(tmp_path / "metrics.csv", rows)
    done = attnbench("plot", tmp_path / "metrics.csv", "--figure", "law")
    assert done.status == 0
    assert names_in(tmp_path) == ["law.csv", "law.png", "law.svg", "law_cells.csv", "metrics.csv"]
    assert "4 were measured, and 4 of them lie in their 95 % intervals" in " ".join(done.out.split())
    assert [row["exponent_of"] for row in rows_of(tmp_path / "law.csv")][:3] == [
        "steps",
        "hidden_size",
        "constant",
    ]
    assert len(rows_of(tmp_path / "law_cells.csv")) == 12
    # Without the option the verdict says the same, and the tables are there.
    (tmp_path / "law.csv").unlink()
    assert attnbench("plot", tmp_path / "metrics.csv").status == 0
    assert "the law of the breakdown" in (tmp_path / "verdict.md").read_text()
    assert "law.csv" in names_in(tmp_path)


def test_a_law_of_one_budget_and_one_size_is_wrong_use_and_says_what_would_do(sweep):
    done = attnbench("plot", sweep, "--figure", "law")
    assert done.status == 2
    assert "expected an arm with several budgets or several hidden sizes" in done.err
    assert "training.steps=500,1000,2000 model.hidden_size=16,32,64" in done.err
    assert names_in(sweep) == ["metrics.csv"]


def test_a_law_of_arms_that_never_broke_down_is_wrong_use_and_names_them(tmp_path):
    write_rows(tmp_path / "metrics.csv", law_rows((500, 1000), (16, 32), lambda steps, size: 20, seeds=2))
    done = attnbench("plot", tmp_path / "metrics.csv", "--figure", "law")
    assert done.status == 2
    assert "fixed did not fall in 4 of 4 cells" in " ".join(done.err.split())
    assert names_in(tmp_path) == ["metrics.csv"]
