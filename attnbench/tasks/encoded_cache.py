"""Numbers kept on disk between processes, by the content of the text that they stand for.

Learning 4,000 subwords a side from 28,000 pairs and encoding all takes 2.1 s in every process, reading them back
0.1 s. Smaller texts are quicker encoded than they are worth keeping.
"""

import contextlib
import hashlib
import io
import json
import os
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from attnbench.tasks.base import Split
from attnbench.tasks.encoded_numbers import Encoding, Numbers, learn_numbers
from attnbench.tasks.encoded_pairs import TokenLists
from attnbench.tasks.text_splits import TextSplits

# Raise it whenever the same text and encoding come to be other numbers, or stand in the file differently.
FORMAT = 1
PLACE = "ATTNBENCH_CACHE"
WORTH_KEEPING = 1_000_000  # characters; about 0.3 s of work
CHECKSUM_BYTES = 16
VOCABULARIES = ("source_vocabulary", "target_vocabulary")
SIDES = ("sources", "targets")


def numbers_of(splits: TextSplits, encoding: Encoding) -> Numbers:
    """Return the numbers of all splits, from the cache where it has them.

    A cache that is damaged or cannot be written to costs time, and nothing else.
    """
    folder = cache_folder()
    if folder is None or _characters(splits) < WORTH_KEEPING:
        return learn_numbers(splits, encoding)
    path = folder / f"{content_key(splits, encoding)}.numbers"
    kept = _load(path, encoding)
    if kept is None:
        kept = learn_numbers(splits, encoding)
        _save(path, kept)
    return kept


def cache_folder() -> Path | None:
    """Return where numbers are kept: ATTNBENCH_CACHE, or the person's cache folder; None where it is set empty."""
    place = os.environ.get(PLACE)
    if place is not None:
        return Path(place).expanduser() if place else None
    with contextlib.suppress(RuntimeError):  # nobody's home
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "attnbench"
    return None


def content_key(splits: TextSplits, encoding: Encoding) -> str:
    """Return a hash of all that the numbers follow from: every text of every split and how it is encoded."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(repr((FORMAT, version("tokenizers"), encoding)).encode())
    for vocabulary in splits.vocabularies or ():  # learnt from texts that were left out, too
        digest.update(vocabulary.to_json().encode())
    for split in get_args(Split):
        digest.update(f"\n{split}\n".encode())
        for pair in splits.pairs(split):
            # No text holds a line feed or a tab: blanks between words are single.
            digest.update(f"{pair.source}\t{pair.written}\n".encode())
    return digest.hexdigest()


def _characters(splits: TextSplits) -> int:
    pairs = (pair for split in get_args(Split) for pair in splits.pairs(split))
    return sum(len(pair.source) + len(pair.written) for pair in pairs)


def _load(path: Path, encoding: Encoding) -> Numbers | None:
    """Return what the file holds; None where it is missing or not what we wrote."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, packed = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    if checksum != _checksum(packed):
        return None
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:  # nothing in it can run code
        return _unpacked({name: file[name] for name in file.files}, encoding)


def _save(path: Path, numbers: Numbers) -> None:
    """Put the numbers there in one step, so that nobody who reads meanwhile sees half of them."""
    buffer = io.BytesIO()
    np.savez(buffer, **_packed(numbers))
    packed = buffer.getvalue()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with contextlib.suppress(OSError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_checksum(packed) + packed)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _checksum(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=CHECKSUM_BYTES).digest()


def _packed(numbers: Numbers) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    texts = {name: getattr(numbers, name).to_json() for name in VOCABULARIES}
    arrays["vocabularies"] = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    for side in SIDES:
        for split, lists in getattr(numbers, side).items():
            arrays[f"{side}_{split}_tokens"] = lists.tokens
            arrays[f"{side}_{split}_starts"] = lists.starts
    return arrays


def _unpacked(arrays: dict[str, NDArray[Any]], encoding: Encoding) -> Numbers:
    texts = json.loads(arrays["vocabularies"].tobytes())
    source, target = (encoding.vocabulary_class.from_json(texts[name]) for name in VOCABULARIES)
    sources, targets = (_unpacked_side(arrays, side) for side in SIDES)
    return Numbers(source, target, sources, targets)


def _unpacked_side(arrays: dict[str, NDArray[Any]], side: str) -> dict[Split, TokenLists]:
    return {
        split: TokenLists(arrays[f"{side}_{split}_tokens"], arrays[f"{side}_{split}_starts"])
        for split in get_args(Split)
    }
