"""What the verdict says of the law: how L50 grows, how the law did on what it had not seen, where it does not hold."""

import math
from collections.abc import Mapping, Sequence

from attnbench.analysis.law import AXES, Axis, Law, LawCell
from attnbench.analysis.tobit import Estimate
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import Arm
from attnbench.formatting import counted, joined, span
from attnbench.plots.points import exponent_text, length_text, panel_title
from attnbench.plots.style import at_largest_size, law_name, price_name
from attnbench.report.settings import SweepTables
from attnbench.report.verdict import Verdict, verdicts

_WORDS: dict[Axis, str] = {"steps": "steps", "hidden_size": "hidden size"}
_MADE_OF = {"steps": "budget", "hidden_size": "size"}


def all_verdicts(tables: SweepTables) -> list[Verdict]:
    """Return the verdicts of a sweep, and behind them the law of the breakdown where there is one."""
    return [
        *verdicts(tables),
        *law_verdicts(tables.laws, tables.price_laws, tables.progress.unfinished),
    ]


def law_verdicts(laws: Sequence[Law], prices: Sequence[PriceLaw], unfinished: str = "") -> list[Verdict]:
    """Return one verdict for each task and protocol: the law of each arm that broke down, its test, its limits.

    Args:
        laws: of a sweep.
        prices: of the same.
        unfinished: how many of the planned runs are done, empty where all are.
    """
    places = dict.fromkeys((law.family.task, law.family.protocol) for law in laws)
    return [
        _verdict(
            [law for law in laws if (law.family.task, law.family.protocol) == place],
            [law for law in prices if (law.arm.task, law.arm.protocol) == place],
            unfinished,
        )
        for place in places
    ]


def _verdict(laws: Sequence[Law], prices: Sequence[PriceLaw], unfinished: str) -> Verdict:
    families = [law.family for law in laws]
    names = {law.family: law_name(law, families) for law in laws}
    broken = [law for law in laws if any(cell.is_fallen for cell in law.cells)]
    fitted = [law for law in broken if law.line is not None]
    found = [f"{_capital(names[law.family])}: {_tested(law)}" for law in fitted]
    found += [f"{_capital(names[law.family])}: {_detail(law)}" for law in broken]
    found += [*_unbroken(laws, names), *_price(prices)]
    headline = " ".join(_law_sentence(law, names[law.family]) for law in fitted) or "No law is shown."
    return Verdict(
        heading=f"{panel_title(families)}: the law of the breakdown",
        headline=f"Unfinished, {unfinished}: {headline}" if unfinished else headline,
        found=tuple(found),
        not_shown=tuple(
            f"{_capital(names[law.family])}: {limit}" for law in fitted for limit in _limits(law)
        ),
        method=(),
    )


def _law_sentence(law: Law, name: str) -> str:
    """Say how L50 grows, where, and what speaks against it.

    Such as `L50 of fixed goes as steps^0.21 [0.18, 0.24] · hidden size^0.50 [0.46, 0.54]`.
    """
    found = {axis: each for axis in law.axes if (each := law.exponent(axis))}
    said = " · ".join(f"{_WORDS[axis]}^{exponent_text(each)}" for axis, each in found.items())
    named: list[Axis] = []
    open_axes = [_WORDS[axis] for axis, each in found.items() if each.low <= 0 <= each.high]
    doubt = f"; that it depends on the {joined(open_axes)} is not shown" if open_axes else ""
    within, without = law.curvature_of_fitted, law.curvature
    for where, bends in (("", within if law.held_out else without), ("with the cells held out ", without)):
        bent = [axis for axis, bend in bends.items() if bend.excludes_zero and axis not in named]
        named += bent
        doubt += f"; {where}it bends in {joined(f'the {_WORDS[axis]}' for axis in bent)}" if bent else ""
    trial = law.trial(law.held_out)
    if trial is not None and (missed := _missed(law)):
        doubt += f"; it misses {len(missed)} of the {counted(trial.tested, 'cell')} that test it"
    untested = [axis for axis in law.axes if not law.is_tested(axis)]
    if len(untested) == len(law.axes):
        doubt += "; the law was not tested"
    elif untested:
        doubt += f"; the exponent of the {joined(_WORDS[axis] for axis in untested)} was not tested"
    return f"Over {_ranges(law.fitted)}, L50 of {name} goes as {said}{doubt}."


def _tested(law: Law) -> str:
    """Say how the law did on cells that it was not fitted to: on the largest size, and on the rest of them."""
    if not law.held_out:
        return "no cell was held out to test it on, since too few would have remained."
    sizes = law.beyond("hidden_size") if "hidden_size" in law.axes else []
    groups = {"hidden_size": sizes, "steps": [cell for cell in law.held_out if cell not in sizes]}
    parts = [_trial_words(law, axis, groups[axis]) for axis in AXES if groups[axis]]
    return f"{'. '.join([parts[0], *map(_capital, parts[1:])])}."


def _trial_words(law: Law, axis: Axis, cells: Sequence[LawCell]) -> str:
    """Say of cells held out on one axis how many were measured, and how many of these lie in their intervals."""
    top = max(cell.place(axis) for cell in cells)
    what = f"of {counted(len(cells), 'cell')} held out of the largest {_MADE_OF[axis]} ({top:,})"
    trial = law.trial(cells)
    if trial is None:
        return f"{what} none is compared with an interval, since {_no_interval(law)}"
    found = [f"{what} none was measured{'' if trial.tested else ', so the law was not tested there'}"]
    if trial.measured == 1:
        lies = "lies" if trial.measured_within else "does not lie"
        found = [f"{what}, 1 was measured, and {lies} in its 95 % interval, {_factor(trial.width)} wide"]
    elif trial.measured:
        lie = counted(trial.measured_within, "of them lies", "of them lie")
        found = [
            f"{what}, {trial.measured} were measured, and {lie} in their 95 % intervals, {_factor(trial.width)} wide"
        ]
    if trial.contradicting:
        bounds = counted(trial.bounds, "is a bound", "are bounds")
        found.append(
            f"{bounds}, and {trial.contradicting} of them contradict{'s' * (trial.contradicting == 1)} the law"
        )
    elif trial.bounds:
        found.append(
            counted(
                trial.bounds,
                "is a bound, which does not contradict its interval",
                "are bounds, which do not contradict their intervals",
            )
        )
    if axis == "steps" and trial.tested and _shares_seeds(law, cells):
        found.append("the fit has seen their seeds, and under --budgets their trunks: a mild test")
    return "; ".join(found)


def _shares_seeds(law: Law, cells: Sequence[LawCell]) -> bool:
    fitted = {seed for cell in law.fitted for seed in cell.seeds}
    return any(seed in fitted for cell in cells for seed in cell.seeds)


def _no_interval(law: Law) -> str:
    """Say why a law has no intervals."""
    assert law.line is not None
    if law.line.seed_freedom < 1:
        return "an interval needs two seeds"
    if law.line.cell_freedom < 1:
        measured, least = sum(cell.is_measured for cell in law.fitted), len(law.axes) + 2
        return f"an interval needs {least} fitted cells measured with all seeds, not {measured}"
    return "the seeds do not differ"


def _limits(law: Law) -> list[str]:
    """Say where the law does not hold: it bends, or cells lie at the floor or the ceiling of what was tested."""
    parts = []
    for axis in law.axes:
        for how, cells in _bends(law, axis).items():
            parts.append(
                f"it bends in the {_WORDS[axis]}: later doublings move L50 {how}, taken over {joined(cells)}"
            )
    if missed := _missed(law):
        parts.append(f"it misses {joined(_cell_name(law, cell) for cell in missed[:4])}{_more(missed, 4)}")
    parts += [f"the exponent of the {_untested(law, axis)}" for axis in law.axes if not law.is_tested(axis)]
    parts += [*_ends(law), *_not_learnt(law)]
    if not math.isinf(law.ceiling):
        parts.append(
            f"the bits that cross allow no L50 of {length_text(law.ceiling)} or more, so no power law goes on to there"
        )
    trial = law.trial(law.held_out)
    if not parts and trial is not None and trial.measured_within:
        parts.append("nothing that was tested contradicts it")
    return [f"{part}." for part in parts]


def _bends(law: Law, axis: Axis) -> dict[str, list[str]]:
    """Return by `less` and `more`, what later doublings do, the cells over which the square on an axis is not 0."""
    too = ", those held out too" if law.held_out else ""
    own, every = (
        f"the {len(law.fitted)} fitted cells",
        f"all {len(law.fitted) + len(law.held_out)} cells{too}",
    )
    found: dict[str, list[str]] = {}
    for cells, bends in ((own, law.curvature_of_fitted), (every, law.curvature)):
        if axis in bends and bends[axis].excludes_zero:
            found.setdefault("less" if bends[axis].value < 0 else "more", []).append(cells)
    return found


def _missed(law: Law) -> list[LawCell]:
    return [cell for cell in law.held_out if law.is_within(cell) is False]


def _untested(law: Law, axis: Axis) -> str:
    values = len({cell.place(axis) for cell in law.fitted})
    rests = f"rests on two {_MADE_OF[axis]}s and " if values == 2 else ""
    return f"{_WORDS[axis]} {rests}was not tested"


def _ends(law: Law) -> list[str]:
    """Say how many cells, and how many seeds of others, are at the floor and at the ceiling of the tested lengths."""
    parts = []
    for side, name, words in (
        ("below", "floor", "below half already at the shortest tested length"),
        ("above", "ceiling", "did not fall up to the longest tested"),
    ):
        ends = [cell for cell in law.cells if cell.found.censored == side]
        others = [each for cell in law.cells if cell not in ends for each in cell.seeds.values()]
        seeds = [each for each in others if each.censored == side]
        who = [f"{len(ends)} of {counted(len(law.cells), 'cell')}"] if ends else []
        of_others = " of other cells" if ends else ""
        who += [counted(len(seeds), "seed") + of_others] if seeds else []
        verb = "" if side == "above" else "was " if len(ends) + len(seeds) == 1 else "were "
        at = [*(cell.found.length for cell in ends), *(each.length for each in seeds)]
        parts += [f"{name}: {joined(who)} {verb}{words} ({length_text(max(at))})"] if who else []
    return parts


def _not_learnt(law: Law) -> list[str]:
    """Say what is left out since it did not learn, and whether that moves an exponent beyond its interval."""
    cells, seeds = len(law.not_learnt), sum(cell.count("not_learnt") for cell in law.cells)
    parts = [f"{counted(cells, 'cell')} learnt nothing, of which it says nothing"] if cells else []
    of_others = " of other cells" if cells else ""
    parts += [f"{counted(seeds, 'seed')}{of_others} left out as not learnt"] if seeds else []
    found = {axis: each for axis in law.with_unlearnt if (each := law.exponent(axis))}
    if found:
        left = [axis for axis, each in found.items() if not each.low <= law.with_unlearnt[axis] <= each.high]
        told = joined(f"{_WORDS[axis]}^{law.with_unlearnt[axis]:.2f}" for axis in left or found)
        taking = "taking this as below the shortest tested length"
        if any(math.isnan(each.low) for each in found.values()):
            parts.append(f"{taking} gives {told}")
        elif left:
            parts.append(f"{taking} gives {told}, outside of the interval")
        else:
            parts.append(f"{taking} moves no exponent out of its interval")
    return [f"floor: {'; '.join(parts)}"] if parts else []


def _detail(law: Law) -> str:
    """Say what the fit rests on, with the constant, what a doubling does, and the curvature; or why there is none."""
    if law.line is None:
        return f"no exponent: {law.reason}."
    facts = [f"fitted to {counted(len(law.fitted), 'cell')}"]
    seeds = span(len(cell.seeds) for cell in law.fitted)
    facts.append("one seed, so no interval" if seeds == "1" else f"{seeds} seeds each")
    bounds = [cell.count("above") + cell.count("below") for cell in law.fitted]
    among = f"{sum(bounds)} of {sum(len(cell.seeds) for cell in law.fitted)}"
    facts += (
        [f"{among} seeds' L50 as bounds, in {counted(sum(map(bool, bounds)), 'cell')}"] if any(bounds) else []
    )
    out = sum(cell.count("not_learnt") for cell in law.fitted)
    facts += [f"{counted(out, 'seed')} left out as not learnt"] if out else []
    constant = law.constant
    if seeds != "1" and constant is not None and math.isnan(constant.low):
        facts.append(f"no interval, since {_no_interval(law)}")
    facts += [f"log2 L50 at one step and one unit {exponent_text(constant)}"] if constant else []
    facts += [
        f"twice the {_WORDS[axis]} makes L50 {2**found.value:.2f} times as long{_as_factors(found)}"
        for axis in law.axes
        if (found := law.exponent(axis))
    ]
    facts += [
        f"coefficient of the square of log2 {_WORDS[axis]} {_bend_texts(law, axis)}"
        for axis in law.axes
        if axis in law.curvature
    ]
    return f"{'; '.join([*facts, *filter(None, [law.reason])])}."


def _ranges(cells: Sequence[LawCell]) -> str:
    parts = []
    for axis in AXES:
        places = sorted({cell.place(axis) for cell in cells})
        ends = f"{places[0]:,}" if len(places) == 1 else f"{places[0]:,} to {places[-1]:,}"
        parts.append(f"{ends} steps" if axis == "steps" else f"hidden size {ends}")
    return joined(parts)


def _as_factors(found: Estimate) -> str:
    return "" if math.isnan(found.low) else f" [{2**found.low:.2f}, {2**found.high:.2f}]"


def _bend_texts(law: Law, axis: Axis) -> str:
    """Write the bend of the fitted cells, as far as they show one, and that with the cells held out."""
    every = _bend_text(law.curvature[axis])
    if not law.held_out:
        return every
    own = f"{_bend_text(law.curvature_of_fitted[axis])}, " if axis in law.curvature_of_fitted else ""
    return f"{own}with the {len(law.held_out)} held out {every}"


def _bend_text(bend: Estimate) -> str:
    interval = "" if math.isnan(bend.low) else f" [{bend.low:+.3f}, {bend.high:+.3f}]"
    return f"{bend.value:+.3f}{interval}"


def _cell_name(law: Law, cell: LawCell) -> str:
    expected = law.prediction(cell)
    assert expected is not None
    sign = "" if cell.is_measured else "> " if cell.count("above") else "< "
    interval = f"[{length_text(expected.low)}, {length_text(expected.high)}]"
    where = f"{cell.training_steps:,} steps at hidden size {cell.arm.hidden_size}"
    return f"{where} ({sign}{length_text(cell.mean_of_seeds)}, expected in {interval})"


def _factor(ratio: float) -> str:
    return f"a factor of {ratio:.1f}" if ratio < 10 else f"a factor of {min(ratio, 1e6):,.0f}"


def _more(items: Sequence[object], shown: int) -> str:
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def _unbroken(laws: Sequence[Law], names: Mapping[Arm, str]) -> list[str]:
    """Say in one sentence which arms did not break down in any cell."""
    parts = []
    for law in laws:
        if any(cell.is_fallen for cell in law.cells):
            continue
        found = [("did not fall", law.count("above")), ("lay below half way already", law.count("below"))]
        found.append(("learnt nothing", len(law.not_learnt)))
        cells = joined(f"{words} in {count}" for words, count in found if count)
        parts.append(
            f"{names[law.family]} {cells} of {counted(len(law.cells) + len(law.not_learnt), 'cell')}"
        )
    return [f"No cell broke down, so there is no law: {'; '.join(parts)}."] if parts else []


def price_verdicts(prices: Sequence[PriceLaw], unfinished: str = "") -> list[Verdict]:
    """Return one verdict for each task and protocol: how the steps to learn grow with length, arm by arm.

    Args:
        prices: of a sweep.
        unfinished: how many of the planned runs are done, empty where all are.
    """
    places: dict[tuple[str, str], list[PriceLaw]] = {}
    for law in prices:
        places.setdefault((law.arm.task, law.arm.protocol), []).append(law)
    return [
        Verdict(
            heading=f"{panel_title([law.arm for law in own])}: the price of length",
            headline=f"Unfinished, {unfinished}: {words}." if unfinished else f"{_capital(words)}.",
            found=(),
            not_shown=(),
            method=(),
        )
        for own in places.values()
        for words in [_price_words(own)]
    ]


def _price(prices: Sequence[PriceLaw]) -> list[str]:
    """Say how the steps to learn grow with length, for each family at its largest budget and size."""
    shown = at_largest_size(prices)
    rest = "; other sizes: law.csv" if len(shown) < len(prices) else ""
    return [f"The price of length: {_price_words(shown)}{rest}."] if shown else []


def _price_words(prices: Sequence[PriceLaw]) -> str:
    arms = [law.arm for law in prices]
    told = [
        f"length^{exponent_text(found)} for {price_name(law, arms)}"
        for law in prices
        if (found := law.exponent)
    ]
    reasons: dict[str, list[str]] = {}
    for law in prices:
        if law.exponent is None:
            reasons.setdefault(law.reason, []).append(price_name(law, arms))
    parts = [f"steps to learn go as {joined(told, comma='; ')}"] if told else []
    parts += [f"no exponent for {joined(names)}, since {reason}" for reason, names in reasons.items()]
    return "; ".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
