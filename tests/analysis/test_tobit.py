import math

import numpy as np
import pytest
from scipy import optimize, special

from attnbench.analysis.statistics import mean_interval
from attnbench.analysis.tobit import Values, fit_line, fit_weighted


def planted(generator, cells=8, seeds=5, slope=0.5, noise=0.3, low=-math.inf, high=math.inf):
    """Values of 1 + slope · x at x = 0 … cells - 1, of which those outside of the limits are known as bounds."""
    number, seed = (each.ravel() for each in np.meshgrid(np.arange(cells), np.arange(seeds), indexing="ij"))
    truth = 1 + slope * number + noise * generator.standard_normal(len(number))
    sides = np.where(truth > high, 1, np.where(truth < low, -1, 0))
    design = np.column_stack([np.ones(len(number)), number.astype(float)])
    return Values(design, truth.clip(low, high), sides, seed, number)


def negative_likelihood(at, values):
    """The Tobit likelihood as textbooks write it, in coefficients and log σ."""
    residuals = (values.values - values.design @ at[:-1]) / math.exp(at[-1])
    seen = -0.5 * residuals**2 - at[-1]
    return -np.where(values.sides == 0, seen, special.log_ndtr(-values.sides * residuals)).sum()


@pytest.mark.parametrize(
    ("low", "high"), [(-math.inf, math.inf), (1.4, math.inf), (-math.inf, 3.2), (1.5, 3.0)]
)
def test_the_line_is_where_a_general_optimizer_finds_the_largest_likelihood(low, high):
    values = planted(np.random.default_rng(3), low=low, high=high)
    coefficients, sigma = fit_weighted(values, np.ones((1, len(values.values))))
    start = [1.2, 0.4, -1.0]
    found = optimize.minimize(negative_likelihood, start, (values,), "Nelder-Mead", options={"maxiter": 4000})
    assert coefficients[0] == pytest.approx(found.x[:-1], abs=2e-3)
    assert sigma[0] == pytest.approx(math.exp(found.x[-1]), rel=0.01)


def test_without_bounds_it_is_the_line_of_least_squares():
    values = planted(np.random.default_rng(0))
    expected, *_ = np.linalg.lstsq(values.design, values.values, rcond=None)
    assert fit_line(values).coefficients == pytest.approx(expected, abs=1e-6)


def test_bounds_are_not_taken_for_values():
    values = planted(np.random.default_rng(1), noise=0.1, high=2.6)
    assert (values.sides == 1).mean() > 0.4
    assert fit_line(values).coefficients[1] == pytest.approx(0.5, abs=0.06)
    as_values = Values(values.design, values.values, np.zeros_like(values.sides), values.seeds, values.cells)
    assert fit_line(as_values).coefficients[1] < 0.35


def test_a_weight_of_two_is_a_value_that_is_there_twice():
    values = planted(np.random.default_rng(2), cells=3, seeds=2, high=1.8)
    twice = np.array([2.0, *[1.0] * 5])
    again = np.array([0, *range(6)])
    longer = Values(
        *(getattr(values, name)[again] for name in ("design", "values", "sides", "seeds", "cells"))
    )
    one, other = (fit_weighted(each, w[None])[0] for each, w in ((values, twice), (longer, np.ones(7))))
    assert one == pytest.approx(other, abs=1e-5)


def test_the_interval_over_seeds_of_a_constant_is_students():
    # Seeds that differ by a constant alone: the mean over seeds is all there is to estimate.
    offsets = np.array([0.0, 0.3, -0.2, 0.5, 0.1])
    values = Values(
        np.ones((10, 1)),
        np.tile(offsets, 2),
        np.zeros(10, int),
        np.tile(np.arange(5), 2),
        np.repeat([0, 1], 5),
    )
    interval = mean_interval(offsets.tolist())
    line = fit_line(values)
    assert line.at(np.ones(1)) == pytest.approx(interval.mean)
    # Of 200 draws the standard deviation is known to 5 %.
    assert line.margin(np.ones(1), beyond_seeds=False) == pytest.approx(interval.mean - interval.low, rel=0.1)


def test_cells_that_leave_the_line_widen_the_interval_however_well_their_seeds_agree():
    values = planted(np.random.default_rng(4), noise=0.01)
    bent = Values(
        values.design, values.values + np.sin(2 * values.cells), values.sides, values.seeds, values.cells
    )
    slope = np.array([0.0, 1.0])
    assert fit_line(bent).margin(slope) > 5 * fit_line(bent).margin(slope, beyond_seeds=False)
    assert fit_line(values).margin(slope) < 2 * fit_line(values).margin(slope, beyond_seeds=False)


def test_the_spread_of_cells_has_the_freedom_of_the_cells_that_were_seen_whole():
    # Cells 0 to 4 have every value seen, of the rest each has one that is a bound.
    values = planted(np.random.default_rng(6), noise=0.3)
    sides = np.where((values.cells > 4) & (values.seeds == 0), 1, values.sides)
    line = fit_line(Values(values.design, values.values, sides, values.seeds, values.cells))
    assert (fit_line(values).cell_freedom, line.cell_freedom) == (6, 3)
    residuals = values.values - values.design @ line.coefficients
    means = [residuals[values.cells == cell].mean() for cell in range(5)]
    assert line.cell_spread == pytest.approx(math.sqrt(sum(mean**2 for mean in means) / 3))
    row = np.array([1.0, 12.0])
    own = line.prediction_margin(row) ** 2 - line.margin(row) ** 2
    assert math.sqrt(own) == pytest.approx(special.stdtrit(3, 0.975) * line.cell_spread)


def test_without_more_whole_cells_than_coefficients_there_is_an_interval_over_seeds_alone():
    values = planted(np.random.default_rng(7))
    sides = np.where((values.cells > 1) & (values.seeds == 0), 1, values.sides)
    line = fit_line(Values(values.design, values.values, sides, values.seeds, values.cells))
    slope = np.array([0.0, 1.0])
    assert line.cell_freedom == 0
    assert math.isnan(line.margin(slope))
    assert math.isnan(line.prediction_margin(slope))
    assert line.margin(slope, beyond_seeds=False) > 0


def test_three_points_on_a_line_have_a_line_and_one_seed_has_no_interval():
    line = fit_line(
        Values(
            np.array([[1.0, 1], [1, 2], [1, 3]]),
            np.array([2.0, 4, 6]),
            np.zeros(3, int),
            np.zeros(3, int),
            np.arange(3),
        )
    )
    assert line.coefficients == pytest.approx([0.0, 2.0], abs=1e-6)
    assert math.isnan(line.margin(np.array([0.0, 1.0])))
    assert math.isnan(line.prediction_margin(np.array([1.0, 4.0])))


def test_a_prediction_is_less_certain_than_the_line():
    line = fit_line(planted(np.random.default_rng(5)))
    near, far = np.array([1.0, 4.0]), np.array([1.0, 12.0])
    assert line.prediction_margin(near) > line.margin(near)
    assert line.prediction_margin(far) > line.prediction_margin(near)
