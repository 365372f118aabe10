"""What the disk refused while a command was at work: the rest goes on as far as it can, and it is named once."""

from collections.abc import Iterator
from contextlib import contextmanager

from attnbench.errors import StorageError, storage_faults_named


class Refusal:
    """Remembers the first refusal of the disk.

    Attributes:
        error: None where the disk took everything.
    """

    def __init__(self) -> None:
        self.error: StorageError | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Leave the block where the disk refuses a file, and go on after it."""
        try:
            with storage_faults_named():
                yield
        except StorageError as error:
            self.error = self.error or error

    def raise_noted(self) -> None:
        """Raise what was noted, if anything was: the command ends by saying so."""
        if self.error is not None:
            raise self.error
