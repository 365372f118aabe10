"""What a person sees while a test set is gone through, and how Ctrl-C and SIGTERM are heard meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from attnbench.cli.bars import BarOrLines

Tell = Callable[[int, int], None]
"""Told of examples or words done, and of all."""
Result = TypeVar("Result")


class StageProgress(BarOrLines):
    """Progress of one stage after the other."""

    def __init__(self) -> None:
        unit = TextColumn("{task.fields[unit]}")
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn()
        )

    def stage(self, name: str, unit: str = "examples") -> Tell:
        """Begin a stage in place of the one before; return what is to be told how far it is."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        task = self._bar.add_task(name, total=None, unit=unit)

        def tell(done: int, of: int) -> None:
            self._bar.update(task, completed=done, total=of)
            self.say_now_and_then(f"{name}: {done:,} of {of:,} {unit}")

        return tell


def heard_at_once(work: Callable[[], Result]) -> Result:
    """Do the work beside the main thread, which waits for it, and return what it returns or raise what it raises.

    Python runs the handler of a signal in the main thread alone, and not before torch has returned from a call, which
    may take seconds. Nobody waits for the thread when the program ends.
    """
    outcome: Future[Result] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=do, daemon=True, name="inspect").start()
    return outcome.result()
