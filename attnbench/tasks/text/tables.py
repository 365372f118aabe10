"""Rows with named fields from CSV, Parquet and Hugging Face sets."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from attnbench.errors import UserError, unknown
from attnbench.tasks.text.files import read_content, read_lines

INSTALL = "pip install 'attnbench[datasets]'"
SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` of a DatasetDict and of a Dataset leaves in the folder."""

Row = tuple[dict[str, Any], str]
"""The values of a row by field, and its place for messages."""


def read_csv(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV whose first line names the fields.

    Raises:
        UserError: where the file cannot be read, or a row has another number of fields.
    """
    lines = csv.reader(io.StringIO("\n".join(read_lines(path)), newline=""), strict=True)
    names: list[str] = []
    try:
        for cells in lines:
            if not names:
                names = [cell.strip() for cell in cells]
            elif cells and len(cells) != len(names):
                raise UserError(
                    f"{path}, line {lines.line_num}: expected {len(names)} fields ({', '.join(names)}), "
                    f"got {len(cells)}. A field with a comma stands in double quotes."
                )
            elif cells:
                yield dict(zip(names, cells, strict=True)), f"{path}, line {lines.line_num}"
    except csv.Error as error:
        raise UserError(
            f"{path}, line {lines.line_num}: expected CSV, got something else ({error})."
        ) from None


def read_parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file.

    Raises:
        UserError: where pyarrow is missing, or the file is no Parquet.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{path} needs pyarrow to be read: {INSTALL}") from None
    try:
        table = parquet.read_table(io.BytesIO(read_content(path)))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: expected Parquet, got something else ({error}).") from None
    yield from _placed(table.to_pylist(), f"{path}")


def read_set(name: str, config: str | None, split: str) -> Iterator[Row]:
    """Yield the rows of one split of a Hugging Face set; see `load_set`."""
    yield from _placed(load_set(name, config)[split], f"{name}, {split}")


def _placed(rows: Any, place: str) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        yield {key: "" if value is None else value for key, value in row.items()}, f"{place}, row {number}"


def set_hash(name: str, config: str | None, split: str, fields: tuple[str, ...]) -> str:
    """Return the SHA-256 of the fields of all rows of a split, wherever the set comes from."""
    digest = hashlib.sha256()
    tops = {field.partition(".")[0] for field in fields}
    for values, _ in read_set(name, config, split):
        kept = {key: value for key, value in values.items() if key in tops or key in fields}
        digest.update(json.dumps(kept, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


@lru_cache(maxsize=2)
def load_set(name: str, config: str | None) -> Mapping[str, Any]:
    """Return the splits of a set: a folder that `save_to_disk` wrote, one of data files, or a name on the Hub.

    Raises:
        UserError: where `datasets` is missing, or it does not find or read the set.
    """
    try:
        import datasets
    except ImportError:
        raise UserError(f"task.dataset={name} needs the library datasets: {INSTALL}") from None
    folder = Path(name).expanduser()
    try:
        if any((folder / each).is_file() for each in SAVED):
            if config is not None:
                raise UserError(f"task.dataset_config={config}: {folder} holds one saved set. Leave it out.")
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(str(folder) if folder.is_dir() else name, config)
    except UserError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"task.dataset={name}: datasets could not load it ({reason}). Expected a name on the Hugging Face Hub with "
            "its task.dataset_config, or a folder."
        ) from error
    splits = found if isinstance(found, dict) else {"train": found}
    if "train" not in splits:
        raise unknown(f"split of {name}", "train", splits)
    return splits
