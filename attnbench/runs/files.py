"""Files that are whole or absent: whoever reads while we write, or after we were killed, sees no half."""

import json
import os
import uuid
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes) -> None:
    """Put data at path in one step; until then, and where that fails, the path keeps what it held.

    The temporary file lies in the same folder, since a rename is atomic within one file system only.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Put a value at path as JSON, in one step."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
