"""The standard streams of a process: whichever of them is closed, full or without a reader, the work goes on.

A log that cannot be written has nobody to tell, and costs no run. What standard output should have held is of worth:
where its disk refuses it, the command says so at its end.
"""

import errno
import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO, cast

_NOBODY_THERE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF)
"""What the operating system says where the reader or the terminal is gone, and will not come back."""


class ForgivingStream:
    """A text stream that lets go of what nobody takes; all else it leaves to the stream itself.

    Attributes:
        refusal: the first error but for those of a reader that went away; None where everything was taken.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.refusal: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or let go."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._let_go(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write, or let go."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush, or let go."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _let_go(self, error: OSError) -> None:
        if error.errno not in _NOBODY_THERE:
            self.refusal = self.refusal or error
            return
        # Libraries and the processes that we start write to the same place, and would end there.
        with suppress(OSError, ValueError):
            _lead_nowhere(self._stream.fileno())


def make_streams_forgiving() -> None:
    """Let no standard stream of this process end its work; to be called before any file is opened.

    A closed one leads to /dev/null: otherwise the next file would take its number, and messages would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            _lead_nowhere(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the terminal knows no dash, a question mark stands for it: the figures are not lost over it.
        sys.stdout.reconfigure(errors="replace")
    sys.stdout, sys.stderr = _forgiving(sys.stdout), _forgiving(sys.stderr)


def _forgiving(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, ForgivingStream) else cast(TextIO, ForgivingStream(stream))


def refused_output() -> OSError | None:
    """Write out what standard output still holds, and return why its disk did not take all of it, if so."""
    sys.stdout.flush()
    return sys.stdout.refusal if isinstance(sys.stdout, ForgivingStream) else None


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    os.set_inheritable(number, True)
