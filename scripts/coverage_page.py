"""The page that `scripts/coverage` writes: how it was simulated, the tables, and where the intervals are poor."""

from collections.abc import Iterable, Sequence

from coverage_cases import (
    ATTENTION,
    BREAKDOWNS,
    FIXED,
    MEAN_CURVE,
    OWN,
    POPULATION,
    SEEDS,
    SMOOTH,
    Row,
    breakdown_targets,
)
from coverage_counts import Coverage
from coverage_seeds import CHANCE, LENGTHS, NORMAL, SOLVED, SPREADS, STEEPNESS, TEST_EXAMPLES, Arm
from coverage_verdict import ACCEPTED, is_accepted, verdict

# A Monte Carlo error above so much is printed beside its number.
LARGE_ERROR = 0.01
TITLES = {
    "mean accuracy": "Mean accuracy",
    "gap": "Gap to the baseline, paired by seed",
    OWN: "L50: the mean of the seeds' own (what the interval is meant to hold)",
    MEAN_CURVE: "L50 of the mean curve (the printed point)",
    SMOOTH: "L50 of the known smooth curve (without interpolation between tested lengths)",
}
CASE_TITLES = {"mean accuracy": "true mean", "gap": "gap"}
HEAD = """# How often the intervals hold what they should

    scripts/coverage --sweeps {sweeps}

{date}. {sweeps} simulated sweeps behind every number; the Monte Carlo standard error is {error:.2f} points at 95 %, and
printed where it is above {large:g}. The command writes this whole page, with the same numbers every time.
"""
METHOD = """## How a sweep is simulated

A seed's accuracy is chance + (1 − chance) · logistic({steepness:g} · (b − log2 length)), with chance {chance:.4f} and
b the log2 of the length at which the seed breaks down; half the variance of b belongs to the seed, half to each
length anew. It is measured on {examples} test examples of the seed's own, each token right or wrong by itself
(binomial), at {lengths} tokens. The arms vary independently. Means and gaps: the baseline breaks
down at {fixed} tokens, attention at {attention}. L50, in tokens: {breakdowns}.

{spreads}
- **{solved}**: near-normal, where errors are so rare that their counts are not.

The intervals come from the functions behind curve.csv, comparison.csv and breakdown.csv. Targets are those of
{population} seeds measured without error. The seeds' own L50 is the mean of log2 L50 over those seeds that break down
at all, as if the tested lengths went on to both sides. Tasks made of text test all seeds on the same examples: their
intervals speak about other seeds, not about other texts.

A smooth curve that breaks down at {smooth} tokens has its L50 at {coarse:.2f} when tested at these lengths,
and at {fine:.2f} when tested at {finer}.
"""
COVERAGE = """## Coverage of nominal 95 % intervals, in per cent

By number of seeds n. "none": so many per cent of the sweeps have no interval, since all seeds are equal or one is
censored; the number before it is the coverage among the rest. Bold: outside {low:g}–{high:g}.
"""


def page(rows: Sequence[Row], sweeps: int, date: str) -> str:
    """Return the whole page as Markdown."""
    rows = sorted(rows, key=lambda row: list(TITLES).index(row.quantity))
    error = 100 * (0.95 * 0.05 / sweeps) ** 0.5
    head = HEAD.format(sweeps=sweeps, date=date, error=error, large=100 * LARGE_ERROR)
    coverage = COVERAGE.format(low=100 * ACCEPTED[0], high=100 * ACCEPTED[1])
    tables = [_table(quantity, [row for row in rows if row.quantity == quantity]) for quantity in TITLES]
    return "\n".join([head, _method(), coverage, *tables, verdict(rows)])


def cell(coverage: Coverage) -> str:
    """Return the share in per cent, bold outside 93 to 97, with what has to be said beside it."""
    if not coverage.intervals:
        return "none"
    error = coverage.standard_error
    share = f"{100 * coverage.share:.1f}" + (f" ± {100 * error:.1f}" if error > LARGE_ERROR else "")
    without = 100 * coverage.without / coverage.sweeps
    text = share if is_accepted(coverage) else f"**{share}**"
    return text + (f" (none {without:.1f})" if without >= 0.05 else "")


def _method() -> str:
    arm = Arm(BREAKDOWNS["between tested lengths"], NORMAL)
    finer = sorted({*LENGTHS, *(length * 3 // 2 for length in LENGTHS)})
    return METHOD.format(
        steepness=STEEPNESS,
        chance=CHANCE,
        examples=TEST_EXAMPLES,
        lengths=_listed(LENGTHS),
        fixed=FIXED,
        attention=ATTENTION,
        breakdowns=_listed(f"{place} {tokens}" for place, tokens in BREAKDOWNS.items()),
        spreads="\n".join(f"- **{each.name}**: {each.description}." for each in SPREADS),
        solved=SOLVED.name,
        population=f"{POPULATION:,}",
        smooth=arm.breakdown,
        coarse=2 ** breakdown_targets(arm)[MEAN_CURVE],
        fine=2 ** breakdown_targets(arm, tuple(finer))[MEAN_CURVE],
        finer=_listed(finer),
    )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _table(quantity: str, rows: Sequence[Row]) -> str:
    heads = ["seeds' spread", CASE_TITLES.get(quantity, "breakdown"), *(f"n = {seeds}" for seeds in SEEDS)]
    lines = [[row.spread.name, row.case, *(cell(row.coverages[seeds]) for seeds in SEEDS)] for row in rows]
    table = [heads, ["---"] * len(heads), *lines]
    return "\n".join([f"### {TITLES[quantity]}", "", *(f"| {' | '.join(line)} |" for line in table), ""])
