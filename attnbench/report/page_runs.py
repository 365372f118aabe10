"""What the page of a sweep shows of its runs: learning curves, inspections, how they ended, on which machines."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from attnbench.formatting import counted, joined
from attnbench.plots.charts import Row
from attnbench.plots.points import ArmRows
from attnbench.report.page_tables import PageTable, arm_table, numbers_of
from attnbench.report.settings import SweepTables
from attnbench.runs.sweep_records import Inspection, SweepRecords

MOST_PICTURES = 900_000
"""Characters of pictures of attention on a page; the others stay in their folders."""
_MOST_VALUES = 8
# What learning curves show, by the keys of `charts.MEASURES`.
_MEASURED = {
    "a": "validation_token_accuracy",
    "f": "validation_teacher_forced_accuracy",
    "n": "validation_nats",
    "o": "loss_nats",
}
_INSPECT_TITLES = {
    "attention.csv": "Where the weights lay",
    "causal.csv": "Causal checks: what changed when the read lost a word",
    "errors.csv": "Errors by kind and position",
    "worst.csv": "The worst examples",
}
# The same in all rows of a table of one run, so that they stand last.
_SAME = ("run_id", "task", "model", "seed", "length_unit")


@dataclass
class LearningCurves:
    """The rows of a chart of learning curves.

    Attributes:
        points: as `charts.learning_chart` takes them.
        names: of the lengths that runs were trained on, by the longest of them; 0 where that is not known.
    """

    points: list[Row] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    @property
    def lengths(self) -> list[int]:
        """Those of which there is a point."""
        return sorted({point["l"] for point in self.points})

    @property
    def runs(self) -> int:
        """How many runs have a point."""
        return len({(point["k"], point["l"], point["s"]) for point in self.points})


def learning_curves(arms: Mapping[str, ArmRows], records: SweepRecords) -> LearningCurves:
    """Return what the runs of these arms, by their keys, wrote down as they were trained."""
    runs: dict[str, tuple[str, int, int]] = {}
    curves = LearningCurves()
    for key, rows in arms.items():
        for run in rows.metrics.drop_duplicates("run_id").to_dict("records"):
            low, high = run["train_min_length"], run["train_max_length"]
            length = 0 if pd.isna(high) else int(high)
            span = f"{high}" if pd.isna(low) or low == high else f"{low}–{high}"
            curves.names[length] = f"length {span}" if length else "lengths that are not known"
            runs[str(run["run_id"])] = key, length, int(run["seed"])
    for run_id, train_rows in records.learning(runs).items():
        key, length, seed = runs[run_id]
        for row in train_rows:
            values = {short: round(float(row[name]), 4) for short, name in _MEASURED.items() if row.get(name)}
            curves.points.append({"k": key, "l": length, "s": seed, "t": int(row["step"]), **values})
    return curves


@dataclass(frozen=True)
class Picture:
    """A picture laid into the page: its data as an address, and what a screen reader says of it."""

    data: str
    about: str


def picture_of(png: bytes, about: str) -> Picture:
    """Lay a PNG into the page."""
    return Picture("data:image/png;base64," + base64.b64encode(png).decode("ascii"), about)


@dataclass(frozen=True)
class InspectedRun:
    """What a page shows of one call of `attnbench inspect`."""

    run_id: str
    what: str
    conclusions: Sequence[str]
    pictures: Sequence[Picture]
    left_out: str
    tables: Sequence[PageTable]
    where: str


def inspected_runs(records: SweepRecords) -> Iterator[InspectedRun]:
    """Yield what has been inspected, with as many pictures as a page has room for."""
    room = MOST_PICTURES
    for each in records.inspections():
        pictures = []
        for path in each.pictures:
            picture = picture_of(path.read_bytes(), f"{path.stem.replace('_', ' ')} of {each.run_id}")
            if len(picture.data) <= room:
                room -= len(picture.data)
                pictures.append(picture)
        left_out = len(each.pictures) - len(pictures)
        pages = f", with {joined(each.pages)} to click through" if each.pages else ""
        yield InspectedRun(
            run_id=each.run_id,
            what=counted(len(each.pictures), "picture"),
            conclusions=_conclusions(each),
            pictures=pictures,
            left_out=f"Too large for this page: {counted(left_out, 'more picture')}." if left_out else "",
            tables=[
                arm_table(name, _INSPECT_TITLES[name], _same_last(numbers_of(rows)), f"{each.where}/{name}")
                for name, rows in each.tables.items()
            ],
            where=f"From the folder {each.where}{pages}.",
        )


def _conclusions(each: Inspection) -> list[str]:
    """Say what the causal checks of a run show, at its longest length."""
    rows = [row for row in each.tables.get("causal.csv", ()) if row.get("flip_rate")]
    longest = max((int(row["length"]) for row in rows), default=0)
    rates = {row["change"]: float(row["flip_rate"]) for row in rows if int(row["length"]) == longest}
    most, random = rates.get("erased_most_attended"), rates.get("erased_random")
    if most is None or random is None:
        return []
    changed = f"changes {most:.0%} of the answers, erasing a random one {random:.0%}"
    return [f"At length {longest}, erasing the most attended source word {changed}."]


def _same_last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[*(name for name in frame if name not in _SAME), *(name for name in _SAME if name in frame)]]


def stop_table(tables: SweepTables) -> PageTable:
    """Return of each arm and length how many runs each reason ended, with their mean steps and seconds."""
    names = [(panel.title, rows.look.label) for panel in tables.panels for rows in panel.arms]
    places = {
        rows.arm: place for place, rows in enumerate(rows for panel in tables.panels for rows in panel.arms)
    }
    metrics = tables.metrics
    arms = [places[metrics.arms[number]] for number in metrics.numbers]
    runs = metrics.frame.assign(arm=arms).drop_duplicates(["run_id", "arm"])
    runs["stop_reason"] = runs["stop_reason"].fillna("not known")
    by = ["arm", "length"] if (runs["protocol"] == "per_length").all() else ["arm"]
    table = runs.groupby([*by, "stop_reason"]).size().unstack(fill_value=0).add_prefix("ended: ")
    means = runs.groupby(by)[["steps", "train_seconds"]].mean().round(1)
    table = table.join(
        means.rename(columns={"steps": "mean_steps", "train_seconds": "mean_seconds"})
    ).reset_index()
    settings = [names[place][0] for place in table["arm"]]
    table["arm"] = [names[place][1] for place in table["arm"]]
    if len(set(settings)) > 1:
        table.insert(1, "setting", settings)
    return arm_table("stop_reasons.csv", "Why runs stopped", table)


def failure_table(records: SweepRecords) -> PageTable | None:
    """Return the failed runs with their reasons; None where there are none."""
    if not records.errors:
        return None
    frame = pd.DataFrame(records.errors.items(), columns=["run_id", "error"])
    return arm_table("failures.csv", "Failed runs and their reasons", frame)


def states_sentence(records: SweepRecords) -> str:
    """Say how far the runs of a folder are."""
    if not records.states:
        return "No run folder is at hand: how runs ended is taken from the table of metrics."
    told = joined(f"{count:,} {state}" for state, count in Counter(records.states.values()).most_common())
    return f"The folder has {counted(len(records.states), 'run')}, those that chose a learning rate included: {told}."


def environment_facts(records: SweepRecords) -> list[tuple[str, str]]:
    """Return what runs wrote down of machines and versions; of several values each with its number of runs."""
    facts = []
    for name, values in records.environments().items():
        told = [
            value if len(values) == 1 else f"{value} ({counted(count, 'run')})"
            for value, count in values.most_common(_MOST_VALUES)
        ]
        more = len(values) - len(told)
        facts.append((name.replace("_", " "), "; ".join([*told, *([f"{more} more"] if more else [])])))
    return facts
