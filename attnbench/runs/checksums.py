"""Telling a file that is what we wrote from one that is not."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attnbench.errors import storage_faults_named
from attnbench.runs.files import read_whole

CHECKSUM = "checksum"  # of the rest of the file; files of before it was introduced have none


def with_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a JSON file with the checksum that belongs to them."""
    return {**values, CHECKSUM: _checksum(values)}


def take_checksum(values: dict[str, Any]) -> bool:
    """Take the checksum, where there is one, out of values that were read; say whether it belongs to the rest."""
    return values.pop(CHECKSUM, None) in (None, _checksum(values))


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size, time of change and checksum of a file."""
    with storage_faults_named(path):
        found = path.stat()
    digest = hashlib.sha256(read_whole(path)).hexdigest()
    return {"bytes": found.st_size, "changed_ns": found.st_mtime_ns, "sha256": digest}


def is_unchanged(path: Path, recorded: Mapping[str, Any], is_always_read: bool = False) -> bool:
    """Compare a file with its fingerprint; by size and time of change alone where they are the same.

    Args:
        path: there or not.
        recorded: what `fingerprint` returned.
        is_always_read: whether not to trust the time, which a disk that rots does not change.
    """
    try:
        with storage_faults_named(path):
            found = path.stat()
        if found.st_size != recorded.get("bytes"):
            return False
        if found.st_mtime_ns == recorded.get("changed_ns") and not is_always_read:
            return True
        return hashlib.sha256(read_whole(path)).hexdigest() == recorded.get("sha256")
    except FileNotFoundError:
        return False


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
