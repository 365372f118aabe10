"""Panels that draw a score against length; each takes an `ax` and returns it."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from attnbench.analysis.breakdown import on_scale
from attnbench.arm import Arm
from attnbench.plots.points import ArmRows, Panel
from attnbench.report.breakdown_marks import mark_breakdowns
from attnbench.report.breakdown_words import breakdown_note
from attnbench.report.length_axis import set_length_axis

SCORE_NAMES = {
    "token_accuracy": "free-running token accuracy",
    "teacher_forced_accuracy": "teacher-forced token accuracy",
    "bits_recovered": "bits recovered per example",
    "bleu": "BLEU",
}
_GREY = "#555555"
_SMALL = 8


def draw_accuracy(ax: Axes, panel: Panel, score: str = "token_accuracy") -> Axes:
    """Draw accuracy against length, with chance, and for each arm its L50 or why it has none.

    Args:
        ax: empty axes; they keep their size, and the legend stands beside them.
        panel: the arms to draw.
        score: "token_accuracy" or "teacher_forced_accuracy".
    """
    arms = panel.arms_with(score)
    _draw_frame(ax, panel, score)
    ax.set_ylim(-0.03, 1.04)
    handles = [_draw_arm(ax, rows, score, _note(rows, score)) for rows in arms]
    for chance in _merge(_by_length(rows.points(score), "chance") for rows in arms):
        handles += _draw_levels(ax, chance)
    mark_breakdowns(ax, arms, score)
    return add_legend(ax, handles)


def draw_bits(ax: Axes, panel: Panel, notes: Mapping[Arm, str] | None = None) -> Axes:
    """Draw bits recovered against length, under the bits that the task makes available.

    Args:
        ax: empty axes; they keep their size, and the legend stands beside them.
        panel: the arms to draw.
        notes: what the legend says below the name of an arm.
    """
    arms = panel.arms_with("bits_recovered")
    _draw_frame(ax, panel, "bits_recovered")
    handles = [_draw_arm(ax, rows, "bits_recovered", (notes or {}).get(rows.arm, "")) for rows in arms]
    for bits in _merge(_by_length(rows.metrics, "bits_available") for rows in arms):
        # Over the arms, since one that recovers all bits lies on this line.
        (line,) = ax.plot(*_sorted(bits), color="black", linestyle="--", linewidth=1, zorder=3.5)
        handles.append(_named(line, "bits available"))
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    return add_legend(ax, handles)


def draw_bleu(ax: Axes, panel: Panel) -> Axes:
    """Draw BLEU against length; a bucket of lengths stands at its upper bound and is written whole."""
    _draw_frame(ax, panel, "bleu")
    handles = [_draw_arm(ax, rows, "bleu") for rows in panel.arms_with("bleu")]
    ax.set_ylim(0, max(1.0, ax.get_ylim()[1]))
    return add_legend(ax, handles)


def _draw_frame(ax: Axes, panel: Panel, score: str) -> None:
    ax.set_title(panel.title, fontsize=10, pad=18 if panel.train_ends else 7)
    ax.set_ylabel(SCORE_NAMES[score], fontsize=9)
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=_SMALL)
    set_length_axis(ax, panel.length_labels(score), panel.length_unit)
    right = ax.get_xlim()[1]
    for end in panel.train_ends:
        ax.axvspan(end, right, color="0.94", zorder=0, linewidth=0)
        ax.axvline(end, color="0.6", linewidth=0.8, zorder=0.5)
        text, place = f"trained up to {end}", ax.get_xaxis_transform()
        ax.text(end, 1.02, text, transform=place, fontsize=7, color=_GREY, ha="center", va="bottom")


def _draw_arm(ax: Axes, rows: ArmRows, score: str, note: str = "") -> Line2D:
    """Draw an arm's seeds, mean, intervals and points; return its entry of the legend."""
    points, colour, line = rows.points(score), rows.style.colour, rows.line_style
    seeds = rows.seed_lines(score)
    for seed in seeds if len(seeds) > 1 else []:
        ax.plot(seed["length"], seed[score], color=colour, linestyle=line, linewidth=0.8, alpha=0.3)
    ax.plot(points["length"], points["mean"], color=colour, linestyle=line, linewidth=1.6)
    _draw_intervals(ax, points.dropna(subset=["low"]), colour)
    hollow = points["length"].isin(rows.budget_lengths(score))
    look = {"marker": rows.style.marker, "markersize": rows.style.marker_size}
    for own, face in ((points[~hollow], colour), (points[hollow], "white")):
        if len(own):
            (marks,) = ax.plot(own["length"], own["mean"], linestyle="none", color=colour, zorder=3)
            marks.set(markerfacecolor=face, **look)
    entry = Line2D([], [], color=colour, label=f"{rows.label}\n{note}".strip())
    entry.set(linestyle=line, **look)
    return entry


def _draw_intervals(ax: Axes, points: pd.DataFrame, colour: str) -> None:
    if len(points):
        length, mean = points["length"], points["mean"]
        margins = [mean - points["low"], points["high"] - mean]
        ax.errorbar(length, mean, margins, fmt="none", ecolor=colour, elinewidth=1, capsize=3)


def _draw_levels(ax: Axes, chance: Mapping[int, float]) -> list[Line2D]:
    """Draw chance and the level half way from there to perfect; return their entries of the legend."""
    if not chance:
        return []
    lengths, chances = _sorted(chance)
    # Over the whole axis: with one tested length a line between the points would have no extent.
    left, right = ax.get_xlim()
    lengths, chances = [left, *lengths, right], [chances[0], *chances, chances[-1]]
    half = [on_scale(each, 0.5) for each in chances]
    (chance_line,) = ax.plot(lengths, chances, color=_GREY, linestyle="--", linewidth=1)
    (half_line,) = ax.plot(lengths, half, color=_GREY, linestyle=":", linewidth=0.8, zorder=1)
    value = f" ({chances[0]:.3g})" if min(chances) == max(chances) else ""
    return [_named(chance_line, f"chance{value}"), _named(half_line, "half way from chance to 1")]


def _note(rows: ArmRows, score: str) -> str:
    breakdown = rows.breakdown(score)
    lengths = rows.points(score)["length"]
    return "" if breakdown is None else breakdown_note(breakdown, lengths.min(), lengths.max())


def add_legend(ax: Axes, handles: Sequence[Line2D]) -> Axes:
    """Put the legend beside the panel, where it can hide no data; equal entries stand there once."""
    entries = {str(handle.get_label()): handle for handle in handles}
    ax.legend(
        handles=list(entries.values()),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.02),
        borderaxespad=0,
        frameon=False,
        fontsize=_SMALL,
        handlelength=3,
        labelspacing=0.6,
    )
    return ax


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


def _named(line: Line2D, name: str) -> Line2D:
    line.set_label(name)
    return line
