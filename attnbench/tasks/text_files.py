"""Lines of a person's text files, their content's hash, and the errors that say what is wrong with a file."""

import hashlib
from functools import lru_cache
from pathlib import Path

from attnbench.errors import UserError


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 text, without their ends; a byte order mark and Windows line ends are accepted.

    Only line feeds end a line: other separators of Unicode may stand inside a sentence, and counting them
    would move the lines of one file against those of the other.

    Raises:
        UserError: when the file is missing, a folder, unreadable, empty, or not UTF-8.
    """
    content = _read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from None
    if not text.strip():
        raise UserError(f"{path} is empty: expected text, one example a line.")
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex; the same wherever the file lies.

    Raises:
        UserError: when the file cannot be read.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _content_hash(path.absolute(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _content_hash(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns  # they stand in the key, so that a changed file is hashed again
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        return UserError(f"{path} does not exist{where}. Check the spelling of the path.")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path} is a folder: expected a text file. Name the file in it.")
    return UserError(f"{path} cannot be read: {error.strerror}.")


def _not_utf8(path: Path, content: bytes, error: UnicodeDecodeError) -> UserError:
    # The error counts from behind the byte order mark, if there is one.
    at = error.start + len(content) - len(error.object)
    line = content.count(b"\n", 0, at) + 1
    column = at - content.rfind(b"\n", 0, at)
    return UserError(
        f"{path}, line {line}, byte {column}: expected UTF-8, got the byte 0x{content[at]:02x}. "
        "Save the file as UTF-8 (for instance with iconv -f LATIN1 -t UTF-8)."
    )


def shortened(text: str, width: int = 60) -> str:
    """Return a text as an error quotes it: not more than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"
