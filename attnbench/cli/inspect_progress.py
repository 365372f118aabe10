"""What a person sees while a test set is gone through."""

from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from attnbench.cli.bars import BarOrLines

Tell = Callable[[int, int], None]
"""Told of examples done and examples in all."""


class StageProgress(BarOrLines):
    """Progress of one stage after the other."""

    def __init__(self) -> None:
        unit = TextColumn("examples")
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn()
        )

    def stage(self, name: str) -> Tell:
        """Begin a stage in place of the one before; return what is to be told how far it is."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        task = self._bar.add_task(name, total=None)

        def tell(done: int, of: int) -> None:
            self._bar.update(task, completed=done, total=of)
            self.say_now_and_then(f"{name}: {done:,} of {of:,} examples")

        return tell
