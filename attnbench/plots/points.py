"""What one panel shows: the arms of one task under one protocol, with their rows and looks."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from attnbench.analysis.arms import Metrics, arms_of
from attnbench.analysis.breakdown import Breakdown
from attnbench.arm import Arm
from attnbench.plots.style import ModelStyle, arm_labels, line_styles, model_style, order_arms, train_range

_PROTOCOLS = {"per_length": "one model per length", "mixed": "mixed lengths"}


@dataclass(frozen=True)
class ArmRows:
    """The rows of one arm in the three tables, and how it is named and drawn."""

    arm: Arm
    label: str
    line_style: str | tuple[int, tuple[float, ...]]
    metrics: pd.DataFrame
    curve: pd.DataFrame
    breakdowns: pd.DataFrame

    @property
    def style(self) -> ModelStyle:
        """Colour, marker and name of the arm's model."""
        return model_style(self.arm.model)

    def points(self, score: str) -> pd.DataFrame:
        """Return the arm's points of curve.csv for one score, by length."""
        return self.curve[self.curve["score"] == score].sort_values("length")

    def seed_lines(self, score: str) -> list[pd.DataFrame]:
        """Return for each seed that has the score its rows, by length."""
        rows = self.metrics.dropna(subset=[score]).sort_values("length")
        return [own for _, own in rows.groupby("seed")]

    def budget_lengths(self, score: str) -> set[int]:
        """Return the lengths at which some run with the score ended because its budget did."""
        rows = self.metrics.dropna(subset=[score])
        return set(rows.loc[rows["stop_reason"] == "budget", "length"])

    def breakdown(self, score: str, threshold: str = "L50") -> Breakdown | None:
        """Return where the arm breaks down, None where it lacks the score."""
        rows = self.breakdowns
        rows = rows[(rows["score"] == score) & (rows["threshold"] == threshold)]
        if rows.empty:
            return None
        return Breakdown(**{field.name: rows.iloc[0][field.name] for field in fields(Breakdown)})


@dataclass(frozen=True)
class Panel:
    """The arms of one task under one protocol: what may share a panel."""

    task: str
    protocol: str
    length_unit: str
    arms: Sequence[ArmRows]

    @property
    def title(self) -> str:
        """Say what task and protocol the panel shows, and on which lengths its arms were trained."""
        return panel_title([rows.arm for rows in self.arms])

    @property
    def train_ends(self) -> list[int]:
        """Return where train ranges end that the panel tests beyond, so for `extrapolation` alone."""
        ends = {rows.arm.train_max_length for rows in self.arms}
        return sorted(end for end in ends if end is not None) if self.protocol == "extrapolation" else []

    def arms_with(self, score: str) -> list[ArmRows]:
        """Return the arms that have points for a score."""
        return [rows for rows in self.arms if not rows.points(score).empty]

    def length_labels(self, score: str) -> dict[int, str]:
        """Return how to write each length at which some arm has the score; buckets as "11–20"."""
        rows = pd.concat([arm.metrics.dropna(subset=[score]) for arm in self.arms])
        least = rows.groupby("length", as_index=False)["length_min"].min()
        return {
            int(length): f"{low}–{length}" if pd.notna(low) and low < length else str(length)
            for length, low in zip(least["length"], least["length_min"], strict=True)
        }


def panel_title(arms: Sequence[Arm]) -> str:
    """Say what task and protocol the arms of a panel share, and on which lengths they were trained."""
    task, protocol = arms[0].task, arms[0].protocol
    ranges = {train_range(arm) for arm in arms} - {""}
    trained = f", trained on {ranges.pop()}" if len(ranges) == 1 else ""
    return f"{task}: {_PROTOCOLS.get(protocol, protocol)}{trained}"


def split_panels(metrics: Metrics, curve: pd.DataFrame, breakdowns: pd.DataFrame) -> list[Panel]:
    """Split the tables of a sweep into panels: different tasks and protocols never share one."""
    tables = [_rows_by_arm(table) for table in (metrics.frame, curve, breakdowns)]
    arms = order_arms(tables[0])
    panels = []
    for task, protocol in sorted({(arm.task, arm.protocol) for arm in arms}):
        members = [arm for arm in arms if (arm.task, arm.protocol) == (task, protocol)]
        labels, styles = arm_labels(members), line_styles(members)
        rows = [ArmRows(arm, labels[arm], styles[arm], *(own[arm] for own in tables)) for arm in members]
        panels.append(Panel(task, protocol, _unit(row.metrics for row in rows), rows))
    return panels


def _rows_by_arm(table: pd.DataFrame) -> defaultdict[Arm, pd.DataFrame]:
    places: dict[Arm, list[int]] = {}
    for place, arm in enumerate(arms_of(table)):
        places.setdefault(arm, []).append(place)
    return defaultdict(lambda: table.iloc[:0], {arm: table.iloc[own] for arm, own in places.items()})


def _unit(tables: Iterable[pd.DataFrame]) -> str:
    units = dict.fromkeys(unit for table in tables for unit in table["length_unit"].dropna())
    return ", ".join(units)
