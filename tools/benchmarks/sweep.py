"""What a sweep takes beside its bare training steps, and what passes before the first of them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from attnbench.executors.resources import suitable_workers
from attnbench.executors.worker import KEEP_MEMORY, ONE_THREAD
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import read_rows
from attnbench.runs.store import RunStore
from tools.benchmarks.timing import Findings, Json, Spread, Turns, by_turns, ratio, seconds_of, show, tell

ATTNBENCH = [sys.executable, "-m", "attnbench"]
BATCHES = 20
"""Batches that the bare loops take again and again."""


def run_quietly(command: Sequence[str]) -> None:
    """Run a command to its end; what it says is shown only where it fails."""
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with status {ended.returncode}: {ended.stderr}")


@dataclass(frozen=True)
class SweepTimes:
    """Where the time of one sweep went; seconds.

    Attributes:
        wall: of the whole command.
        starting: from the command to its first run.
        closing: from its last run to the end: merging, tables, figure.
        runs: of all runs, added up.
        training: of their training steps, added up.
    """

    wall: float
    starting: float
    closing: float
    runs: float
    training: float
    tokens: int


def time_sweep(
    turns: Turns = 3,
    lengths: str = "4,8,16,24",
    models: str = "fixed,luong_general",
    seeds: int = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="One per core by default.")] = None,
    steps: Annotated[int, typer.Option(min=100)] = 1000,
    json: Json = None,
) -> None:
    """Compare a whole sweep with bare loops of its training steps on as many cores, and say where the rest goes.

    The sweep is that of `quick`, with one seed: start-up, evaluation, checkpoints, merging and the figure included.
    Sweep and loops take turns. The aim: at least 90 % of the tokens a second of the bare loops.
    """
    workers = workers or suitable_workers()
    settings = ["model.hidden_size=32", f"training.steps={steps}"]
    words = [
        "--lengths",
        lengths,
        "--models",
        models,
        "--seeds",
        f"{seeds}",
        "--workers",
        f"{workers}",
        *settings,
    ]
    found, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(turns):
            results = Path(folder) / f"{turn}"
            found.append(
                _time_one([*ATTNBENCH, "sweep", "--name", "sweep", "--results", f"{results}", *words])
            )
            folders = [each.path for each in RunStore(results / "sweep").folders()]
            bare.append(_bare_seconds(folders, workers))
            tell(
                f"turn {turn + 1}: the sweep {found[-1].wall:.1f} s, its bare steps {bare[-1] / workers:.1f} s"
            )
        parts = _parts_of_runs(folders)
    show([_speed(found, bare, workers), _shares(found, bare, parts, workers)], json)


def _time_one(command: Sequence[str]) -> SweepTimes:
    began = time.time()
    wall = seconds_of(lambda: run_quietly(command))
    store = RunStore(Path(command[command.index("--results") + 1]) / "sweep")
    first, last, runs, training, tokens = began + wall, began, 0.0, 0.0, 0
    for folder in store.folders():
        outcome = folder.read_outcome()
        assert outcome is not None
        assert outcome.seconds is not None
        ended = folder.status_file.stat().st_mtime
        first, last = min(first, ended - outcome.seconds), max(last, ended)
        row = read_rows(folder.train_file)[-1]
        runs, training = runs + outcome.seconds, training + float(row["train_seconds"])
        tokens += int(row["target_tokens"])
    return SweepTimes(wall, first - began, began + wall - last, runs, training, tokens)


def _bare_seconds(folders: Sequence[Path], workers: int) -> float:
    """Return what the bare steps of these runs take, added up, with as many at once as the sweep had."""
    with _as_in_a_worker(), ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return sum(pool.map(_bare_seconds_of_run, folders))


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """Let the processes that are started here have the environment of a worker."""
    before = dict(os.environ)
    os.environ.update(KEEP_MEMORY | ONE_THREAD)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _trainer_of(folder: RunFolder) -> Any:
    from attnbench.runs.execute import make_trainer
    from attnbench.runs.spec import RunSpec
    from attnbench.training.device import resolve_device

    return make_trainer(RunSpec.from_values(folder.read_spec()), resolve_device("cpu"))


def _bare_seconds_of_run(path: Path) -> float:
    import torch

    from tools.benchmarks.timing import bare_steps, ready_batches

    torch.set_num_threads(1)
    folder = RunFolder(path)
    outcome, trainer = folder.read_outcome(), _trainer_of(folder)
    assert outcome is not None
    assert outcome.steps is not None
    batches = ready_batches(trainer, min(BATCHES, outcome.steps))
    bare_steps(trainer, batches[:2])()
    again, rest = divmod(outcome.steps, len(batches))
    work, last = bare_steps(trainer, batches), bare_steps(trainer, batches[:rest])
    return seconds_of(lambda: [*(work() for _ in range(again)), last()])


def _parts_of_runs(folders: Sequence[Path]) -> dict[str, float]:
    """Return the seconds of what a run does beside training, from one run of each arm, made anew in this process."""
    import torch

    from attnbench.runs import execute as module
    from attnbench.training.trainer import Trainer

    torch.set_num_threads(1)
    chosen = {RunFolder(path).read_spec()["model"]["name"]: path for path in folders}
    seconds = {"validation": 0.0, "test": 0.0, "checkpoints and train.csv": 0.0}

    def timed(name: str, inner: Any) -> Any:
        def outer(*args: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*args)
            finally:
                seconds[name] += time.perf_counter() - started

        return outer

    kept = Trainer.validate, Trainer.test, module._save
    Trainer.validate = timed("validation", Trainer.validate)  # type: ignore[method-assign]
    Trainer.test = timed("test", Trainer.test)  # type: ignore[method-assign]
    module._save = timed("checkpoints and train.csv", module._save)
    rest = 0.0
    try:
        with tempfile.TemporaryDirectory() as temporary:
            for path in chosen.values():
                source, folder = RunFolder(path), RunFolder(Path(temporary) / path.name)
                folder.prepare(source.read_spec(), source.requested_lengths)
                outcome = module.execute(folder, module.Execution(device="cpu"))
                row = read_rows(folder.train_file)[-1]
                rest += (outcome.seconds or 0.0) - float(row["train_seconds"])
    finally:
        Trainer.validate, Trainer.test, module._save = kept  # type: ignore[method-assign]
    return {**seconds, "the rest of a run": max(0.0, rest - sum(seconds.values()))}


def _speed(found: Sequence[SweepTimes], bare: Sequence[float], workers: int) -> Findings:
    table = Findings(f"Target tokens a second, {workers} at once, medians of {len(found)} turns")
    whole = [each.tokens / each.wall for each in found]
    loops = [each.tokens * workers / seconds for each, seconds in zip(found, bare, strict=True)]
    table.add(what="bare loops of the same steps", tokens_a_second=Spread.of(loops), share=Spread(1, 1, 1))
    table.add(what="the whole sweep", tokens_a_second=Spread.of(whole), share=ratio(whole, loops))
    table.notes.append("The aim of a sweep: a share of at least 0.9.")
    return table


def _shares(
    found: Sequence[SweepTimes], bare: Sequence[float], parts: dict[str, float], workers: int
) -> Findings:
    """Say of what all workers' time is made, as shares of wall time × workers."""
    table = Findings(f"Where the time of {workers} workers goes, medians of {len(found)} turns")
    wall = [workers * each.wall for each in found]
    table.add(part="bare training steps", share=ratio(bare, wall))
    data = [each.training - own for each, own in zip(found, bare, strict=True)]
    table.add(part="data and the trainer's own, noise between turns included", share=ratio(data, wall))
    beside = [each.runs - each.training for each in found]
    for name, seconds in parts.items():
        share = seconds / sum(parts.values())
        table.add(part=f"{name} *", share=ratio([share * each for each in beside], wall))
    table.add(
        part="from the command to the first run",
        share=ratio([workers * each.starting for each in found], wall),
    )
    waiting = [workers * (each.wall - each.starting - each.closing) - each.runs for each in found]
    table.add(part="between runs, and workers without one at the end", share=ratio(waiting, wall))
    table.add(part="merging, tables, figure", share=ratio([workers * each.closing for each in found], wall))
    table.notes.append("* divided as in one run of each arm that was timed from inside.")
    return table


def time_start(turns: Turns = 5, json: Json = None) -> None:
    """Time what passes from the command to the end of the first training step, and its parts.

    The first step comes with a validation on one example and a checkpoint, since only these are seen from outside.
    """
    parts: list[dict[str, float]] = []

    def whole() -> None:
        parts.append(_time_first_step())

    python = [sys.executable, "-c"]
    seconds = by_turns(
        {
            "python": lambda: run_quietly([*python, "pass"]),
            "python, import torch": lambda: run_quietly([*python, "import torch"]),
            "attnbench --help": lambda: run_quietly([*ATTNBENCH, "--help"]),
            "attnbench sweep --dry-run": lambda: run_quietly([*ATTNBENCH, "sweep", "--dry-run"]),
            "a sweep of one run": whole,
        },
        turns,
    )
    table = Findings(
        f"Seconds from command to first step, and what bounds them, by turns, medians of {turns}"
    )
    torch_seconds = seconds["python, import torch"]
    for name in list(seconds)[:-1]:
        table.add(what=name, seconds=Spread.of(seconds[name]), x_torch=ratio(seconds[name], torch_seconds))
    for name in parts[-1]:
        values = [each[name] for each in parts[-turns:]]
        table.add(what=name, seconds=Spread.of(values), x_torch=ratio(values, torch_seconds))
    table.notes.append("x torch: beside a Python that does nothing but import torch.")
    show([table], json)


ONE_STEP = ("training.steps=1", "training.evaluate_every=1", "training.validation_examples=1")


def _time_first_step() -> dict[str, float]:
    """Return the seconds of the stages of one command, as its files tell them."""
    with tempfile.TemporaryDirectory() as results:
        words = ["--models", "fixed", "--lengths", "4", "--seeds", "1", "--workers", "1", "--no-plot"]
        began = time.time()
        run_quietly([*ATTNBENCH, "sweep", "--name", "start", "--results", results, *words, *ONE_STEP])
        [folder] = RunStore(Path(results) / "start").folders()
        written = folder.spec_file.stat().st_mtime - began
        built = folder.environment_file.stat().st_mtime - began
        trained = folder.train_file.stat().st_mtime - began
    return {
        "1. command to run written down": written,
        "2. worker with torch, task and model": built - written,
        "3. first step, validation of one": trained - built,
        "command to first step, 1 to 3": trained,
    }
