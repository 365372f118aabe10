"""What can go wrong, told apart by who has to act."""

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType

_ROOM = "Make room there"
_LEAVE = "Make it writable again"
_REACH = "See that its disk or its server is there and sound"
_LOCK = "Choose results on a file system whose files can be locked (flock)"
_CIRCLE = "Take away the link that leads in a circle"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EROFS: _LEAVE,
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EIO: _REACH,
    errno.ESTALE: _REACH,
    errno.ENOTCONN: _REACH,
    errno.ETIMEDOUT: _REACH,
    errno.ENOLCK: _LOCK,
    errno.ENOSYS: _LOCK,
    errno.EOPNOTSUPP: _LOCK,
    errno.ELOOP: _CIRCLE,
}
"""What the operating system says where the disk is at fault, and not the file or the work."""


class UserError(Exception):
    """Something a person gave us that cannot work; the message says what was expected, what came, what to do.

    The command line prints the message and leaves with exit status 2.
    """


class DamagedFileError(UserError):
    """A file of ours that is not what we wrote: truncated, altered or unreadable."""


class RunFailedError(Exception):
    """A run that cannot go on, such as one whose loss is not finite; the sweep goes on without it."""


class InterruptedRunError(Exception):
    """A run that was asked to stop, and has saved its state."""


class RefusedError(Exception):
    """Work that was begun and that something outside does not take, such as a disk or a cluster.

    Nothing is wrong with the work: what was saved before stays, and the same command carries on once it is taken. The
    command line prints the message and leaves with exit status 1.
    """


class StorageError(RefusedError):
    """A disk that refuses a file: full, over a quota, read-only, forbidden, failing or gone."""


def is_storage_fault(error: BaseException) -> bool:
    """Say whether the disk is at fault, and not the file that was asked for."""
    return isinstance(error, OSError) and error.errno in _REMEDIES


def obstacle(path: Path) -> str | None:
    """Say what keeps a path from being there: a link that leads nowhere, or a file in the place of a folder.

    The path itself may be missing, a file or a folder.
    """
    for each in (*reversed(path.parents), path):
        try:
            if each.is_symlink() and not each.exists():
                return f"{each} is a link that leads nowhere, to {each.readlink()}"
            if each != path and each.exists() and not each.is_dir():
                return f"{each} is a file, expected a folder"
        except OSError:
            return None  # who goes that way is told by the system
    return None


def storage_faults_named(path: Path | None = None, is_writing: bool = False) -> AbstractContextManager[None]:
    """Turn what the operating system says of a disk into a StorageError that names the path and what to do.

    Without a path it is the one that the system tells.

    Args:
        path: of the file or folder.
        is_writing: whether everything that the system says of a path is turned into one, such as a link that leads
            nowhere or a folder in the place of a file. For who reads, a missing file has a meaning of its own.

    Raises:
        StorageError: in place of such an OSError; others pass.
        UserError: where a name is too long.
    """
    return _StorageFaultsNamed(path, is_writing)


class _StorageFaultsNamed(AbstractContextManager[None]):
    """A class, for a sweep of thousands of runs enters a hundred thousand of them, and a generator costs thrice."""

    def __init__(self, path: Path | None, is_writing: bool) -> None:
        self._path = path
        self._is_writing = is_writing

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError) or error.errno is None:
            return
        named = self._path or error.filename or "a file"
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{named}: longer than a name may be.") from error
        if is_storage_fault(error):
            said, remedy = f"The disk refused {named}: {error.strerror}", _REMEDIES[error.errno or 0]
        elif self._is_writing:
            said, remedy = _obstruction(Path(named), error)
        else:
            return
        raise StorageError(f"{said}. {remedy}, then repeat the command.") from error


def _obstruction(path: Path, error: OSError) -> tuple[str, str]:
    """Say what stands in the way of a path, in our words where we find it, and what to do."""
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, expected a file", "Take it away or mend it"
    if found := obstacle(path):
        return found, "Take it away or mend it"
    if isinstance(error, FileNotFoundError):
        return f"{path} cannot be written: its folder is gone", "Put it back"
    return f"{path}: {error.strerror or error}", "Take it away or mend it"


# PyTorch says it in words alone; the last two of a size that no memory could have.
_NO_MEMORY = ("can't allocate memory", "Storage size calculation overflowed", "Overflow when unpacking long")


@contextmanager
def memory_faults_named() -> Iterator[None]:
    """Turn a want of memory, before anything was begun, into a UserError that says what may help.

    Raises:
        UserError: in place of such an error; others pass.
    """
    try:
        yield
    except (MemoryError, RuntimeError, TypeError) as error:
        said = next((words for words in _NO_MEMORY if words in str(error)), None)
        if said is None and not isinstance(error, MemoryError):
            raise
        raise UserError(
            "What was asked for does not fit into the memory of this machine: the examples of a batch alone need more. "
            "Use shorter lengths, a smaller vocabulary or a smaller batch."
        ) from error


def unknown(kind: str, given: str, known: Iterable[str], alike: Iterable[str] | None = None) -> UserError:
    """Return the error for a name that is not known: the known ones and the nearest match.

    The match is sought among `alike`, where there is more to mean than a person would want to read.
    """
    names = sorted(known)
    message = f"Unknown {kind} '{given}'. Known: {', '.join(names)}."
    return UserError(message + nearest(given, names if alike is None else alike))


def nearest(given: str, known: Iterable[str]) -> str:
    """Return " Did you mean …?" with the name most like the given one, or nothing where none is like it."""
    found = difflib.get_close_matches(given, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]}?" if found else ""
