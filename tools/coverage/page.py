"""The page that `scripts/coverage` writes: how it was simulated, the tables, and where the intervals are poor."""

import textwrap
from collections.abc import Iterable, Sequence

from attnbench.analysis.larger_budget import SAME
from tools.coverage.law import DENSE, DOUBLING, QUANTITIES, SIZES, STEPS, LawRow
from tools.coverage.simulation import (
    ATTENTION,
    BREAKDOWNS,
    CHANCE,
    FIXED,
    LENGTHS,
    MEAN_CURVE,
    NORMAL,
    OWN,
    PAIRS,
    POPULATION,
    SEEDS,
    SMOOTH,
    SOLVED,
    SPREADS,
    STEEPNESS,
    TEST_EXAMPLES,
    WIDE,
    Arm,
    Coverage,
    Row,
    StayRow,
    breakdown_targets,
)
from tools.coverage.text import (
    BEST_RATE,
    EASE_SPREAD,
    RETAINED,
    SEED_SPREAD,
    SENTENCES,
    TEXT_SEEDS,
    WORDS,
    TextRow,
)

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
at all, as if the tested lengths went on to both sides.

A smooth curve that breaks down at {smooth} tokens has its L50 at {coarse:.2f} when tested at these lengths,
and at {fine:.2f} when tested at {finer}.
"""
COVERAGE = """## Coverage of nominal 95 % intervals, in per cent

By number of seeds n. "none": so many per cent of the sweeps have no interval, since all seeds are equal or one is
censored; the number before it is the coverage among the rest. Bold: outside {low:g}–{high:g}.
"""
STAYS = """## How often longer runs are said to leave a breakdown in place, in per cent

A fixed vector that breaks down at {fixed} tokens is trained once more with a larger budget, and in truth its L50
grows by the factor in the second column. The rule of longer.csv says *stays* where the interval of the paired change
ends below +{same:.0f} %, and never below five pairs. The seeds of both budgets vary independently, and all else that
the rule asks is granted: a context that does not grow, and longer runs that had levelled off. Spreads: near-normal as
above; wide: the same with a standard deviation of {wide:g} octaves. × 1.1 lies on the edge, where the interval
promises at most 2.5 %; tested at 16 and 32 tokens with nothing between, it is seen as × {seen:.3f}, and so it is
said to stay more often.
"""
TEXT = """## Real text: coverage of the retention of BLEU, in per cent

An arm retains {retained:g} of its BLEU in another bucket than its best. A bucket has {sentences} sentences of {words}
words, drawn anew for each of {trials} trials. n-grams of every order match at a rate of {best:g} in the best bucket,
times how easy the sentence is (uniform, 1 ± {ease:g}), and in the other bucket times the retention of the seed
(uniform, {retained:g} ± {seed:g}; of one seed {retained:g}). All seeds are tested on the same sentences. Sentences that
are hard for one seed alone count twice over sentences and seeds, which therefore errs to the wide side.
"""
LAW = """## The law of the breakdown: coverage of its exponents and of what was held out, in per cent

L50 of a fixed vector grows as planted: log2 L50 = a + b · log2 steps + c · log2 hidden, at
{steps} steps and hidden size {sizes}. The largest budget and the largest size are held out
of the fit, or one of them where both would leave no interval. Behind every number stand {trials} sweeps, tested at
{dense} tokens, or where lengths double at {doubling} tokens; half the variance of log2 L50
belongs to the seed, in all cells alike, half to each run. Each exponent has two intervals: that of law.csv, over seeds
and cells, and `low_over_seeds` to `high_over_seeds`. Interpolation between tested lengths moves all seeds of a cell
alike, which seeds alone do not show. "No bend in steps": the square of log2 steps has no part in the law, and its
interval holds 0. Of the cells held out those measured with all seeds are counted apart from bounds, which miss only
where they contradict their interval ("none": no cell is one). The cells of one sweep miss together, so that the errors
beside these two are too small. Where seeds differ more than cells the intervals err to the wide side, since the seeds
that are predicted are those that were fitted.

{cases}

"""


def page(
    rows: Sequence[Row],
    stays: Sequence[StayRow],
    text: Sequence[TextRow],
    laws: Sequence[LawRow],
    sweeps: int,
    date: str,
) -> str:
    """Return the whole page as Markdown."""
    rows = sorted(rows, key=lambda row: list(TITLES).index(row.quantity))
    error = 100 * (0.95 * 0.05 / sweeps) ** 0.5
    head = HEAD.format(sweeps=sweeps, date=date, error=error, large=100 * LARGE_ERROR)
    coverage = COVERAGE.format(low=100 * ACCEPTED[0], high=100 * ACCEPTED[1])
    tables = [_table(quantity, [row for row in rows if row.quantity == quantity]) for quantity in TITLES]
    return "\n".join(
        [head, _method(), coverage, *tables, _text(text), _stays(stays), law_section(laws), verdict(rows)]
    )


def _text(rows: Sequence[TextRow]) -> str:
    trials = max(coverage.sweeps for row in rows for coverage in row.coverages.values())
    method = TEXT.format(
        retained=RETAINED,
        sentences=SENTENCES,
        words=WORDS,
        trials=trials,
        best=BEST_RATE,
        ease=EASE_SPREAD,
        seed=SEED_SPREAD,
    )
    heads = ["interval", *(f"n = {seeds}" for seeds in TEXT_SEEDS)]
    lines = [[row.method, *(cell(row.coverages[seeds]) for seeds in TEXT_SEEDS)] for row in rows]
    return "\n".join([method, *_markdown(heads, lines), ""])


def _stays(rows: Sequence[StayRow]) -> str:
    fixed = BREAKDOWNS["between tested lengths"]
    before, after = (breakdown_targets(Arm(place, NORMAL))[MEAN_CURVE] for place in (fixed, 1.1 * fixed))
    text = STAYS.format(fixed=fixed, same=100 * SAME, wide=WIDE.octaves, seen=2 ** (after - before))
    heads = ["seeds' spread", "true change of L50", *(f"n = {pairs}" for pairs in PAIRS)]
    lines = [
        [row.spread.name, f"× {row.change:g}", *(f"{100 * row.shares[pairs]:.1f}" for pairs in PAIRS)]
        for row in rows
    ]
    return "\n".join([text, *_markdown(heads, lines), ""])


def law_section(rows: Sequence[LawRow]) -> str:
    """Return the section of planted laws as Markdown."""
    trials = max(
        coverage.sweeps
        for row in rows
        if row.quantity == QUANTITIES[0]
        for coverage in row.coverages.values()
    )
    laws = dict.fromkeys(row.planted for row in rows)
    cases = []
    for law in laws:
        below, above = (100 * share for share in law.shares_beyond)
        deviation = f", of a cell, shared by its seeds, {law.cells:g}" if law.cells else ""
        cases.append(
            f"- **{law.name}**: a = {law.constant:g}, b = {law.steps:g}, c = {law.size:g}, standard deviation of a "
            f"seed {law.octaves:g} octaves{deviation}; {below:.0f} % of the cells lie before the shortest length, "
            f"{above:.0f} % beyond the longest."
        )
    text = LAW.format(
        steps=_listed(STEPS),
        sizes=_listed(SIZES),
        trials=trials,
        dense=_listed(DENSE),
        doubling=_listed(DOUBLING),
        cases="\n".join(textwrap.fill(case, 120, subsequent_indent="  ") for case in cases),
    )
    counts = list(rows[0].coverages)
    heads = ["law", "what", *(f"n = {seeds}" for seeds in counts)]
    lines = [
        [row.planted.name, row.quantity, *(cell(row.coverages[seeds]) for seeds in counts)] for row in rows
    ]
    return "\n".join([text.rstrip(), "", *_markdown(heads, lines), ""])


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *lines]]


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
    return "\n".join([f"### {TITLES[quantity]}", "", *_markdown(heads, lines), ""])


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
