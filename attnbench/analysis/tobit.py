"""A line through values of which some are only known to lie above or below a bound: Tobit regression.

Olsen 1978, "Note on the uniqueness of the maximum likelihood estimator for the Tobit model": in coefficients over σ and
1/σ the log likelihood is concave, so that Newton's method finds its one maximum from anywhere. Spreads of the estimate
come from weights drawn anew for whole groups (Rubin 1981, "The Bayesian bootstrap"), and those over two kinds of
groups are put together as in Cameron, Gelbach & Miller 2011, "Robust inference with multiway clustering".
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from attnbench.analysis.statistics import CONFIDENCE

DRAWS = 200
"""Of the weights of groups, for each kind of groups."""
_STREAM = 20_261_130
# Added to the spread of values, in their unit: without it three points on a line have a likelihood without end.
_LEAST_SPREAD = 0.01
# Keeps a draw in which nothing ties a coefficient down from running away; far below what any value weighs.
_RIDGE = 1e-9
_MOST_STEPS, _MOST_HALVINGS, _CONVERGED = 60, 30, 1e-8


@dataclass(frozen=True)
class Values:
    """What is regressed: one entry for each value.

    Attributes:
        design: regressors, the first of them 1, (values, coefficients).
        values: what was seen, or the bound of what was not, (values,).
        sides: 0 where it was seen, 1 where it lies above its bound, -1 below, (values,).
        seeds: the seed that each value comes from, (values,).
        cells: the number of the cell that it belongs to, (values,).
    """

    design: np.ndarray
    values: np.ndarray
    sides: np.ndarray
    seeds: np.ndarray
    cells: np.ndarray

    def with_design(self, design: np.ndarray) -> "Values":
        """Return the same values with other regressors."""
        return replace(self, design=design)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, whose ends are NaN where there is none.

    The interval `over_seeds` alone takes the cells for free of deviations of their own, and is the narrower.
    """

    value: float
    low: float
    high: float
    over_seeds: tuple[float, float] = (math.nan, math.nan)

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Line:
    """A fitted line, and how far off it may be.

    Attributes:
        coefficients: (coefficients,).
        over_seeds: their covariance over seeds, NaN for one seed.
        beyond_seeds: what cells add to it, whose common deviation from the line no number of seeds makes smaller.
        seed_freedom: degrees of freedom of the first.
        cell_freedom: of the second and of the spread: the cells all of whose values were seen, less the coefficients.
        cell_spread: standard deviation of the mean of a cell about the line, NaN without a degree of freedom.
    """

    coefficients: np.ndarray
    over_seeds: np.ndarray
    beyond_seeds: np.ndarray
    seed_freedom: int
    cell_freedom: int
    cell_spread: float

    def at(self, contrast: np.ndarray) -> float:
        """Return the sum of the coefficients times a contrast, such as one row of a design."""
        return float(contrast @ self.coefficients)

    def margin(self, contrast: np.ndarray, beyond_seeds: bool = True) -> float:
        """Return half the width of the interval of that sum, or of that over seeds alone.

        It is NaN for one seed, for seeds and cells that do not differ, and beyond seeds where cells have no freedom.
        """
        seeds = float(contrast @ self.over_seeds @ contrast)
        cells = max(float(contrast @ self.beyond_seeds @ contrast), 0.0) if beyond_seeds else 0.0
        if math.isnan(seeds) or seeds + cells <= 0 or (beyond_seeds and self.cell_freedom < 1):
            return math.nan
        # Satterthwaite 1946.
        below = seeds**2 / self.seed_freedom + (cells**2 / self.cell_freedom if cells else 0.0)
        return student_quantile((seeds + cells) ** 2 / below) * math.sqrt(seeds + cells)

    def estimate(self, contrast: np.ndarray) -> Estimate:
        """Return that sum with both its intervals."""
        value, margin, of_seeds = self.at(contrast), self.margin(contrast), self.margin(contrast, False)
        return Estimate(value, value - margin, value + margin, (value - of_seeds, value + of_seeds))

    def prediction_margin(self, contrast: np.ndarray) -> float:
        """Return half the width of the interval in which the mean of another cell is expected, measured alike."""
        if self.cell_freedom < 1:
            return math.nan
        return math.hypot(self.margin(contrast), student_quantile(self.cell_freedom) * self.cell_spread)


def fit_line(values: Values) -> Line:
    """Fit a line through values of several seeds in several cells.

    Seeds are the sample: `over_seeds` is the spread over draws of the weights of whole seeds. Cells have deviations of
    their own from the line (a bend, lengths that were not tested), which all their seeds share; `beyond_seeds` is the
    spread over weights of cells less that over weights of single values, which both have in them.
    """
    count, size = values.design.shape
    coefficients, spreads = fit_weighted(values, np.ones((1, count)))
    best = coefficients[0]
    start = best, float(spreads[0])
    over_seeds = _covariance(values, values.seeds, 1, start)
    beyond = np.zeros((size, size))
    if len(np.unique(values.cells)) > size:
        singly = _covariance(values, np.arange(count), size, start)
        beyond = _covariance(values, values.cells, size, start) - singly
    spread, freedom = _cell_spread(values, best)
    return Line(best, over_seeds, beyond, len(np.unique(values.seeds)) - 1, freedom, spread)


def student_quantile(freedom: float) -> float:
    """Return the quantile of Student's t that ends an interval, for degrees of freedom that need not be whole."""
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def fit_weighted(
    values: Values, weights: np.ndarray, start: tuple[np.ndarray, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients and σ of the largest likelihood for each row of weights.

    Args:
        values: what is regressed.
        weights: (draws, values).
        start: coefficients and σ to begin with, where some are known that lie near; they only save time.

    Returns:
        coefficients (draws, coefficients) and σ (draws,).
    """
    # Regressors of length one about their mean: Newton's steps then are of one size.
    centre, scale = values.design.mean(axis=0), values.design.std(axis=0)
    centre[0], scale[0] = 0.0, 1.0
    scale[scale == 0] = 1.0
    scaled = (values.design - centre) / scale
    middle = values.values.mean()
    signed = np.column_stack([-scaled, values.values - middle])  # residuals over σ = signed @ (β/σ, 1/σ)
    found = np.zeros((len(weights), signed.shape[1]))
    found[:, -1] = 1 / max(float(values.values.std()), _LEAST_SPREAD)
    if start is not None:
        near = start[0] * scale
        near[0] += start[0][1:] @ centre[1:] - middle
        found[:] = [*near / start[1], 1 / start[1]]
    likelihood = _likelihood(signed, values.sides, weights, found)
    for _ in range(_MOST_STEPS):
        step, rise = _newton(signed, values.sides, weights, found)
        if (rise < _CONVERGED).all():
            break
        found, likelihood = _climb(signed, values.sides, weights, (found, likelihood), step)
    coefficients = found[:, :-1] / found[:, -1:] / scale
    coefficients[:, 0] += middle - coefficients[:, 1:] @ centre[1:]
    return coefficients, 1 / found[:, -1]


def _climb(
    signed: np.ndarray,
    sides: np.ndarray,
    weights: np.ndarray,
    from_there: tuple[np.ndarray, np.ndarray],
    step: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Go along the step of each draw, half as far where the likelihood would fall or σ leave its range."""
    found, likelihood = from_there
    length = np.ones(len(found))
    for _ in range(_MOST_HALVINGS):
        ahead = found + length[:, None] * step
        new = _likelihood(signed, sides, weights, ahead)
        falls = ~(new >= likelihood - 1e-12 * np.abs(likelihood))
        if not falls.any():
            return ahead, new
        length = np.where(falls, length / 2, length)
    return np.where(falls[:, None], found, ahead), np.where(falls, likelihood, new)


def _likelihood(signed: np.ndarray, sides: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each draw, without its constant; -inf where σ is not positive."""
    residuals, inverse = at @ signed.T, at[:, -1]
    each = np.where(sides == 0, -0.5 * residuals**2, special.log_ndtr(-sides * residuals))
    whole = (weights * each).sum(axis=1) - 0.5 * _RIDGE * (at[:, :-1] ** 2).sum(axis=1)
    whole -= 0.5 * weights.sum(axis=1) * (_LEAST_SPREAD * inverse) ** 2
    seen = (weights * (sides == 0)).sum(axis=1)
    return np.where(inverse > 0, whole + seen * np.log(np.maximum(inverse, 1e-300)), -np.inf)


def _newton(
    signed: np.ndarray, sides: np.ndarray, weights: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the step of Newton's method for each draw, and by how much it is to raise the likelihood."""
    residuals, inverse = at @ signed.T, at[:, -1]
    bound = -sides * residuals
    # Mills' ratio φ/Φ, which neither part of it can be worked out by far from 0.
    mills = np.exp(-0.5 * bound**2 - 0.5 * math.log(2 * math.pi) - special.log_ndtr(bound))
    slope = weights * np.where(sides == 0, -residuals, -sides * mills)
    bend = weights * np.where(sides == 0, 1.0, mills * (mills + bound))
    gradient = slope @ signed
    hessian = np.einsum("dn,ni,nj->dij", bend, signed, signed, optimize=True)
    seen, whole = (weights * (sides == 0)).sum(axis=1), weights.sum(axis=1)
    gradient[:, :-1] -= _RIDGE * at[:, :-1]
    gradient[:, -1] += seen / inverse - whole * _LEAST_SPREAD**2 * inverse
    sizes = np.arange(signed.shape[1] - 1)
    hessian[:, sizes, sizes] += _RIDGE
    hessian[:, -1, -1] += seen / inverse**2 + whole * _LEAST_SPREAD**2
    step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    return step, (step * gradient).sum(axis=1)


def _covariance(values: Values, groups: np.ndarray, used: int, start: tuple[np.ndarray, float]) -> np.ndarray:
    """Return the covariance of the coefficients over weights of groups; NaN where there are too few of them.

    Args:
        values: what is regressed.
        groups: the group of each value, whose values share a weight.
        used: degrees of freedom that the line takes from the groups.
        start: the coefficients and σ of equal weights.
    """
    _, places = np.unique(groups, return_inverse=True)
    count, size = int(places.max()) + 1, values.design.shape[1]
    if count <= used:
        return np.full((size, size), math.nan)
    drawn = np.random.default_rng([_STREAM, count]).standard_exponential((DRAWS, count))
    weights = drawn / drawn.mean(axis=1, keepdims=True)
    coefficients, _ = fit_weighted(values, weights[:, places], start)
    # Weights with a mean of one have a variance of (n - 1)/(n + 1); a sample of n has its mean's over n - 1.
    return np.atleast_2d(np.cov(coefficients, rowvar=False)) * (count + 1) / (count - used)


def _cell_spread(values: Values, coefficients: np.ndarray) -> tuple[float, int]:
    """Return the standard deviation of the means of cells about the line, and its degrees of freedom.

    Both rest on the cells all of whose values were seen: the mean of another is not known.
    """
    residuals = values.values - values.design @ coefficients
    _, places = np.unique(values.cells, return_inverse=True)
    is_whole = np.bincount(places, values.sides != 0) == 0
    freedom = int(is_whole.sum()) - len(coefficients)
    if freedom < 1:
        return math.nan, 0
    means = np.bincount(places, residuals)[is_whole] / np.bincount(places)[is_whole]
    return math.sqrt(float((means**2).sum()) / freedom), freedom
