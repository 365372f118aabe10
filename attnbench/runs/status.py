"""How a run ended: status.json, the file that makes all others of a run count."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from attnbench.errors import DamagedFileError
from attnbench.runs.io import (
    CHECKSUM,
    fingerprint,
    is_unchanged,
    read_whole,
    take_checksum,
    with_checksum,
    write_json,
)


@dataclass
class RunStatus:
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


_FIELDS = {each.name for each in fields(RunStatus)}


def write_outcome(path: Path, outcome: RunStatus, left: Sequence[Path]) -> None:
    """Write how a run ended, with the fingerprints of what it `left`, as far as that is there.

    Raises:
        StorageError: when the disk refuses it.
    """
    values = asdict(outcome)
    values["files"] = {each.name: fingerprint(each) for each in left if each.exists()}
    write_json(path, with_checksum(values))


def rewrite_outcome(path: Path, outcome: RunStatus, changed: Path) -> None:
    """Write how a run ended once more, after one of its files was written anew; it does not vouch for others anew.

    Raises:
        StorageError: when the disk refuses it.
    """
    files = {**outcome.files, changed.name: fingerprint(changed)}
    write_json(path, with_checksum({**asdict(outcome), "files": files}))


def read_outcome(path: Path, run_id: str) -> RunStatus | None:
    """Return how the run of that name ended; None where it has not.

    Raises:
        DamagedFileError: where the file is not what the run wrote.
        StorageError: where the disk does not give it.
    """
    try:
        values = dict(json.loads(read_whole(path)))
        is_vouched_for = CHECKSUM in values
        is_whole = take_checksum(values)
        # A later version may have written more than this one knows of.
        known = values.keys() & _FIELDS if is_vouched_for else values.keys()
        outcome = RunStatus(**{name: values[name] for name in known})
    except FileNotFoundError:
        return None
    except (IsADirectoryError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{path} is damaged: it cannot be read.") from error
    is_ours = outcome.run_id == run_id and outcome.state in ("done", "failed")
    if not (is_whole and is_ours and isinstance(outcome.files, dict)):
        raise DamagedFileError(f"{path} is damaged: it is not what the run wrote.")
    return outcome


def end_of(outcome: RunStatus | None, requested: Sequence[int]) -> Literal["done", "failed"] | None:
    """Return how a run has ended; None where it has not, or has more lengths to be evaluated at."""
    if outcome is None or (outcome.state == "done" and outcome.lengths != requested):
        return None
    return outcome.state


def first_changed(paths: Sequence[Path], outcome: RunStatus, always_read: Path | None = None) -> str | None:
    """Name the first file that is not what the outcome recorded; one that it did not record is not looked at."""
    for path in paths:
        recorded = outcome.files.get(path.name)
        if recorded is not None and not is_unchanged(path, recorded, path == always_read):
            return f"{path} is damaged: it is not what the run wrote."
    return None
