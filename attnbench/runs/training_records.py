"""What run folders tell beyond metrics.csv: whether a run still improved, what other rates came to, and sentences."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attnbench.errors import DamagedFileError
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import read_rows
from attnbench.runs.sentences import join_sentences, read_if_whole, read_sentences_of
from attnbench.runs.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

# A run has levelled off whose validation cross-entropy falls by less over the last third ahead of the decay.
LEVEL_GAIN = 0.01
_LAST_PART = 1 / 3


@dataclass(frozen=True)
class Progress:
    """How many of the planned runs that are to be tested are done, as far as run folders are at hand."""

    done: int
    planned: int

    @property
    def unfinished(self) -> str:
        """Say how many are done, as in `25 of 36 planned runs`; nothing where all are."""
        return f"{self.done:,} of {self.planned:,} planned runs" if self.done < self.planned else ""


class TrainingRecords:
    """The records of the runs of some folders; a table by itself has none, and then nothing is known.

    Args:
        folders: of sweeps, or any others.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._stores = [RunStore(folder) for folder in folders]

    def has_levelled(self, run_id: str) -> bool:
        """Whether a run had stopped to improve before its budget decayed the rate; no, where that is not known."""
        gains = [late_gain(store.folder(run_id)) for store in self._stores]
        return any(gain is not None and gain < LEVEL_GAIN for gain in gains)

    def is_within_warmup(self, run_id: str) -> bool:
        """Whether a run's budget ended within its warm-up; no, where that is not known."""
        for store in self._stores:
            try:
                training = store.folder(run_id).read_spec()["training"]
                return int(training["steps"]) <= int(training["warmup_steps"])
            except (DamagedFileError, KeyError, TypeError, ValueError):
                continue
        return False

    def progress(self, metrics: "pd.DataFrame") -> Progress:
        """Return how many runs are done, by their rows of metrics.csv, of all that some sweep wrote down to be tested.

        A run that is to be tested at more lengths than it has rows for is not done; one that only chose a learning
        rate is not tested at all.
        """
        tested: defaultdict[str, set[int]] = defaultdict(set)
        for run_id, length in zip(metrics["run_id"], metrics["length"], strict=True):
            tested[run_id].add(int(length))
        # What reads a file is asked last: of thousands of runs most have all their rows.
        missing = {
            each.run_id
            for store in self._stores
            for each in store.folders()
            if not tested[each.run_id].issuperset(each.requested_lengths)
            and not (tested[each.run_id] and each.state == "done")
            and each.true_name is None
        }
        planned = {run_id for run_id, lengths in tested.items() if lengths} | missing
        return Progress(len(planned) - len(missing), len(planned))

    def tuning_rows(self) -> list[dict[str, str]]:
        """Return the rows of every tuning.csv; a damaged one has none."""
        rows: list[dict[str, str]] = []
        for store in self._stores:
            try:
                rows += read_rows(store.tuning_file) if store.tuning_file.is_file() else []
            except DamagedFileError:
                continue
        return rows

    def data_names(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Return the names of the files that texts were read from, as far as the runs are at hand.

        Args:
            runs: one run_id for each fingerprint of a text.
        """
        found = {
            data: _files_named(store.folder(run)) for data, run in runs.items() for store in self._stores
        }
        return {data: names for data, names in found.items() if names}

    def sentences(self, run_ids: Collection[str]) -> "pd.DataFrame":
        """Return the rows of sentences.csv.gz of these runs, as far as they are at hand and whole.

        Those of a sweep's folder are read from its runs; a table by itself may have them in a file beside it.
        """
        tables = []
        for store in self._stores:
            if store.runs_path.is_dir():
                tables += read_sentences_of(
                    {each: store.folder(each).sentences_file for each in sorted(run_ids)}
                )
            elif (table := read_if_whole(store.sentences_file)) is not None:
                tables.append(table)
        joined = join_sentences(tables)
        return joined[joined["run_id"].isin(run_ids)].reset_index(drop=True)


def _files_named(folder: RunFolder) -> str:
    """Return the names of the training files of a run, without their folders; nothing where that is not known."""
    if not folder.spec_file.is_file():
        return ""
    try:
        task = folder.read_spec()["task"]
        files = dict.fromkeys(Path(task[key]).name for key in ("source", "target") if task.get(key))
    except (DamagedFileError, KeyError, TypeError, AttributeError):
        return ""
    return " and ".join(files)


def late_gain(folder: RunFolder) -> float | None:
    """Return by which share a run's best validation cross-entropy fell over the last third ahead of the final decay.

    None where the folder lacks train.csv or spec.yaml, where one is damaged, or where nothing was evaluated early.
    """
    if not (folder.train_file.is_file() and folder.spec_file.is_file()):
        return None
    try:
        training = folder.read_spec()["training"]
        decay_starts = float(training["steps"]) * (1 - float(training["final_decay"]))
        return gain_before(read_rows(folder.train_file), decay_starts)
    except (DamagedFileError, KeyError, TypeError, ValueError):
        return None


def gain_before(rows: Sequence[Mapping[str, str]], decay_starts: float) -> float | None:
    """Return the share by which the best validation cross-entropy fell over the last third of the steps ahead of one.

    Args:
        rows: of train.csv.
        decay_starts: the step from which the budget decays the rate.
    """
    nats = [(int(row["step"]), float(row["validation_nats"])) for row in rows]
    early = [loss for step, loss in nats if step <= decay_starts * (1 - _LAST_PART)]
    late = [loss for step, loss in nats if step <= decay_starts]
    if not early or len(late) == len(early) or min(early) <= 0:
        return None
    return 1 - min(late) / min(early)
