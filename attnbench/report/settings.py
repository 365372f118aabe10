"""What a verdict is made of: the tables of a sweep, cut into the arms that may be compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from attnbench.analysis.arms import Metrics, arms_of
from attnbench.analysis.breakdown import Breakdown
from attnbench.analysis.comparison import setting_of
from attnbench.arm import Arm
from attnbench.plots.points import ArmRows, Panel, split_panels
from attnbench.plots.style import arm_labels
from attnbench.report.capacity_points import Capacity, capacities
from attnbench.report.memory_points import arm_rows

FREE_RUNNING, TEACHER_FORCED = "token_accuracy", "teacher_forced_accuracy"


@dataclass(frozen=True)
class VerdictTables:
    """The tables that the words are built from, and nothing else.

    `longer` has the columns of `longer_table`; `baseline` is the model that all others were compared with, None
    where there is none.
    """

    metrics: Metrics
    curve: pd.DataFrame
    breakdown: pd.DataFrame
    comparison: pd.DataFrame
    capacity: pd.DataFrame
    longer: pd.DataFrame
    baseline: str | None


@dataclass(frozen=True)
class Setting:
    """The arms of one paragraph: one task, protocol, train range and training, with what is known of them.

    Rows of tables stand beside their arm, with columns as attributes: `points` of curve.csv for the free-running
    accuracy, `gaps` of comparison.csv for the same, `longer` of longer.csv. `breakdowns` are L50 by score.
    """

    panel: Panel
    arms: Sequence[ArmRows]
    labels: dict[Arm, str]
    baseline: str | None
    points: Sequence[tuple[Arm, Any]]
    gaps: Sequence[tuple[Arm, Any]]
    longer: Mapping[Arm, Any]
    breakdowns: Mapping[str, Mapping[Arm, Breakdown]]
    capacities: Sequence[Capacity]
    has_bleu: bool

    @property
    def unit(self) -> str:
        """What a length counts, such as tokens."""
        return self.panel.length_unit or "long"

    @property
    def shortest(self) -> int:
        """The shortest tested length."""
        return min(int(rows.metrics["length"].min()) for rows in self.arms)

    @property
    def longest(self) -> int:
        """The longest tested length."""
        return max(int(rows.metrics["length"].max()) for rows in self.arms)


def split_settings(tables: VerdictTables) -> list[Setting]:
    """Cut the tables into settings, in the order of the panels of figures."""
    free = [table[table["score"] == FREE_RUNNING] for table in (tables.curve, tables.comparison)]
    points, gaps = ([*arm_rows(table)] for table in free)
    breakdowns = {score: _breakdowns(tables.breakdown, score) for score in (FREE_RUNNING, TEACHER_FORCED)}
    longer, held = dict(arm_rows(tables.longer)), capacities(tables.capacity)
    with_bleu = set(arms_of(tables.curve[tables.curve["score"] == "bleu"]))
    settings = []
    for panel, arms in _groups(split_panels(tables.metrics, tables.curve, tables.breakdown)):
        labels = arm_labels([rows.arm for rows in arms])
        settings.append(
            Setting(
                panel,
                arms,
                labels,
                tables.baseline,
                points=[entry for entry in points if entry[0] in labels],
                gaps=[entry for entry in gaps if entry[0] in labels],
                longer=longer,
                breakdowns=breakdowns,
                capacities=[held[arm] for arm in labels if arm in held],
                has_bleu=not with_bleu.isdisjoint(labels),
            )
        )
    return settings


def _groups(panels: Iterable[Panel]) -> Iterator[tuple[Panel, list[ArmRows]]]:
    for panel in panels:
        groups: dict[Arm, list[ArmRows]] = {}
        for rows in panel.arms:
            groups.setdefault(setting_of(rows.arm), []).append(rows)
        yield from ((panel, own) for own in groups.values())


def _breakdowns(table: pd.DataFrame, score: str) -> dict[Arm, Breakdown]:
    """Return the L50 of each arm that has the score."""
    rows = table[(table["score"] == score) & (table["threshold"] == "L50")]
    names = [field.name for field in fields(Breakdown)]
    return {arm: Breakdown(**{name: getattr(row, name) for name in names}) for arm, row in arm_rows(rows)}


def joined(words: Iterable[str]) -> str:
    """Return words as a list in a sentence: "a, b and c"."""
    *ahead, last = words
    return f"{', '.join(ahead)} and {last}" if ahead else last
