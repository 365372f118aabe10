"""How the benchmarks time by turns, and how they show what they found: a table, and JSON on request."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from attnbench.batch import Batch
    from attnbench.training.trainer import Trainer

Work = Callable[[], object]
Clock = Callable[[], float]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers there, as JSON.")
]
Turns = Annotated[int, typer.Option("--turns", min=1, help="How often each is timed, one after the other.")]


@dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest value."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{_number(self.median)}"
        return f"{_number(self.median)} [{_number(self.low)}, {_number(self.high)}]"


def seconds_of(work: Work, clock: Clock = time.perf_counter) -> float:
    """Return how long a call takes, by the clock on the wall or by another one."""
    started = clock()
    work()
    return clock() - started


def by_turns(
    works: Mapping[str, Work], turns: int, warm_ups: int = 1, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each, by turns: a busy moment of the machine then falls on all of them alike."""
    for _ in range(warm_ups):
        for work in works.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            seconds[name].append(seconds_of(work, clock))
    return seconds


def ratio(mine: Sequence[float], other: Sequence[float]) -> Spread:
    """Return the ratio taken turn by turn."""
    return Spread.of([one / another for one, another in zip(mine, other, strict=True)])


@dataclass
class Findings:
    """What a benchmark found: rows of cells by column, printed as a table and written as JSON.

    Attributes:
        title: what was measured, and how.
        notes: sentences below the table, such as aims.
    """

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, **cells: object) -> None:
        """Add a row; columns are named as they are shown, `_` for a blank."""
        self.rows.append({name.replace("_", " "): value for name, value in cells.items()})
        tell(" · ".join(f"{name} {_cell(value)}" for name, value in self.rows[-1].items()))

    def print(self) -> None:
        """Print the table."""
        from rich import box
        from rich.console import Console
        from rich.table import Table

        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        table = Table(title=self.title, title_justify="left", caption_justify="left", box=box.SIMPLE)
        table.caption = "\n".join(self.notes) or None
        for column in columns:
            is_text = any(isinstance(row.get(column), str) for row in self.rows)
            table.add_column(column, justify="left" if is_text else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False).print(table)


def show(found: Sequence[Findings], to: Path | None = None) -> None:
    """Print the tables, and write what they hold with the machine that it holds for."""
    for each in found:
        each.print()
    if to is not None:
        values = {"machine": machine(), "tables": [asdict(each) for each in found]}
        to.write_text(json.dumps(values, indent=2, default=str) + "\n", encoding="utf-8")
        tell(f"Written: {to}")


def tell(text: str) -> None:
    """Say how far a benchmark is, on standard error."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Return what the numbers hold for, the load of others included."""
    from importlib.metadata import version

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return f"{value:,}"
    assert isinstance(value, str) or is_dataclass(value)
    return f"{value}"


def _number(value: float) -> str:
    """Write three digits that say something, and no more."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def trainer_for(*overrides: str, device: str = "cpu") -> "Trainer":
    """Return the trainer of the run that these words of `attnbench train` ask for."""
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run
    from attnbench.runs.execute import make_trainer
    from attnbench.training.device import resolve_device

    return make_trainer(request_run(Configuration(), overrides).spec, resolve_device(device))


def sized(arm: str, batch: int, length: int, hidden: int) -> list[str]:
    """Return the words of a run on `reverse`: an arm, with overrides of its own after its name, and its sizes."""
    model, *options = arm.split()
    embedding = [] if model.startswith("transformer") else [f"model.embedding_size={hidden}"]
    numbers = [f"training.batch_size={batch}", f"task.length={length}", f"model.hidden_size={hidden}"]
    return [f"model={model}", "task=reverse", *numbers, *embedding, *options]


def trainer_steps(trainer: "Trainer", steps: int = 1) -> Work:
    """Return a function that takes as many steps as a run takes them, data included."""

    def work() -> None:
        for _ in range(steps):
            trainer._train_step()
            trainer.step += 1

    return work


def bare_steps(trainer: "Trainer", batches: Sequence["Batch"]) -> Work:
    """Return a function that takes a step on each of these batches, and does nothing that a step does not need.

    That is forward, loss, backward, clipping and the optimizer's step.
    """
    import torch

    from attnbench.training.evaluation import scored_nats

    counts = [int(batch.scored.sum()) for batch in batches]

    def work() -> None:
        for batch, tokens in zip(batches, counts, strict=True):
            loss = scored_nats(trainer.model(batch, wants_weights=False).logits, batch) / tokens
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainer._parameters, trainer.config.gradient_clip)
            trainer.optimizer.step()

    return work


def ready_batches(trainer: "Trainer", count: int) -> list["Batch"]:
    """Return the first batches of a training, on its device."""
    size, lengths = trainer.config.batch_size, trainer.lengths
    made = (trainer.task.training_batch(trainer.seed, step, size, lengths) for step in range(count))
    return [batch.to(trainer.device) for batch in made]
