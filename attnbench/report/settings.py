"""The tables of a sweep, and how they are cut into settings: the arms that may be compared."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from attnbench.analysis.arms import Metrics, arm_rows
from attnbench.analysis.bootstrap import TextDraws
from attnbench.analysis.breakdown import Breakdown, breakdown_table, l50_by_arm
from attnbench.analysis.capacity import capacity_table
from attnbench.analysis.comparison import DEFAULT_BASELINE, comparison_table, setting_of
from attnbench.analysis.curves import curve_table
from attnbench.analysis.larger_budget import budgets_of, larger_budget_table, largest_budgets
from attnbench.analysis.law import Law, find_laws
from attnbench.analysis.rates import lengths_at_edge
from attnbench.analysis.retention import TEXT_SCORES, retention_table, text_runs
from attnbench.analysis.training_cost import PriceLaw, find_price_laws, training_cost_table
from attnbench.arm import Arm
from attnbench.plots.points import DATA_KEY, ArmRows, Capacity, Panel, capacities, split_panels
from attnbench.plots.style import arm_labels, in_words
from attnbench.runs.training_records import Progress, TrainingRecords

NO_RECORDS = TrainingRecords()
_MOST_CURVES = 16  # of one panel
FREE_RUNNING, TEACHER_FORCED = "token_accuracy", "teacher_forced_accuracy"


@dataclass(frozen=True)
class SweepTables:
    """All that is said and drawn of a sweep is taken from these tables, each worked out once.

    Attributes:
        rates_at_edge: of arms whose chosen learning rate is an outermost of those tried, the lengths of their training.
        baseline: the model that all others were compared with, None where there is none.
        laws: of the families of arms that have budgets and hidden sizes enough to test one.
        price_laws: how the steps to learn grow with length, beside the laws: empty where there is none.
        data_names: the files of texts, by the fingerprint that a variant holds, as far as run folders are at hand.
        is_tuned: whether learning rates were chosen on validation data.
        within_warmup: the arms whose budget ended within the warm-up, as far as run folders are at hand.
        progress: how many of the planned runs are done.
        sentences: of real text, as far as they are at hand, as in sentences.csv.gz.
    """

    metrics: Metrics
    sentences: pd.DataFrame
    curve: pd.DataFrame
    breakdown: pd.DataFrame
    comparison: pd.DataFrame
    capacity: pd.DataFrame
    retention: pd.DataFrame
    larger_budget: pd.DataFrame
    training_cost: pd.DataFrame
    laws: Sequence[Law]
    price_laws: Sequence[PriceLaw]
    rates_at_edge: Mapping[Arm, Sequence[int]]
    baseline: str | None
    data_names: Mapping[str, str]
    progress: Progress
    is_tuned: bool
    within_warmup: Collection[Arm]

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        baseline: str | None = None,
        records: TrainingRecords = NO_RECORDS,
    ) -> "SweepTables":
        """Work out the tables of rows as metrics.csv has them, by default against `fixed` where it is there.

        Args:
            frame: the rows.
            baseline: the model to compare with.
            records: of the runs, where their folders are at hand.
        """
        metrics = Metrics.of(frame)
        wanted = baseline or DEFAULT_BASELINE
        tuning = records.tuning_rows()
        sentences = records.sentences(text_runs(metrics))
        draws = TextDraws.of(metrics, sentences)
        breakdowns = breakdown_table(metrics, tuning, draws)
        laws = [law for law in find_laws(metrics, breakdowns, tuning) if law.is_told]
        return cls(
            metrics=metrics,
            sentences=sentences,
            curve=curve_table(metrics, draws),
            breakdown=breakdowns,
            comparison=comparison_table(metrics, wanted),
            capacity=capacity_table(metrics),
            retention=retention_table(metrics, draws),
            larger_budget=larger_budget_table(metrics, breakdowns, records.has_levelled, tuning),
            training_cost=training_cost_table(metrics),
            laws=laws,
            price_laws=find_price_laws(metrics) if laws else [],
            rates_at_edge=lengths_at_edge(tuning),
            baseline=wanted if any(arm.model == wanted for arm in metrics.arms) else None,
            data_names=records.data_names(_runs_by_data(metrics)),
            progress=records.progress(frame),
            is_tuned=bool(tuning),
            within_warmup=[
                arm for arm, run in _run_of_each_arm(metrics).items() if records.is_within_warmup(run)
            ],
        )

    @cached_property
    def panels(self) -> list[Panel]:
        """The arms of each task and protocol, with their rows."""
        tables = self.metrics, self.curve, self.breakdown
        return split_panels(*tables, self.data_names, self.progress.unfinished)

    @property
    def drawn_panels(self) -> list[Panel]:
        """The panels as they are drawn against length: of more arms than can be told apart, the largest budgets."""
        largest = largest_budgets(budgets_of(self.metrics))
        return [panel.thinned(largest) if len(panel.arms) > _MOST_CURVES else panel for panel in self.panels]


def _runs_by_data(metrics: Metrics) -> dict[str, str]:
    """Return one run for each text that arms were trained on, by its fingerprint."""
    runs = zip(metrics.numbers.tolist(), metrics.frame["run_id"], strict=True)
    found = {metrics.arms[number].variant.get(DATA_KEY): run_id for number, run_id in runs}
    return {data: run_id for data, run_id in found.items() if data is not None}


def _run_of_each_arm(metrics: Metrics) -> dict[Arm, str]:
    runs = zip(metrics.numbers.tolist(), metrics.frame["run_id"], strict=True)
    return {metrics.arms[number]: run_id for number, run_id in runs}


@dataclass(frozen=True)
class Setting:
    """The arms of one paragraph: one task, protocol, train range and training, with what is known of them.

    Rows of tables stand beside their arm, with columns as attributes: `points` of curve.csv for the free-running
    accuracy, `gaps` of comparison.csv for the same, `larger_budgets` of longer.csv, `retention` of retention.csv.
    `breakdowns` are L50 by score, `rates_at_edge`, `is_tuned` and `within_warmup` those of `SweepTables`.
    """

    panel: Panel
    arms: Sequence[ArmRows]
    labels: dict[Arm, str]
    baseline: str | None
    points: Sequence[tuple[Arm, Any]]
    gaps: Sequence[tuple[Arm, Any]]
    larger_budgets: Mapping[Arm, Any]
    breakdowns: Mapping[str, Mapping[Arm, Breakdown]]
    capacities: Sequence[Capacity]
    retention: Sequence[tuple[Arm, Any]]
    rates_at_edge: Mapping[Arm, Sequence[int]]
    is_tuned: bool
    within_warmup: Collection[Arm]

    def named(self, arm: Arm, *facts: str) -> str:
        """Return an arm's name as sentences have it, with facts about it."""
        return in_words(self.labels[arm], *facts)

    @property
    def unit(self) -> str:
        """What a length counts, such as tokens."""
        return self.panel.length_unit or "long"

    @property
    def is_text(self) -> bool:
        """Whether the arms write real text, which is judged by what they retain of BLEU and chrF."""
        return any(rows.breakdown(score) for rows in self.arms for score in TEXT_SCORES)

    @property
    def generalises(self) -> bool:
        """Whether arms are tested beyond their training, so that a fall is one of length generalisation."""
        return self.panel.protocol == "extrapolation"

    @property
    def longest(self) -> int:
        """The longest tested length of any arm."""
        return max(self.longest_of(rows.arm) for rows in self.arms)

    def longest_of(self, arm: Arm) -> int:
        """Return the longest length that an arm was tested at."""
        return next(int(rows.metrics["length"].max()) for rows in self.arms if rows.arm == arm)


def split_settings(tables: SweepTables) -> list[Setting]:
    """Cut the tables into settings, in the order of the panels of figures."""
    free = [table[table["score"] == FREE_RUNNING] for table in (tables.curve, tables.comparison)]
    points, gaps = ([*arm_rows(table)] for table in free)
    breakdowns = {score: l50_by_arm(tables.breakdown, score) for score in (FREE_RUNNING, TEACHER_FORCED)}
    larger, held = dict(arm_rows(tables.larger_budget)), capacities(tables.capacity)
    retained = [*arm_rows(tables.retention)]
    settings = []
    for panel, arms in _groups(tables.panels):
        labels = arm_labels([rows.arm for rows in arms])
        settings.append(
            Setting(
                panel,
                arms,
                labels,
                tables.baseline,
                points=[entry for entry in points if entry[0] in labels],
                gaps=[entry for entry in gaps if entry[0] in labels],
                larger_budgets=larger,
                breakdowns=breakdowns,
                capacities=[held[arm] for arm in labels if arm in held],
                retention=[entry for entry in retained if entry[0] in labels],
                rates_at_edge=tables.rates_at_edge,
                is_tuned=tables.is_tuned,
                within_warmup=tables.within_warmup,
            )
        )
    return settings


def _groups(panels: Iterable[Panel]) -> Iterator[tuple[Panel, list[ArmRows]]]:
    for panel in panels:
        groups: dict[Arm, list[ArmRows]] = {}
        for rows in panel.arms:
            groups.setdefault(setting_of(rows.arm), []).append(rows)
        yield from ((panel, own) for own in groups.values())
