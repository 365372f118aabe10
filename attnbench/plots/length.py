"""The figures of a sweep against length: accuracy with L50, bits recovered, and BLEU."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from attnbench.analysis.bootstrap import BOTH, SEEDS, SENTENCES
from attnbench.analysis.breakdown import HALF, on_scale
from attnbench.analysis.larger_budget import steps_of_budgets
from attnbench.analysis.retention import FEW_SENTENCES
from attnbench.arm import Arm
from attnbench.formatting import sentence, span
from attnbench.plots.layout import (
    GREY,
    add_legend,
    add_panel,
    arm_entry,
    draw_frame,
    new_figure,
    place_panels,
    set_length_axis,
)
from attnbench.plots.points import ArmRows, Panel, breakdown_note, shared_facts

SCORE_NAMES = {
    "token_accuracy": "free-running token accuracy",
    "teacher_forced_accuracy": "teacher-forced token accuracy",
    "bits_recovered": "bits recovered per example",
    "bleu": "BLEU",
}
_MEANINGS = {
    "token_accuracy": "free-running: greedy decoding that reads its own output, so errors compound",
    "teacher_forced_accuracy": "teacher-forced: each token is predicted after the true ones",
    "bits_recovered": "bits recovered: a lower bound on what the decoder knows of the target",
    "bleu": "BLEU of free-running greedy decoding",
}
_CEILING = "ceiling: what no code of so many bits exceeds (rate–distortion)"
_REAL = "the ceiling of real-valued contexts (32 bits a number) lies beyond the axis"
_BITS_A_NUMBER = 32
_BELOW_ZERO = "below 0: the predictions cost more bits than knowing nothing would"
# Of ceilings, which are black: arms have the line styles of their own.
_CEILING_STYLES: tuple[Any, ...] = ("-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_HALF = "half: the length beyond its best bucket at which less than half of an arm's best is left"
_CHANCE_OF_TEXT = (
    "token accuracy compares place by place, so that a translation shifted by one word may lie below the line of one "
    "who always writes the commonest word"
)
_BARS = {
    SEEDS: "95 % Student t interval",
    BOTH: "95 % interval over sentences (bootstrap) and seeds (Student t)",
    SENTENCES: "95 % bootstrap interval over sentences alone",
}
_L50 = "L50: where the mean first falls half way from perfect to chance, with a 95 % t interval of the seeds' own L50"


def draw_length_figures(panels: Sequence[Panel]) -> dict[str, Figure]:
    """Draw the figures that a sweep has scores for, by the names of their files.

    `accuracy_vs_length` has free-running above teacher-forced accuracy, `bits_vs_length` and `bleu_vs_length`
    are there where any arm has the score. Each task and protocol has a column of its own.
    """
    figures = {}
    for name, draws in _FIGURES.items():
        with_score = [panel for panel in panels if any(panel.arms_with(score) for score in draws)]
        if with_score:
            figures[name] = _draw_figure(with_score, draws)
    return figures


def draw_accuracy(ax: Axes, panel: Panel, score: str = "token_accuracy") -> Axes:
    """Draw accuracy against length, with chance, ceilings, and for each arm its L50 or why it has none.

    Args:
        ax: empty axes; they keep their size, and the legend stands beside them.
        panel: the arms to draw.
        score: "token_accuracy" or "teacher_forced_accuracy".
    """
    arms = panel.arms_with(score)
    _draw_frame(ax, panel, score)
    ax.set_ylim(-0.03, 1.04)
    handles = [_draw_arm(ax, rows, score, _note(rows, score)) for rows in arms]
    is_text = any(map(_is_text, arms))
    for chance in _merge(_by_length(rows.points(score), "chance") for rows in arms):
        handles += _draw_levels(ax, chance, is_text)
    for place, (rows, ceiling) in enumerate(_ceilings(arms, score)):
        handles += [_draw_ceiling(ax, rows, ceiling, place), *_draw_kept(ax, rows, place)]
    for rows in arms:
        _mark_l50(ax, rows, score)
    return add_legend(ax, handles)


def draw_bits(ax: Axes, panel: Panel, notes: Mapping[Arm, str] | None = None) -> Axes:
    """Draw bits recovered against length, under the bits that the task makes available and those that can cross.

    Args:
        ax: empty axes; they keep their size, and the legend stands beside them.
        panel: the arms to draw.
        notes: what the legend says below the name of an arm.
    """
    arms = panel.arms_with("bits_recovered")
    _draw_frame(ax, panel, "bits_recovered")
    handles = [_draw_arm(ax, rows, "bits_recovered", (notes or {}).get(rows.arm, "")) for rows in arms]
    for bits in filter(None, _merge(_by_length(rows.metrics, "bits_available") for rows in arms)):
        # Over the arms, since one that recovers all bits lies on this line.
        (line,) = ax.plot(*_sorted(bits), color="black", linestyle="--", linewidth=1, zorder=3.5)
        line.set_label("bits available")
        handles.append(line)
    for place, (rows, ceiling) in enumerate(_ceilings(arms, "bits_recovered")):
        handles.append(_draw_ceiling(ax, rows, ceiling, place))
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    return add_legend(ax, handles)


def draw_bleu(ax: Axes, panel: Panel) -> Axes:
    """Draw BLEU against length; a bucket of lengths stands at its upper bound and is written whole."""
    _draw_frame(ax, panel, "bleu")
    handles = [_draw_arm(ax, rows, "bleu", _note(rows, "bleu")) for rows in panel.arms_with("bleu")]
    ax.set_ylim(0, max(1.0, ax.get_ylim()[1]))
    return add_legend(ax, handles)


_FIGURES: Mapping[str, Mapping[str, Callable[[Axes, Panel], Axes]]] = {
    "accuracy_vs_length": {
        score: partial(draw_accuracy, score=score) for score in ("token_accuracy", "teacher_forced_accuracy")
    },
    "bits_vs_length": {"bits_recovered": draw_bits},
    "bleu_vs_length": {"bleu": draw_bleu},
}
DRAWN_SCORES = tuple(score for draws in _FIGURES.values() for score in draws)


def length_caption(panels: Sequence[Panel], scores: Sequence[str]) -> str:
    """Say what lines and points are, what is measured, and what all arms share."""
    arms = [rows for panel in panels for rows in panel.arms]
    thresholds = {found.threshold for rows in arms for score in scores if (found := rows.breakdown(score))}
    has_ceiling = any(_ceilings(arms, score) for score in scores)
    meaning = sentence(
        *(_MEANINGS[score] for score in scores),
        _CHANCE_OF_TEXT if "token_accuracy" in scores and any(map(_is_text, arms)) else "",
        _L50 if "L50" in thresholds else "",
        _HALF if HALF in thresholds else "",
        *(_small_buckets(panel) for panel in panels if "bleu" in scores),
        _CEILING if has_ceiling else "",
        _REAL if has_ceiling and any(map(_is_ceiling_beyond, arms)) else "",
        _BELOW_ZERO if "bits_recovered" in scores and any(map(_has_bits_below_zero, arms)) else "",
    )
    return " ".join(filter(None, [line_sentence(panels, scores), meaning, sentence(*training_facts(panels))]))


def _small_buckets(panel: Panel) -> str:
    """Name the buckets of too few sentences, with the number that each has; nothing where there are none."""
    rows = pd.concat([own.metrics.dropna(subset=["bleu"]) for own in panel.arms])
    counts = rows.groupby("length")["examples"].min().dropna()
    small = counts[counts < FEW_SENTENCES]
    if small.empty or not any(map(_is_text, panel.arms)):
        return ""
    labels = panel.length_labels("bleu")
    cells = zip(small.index.tolist(), small.tolist(), strict=True)
    listed = ", ".join(f"{labels[length]} ({count:.0f})" for length, count in cells)
    return f"too few sentences, under {FEW_SENTENCES}, at {listed}"


def line_sentence(panels: Sequence[Panel], scores: Sequence[str]) -> str:
    """Say what lines, bars, hollow points and shades are, of those that are there."""
    arms = [rows for panel in panels for rows in panel.arms]
    points = pd.concat([rows.points(score) for rows in arms for score in scores])
    if points["seeds"].max() <= 1:
        lines = [
            "lines: one seed" if points["low"].notna().any() else "lines: one seed, so there is no interval"
        ]
    else:
        lines = [f"lines: mean of {span(points['seeds'])} seeds", "faint: each seed"]
    lines += _bars(arms, points, scores)
    has_hollow = any(rows.budget_lengths(score) for rows in arms for score in scores)
    is_beyond = any(panel.train_ends for panel in panels)
    return sentence(
        "drawn of several budgets with the same lengths: the largest"
        if any(panel.is_thinned for panel in panels)
        else "",
        *lines,
        "hollow: a run there was ended by its budget" if has_hollow else "",
        "shaded: beyond the train range, where length generalisation adds to capacity" if is_beyond else "",
    )


def _bars(arms: Sequence[ArmRows], points: pd.DataFrame, scores: Sequence[str]) -> list[str]:
    """Say what bars are, and where there are none; nothing where one seed has none."""
    without = points.loc[points.index.difference(_with_bars(points).index), "seeds"]
    if points["seeds"].max() <= 1 and len(without) == len(points):
        return []
    if points["seeds"].max() == 2 and len(without) == len(points):
        brackets = any(
            found.interval_over for rows in arms for each in scores if (found := rows.breakdown(each))
        )
        return ["no interval is drawn of two seeds", *(["brackets: 95 % interval"] if brackets else [])]
    reasons = ["there is one seed"] if (without == 1).any() else []
    reasons += ["there are two"] if (without == 2).any() else []
    reasons += ["all seeds are equal"] if (without > 2).any() else []
    some = f" (none where {' or '.join(reasons)})" if reasons else ""
    halves = [found for rows in arms for each in scores if (found := rows.breakdown(each))]
    halves = [found for found in halves if found.threshold == HALF]
    # Of real text it matters that other sentences would tell something else.
    names = _BARS | {SEEDS: f"{_BARS[SEEDS]} over seeds alone, not over sentences"} if halves else _BARS
    drawn = _with_bars(points)["interval_over"]
    kinds = [names[each] for each in names if (drawn == each).any()] or [names[SEEDS]]
    what = "bars and brackets" if any(found.interval_over for found in halves) else "bars"
    return [f"{what}: {' or '.join(kinds)}{some}"]


def training_facts(panels: Sequence[Panel]) -> list[str]:
    """Name what the arms share, since legends name only what differs, and how long they were trained."""
    arms = [rows for panel in panels for rows in panel.arms]
    names = {key: name for panel in panels for key, name in panel.data_names.items()}
    steps = steps_of_budgets((rows.arm, rows.metrics["steps"].max()) for rows in arms)
    return shared_facts([rows.arm for rows in arms], steps, names)


def _draw_figure(panels: Sequence[Panel], draws: Mapping[str, Callable[[Axes, Panel], Axes]]) -> Figure:
    """Draw a row of panels for each score that some panel has, and a column for each panel."""
    scores = [score for score in draws if any(panel.arms_with(score) for panel in panels)]
    figure = new_figure()
    grid = {
        (scores.index(score), column): draws[score](add_panel(figure), panel)
        for column, panel in enumerate(panels)
        for score in scores
        if panel.arms_with(score)
    }
    for (row, column), ax in grid.items():
        if (row - 1, column) in grid:
            ax.set_title("")
        if (row + 1, column) in grid:
            ax.set_xlabel("")
    return place_panels(figure, grid, length_caption(panels, scores), panels[0].unfinished)


def _draw_frame(ax: Axes, panel: Panel, score: str) -> None:
    draw_frame(ax, panel.title, SCORE_NAMES[score], grid="y", title_pad=18 if panel.train_ends else 7)
    set_length_axis(ax, panel.length_labels(score), panel.length_unit)
    right = ax.get_xlim()[1]
    for end in panel.train_ends:
        ax.axvspan(end, right, color="0.94", zorder=0, linewidth=0)
        ax.axvline(end, color="0.6", linewidth=0.8, zorder=0.5)
        text, place = f"trained up to {end}", ax.get_xaxis_transform()
        ax.text(end, 1.02, text, transform=place, fontsize=7, color=GREY, ha="center", va="bottom")


def _draw_arm(ax: Axes, rows: ArmRows, score: str, note: str = "") -> Line2D:
    """Draw an arm's seeds, mean, intervals and points; return its entry of the legend."""
    points, colour, line = rows.points(score), rows.look.style.colour, rows.look.line_style
    seeds = rows.seed_lines(score)
    for seed in seeds if len(seeds) > 1 else []:
        ax.plot(seed["length"], seed[score], color=colour, linestyle=line, linewidth=0.8, alpha=0.3)
    ax.plot(points["length"], points["mean"], color=colour, linestyle=line, linewidth=1.6)
    bars = _with_bars(points)
    if len(bars):
        margins = [bars["mean"] - bars["low"], bars["high"] - bars["mean"]]
        ax.errorbar(bars["length"], bars["mean"], margins, fmt="none", ecolor=colour, elinewidth=1, capsize=3)
    hollow = points["length"].isin(rows.budget_lengths(score))
    for own, face in ((points[~hollow], colour), (points[hollow], "white")):
        if len(own):
            (marks,) = ax.plot(own["length"], own["mean"], linestyle="none", color=colour, zorder=3)
            marks.set(marker=rows.look.style.marker, markersize=rows.look.style.marker_size)
            marks.set_markerfacecolor(face)
    return arm_entry(rows.look, f"{rows.look.label}\n{note}".strip())


def _with_bars(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points whose interval is drawn: two seeds give one that hides the curves, so they stand alone."""
    return points[(points["seeds"] != 2)].dropna(subset=["low"])


def _mark_l50(ax: Axes, rows: ArmRows, score: str) -> None:
    """Mark where the mean falls through L50; the legend has the number."""
    found = rows.breakdown(score)
    if found is not None and not found.censored:
        halo = [withStroke(linewidth=4, foreground="white")]
        (mark,) = ax.plot(found.length, found.accuracy_threshold, "|", color=rows.look.style.colour, zorder=4)
        mark.set(markersize=15, markeredgewidth=2.2, path_effects=halo)


def _is_text(rows: ArmRows) -> bool:
    return rows.breakdown("bleu") is not None


def _draw_levels(ax: Axes, chance: Mapping[int, float], is_text: bool) -> list[Line2D]:
    """Draw chance and the level half way from there to perfect; return their entries of the legend.

    Real text has no L50, so no such level; its chance is what the commonest word alone scores.
    """
    if not chance:
        return []
    lengths, chances = _sorted(chance)
    # Over the whole axis: with one tested length a line between the points would have no extent.
    left, right = ax.get_xlim()
    lengths, chances = [left, *lengths, right], [chances[0], *chances, chances[-1]]
    half = [on_scale(each, 0.5) for each in chances]
    (chance_line,) = ax.plot(lengths, chances, color=GREY, linestyle="--", linewidth=1)
    value = f" ({chances[0]:.3g})" if min(chances) == max(chances) else ""
    chance_line.set_label(
        f"always the commonest\nword of the training{value}" if is_text else f"chance{value}"
    )
    if is_text:
        return [chance_line]
    (half_line,) = ax.plot(lengths, half, color=GREY, linestyle=":", linewidth=0.8, zorder=1)
    half_line.set_label("half way from chance to 1")
    return [chance_line, half_line]


def _ceilings(arms: Sequence[ArmRows], score: str) -> list[tuple[ArmRows, dict[int, float]]]:
    """Return the distinct ceilings of known contexts by length, each with one of its arms, that lie on the axis.

    A ceiling of 1, or of all the bits there are, says nothing.
    """
    found: list[tuple[ArmRows, dict[int, float]]] = []
    for rows in arms:
        ceiling = _by_length(rows.points(score), "ceiling")
        most = _by_length(rows.metrics, "bits_available") if score == "bits_recovered" else {}
        says = any(value < most.get(length, 1.0) for length, value in ceiling.items())
        if says and all(ceiling != other for _, other in found):
            found.append((rows, ceiling))
    return found


def _draw_ceiling(ax: Axes, rows: ArmRows, ceiling: Mapping[int, float], place: int) -> Line2D:
    """Draw what no code of the bits that cross exceeds; return its entry of the legend."""
    style = _CEILING_STYLES[place % len(_CEILING_STYLES)]
    (line,) = ax.plot(*_sorted(ceiling), color="black", linestyle=style, linewidth=1.1, zorder=3.4)
    line.set_label(f"ceiling of {span(_whole(rows.metrics['channel_bits']))} bits")
    return line


def _draw_kept(ax: Axes, rows: ArmRows, place: int) -> list[Line2D]:
    """Draw the plainest code of as many bits: the first tokens that they suffice for, and guesses behind them."""
    known = rows.metrics.dropna(subset=["channel_bits", "bits_available", "chance_accuracy"])
    if known.empty:
        return []
    kept = (known["channel_bits"] / known["bits_available"]).clip(upper=1)
    accuracy = kept + (1 - kept) * known["chance_accuracy"]
    line_values = _by_length(known.assign(kept=accuracy), "kept")
    (line,) = ax.plot(*_sorted(line_values), color=GREY, linewidth=0.9, zorder=3.3)
    line.set_linestyle(_CEILING_STYLES[place % len(_CEILING_STYLES)])
    tokens = sorted(set((known["channel_bits"] * known["length"] / known["bits_available"]).round(1)))
    number = f"{tokens[0]:g}" if len(tokens) == 1 else f"{tokens[0]:g} to {tokens[-1]:g}"
    line.set_label(f"first {number} tokens kept,\nthe rest guessed")
    return [line]


def _whole(numbers: pd.Series) -> list[int]:
    return [round(number) for number in numbers.dropna()]


def _is_ceiling_beyond(rows: ArmRows) -> bool:
    """Whether an arm's context of real numbers has room for all there is to know, at 32 bits a number."""
    known = rows.metrics.dropna(subset=["context_size", "bits_available"])
    known = known[known["channel_bits"].isna() & (known["context_size"] > 0)]
    has_room = _BITS_A_NUMBER * known["context_size"] >= known["bits_available"]
    return len(known) > 0 and bool(has_room.all())


def _has_bits_below_zero(rows: ArmRows) -> bool:
    return bool((rows.points("bits_recovered")["mean"] < 0).any())


def _note(rows: ArmRows, score: str) -> str:
    breakdown = rows.breakdown(score)
    return "" if breakdown is None else breakdown_note(breakdown, rows.tested(score))


def _merge(lines: Iterable[Mapping[int, float]]) -> list[dict[int, float]]:
    """Join lines (values by length) that nowhere disagree: arms at other lengths share one chance line."""
    merged: list[dict[int, float]] = []
    for line in lines:
        for other in merged:
            if all(other.get(length, value) == value for length, value in line.items()):
                other.update(line)
                break
        else:
            merged.append(dict(line))
    return merged


def _by_length(table: pd.DataFrame, column: str) -> dict[int, float]:
    means = table.groupby("length")[column].mean().dropna()
    return dict(zip(means.index.tolist(), means.tolist(), strict=True))


def _sorted(line: Mapping[int, float]) -> tuple[list[float], list[float]]:
    lengths = sorted(line)
    return [*lengths], [line[length] for length in lengths]
