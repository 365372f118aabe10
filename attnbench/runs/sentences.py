"""What is scored sentence by sentence of real text: sentences.csv.gz, of a run and of a sweep.

A row has what corpus BLEU, chrF and cross-entropy are added up from, so that the scores of any sample of the
sentences follow without a model: see `attnbench/analysis/bootstrap.py`. Counts of n-grams that follow from lengths are
left out, and the file is packed: 3,000 sentences of a run take about 90 kB.
"""

import csv
import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnbench.errors import DamagedFileError
from attnbench.runs.io import read_whole, write_atomically
from attnbench.runs.metrics_csv import as_csv, damaged

if TYPE_CHECKING:  # a worker does without it
    import pandas as pd

SENTENCES_FILE = "sentences.csv.gz"
"""Of a run, and of a sweep."""

BLEU_ORDERS, CHRF_ORDERS = range(1, 5), range(1, 7)
WORD_MATCHES = tuple(f"word_matches_{n}" for n in BLEU_ORDERS)
CHARACTER_MATCHES = tuple(f"character_matches_{n}" for n in CHRF_ORDERS)
BUCKET = ("length_min", "length")
SENTENCE_COLUMNS = (
    *BUCKET,
    "sentence",
    "tokens",
    "nats",
    "reference_words",
    "hypothesis_words",
    *WORD_MATCHES,
    "reference_characters",
    "hypothesis_characters",
    *CHARACTER_MATCHES,
)
"""`sentence` counts from 1 within its bucket; all runs of a sweep have them in one order. `nats` is the cross-entropy
summed over the scored `tokens`, teacher-forced. Words are those of sacrebleu's tokenisation "13a", characters those
that are no blanks."""

Bucket = tuple[int, int]
"""Shortest and longest length."""


def is_real_text(row: Mapping[str, object]) -> bool:
    """Say whether a row of metrics.csv is of real text: with BLEU, and bits that nobody knows.

    Other tasks draw fresh examples for every seed, so that there are no sentences that runs share.
    """
    return row.get("bleu") not in (None, "") and row.get("bits_available") in (None, "")


def write_sentences(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the sentences of a run, atomically."""
    write_atomically(path, _packed(as_csv(rows, SENTENCE_COLUMNS)))


def read_sentences(path: Path) -> dict[Bucket, list[dict[str, str]]]:
    """Return the sentences of a run by bucket, as text; nothing where the file is missing.

    Raises:
        DamagedFileError: it is not what a run wrote.
        StorageError: the disk does not give it.
    """
    buckets: dict[Bucket, list[dict[str, str]]] = defaultdict(list)
    try:
        reader = csv.DictReader(io.StringIO(_unpacked(path), newline=""))
        if reader.fieldnames != [*SENTENCE_COLUMNS]:
            raise ValueError("it has other columns")
        for row in reader:
            buckets[int(row["length_min"]), int(row["length"])].append(row)
    except FileNotFoundError:
        return {}
    except (TypeError, ValueError) as error:
        raise _not_ours(path, error) from error
    return dict(buckets)


def read_sentence_table(path: Path) -> "pd.DataFrame":
    """Return the sentences of a run, or of a sweep with a column `run_id`, with numbers for counts.

    Raises:
        DamagedFileError: it is not what a run wrote.
        FileNotFoundError: there is none.
        StorageError: the disk does not give it.
    """
    import pandas as pd

    types: dict[Any, Any] = dict.fromkeys(SENTENCE_COLUMNS, "int64") | {"nats": "float64", "run_id": "str"}
    try:
        table = pd.read_csv(io.StringIO(_unpacked(path)), dtype=types)
        return table[[*(["run_id"] if "run_id" in table else []), *SENTENCE_COLUMNS]]
    except (KeyError, ValueError) as error:
        raise _not_ours(path, error) from error


def write_sentence_table(path: Path, table: "pd.DataFrame") -> None:
    """Write the sentences of all runs of a sweep, atomically; the same sentences make the same file."""
    write_atomically(path, _packed(table.to_csv(index=False, lineterminator="\n").encode()))


def join_sentences(tables: Iterable["pd.DataFrame"]) -> "pd.DataFrame":
    """Return the sentences of all runs, each with its `run_id`; what several tables have counts once."""
    import pandas as pd

    names = ["run_id", *SENTENCE_COLUMNS]
    found = [pd.DataFrame({name: [] for name in names}), *tables]
    joined = pd.concat([each for each in found if len(each)] or found[:1], ignore_index=True)
    return joined.drop_duplicates(["run_id", *BUCKET, "sentence"], ignore_index=True)[names]


def read_sentences_of(files: Mapping[str, Path]) -> "list[pd.DataFrame]":
    """Return the sentences of each run that has a file of them, by run_id; a damaged file counts as none."""
    tables = {run_id: read_if_whole(path) for run_id, path in files.items()}
    return [table.assign(run_id=run_id) for run_id, table in tables.items() if table is not None]


def read_if_whole(path: Path) -> "pd.DataFrame | None":
    """Return what `read_sentence_table` does; None where the file is missing or damaged."""
    try:
        return read_sentence_table(path)
    except (FileNotFoundError, NotADirectoryError, DamagedFileError):
        return None


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # without the time, the same rows make the same file


def _unpacked(path: Path) -> str:
    try:
        return gzip.decompress(read_whole(path)).decode()
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise _not_ours(path, error) from error


def _not_ours(path: Path, error: Exception) -> DamagedFileError:
    return damaged(path, None, None, f"is not what a run wrote ({error})")
