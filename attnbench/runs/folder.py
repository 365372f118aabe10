"""One folder, one run: every file of it is named and read here, and nowhere else."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from attnbench.errors import DamagedFileError
from attnbench.runs.claim import claimed, is_claimed
from attnbench.runs.files import write_atomically, write_json

CHECKSUM = "checksum"  # of the rest of status.json; runs of before it was introduced have none
RunState = Literal["done", "failed", "running", "interrupted", "waiting"]


@dataclass
class Outcome:
    """How a run ended: the content of status.json.

    Attributes:
        lengths: at which the run has been evaluated, also where a task of files had nothing to evaluate.
        resumed_from_step: the step from which the last execution went on; None where it began anew.
        seconds: wall time of the last execution.
        batch_parts: parts that each batch went in at last; more than 1 where memory gave out.
        files: size, checksum and time of change of what the run left, so that damage is noticed.
    """

    run_id: str
    state: Literal["done", "failed"]
    lengths: list[int] = field(default_factory=list)
    stop_reason: str | None = None
    steps: int | None = None
    resumed_from_step: int | None = None
    seconds: float | None = None
    error: str | None = None
    batch_parts: int | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec_file = path / "spec.yaml"
        self.evaluation_file = path / "evaluation.json"
        self.environment_file = path / "environment.json"
        self.train_file = path / "train.csv"
        self.metrics_file = path / "metrics.csv"
        self.checkpoint_file = path / "checkpoint.pt"
        self.status_file = path / "status.json"
        self.error_file = path / "error.txt"
        self.claim_file = path / "claim"

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    def prepare(self, spec_values: Mapping[str, Any], lengths: Sequence[int]) -> None:
        """Write down what is to be trained and at which lengths it is to be evaluated, besides earlier ones."""
        self.path.mkdir(parents=True, exist_ok=True)
        outcome = self.read_outcome()
        wanted = sorted({*lengths, *self.requested_lengths, *(outcome.lengths if outcome else ())})
        if wanted != self.requested_lengths:
            write_json(self.evaluation_file, {"lengths": wanted})
            self.forget_read()
        if self.spec_file.exists() and self.state in ("done", "running"):
            return
        text = yaml.safe_dump(dict(spec_values), sort_keys=False, allow_unicode=True).encode()
        if not self.spec_file.exists():
            write_atomically(self.spec_file, text)
        elif self.spec_file.read_bytes() != text:
            self._replace_spec(text, outcome)

    def _replace_spec(self, text: bytes, outcome: Outcome | None) -> None:
        """Write the spec anew where the same run is now described otherwise: its files of data have moved."""
        self.status_file.unlink(missing_ok=True)
        write_atomically(self.spec_file, text)
        if outcome is not None and outcome.state == "failed":
            self.write_outcome(outcome)

    def read_spec(self) -> dict[str, Any]:
        """Return the values of spec.yaml.

        Raises:
            DamagedFileError: where it is missing or cannot be read.
        """
        try:
            values = yaml.load(
                self.spec_file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            )
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DamagedFileError(f"{self.spec_file} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise DamagedFileError(f"{self.spec_file} is damaged: it holds no keys.")
        return values

    @cached_property
    def requested_lengths(self) -> list[int]:
        """The lengths at which the run is to be evaluated; empty where nothing was asked for yet."""
        try:
            lengths = json.loads(self.evaluation_file.read_bytes())["lengths"]
        except (OSError, ValueError, TypeError, KeyError):
            return []  # asking again is free: the sweep writes it anew
        return lengths if isinstance(lengths, list) and all(isinstance(each, int) for each in lengths) else []

    def forget_read(self) -> None:
        """Read anew what another process may have written."""
        self.__dict__.pop("requested_lengths", None)

    def claim(self) -> AbstractContextManager[None]:
        """Hold the run while working on it; raises ClaimedError where somebody else does."""
        return claimed(self.claim_file)

    def read_outcome(self) -> Outcome | None:
        """Return how the run ended; None where it has not ended, or its status cannot be read."""
        try:
            return self._read_status()
        except DamagedFileError:
            return None

    def _read_status(self) -> Outcome | None:
        """Return how the run ended, None where it has not; raises DamagedFileError."""
        try:
            values = dict(json.loads(self.status_file.read_bytes()))
            is_whole = values.pop(CHECKSUM, None) in (None, _checksum(values))
            outcome = Outcome(**values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DamagedFileError(f"{self.status_file} is damaged: it cannot be read.") from error
        is_ours = outcome.run_id == self.run_id and outcome.state in ("done", "failed")
        if not (is_whole and is_ours and isinstance(outcome.files, dict)):
            raise DamagedFileError(f"{self.status_file} is damaged: it is not what the run wrote.")
        return outcome

    def write_outcome(self, outcome: Outcome) -> None:
        """Write status.json, which makes everything before it count."""
        values = asdict(outcome)
        values["files"] = {path.name: _fingerprint(path) for path in self._products if path.exists()}
        write_json(self.status_file, values | {CHECKSUM: _checksum(values)})

    @property
    def _products(self) -> tuple[Path, ...]:
        return self.spec_file, self.checkpoint_file, self.metrics_file

    @property
    def state(self) -> RunState:
        """How far the run is."""
        outcome = self.read_outcome()
        if outcome is not None and (outcome.state == "failed" or outcome.lengths == self.requested_lengths):
            return outcome.state
        if is_claimed(self.claim_file):
            return "running"
        return "interrupted" if self.checkpoint_file.exists() else "waiting"

    def find_damage(self) -> str | None:
        """Return what is wrong with the files of a finished run, or None.

        A file that still has its recorded size and time of change is taken as unchanged, so that looking at
        thousands of finished runs stays cheap. A checkpoint may be gone: the rows do not need it.
        """
        try:
            outcome = self._read_status()
        except DamagedFileError as error:
            return str(error)
        if outcome is None:
            return None
        for path in self._products:
            recorded = outcome.files.get(path.name)
            is_spared = path == self.checkpoint_file and not path.exists()
            if recorded is not None and not is_spared and not _is_unchanged(path, recorded):
                return f"{path} is damaged: it is not what the run wrote."
        return None

    def clear_halves(self) -> None:
        """Take away what a holder of the claim was writing when it was killed; for the present holder alone."""
        for path in (self.checkpoint_file, self.train_file, self.metrics_file):
            for half in self.path.glob(f".{path.name}.*.tmp"):
                half.unlink(missing_ok=True)

    def discard(self) -> None:
        """Take away everything but the claim, status first, so that nothing of it counts any more."""
        for path in (
            self.status_file,
            self.metrics_file,
            self.checkpoint_file,
            self.train_file,
            self.spec_file,
        ):
            path.unlink(missing_ok=True)


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _fingerprint(path: Path) -> dict[str, Any]:
    found = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"bytes": found.st_size, "changed_ns": found.st_mtime_ns, "sha256": digest}


def _is_unchanged(path: Path, recorded: Mapping[str, Any]) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if found.st_size != recorded.get("bytes"):
        return False
    if found.st_mtime_ns == recorded.get("changed_ns"):
        return True
    return hashlib.sha256(path.read_bytes()).hexdigest() == recorded.get("sha256")
