"""One folder, one run: every file of it is named here; `execute` writes rows and checkpoint."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from attnbench.errors import DamagedFileError, UserError, storage_faults_named
from attnbench.runs.io import (
    CachedFile,
    ClaimedError,
    claimed,
    from_yaml,
    is_claimed,
    read_whole,
    remove_partial_files,
    take_checksum,
    to_yaml,
    with_checksum,
    write_atomically,
    write_json,
)
from attnbench.runs.sentences import SENTENCES_FILE
from attnbench.runs.status import (
    RunStatus,
    end_of,
    first_changed,
    read_outcome,
    rewrite_outcome,
    write_outcome,
)

RunState = Literal["done", "failed", "running", "interrupted", "waiting", "renamed"]
_RUN_ID = re.compile(rb"run_id: *[\"']?([^\s\"']+)")


class _FileOf:
    """A file of a run by its name. Its path is made when first asked for: few are, of thousands of runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, folder: "RunFolder", owner: type) -> Path:
        path = folder.path / self.name
        folder.__dict__[self.attribute] = path
        return path


class RunFolder:
    """The files of one run.

    Args:
        path: of the folder, there or not.
        run_id: of the run in it; by default the folder's name.
    """

    spec_file = _FileOf("spec.yaml")
    evaluation_file = _FileOf("evaluation.json")
    environment_file = _FileOf("environment.json")
    train_file = _FileOf("train.csv")
    metrics_file = _FileOf("metrics.csv")
    checkpoint_file = _FileOf("checkpoint.pt")
    trunk_file = _FileOf("trunk.pt")
    status_file = _FileOf("status.json")
    error_file = _FileOf("error.txt")
    data_file = _FileOf("data.json")
    sentences_file = _FileOf(SENTENCES_FILE)
    tensorboard_path = _FileOf("tensorboard")
    claim_file = _FileOf("claim")

    def __init__(self, path: Path, run_id: str | None = None) -> None:
        self.path = path
        self.run_id = path.name if run_id is None else run_id
        self._status = CachedFile(self.status_file, lambda: read_outcome(self.status_file, self.run_id))
        self._named = CachedFile(self.spec_file, self._parse_name)
        self._requested = CachedFile(self.evaluation_file, self._parse_requested)

    @property
    def true_name(self) -> str | None:
        """The run_id in spec.yaml, where the folder is called otherwise: a person renamed or copied it; else None.

        Raises:
            StorageError: where the disk does not give it.
        """
        if self.read_outcome() is not None:
            return None  # status.json has the name of the folder
        return None if self._named.get() in (None, self.run_id) else self._named.get()

    def _parse_name(self) -> str:
        """Return the run_id that spec.yaml begins with; the folder's own where it is damaged."""
        try:
            found = _RUN_ID.match(read_whole(self.spec_file))
        except (FileNotFoundError, IsADirectoryError):
            return self.run_id
        return found[1].decode(errors="replace") if found else self.run_id

    def prepare(
        self, spec_values: Mapping[str, Any], lengths: Sequence[int], paths: Mapping[str, str] | None = None
    ) -> None:
        """Write down what is to be trained and at which lengths it is to be evaluated, besides earlier ones.

        Args:
            spec_values: of the run.
            lengths: to evaluate at.
            paths: where the files of its task lie now, by the task's keys; a finished run is told so too.
        """
        outcome = self.read_outcome()
        if outcome is None and not self.path.is_dir():
            with storage_faults_named(self.path, is_writing=True):
                self.path.mkdir(parents=True, exist_ok=True)
        requested = self.requested_lengths
        wanted = sorted({*lengths, *requested, *(outcome.lengths if outcome else ())})
        if wanted != requested:
            write_json(self.evaluation_file, with_checksum({"lengths": wanted}))
        is_there = self.spec_file.exists()
        state = self._state(outcome, wanted) if is_there else None
        if state == "done" and paths and outcome is not None:
            self._point_to(paths, spec_values, outcome)
        if state in ("done", "running"):
            return
        text = _spec_text(spec_values)
        if not is_there:
            write_atomically(self.spec_file, text)
        elif self.spec_file.read_bytes() != text:
            self._replace_spec(text, outcome)

    def request(self, lengths: Sequence[int]) -> None:
        """Ask for evaluation at these lengths, besides those that were asked for before."""
        requested = self.requested_lengths
        wanted = sorted({*lengths, *requested})
        if wanted != requested:
            write_json(self.evaluation_file, with_checksum({"lengths": wanted}))

    def _replace_spec(self, text: bytes, outcome: RunStatus | None) -> None:
        """Write the spec anew where the same run is now described otherwise: its files of data have moved."""
        self.status_file.unlink(missing_ok=True)
        write_atomically(self.spec_file, text)
        if outcome is not None and outcome.state == "failed":
            self.write_outcome(outcome)

    def _point_to(self, paths: Mapping[str, str], spec_values: Mapping[str, Any], outcome: RunStatus) -> None:
        """Let the spec of a finished run say where the files of its data lie now; nothing else of it changes."""
        if self.holds_spec(spec_values):
            values: Mapping[str, Any] = spec_values  # to parse it would tell the same, and take longer
        else:
            found = self.read_spec()
            values = {**found, "task": {**found["task"], **paths}}
        if self.holds_spec(values) and first_changed([self.spec_file], outcome) is None:
            return
        with suppress(ClaimedError), self.claim():
            # Without status.json in between: whoever dies here leaves a run that is evaluated anew, not a damaged one.
            self.status_file.unlink(missing_ok=True)
            write_atomically(self.spec_file, _spec_text(values))
            rewrite_outcome(self.status_file, outcome, self.spec_file)

    def read_spec(self) -> dict[str, Any]:
        """Return the values of spec.yaml.

        Raises:
            DamagedFileError: where it is missing or cannot be read.
            StorageError: where the disk does not give it.
        """
        try:
            values = from_yaml(read_whole(self.spec_file))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DamagedFileError(f"{self.spec_file} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise DamagedFileError(f"{self.spec_file} is damaged: it holds no keys.")
        return values

    def holds_spec(self, spec_values: Mapping[str, Any]) -> bool:
        """Say whether spec.yaml is, letter by letter, what `prepare` writes of these values."""
        try:
            return read_whole(self.spec_file) == _spec_text(spec_values)
        except OSError:
            return False

    @property
    def requested_lengths(self) -> list[int]:
        """The lengths at which the run is to be evaluated; empty where nothing was asked for yet.

        A damaged file asks for nothing: the sweep writes it anew, while a wrong length would be evaluated for hours.

        Raises:
            StorageError: where the disk does not give it.
        """
        return self._requested.get() or []

    def _parse_requested(self) -> list[int]:
        try:
            values = dict(json.loads(read_whole(self.evaluation_file)))
            is_whole = take_checksum(values)
            lengths = values.pop("lengths")
        except (FileNotFoundError, IsADirectoryError, ValueError, TypeError, KeyError):
            return []
        is_list = isinstance(lengths, list) and all(isinstance(each, int) for each in lengths)
        return lengths if is_whole and is_list and not values else []

    def claim(self) -> AbstractContextManager[None]:
        """Hold the run while working on it; raises ClaimedError where somebody else does."""
        return claimed(self.claim_file)

    def read_outcome(self) -> RunStatus | None:
        """Return how the run ended; None where it has not ended, or its status is damaged.

        Raises:
            StorageError: where the disk does not give it, so that nobody takes the run for damaged.
        """
        try:
            return self._status.get()
        except DamagedFileError:
            return None

    def write_outcome(self, outcome: RunStatus) -> None:
        """Write status.json, which makes everything before it count."""
        write_outcome(self.status_file, outcome, [*self._products, *self._records])

    @property
    def _products(self) -> tuple[Path, ...]:
        return self.spec_file, self.checkpoint_file, self.metrics_file

    @property
    def _records(self) -> tuple[Path, ...]:
        """What the run wrote down on its way; its rows are right without it."""
        return self.train_file, self.environment_file, self.data_file, self.sentences_file

    @property
    def has_ended(self) -> bool:
        """Whether the run is done or has failed; unlike `state` it leaves the claim alone."""
        return end_of(self.read_outcome(), self.requested_lengths) is not None

    @property
    def state(self) -> RunState:
        """How far the run is."""
        return self._state(self.read_outcome(), self.requested_lengths)

    def _state(self, outcome: RunStatus | None, requested: Sequence[int]) -> RunState:
        end = end_of(outcome, requested)
        if end is not None:
            return end
        if is_claimed(self.claim_file):
            return "running"
        if self.true_name is not None:
            return "renamed"
        return "interrupted" if self.checkpoint_file.exists() else "waiting"

    def find_damage(self) -> str | None:
        """Return what is wrong with the files of a finished run, or None.

        A spec or checkpoint that still has its recorded size and time of change is taken as unchanged, so that
        looking at thousands of finished runs stays cheap: whoever loads them checks them once more. The rows count
        without being loaded again, so they are always compared. A checkpoint may be gone: the rows do not need it.
        """
        try:
            outcome = self._status.get()
        except DamagedFileError as error:
            return str(error)
        if outcome is None:
            return None
        spared = () if self.checkpoint_file.exists() else (self.checkpoint_file,)
        compared = [path for path in self._products if path not in spared]
        damage = first_changed(compared, outcome, self.metrics_file)
        if damage is not None and first_changed([self.spec_file], outcome) and self._describes_itself():
            others = [path for path in compared if path != self.spec_file]
            damage = first_changed(others, outcome, self.metrics_file)
        if damage is not None and self.read_outcome() != outcome:
            return self.find_damage()  # it was being evaluated at more lengths just then
        return damage

    def _describes_itself(self) -> bool:
        """Say whether a spec.yaml that is not as it was written still describes this very run, by its run_id.

        The paths of files are no part of that: a person may have put others, and what is read from them is compared
        with the hash of the data. A run that reads no files has no value that anybody would change.
        """
        from attnbench.runs.spec import RunSpec  # loads torch, which a whole run does not need here

        try:
            spec = RunSpec.from_values(self.read_spec())
        except UserError:
            return False
        return spec.data is not None and spec.run_id == self.run_id

    def find_damaged_record(self) -> str | None:
        """Return what is wrong with what a finished run wrote down on its way, or None; its rows are right."""
        outcome = self.read_outcome()
        return None if outcome is None else first_changed(self._records, outcome)

    def remove_partial_files(self) -> None:
        """Take away what killed processes were writing here."""
        remove_partial_files(self.path)

    def reset(self) -> None:
        """Take away damaged records, status first, so that the next execution makes them from the checkpoint."""
        outcome = self.read_outcome()
        damaged = [path for path in self._records if outcome and first_changed([path], outcome)]
        for path in (self.status_file, *damaged):
            with storage_faults_named(path, is_writing=True):
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Take away everything but the claim, status first, so that nothing of it counts any more."""
        for path in (
            self.status_file,
            self.metrics_file,
            self.checkpoint_file,
            self.trunk_file,
            self.train_file,
            self.data_file,
            self.sentences_file,
            self.spec_file,
        ):
            with storage_faults_named(path, is_writing=True):
                path.unlink(missing_ok=True)
        self.empty_event_files()

    def event_files(self) -> list[Path]:
        """Return the files in which TensorBoard finds something of the run."""
        found = self.tensorboard_path.glob("events.out.tfevents.*")
        return [path for path in found if path.stat().st_size > 0]

    def empty_event_files(self) -> None:
        """Leave TensorBoard nothing to read of the run. An open one that misses a file does not go on to the next."""
        for path in self.event_files():
            with storage_faults_named(path, is_writing=True):
                path.write_bytes(b"")


def _spec_text(values: Mapping[str, Any]) -> bytes:
    # Key by key: the thousands of runs of a sweep have most of their values in common, and yaml is slow.
    return "".join(_as_yaml(json.dumps({key: value})) for key, value in values.items()).encode()


@lru_cache(maxsize=256)
def _as_yaml(json_text: str) -> str:
    return to_yaml(json.loads(json_text))


def give_up(folder: RunFolder, reason: str) -> RunStatus | None:
    """Write down that a run has failed which nobody could bring to its end, and return how it ended.

    Another sweep may have taken it over from whoever died: what that one wrote stands, and while it is at the run there
    is no end, None.

    Raises:
        StorageError: when the disk refuses it.
    """
    try:
        with folder.claim():
            if not folder.has_ended:
                folder.write_outcome(RunStatus(folder.run_id, "failed", error=reason))
            return folder.read_outcome()
    except ClaimedError:
        return None


def forget_failures(folders: Iterable[RunFolder]) -> None:
    """Take failed runs for unfinished, but for those that another process is at: whoever comes first repeats them.

    Raises:
        StorageError: when the disk refuses it.
    """
    for folder in folders:
        if _has_failed(folder):
            with suppress(ClaimedError), folder.claim():
                folder.reset()


def _has_failed(folder: RunFolder) -> bool:
    outcome = folder.read_outcome()
    return outcome is not None and outcome.state == "failed"
