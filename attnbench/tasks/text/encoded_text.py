"""All that a text task holds in memory: vocabularies learnt from the training, and every split as numbers."""

import contextlib
import hashlib
import io
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from attnbench.atomic import write_atomically
from attnbench.errors import StorageError, UserError
from attnbench.tasks.base import LengthRange, Split
from attnbench.tasks.text.encoding import (
    BlockEncoder,
    EncodedPairs,
    Encoding,
    LearntVocabulary,
    Numbers,
    TokenLists,
    VocabularyTexts,
    encode_numbers,
    learn_numbers,
)
from attnbench.tasks.text.splits import SplitFiles, TextSplits, read_splits


@dataclass(frozen=True, eq=False)
class EncodedText:
    """Vocabularies and encoded splits.

    Attributes:
        source_vocabulary: learnt from the training sources.
        target_vocabulary: learnt from the training questions and targets.
        splits: the pairs of each split as numbers.
    """

    source_vocabulary: LearntVocabulary
    target_vocabulary: LearntVocabulary
    splits: dict[Split, EncodedPairs]

    @cached_property
    def most_frequent_answer(self) -> int:
        """The token that a majority answerer always says: the most frequent scored one of the training."""
        train = self.splits["train"]
        return int(np.bincount(train.targets.tokens[train.scored]).argmax())

    @cached_property
    def seen_answers(self) -> tuple[int, ...]:
        """The different tokens that are scored in the training."""
        train = self.splits["train"]
        return tuple(np.unique(train.targets.tokens[train.scored]).tolist())

    def majority_accuracy(self, lengths: LengthRange) -> float:
        """Return the share of scored test tokens that the majority answerer gets right; 0 where there are none."""
        test = self.splits["test"]
        is_counted = np.repeat(test.within(lengths), test.targets.lengths) & test.scored
        is_right = test.targets.tokens[is_counted] == self.most_frequent_answer
        return float(is_right.mean()) if len(is_right) else 0.0


# The content's hash is part of the key, so a file that changes is read again. A worker runs many runs of one data
# set, hence one or two entries suffice.
@lru_cache(maxsize=2)
def loaded_splits(files: SplitFiles, fingerprint: str) -> TextSplits:
    """Read the splits of files whose content has this fingerprint; once per process.

    Raises:
        UserError: where a file is not what it should be.
    """
    del fingerprint
    return read_splits(files)


@lru_cache(maxsize=2)
def encoded_text(
    files: SplitFiles, encoding: Encoding, fingerprint: str, kept: VocabularyTexts | None = None
) -> EncodedText:
    """Read the files, learn the vocabularies from the training split and encode all; once per process.

    Args:
        files: of every split.
        encoding: how texts become numbers.
        fingerprint: of the files' content.
        kept: vocabularies in place of those learnt. Another version of a library may learn others from the same
            text, and the weights of a run are of no use but with its own.
    """
    splits = loaded_splits(files, fingerprint)
    numbers = numbers_of(splits, encoding)
    if kept is not None and kept != VocabularyTexts.of(numbers.source_vocabulary, numbers.target_vocabulary):
        numbers = encode_numbers(splits, encoding, *encoding.vocabularies(kept))
    encoded: dict[Split, EncodedPairs] = {}
    for split in get_args(Split):
        pairs = _encoded(splits, numbers, split)
        encoded[split] = pairs if encoding.keeps_references else replace(pairs, references=None)
    return EncodedText(numbers.source_vocabulary, numbers.target_vocabulary, encoded)


def _encoded(splits: TextSplits, numbers: Numbers, split: Split) -> EncodedPairs:
    pairs = splits.pairs(split)
    encoder = BlockEncoder(numbers.source_vocabulary, numbers.target_vocabulary)
    sure, possible = encoder.encode(pairs) if split in splits.aligned else (None, None)
    return EncodedPairs(
        sources=numbers.sources[split],
        targets=numbers.targets[split],
        given=np.array([encoder.given_tokens(pair) for pair in pairs], dtype=np.int64),
        lengths=np.array([pair.length for pair in pairs], dtype=np.int64),
        references=tuple(pair.target for pair in pairs),
        sure=sure,
        possible=possible,
    )


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
    # What cannot be kept is made again the next time.
    with contextlib.suppress(OSError, StorageError, UserError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _checksum(packed) + packed)


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
