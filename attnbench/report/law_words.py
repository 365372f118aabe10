"""What the verdict says of the law: how L50 grows, how the law did on what it had not seen, where it does not hold."""

import math
from collections.abc import Mapping, Sequence

from attnbench.analysis.law import AXES, Axis, Law, LawCell
from attnbench.analysis.tobit import Estimate
from attnbench.analysis.training_cost import PriceLaw
from attnbench.arm import Arm
from attnbench.formatting import counted, joined, span
from attnbench.plots.points import (
    at_largest_size,
    exponent_text,
    law_name,
    length_text,
    panel_title,
    price_name,
)
from attnbench.report.settings import SweepTables
from attnbench.report.verdict import Verdict, verdicts

_WORDS: dict[Axis, str] = {"steps": "steps", "hidden_size": "hidden size"}
_MADE_OF = {"steps": "budget", "hidden_size": "size"}


def all_verdicts(tables: SweepTables) -> list[Verdict]:
    """Return the verdicts of a sweep, and behind them the law of the breakdown where there is one."""
    return [*verdicts(tables), *law_verdicts(tables.laws, tables.price_laws)]


def law_verdicts(laws: Sequence[Law], prices: Sequence[PriceLaw]) -> list[Verdict]:
    """Return one verdict for each task and protocol: the law of each arm that broke down, its test, its limits."""
    places = dict.fromkeys((law.family.task, law.family.protocol) for law in laws)
    return [
        _verdict(
            [law for law in laws if (law.family.task, law.family.protocol) == place],
            [law for law in prices if (law.arm.task, law.arm.protocol) == place],
        )
        for place in places
    ]


def _verdict(laws: Sequence[Law], prices: Sequence[PriceLaw]) -> Verdict:
    families = [law.family for law in laws]
    names = {law.family: law_name(law, families) for law in laws}
    broken = [law for law in laws if any(cell.is_fallen for cell in law.cells)]
    fitted = [law for law in broken if law.line is not None]
    found = [f"{_capital(names[law.family])}: {_tested(law)}" for law in fitted]
    found += [f"{_capital(names[law.family])}: {_detail(law)}" for law in broken]
    found += [*_unbroken(laws, names), *_price(prices)]
    return Verdict(
        heading=f"{panel_title(families)}: the law of the breakdown",
        headline=" ".join(_law_sentence(law, names[law.family]) for law in fitted) or "No law is shown.",
        found=tuple(found),
        not_shown=tuple(
            f"{_capital(names[law.family])}: {limit}" for law in fitted for limit in _limits(law)
        ),
        method=(),
    )


def _law_sentence(law: Law, name: str) -> str:
    """Say how L50 grows: `L50 of fixed goes as steps^0.21 [0.18, 0.24] · hidden size^0.50 [0.46, 0.54]`, and where."""
    found = {axis: each for axis in law.axes if (each := law.exponent(axis))}
    said = " · ".join(f"{_WORDS[axis]}^{exponent_text(each)}" for axis, each in found.items())
    open_axes = [_WORDS[axis] for axis, each in found.items() if each.low <= 0 <= each.high]
    doubt = f"; that it depends on the {joined(open_axes)} is not shown" if open_axes else ""
    return f"Over {_ranges(law.fitted)}, L50 of {name} goes as {said}{doubt}."


def _tested(law: Law) -> str:
    """Say how the law did on cells that it was not fitted to."""
    if not law.held_out:
        return "no cell was held out to test it on, since too few would have remained."
    within = [law.is_within(cell) for cell in law.held_out]
    what = f"{counted(len(within), 'cell')} held out of the fit, of {_left_out(law)}"
    if None in within:
        return f"the {what}, are not compared: an interval takes two seeds."
    hits = [cell for cell, is_in in zip(law.held_out, within, strict=True) if is_in]
    bounds = sum(not cell.is_fallen for cell in hits)
    only = f", {bounds} of them as bounds that do not contradict" if bounds else ""
    return f"of {what}, {len(hits)} fell into their 95 % intervals{only}."


def _left_out(law: Law) -> str:
    """Name the values of the axes that only cells held out have."""
    parts = []
    for axis in law.axes:
        own = {cell.place(axis) for cell in law.held_out} - {cell.place(axis) for cell in law.fitted}
        parts += [f"the largest {_MADE_OF[axis]} ({max(own):,})"] if own else []
    return joined(parts, link="or")


def _limits(law: Law) -> list[str]:
    """Say where the law does not hold: it bends, or cells lie at the floor or the ceiling of what was tested."""
    parts = []
    for axis, bend in law.curvature.items():
        if bend.excludes_zero:
            how = "each doubling moves L50 less" if bend.value < 0 else "each doubling moves L50 more"
            parts.append(f"it bends in the {_WORDS[axis]}, {how} than the one before")
    missed = [cell for cell in law.held_out if law.is_within(cell) is False]
    if missed:
        parts.append(f"it misses {joined(_cell_name(law, cell) for cell in missed[:4])}{_more(missed, 4)}")
    parts += _ends(law)
    if law.not_learnt:
        parts.append(
            f"floor: {counted(len(law.not_learnt), 'cell')} learnt nothing, of which it says nothing"
        )
    is_tested = any(law.is_within(cell) is not None for cell in law.held_out)
    if not parts and is_tested:
        parts.append("nothing that was tested contradicts it")
    return [f"{part}." for part in parts]


def _ends(law: Law) -> list[str]:
    """Say how many cells are bounds, at the floor and at the ceiling of the tested lengths."""
    parts = []
    for side, name, words in (
        ("below", "floor", "fell ahead of the shortest tested"),
        ("above", "ceiling", "did not fall up to the longest tested"),
    ):
        if count := law.count(side):
            at = length_text(max(cell.found.length for cell in law.cells if cell.found.censored == side))
            parts.append(f"{name}: {count} of {counted(len(law.cells), 'cell')} {words} ({at})")
    return parts


def _detail(law: Law) -> str:
    """Say what the fit rests on, with the constant, what a doubling does, and the curvature; or why there is none."""
    if law.line is None:
        return f"no exponent: {law.reason}."
    facts = [f"fitted to {counted(len(law.fitted), 'cell')}"]
    seeds = span(len(cell.seeds) for cell in law.fitted)
    facts.append("one seed, so no interval" if seeds == "1" else f"{seeds} seeds each")
    bounds = sum(not cell.is_fallen for cell in law.fitted)
    facts += [f"{bounds} of the cells as bounds"] if bounds else []
    constant = law.constant
    facts += [f"log2 L50 at one step and one unit {exponent_text(constant)}"] if constant else []
    facts += [
        f"twice the {_WORDS[axis]} makes L50 {2**found.value:.2f} times as long{_as_factors(found)}"
        for axis in law.axes
        if (found := law.exponent(axis))
    ]
    facts += [
        f"coefficient of the square of log2 {_WORDS[axis]} {_bend_text(bend)}"
        for axis, bend in law.curvature.items()
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


def _bend_text(bend: Estimate) -> str:
    interval = "" if math.isnan(bend.low) else f" [{bend.low:+.3f}, {bend.high:+.3f}]"
    return f"{bend.value:+.3f}{interval}"


def _cell_name(law: Law, cell: LawCell) -> str:
    expected = law.prediction(cell)
    assert expected is not None
    sign = {"above": "> ", "below": "< "}.get(cell.found.censored, "")
    interval = f"[{length_text(expected.low)}, {length_text(expected.high)}]"
    where = f"{cell.training_steps:,} steps at hidden size {cell.arm.hidden_size}"
    return f"{where} ({sign}{length_text(cell.found.length)}, expected in {interval})"


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


def _price(prices: Sequence[PriceLaw]) -> list[str]:
    """Say how the steps to learn grow with length, for each family at its largest budget and size."""
    shown = at_largest_size(prices)
    arms = [law.arm for law in shown]
    told = [
        f"length^{exponent_text(found)} for {price_name(law, arms)}"
        for law in shown
        if (found := law.exponent)
    ]
    reasons: dict[str, list[str]] = {}
    for law in shown:
        if law.exponent is None:
            reasons.setdefault(law.reason, []).append(price_name(law, arms))
    parts = [f"steps to learn go as {joined(told, comma='; ')}"] if told else []
    parts += [f"no exponent for {joined(names)}, since {reason}" for reason, names in reasons.items()]
    rest = "; other sizes: law.csv" if len(shown) < len(prices) else ""
    return [f"The price of length: {'; '.join(parts)}{rest}."] if parts else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
