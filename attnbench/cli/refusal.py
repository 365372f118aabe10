"""What a disk or a cluster refused while a command was at work: the rest goes on as far as it can; it is named once."""

from collections.abc import Iterator
from contextlib import contextmanager

from attnbench.errors import RefusedError, UserError, storage_faults_named


class Refusal:
    """Remembers the first refusal.

    Attributes:
        error: None where everything was taken.
    """

    def __init__(self) -> None:
        self.error: RefusedError | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Leave the block where the disk refuses a file, and go on after it."""
        try:
            with storage_faults_named(is_writing=True):
                yield
        except RefusedError as error:
            self.error = self.error or error

    def note(self, error: UserError) -> None:
        """Take in what would have been the person's error had it come before anything was begun."""
        self.error = self.error or RefusedError(f"{error}")

    def raise_noted(self) -> None:
        """Raise what was noted, if anything was: the command ends by saying so."""
        if self.error is not None:
            raise self.error
