"""Lines of a person's text files, their content's hash, and the errors that say what is wrong with a file."""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from attnbench.errors import UserError

GZIP = b"\x1f\x8b"
PACKED = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
# The marks of UTF-32 come first: the little-endian one begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
TAR_PLACE = slice(257, 263)  # where an archive says that it is one
MOST_NULS = 0.01  # of the bytes of a text; a stray one is a blemish, many are no text, or UTF-16


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text, without their ends.

    The text is UTF-8, or UTF-16 or UTF-32 that begins with a byte order mark; it may be packed with gzip, whatever its
    name. Lines end with a line feed, also behind a carriage return (Windows), or, where the text has no line feed,
    with a carriage return (old Macs). No other character ends a line: other separators of Unicode may stand inside a
    sentence, and counting them would move the lines of one file against those of the other.

    Raises:
        UserError: when the file is missing, a folder, unreadable, damaged, empty, or in another encoding.
    """
    text = _decoded(path, read_content(path))
    if not text.strip():
        raise UserError(f"{path} is empty: expected text, one example a line.")
    text = text.removesuffix("\n")
    if "\n" not in text:
        return text.removesuffix("\r").split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex; the same wherever the file lies, and packed with gzip or not.

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
    return hashlib.sha256(read_content(path)).hexdigest()


def check_they_exist(paths: Iterable[Path]) -> None:
    """Refuse files that are not there, naming every one of them.

    Raises:
        UserError: where some are missing.
    """
    missing = [path for path in dict.fromkeys(paths) if not path.exists()]
    if len(missing) > 1:
        relative = not all(path.is_absolute() for path in missing)
        where = f" (looked for in {Path.cwd()})" if relative else ""
        raise UserError(
            f"These files do not exist{where}: {', '.join(map(str, missing))}. Check the spelling of the paths."
        )
    for path in missing:
        raise _unreadable(path, FileNotFoundError())


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked where it is packed with gzip."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is packed with gzip and damaged ({error}): fetch it again, or pack it anew."
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        return UserError(f"{path} does not exist{where}. Check the spelling of the path.")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path} is a folder: expected a text file. Name the file in it.")
    return UserError(f"{path} cannot be read: {error.strerror}.")


def _decoded(path: Path, content: bytes) -> str:
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = MARKS.get(mark, "utf-8")
    if encoding == "utf-8":
        _check_nuls(path, content)
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        at = error.start + len(mark)
        if encoding == "utf-8":
            raise _not_utf8(path, content, at) from None
        raise UserError(
            f"{path}, byte {at + 1}: expected {encoding.upper()} behind its byte order mark, got something else "
            f"({error.reason}). Save the file as UTF-8."
        ) from None


def _check_nuls(path: Path, content: bytes) -> None:
    """Refuse archives, other binary data, and UTF-16 that does not say so."""
    if content[TAR_PLACE].startswith(b"ustar"):
        raise UserError(f"{path} is an archive (tar): expected text. Unpack it, and name a file of it.")
    nuls = content.count(0)
    if nuls <= MOST_NULS * len(content):
        return
    odd = content[1::2].count(0) / nuls
    if 0.1 < odd < 0.9:
        raise _packed(path, content) or UserError(
            f"{path} holds {nuls:,} NUL bytes in {len(content):,}: expected text, got binary data."
        )
    encoding = "UTF-16LE" if odd > 0.5 else "UTF-16BE"
    raise UserError(
        f"{path} looks like {encoding} without a byte order mark: expected UTF-8. "
        f"Save it as UTF-8 (iconv -f {encoding} -t UTF-8)."
    )


def _packed(path: Path, content: bytes) -> UserError | None:
    """Return the error for a file packed by something that we do not unpack."""
    packer = next((packer for beginning, packer in PACKED.items() if content.startswith(beginning)), None)
    if packer is None:
        return None
    return UserError(f"{path} is packed with {packer}: expected text, or text packed with gzip. Unpack it.")


def _not_utf8(path: Path, content: bytes, at: int) -> UserError:
    packed = _packed(path, content)
    if packed:
        return packed
    line = content.count(b"\n", 0, at) + 1
    column = at - content.rfind(b"\n", 0, at)
    # Single bytes do not tell their encoding: a wrong guess would give other letters, and nobody would notice.
    return UserError(
        f"{path}, line {line}, byte {column}: expected UTF-8, got the byte 0x{content[at]:02x}. Save the file as UTF-8 "
        "(iconv -f ENCODING -t UTF-8, with the encoding that it was written in)."
    )
