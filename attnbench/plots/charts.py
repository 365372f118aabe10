"""The charts of a sweep's page, as Vega-Lite: what the figures against length show, with hover, and learning curves.

Colours are names of CSS variables, so that light, dark and printed paper need one chart alone. Which arms are shown is
the parameter `shown` of a chart, a list of the arms' keys.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from attnbench.analysis.breakdown import on_scale
from attnbench.arm import Arm
from attnbench.plots.layout import is_log
from attnbench.plots.length import SCORE_NAMES
from attnbench.plots.points import Panel, breakdown_note
from attnbench.plots.style import MARKER_PATHS, LineStyle, on_dark_paper

Spec = dict[str, Any]
Row = dict[str, Any]

# With more arms the note of a whole length would not fit on a screen: then each point has its own.
_MOST_IN_A_NOTE = 16
# Under so few seeds an interval says little and hides the seeds themselves.
LEAST_SEEDS = 3
_MOST_LEARNING_POINTS = 6_000
# Wide as a finger.
_STRIP = 26
MEASURES = {
    "a": "validation accuracy, free-running",
    "f": "validation accuracy, teacher-forced",
    "n": "validation cross-entropy (nats)",
    "o": "training loss (nats)",
}
"""What a learning curve may show: the keys of its rows, in words."""


@dataclass(frozen=True)
class ChartArm:
    """How one arm is named and drawn on a page.

    Attributes:
        key: what rows and switches of the page know the arm by.
        label: as legends have it.
        colour: on light paper, dark_colour on dark.
        path: of its marker, within a square from -1 to 1.
        dashes: of its line; none for a whole one.
    """

    key: str
    arm: Arm
    label: str
    colour: str
    dark_colour: str
    path: str
    dashes: tuple[float, ...]

    @property
    def variable(self) -> str:
        """The CSS variable that holds its colour."""
        return f"--arm-{self.key}"


def chart_arms(panel: Panel, first: int) -> list[ChartArm]:
    """Return the arms of a panel, their keys numbered from `first` on."""
    return [
        ChartArm(
            key=str(first + place),
            arm=rows.arm,
            label=rows.look.label,
            colour=rows.look.style.colour,
            dark_colour=on_dark_paper(rows.look.style.colour),
            path=MARKER_PATHS[rows.look.style.marker],
            dashes=_dashes(rows.look.line_style),
        )
        for place, rows in enumerate(panel.arms)
    ]


def length_chart(panel: Panel, arms: Sequence[ChartArm], score: str, description: str) -> Spec:
    """Return the chart of one score against length: means, intervals, seeds, chance, ceilings and L50.

    Args:
        panel: with at least one arm that has the score.
        arms: of the panel, as `chart_arms` gives them.
        score: one of `SCORE_NAMES`.
        description: what a screen reader says of the chart.
    """
    drawn = _Drawn(panel, arms, score)
    layers = [*drawn.levels(), *drawn.lines(), *drawn.points(), *drawn.hover()]
    chart = alt.layer(*layers).add_params(_shown(arms)).properties(**_SIZE, description=description)
    return _as_spec(chart)


def learning_chart(arms: Sequence[ChartArm], rows: Sequence[Row], lengths: Sequence[int], about: str) -> Spec:
    """Return the chart of validation against training steps, one line a run; the page chooses length and measure.

    Args:
        arms: of a panel.
        rows: each with the arm's key `k`, length `l`, seed `s`, step `t` and the keys of `MEASURES`.
        lengths: for which there are rows; the longest is shown first.
        about: what a screen reader says of the chart.
    """
    x = alt.X("t:Q", title="training steps", axis=alt.Axis(tickCount=6), scale=alt.Scale(nice=False))
    base = (
        alt.Chart(_data(thinned(rows)))
        .transform_filter("indexof(shown, datum.k) >= 0 && datum.l == length_shown")
        .transform_calculate(v="datum[measure]")
        .encode(x=x, y=alt.Y("v:Q", title=None), detail="s:N", **_looks(arms))
    )
    names = "{" + ", ".join(f"{json.dumps(arm.key)}: {json.dumps(arm.label)}" for arm in arms) + "}"
    tooltip = [alt.Tooltip("arm:N"), alt.Tooltip("s:N", title="seed"), alt.Tooltip("t:Q", title="steps")]
    tooltip.append(alt.Tooltip("v:Q", title="value", format=".4f"))
    points = base.mark_point(size=30, filled=True).transform_calculate(arm=f"({names})[datum.k]")
    chart = (
        alt.layer(base.mark_line(strokeWidth=1.4), points.encode(tooltip=tooltip))
        .add_params(
            _shown(arms),
            alt.param(name="length_shown", value=max(lengths)),
            alt.param(name="measure", value="a"),
        )
        .properties(**_SIZE, description=about)
    )
    return _as_spec(chart)


def thinned(rows: Sequence[Row]) -> list[Row]:
    """Return every row, or of more than a page can hold one in so many, each run's last among them."""
    every = math.ceil(len(rows) / _MOST_LEARNING_POINTS)
    if every <= 1:
        return list(rows)
    runs = [(row["k"], row["l"], row["s"]) for row in rows]
    ends = {place for place in range(len(rows)) if runs[place : place + 1] != runs[place + 1 : place + 2]}
    return [row for place, row in enumerate(rows) if place % every == 0 or place in ends]


def score_text(score: str, value: float) -> str:
    """Return a score with the digits that tables and notes of a page give it."""
    return "–" if pd.isna(value) else f"{value:.3f}" if score.endswith("accuracy") else f"{value:.1f}"


def point_text(score: str, point: Any) -> str:
    """Return the mean of a row of curve.csv, its interval where it has one, and the number of its seeds."""
    interval = (
        "" if pd.isna(point.low) else f" [{score_text(score, point.low)}, {score_text(score, point.high)}]"
    )
    return f"{score_text(score, point.mean)}{interval}, n = {int(point.seeds)}"


class _Drawn:
    """The layers of one chart against length."""

    def __init__(self, panel: Panel, arms: Sequence[ChartArm], score: str) -> None:
        self._panel, self._score = panel, score
        keys = {arm.arm: arm.key for arm in arms}
        self._rows = [(keys[rows.arm], rows) for rows in panel.arms_with(score)]
        self._arms, self._is_accuracy = arms, score.endswith("accuracy")
        self._labels = panel.length_labels(score)
        self._x = _length_axis(self._labels, panel.length_unit)
        self._y = alt.Y("v:Q", title=SCORE_NAMES[score], **_scale_of(score))

    def levels(self) -> list[alt.Chart]:
        """Chance and the level half way from there to perfect, the bits there are, and where training ended."""
        layers = []
        ends = [{"l": end} for end in self._panel.train_ends]
        if ends:
            rule = alt.Chart(_data(ends)).mark_rule(color="var(--quiet)", tooltip="end of the train range")
            layers.append(rule.encode(x=self._x))
        if self._is_accuracy:
            chance = self._means(rows.points(self._score) for _, rows in self._rows)
            layers.append(self._level(chance, [5, 3], "chance"))
            half = {length: on_scale(value, 0.5) for length, value in chance.items()}
            layers.append(self._level(half, [1, 3], "half way from chance to perfect"))
        elif self._score == "bits_recovered":
            bits = self._means((rows.metrics for _, rows in self._rows), "bits_available")
            layers.append(self._level(bits, [5, 3], "bits available"))
        return layers

    def _means(self, tables: Iterable[pd.DataFrame], column: str = "chance") -> dict[int, float]:
        table = pd.concat([*tables]).dropna(subset=[column])
        means = table.groupby("length")[column].mean()
        return dict(zip(map(int, means.index), map(float, means), strict=True))

    def _level(self, values: Mapping[int, float], dashes: list[float], what: str) -> alt.Chart:
        rows = [{"l": length, "v": _short(value), "what": what} for length, value in values.items()]
        marks: dict[str, Any] = {"color": "var(--quiet)", "strokeDash": dashes, "strokeWidth": 1.2}
        # With one tested length a line would have no extent.
        chart = alt.Chart(_data(rows)).encode(y=self._y, tooltip=["what:N", "v:Q"])
        return chart.mark_rule(**marks) if len(rows) == 1 else chart.mark_line(**marks).encode(x=self._x)

    def lines(self) -> list[alt.Chart]:
        """Each seed faint, ceilings of known channels, intervals and means."""
        seeds = [
            {"k": key, "s": place, "l": int(length), "v": _short(value)}
            for key, rows in self._rows
            for place, line in enumerate(rows.seed_lines(self._score))
            for length, value in zip(line["length"], line[self._score], strict=True)
        ]
        faint = self._chart(seeds).mark_line(strokeWidth=0.8, opacity=0.3).encode(detail="s:N", y=self._y)
        ceilings = [
            {"k": key, "l": int(point.length), "v": _short(point.ceiling)}
            for key, rows in self._rows
            for point in _each(rows.points(self._score))
            if not pd.isna(point.ceiling)
        ]
        ceiling = self._chart(ceilings, dashed=False).mark_line(strokeWidth=1.3, strokeDash=[8, 3, 2, 3])
        bars = [
            {"k": key, "l": int(point.length), "v": _short(point.low), "v2": _short(point.high)}
            for key, rows in self._rows
            for point in _each(rows.points(self._score))
            if not pd.isna(point.low) and point.seeds >= LEAST_SEEDS
        ]
        bar = self._chart(bars, dashed=False).mark_rule(strokeWidth=1.5).encode(y=self._y, y2="v2:Q")
        mean = self._chart(self._points()).mark_line(strokeWidth=2).encode(y=self._y)
        layers = [faint, ceiling.encode(y=self._y) if ceilings else None, bar if bars else None, mean]
        return [layer for layer in layers if layer is not None]

    def _points(self) -> list[Row]:
        return [
            {
                "k": key,
                "l": int(point.length),
                "v": _short(point.mean),
                "arm": rows.look.label,
                "at": self._labels[int(point.length)],
                "text": point_text(self._score, point),
                "hollow": int(point.length) in rows.budget_lengths(self._score),
            }
            for key, rows in self._rows
            for point in _each(rows.points(self._score))
        ]

    def points(self) -> list[alt.Chart]:
        """A marker at each mean, hollow where a run was ended by its budget, and a bar at each L50."""
        fill = alt.when("datum.hollow").then(alt.value("var(--paper)")).otherwise(_looks(self._arms)["color"])
        tooltip = [
            alt.Tooltip("arm:N"),
            alt.Tooltip("at:N", title="input length"),
            alt.Tooltip("text:N", title="mean, interval, n"),
        ]
        marks = self._chart(self._points(), dashed=False).mark_point(size=60, strokeWidth=1.6, opacity=1)
        shape = alt.Shape(
            "k:N",
            scale=alt.Scale(domain=[arm.key for arm in self._arms], range=[arm.path for arm in self._arms]),
            legend=None,
        )
        layers = [marks.encode(y=self._y, fill=fill, shape=shape, tooltip=tooltip)]
        found = [
            {"k": key, "l": each.length, "v": each.accuracy_threshold, "arm": rows.look.label, "note": note}
            for key, rows in self._rows
            if (each := rows.breakdown(self._score)) and not each.censored and self._is_accuracy
            for note in [breakdown_note(each, rows.tested(self._score)).replace("\n", " ")]
        ]
        if found:
            mark = self._chart(found, dashed=False).mark_point(shape="stroke", angle=90, size=500)
            layers.append(mark.encode(y=self._y, strokeWidth=alt.value(3), tooltip=["arm:N", "note:N"]))
        return layers

    def hover(self) -> list[alt.Chart]:
        """A strip at each length whose note has every arm that is shown; none where these are too many for it."""
        if len(self._rows) > _MOST_IN_A_NOTE:
            return []
        wide: dict[int, Row] = {}
        for row in self._points():
            wide.setdefault(row["l"], {"l": row["l"], "at": row["at"]})[f"t{row['k']}"] = row["text"]
        entries = [
            f"indexof(shown, '{key}') >= 0 && isValid(datum.t{key}) ? "
            f"{{{json.dumps(rows.look.label)}: datum.t{key}}} : {{}}"
            for key, rows in self._rows
        ]
        note = f"merge({{'input length': datum.at}}, {', '.join(entries)})"
        hovered = alt.selection_point(
            name="hovered", on="pointerover", clear="pointerout", fields=["l"], empty=False
        )
        base = alt.Chart(_data(wide.values())).encode(x=self._x)
        line = base.mark_rule(color="var(--quiet)", strokeWidth=1)
        strip = base.mark_rule(opacity=0, strokeWidth=_STRIP, tooltip=alt.ExprRef(expr=note))
        return [
            line.encode(opacity=alt.when(hovered).then(alt.value(0.8)).otherwise(alt.value(0))),
            strip.add_params(hovered),
        ]

    def _chart(self, rows: Sequence[Row], dashed: bool = True) -> alt.Chart:
        looks = _looks(self._arms) if dashed else {"color": _looks(self._arms)["color"]}
        return (
            alt.Chart(_data(rows)).transform_filter("indexof(shown, datum.k) >= 0").encode(x=self._x, **looks)
        )


_SIZE: Mapping[str, Any] = {"width": "container", "height": 270}


def _shown(arms: Sequence[ChartArm]) -> alt.Parameter:
    return alt.param(name="shown", value=[arm.key for arm in arms])


def _looks(arms: Sequence[ChartArm]) -> dict[str, Any]:
    keys = [arm.key for arm in arms]
    colours = alt.Scale(domain=keys, range=[f"var({arm.variable})" for arm in arms])
    dashes = alt.Scale(domain=keys, range=[list(arm.dashes) or [1, 0] for arm in arms])
    return {
        "color": alt.Color("k:N", scale=colours, legend=None),
        "strokeDash": alt.StrokeDash("k:N", scale=dashes, legend=None),
    }


def _length_axis(labels: Mapping[int, str], unit: str) -> alt.X:
    lengths = sorted(labels)
    kind = {"type": "log", "base": 2} if is_log(lengths) else {"type": "linear"}
    first, last = float(lengths[0]), float(lengths[-1])
    if first == last:
        domain = [first - 1, last + 1]
        kind = {"type": "linear"}
    elif kind["type"] == "log":
        factor = (last / first) ** 0.05
        domain = [first / factor, last * factor]
    else:
        domain = [first - 0.05 * (last - first), last + 0.05 * (last - first)]
    names = json.dumps({str(length): label for length, label in labels.items()})
    axis = alt.Axis(values=lengths, labelExpr=f"({names})[datum.value]", labelOverlap=True, grid=False)
    title = f"input length ({unit})" if unit else "input length"
    return alt.X("l:Q", title=title, axis=axis, scale=alt.Scale(domain=domain, nice=False, **kind))


def _scale_of(score: str) -> dict[str, Any]:
    if score.endswith("accuracy"):
        axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2f")
        return {"scale": alt.Scale(domain=[-0.03, 1.04], nice=False), "axis": axis}
    return {"scale": alt.Scale(zero=True), "axis": alt.Axis(tickCount=6)}


def _each(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a table, their columns as attributes."""
    return iter(table.itertuples(index=False))


def _data(rows: Iterable[Row]) -> alt.InlineData:
    return alt.InlineData(values=[*rows])


def _short(value: float) -> float:
    """Return a number with the digits that can be seen: a page holds thousands."""
    return round(float(value), 4)


def _as_spec(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    quiet = {"labelColor": "var(--quiet)", "titleColor": "var(--ink)", "gridColor": "var(--faint)"}
    lines = {"domainColor": "var(--line)", "tickColor": "var(--line)", "titleFontWeight": "normal"}
    config = {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**quiet, **lines, "labelFontSize": 12, "titleFontSize": 13},
    }
    return {**chart.to_dict(), "config": config}


def _dashes(style: LineStyle) -> tuple[float, ...]:
    """Return the dashes of a line two pixels wide: matplotlib's count in widths of the line."""
    return () if isinstance(style, str) else tuple(2 * length for length in style[1])
