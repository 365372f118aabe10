"""What a verdict is made of: the tables of a sweep, cut into the arms that may be compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from attnbench.analysis.arms import Arm
from attnbench.analysis.pairing import setting_of
from attnbench.report.memory_points import arm_rows
from attnbench.report.panels import ArmRows, Panel, split_panels
from attnbench.report.style import arm_labels


@dataclass(frozen=True)
class VerdictTables:
    """The tables that the words are built from, and nothing else.

    `longer` has the columns of `longer_table`; `baseline` is the model that all others were compared with, None
    where there is none.
    """

    metrics: pd.DataFrame
    curve: pd.DataFrame
    breakdown: pd.DataFrame
    comparison: pd.DataFrame
    capacity: pd.DataFrame
    longer: pd.DataFrame
    baseline: str | None


@dataclass(frozen=True)
class Setting:
    """The arms of one paragraph: one task, protocol, train range and training, with what is known of them."""

    panel: Panel
    arms: Sequence[ArmRows]
    labels: dict[Arm, str]
    tables: VerdictTables

    @property
    def unit(self) -> str:
        """What a length counts, such as tokens."""
        return self.panel.length_unit or "long"

    @property
    def longest(self) -> int:
        """The longest tested length."""
        return max(int(rows.metrics["length"].max()) for rows in self.arms)

    @property
    def shortest(self) -> int:
        """The shortest tested length."""
        return min(int(rows.metrics["length"].min()) for rows in self.arms)

    def rows_of(self, table: pd.DataFrame) -> Iterator[tuple[Arm, Any]]:
        """Yield the rows of a table that belong to these arms, each with its arm."""
        arms = set(self.labels)
        return ((arm, row) for arm, row in arm_rows(table) if arm in arms)


def split_settings(tables: VerdictTables) -> list[Setting]:
    """Cut the tables into settings, in the order of the panels of figures."""
    settings = []
    for panel in split_panels(tables.metrics, tables.curve, tables.breakdown):
        groups: dict[Arm, list[ArmRows]] = {}
        for rows in panel.arms:
            groups.setdefault(setting_of(rows.arm), []).append(rows)
        for own in groups.values():
            settings.append(Setting(panel, own, arm_labels([rows.arm for rows in own]), tables))
    return settings


def joined(words: Iterable[str]) -> str:
    """Return words as a list in a sentence: "a, b and c"."""
    *ahead, last = words
    return f"{', '.join(ahead)} and {last}" if ahead else last
