"""Standard error on a disk that may fill up: a log that cannot be written has nobody to tell, and ends no sweep."""

from typing import Any, TextIO

from attnbench.errors import is_storage_fault


class ForgivingLog:
    """A text stream that lets go of what its disk refuses; all else it leaves to the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or let go."""
        try:
            self._stream.write(text)
        except OSError as error:
            _raise_others(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or let go."""
        try:
            self._stream.flush()
        except OSError as error:
            _raise_others(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _raise_others(error: OSError) -> None:
    if not is_storage_fault(error):
        raise error
