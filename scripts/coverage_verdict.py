"""Where the simulated intervals hold what they promise, where they are poor, and which way."""

import textwrap
from collections.abc import Sequence

from coverage_cases import MEAN_CURVE, SMOOTH, Row
from coverage_counts import Coverage
from coverage_seeds import NORMAL

ACCEPTED = (0.93, 0.97)
# Where the intervals are to hold what they promise: near-normal spread, five seeds, breakdown well inside.
PROMISED_SEEDS = 5
NOT_PROMISED = ("at the edge", "outside")
# Fewer intervals than this are printed in the tables, but say too little for a verdict.
ENOUGH_INTERVALS = 100
CENSORED = "only sweeps without a censored seed have an interval, and those are not the usual ones"
INTERPOLATION = "interpolation between tested lengths moves L50, and no interval over seeds knows by how much"
REASONS = {
    "skewed": "the rare seed far off, which moves the mean, is absent from most small samples",
    "seeds that fail": "a sweep in which no seed failed knows nothing of failures",
    "single runs that fail": "where no run failed nothing is known of failures, and one failed run moves a seed far",
    "hardly an error": "errors are rare counts, and few seeds make a wide interval of them",
}


def is_promised(row: Row) -> bool:
    """Whether the intervals of a row are to cover 93 to 97 % from five seeds on."""
    return row.spread is NORMAL and row.case not in NOT_PROMISED and row.quantity not in (MEAN_CURVE, SMOOTH)


def is_accepted(coverage: Coverage) -> bool:
    """Whether the share, as printed, lies in 93 to 97 %; a share of no interval does not."""
    return ACCEPTED[0] <= round(coverage.share, 3) <= ACCEPTED[1]


def verdict(rows: Sequence[Row]) -> str:
    """Return the last section of the page as Markdown."""
    groups: dict[tuple[str, str, str], list[tuple[Row, int]]] = {}
    for row in rows:
        for seeds, coverage in row.coverages.items():
            if coverage.intervals >= ENOUGH_INTERVALS and not is_accepted(coverage):
                group = groups.setdefault((row.quantity, row.spread.name, _reason(row)), [])
                group.append((row, seeds))
    lines = [_poor(*names, poor) for names, poor in groups.items()]
    return "\n".join(["## Verdict", "", _promise(rows), "", "Elsewhere, outside that range:", "", *lines, ""])


def _reason(row: Row) -> str:
    if row.case == "at the edge":
        return CENSORED
    return INTERPOLATION if row.quantity == SMOOTH else REASONS.get(row.spread.name, "for no reason known")


def _promise(rows: Sequence[Row]) -> str:
    promised = [row.coverages for row in rows if is_promised(row)]
    found = [each[seeds] for each in promised for seeds in each if seeds >= PROMISED_SEEDS]
    kept = sum(map(is_accepted, found))
    shares = [coverage.share for coverage in found]
    return (
        f"With near-normal spread, {PROMISED_SEEDS} seeds or more and a breakdown inside the tested lengths,\n"
        f"{kept} of {len(found)} intervals of mean accuracy, gap and L50 cover {_range(*ACCEPTED)};\n"
        f"all of them lie between {100 * min(shares):.1f} and {100 * max(shares):.1f} %."
    )


def _poor(quantity: str, spread: str, reason: str, poor: Sequence[tuple[Row, int]]) -> str:
    by_share = sorted(poor, key=lambda entry: entry[0].coverages[entry[1]].share)
    found = [row.coverages[seeds] for row, seeds in by_share]
    (worst, seeds), too_high = by_share[0], sum(coverage.too_high for coverage in found)
    missed = too_high + sum(coverage.too_low for coverage in found)
    sides = f"{100 * too_high / missed:.0f} % of the misses lie too high" if missed else "no interval misses"
    covered = f"{100 * found[0].share:.1f}" + (f" to {100 * found[-1].share:.1f}" if found[1:] else "")
    line = f"- {quantity}, {spread}: {covered} % (least: {worst.case}, n = {seeds}); {sides}: {reason}."
    return textwrap.fill(line, 120, subsequent_indent="  ")


def _range(low: float, high: float) -> str:
    return f"{100 * low:g}–{100 * high:g} %"
