"""What the commands cost on a sweep of thousands of runs, and how its folder is made without training them.

One tiny run is trained in earnest. Every other folder gets its files, with rows of its own names and a status of its
own, so that whoever reads the folder reads what a long sweep would have left.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.executors.slurm.records import JobRecord, JobRecords, new_record
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.metrics_csv import read_rows, write_rows
from attnbench.runs.spec import PlannedRun
from attnbench.runs.status import RunStatus
from attnbench.runs.store import RunStore
from attnbench.sweeps.plan import SweepOptions, SweepPlan, plan_sweep
from attnbench.sweeps.run import prepare

AIM_SECONDS = 5.0


def time_scale(
    seeds: Annotated[int, typer.Option(min=2, help="A hundred runs for each.")] = 100,
) -> None:
    """Time `--dry-run`, `status` and merging on a sweep of 10,000 runs; the aim is 5 s at most for each.

    The folder is made in a temporary place by the code that makes real ones. Every command is a process of its own.
    """
    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary) / "results"
        commands = _Commands(sweep_words(seeds, results))
        commands.time("--dry-run of an empty folder", "--dry-run")
        plan = planned_sweep(seeds)
        store = RunStore(results / plan.name)
        started = _Clock()
        prepare_all(store, plan)
        started.tell(f"writing down {len(plan.runs)} new runs")
        trained = train_one(Path(temporary))
        finish_all(store, plan.runs[::2], trained)
        commands.time_half_done(store.path)
        hand_to_cluster(store, plan.runs[1::2], Path(temporary) / "bin")
        commands.time_with_jobs(store.path, Path(temporary) / "bin")
        finish_all(store, plan.runs[1::2], trained)
        commands.time_all_done(store.path)


class _Clock:
    """Wall time and CPU time of this process since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def tell(self, what: str) -> None:
        _tell(what, time.perf_counter() - self.wall, time.process_time() - self.cpu, None)


@dataclass(frozen=True)
class _Commands:
    """Times commands on one sweep.

    Attributes:
        sweep: the words of that sweep.
    """

    sweep: Sequence[str]

    def time_half_done(self, folder: Path) -> None:
        self.time("--dry-run, half of the runs done", "--dry-run")
        self.time("--dry-run --json, half of the runs done", "--dry-run", "--json")
        self._time("status, half of the runs done", ["status", str(folder)])

    def time_with_jobs(self, folder: Path, commands: Path) -> None:
        path = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
        self._time("status, the other half in the queue of Slurm", ["status", str(folder)], path)

    def time_all_done(self, folder: Path) -> None:
        self.time("--dry-run, all runs done", "--dry-run")
        self.time("--dry-run --json, all runs done", "--dry-run", "--json")
        self._time("status, all runs done", ["status", str(folder)])
        self._time("status --json, all runs done", ["status", str(folder), "--json"])
        self.time("merging: the same sweep again, --no-plot", "--no-plot")
        self._time("plot", ["plot", str(folder)], aim_seconds=None)

    def time(self, what: str, *options: str) -> None:
        """Time the sweep with further options."""
        self._time(what, [*self.sweep, *options])

    def _time(
        self,
        what: str,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        aim_seconds: float | None = AIM_SECONDS,
    ) -> None:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", "attnbench", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if ended.returncode:
            sys.exit(f"{what} ended with status {ended.returncode}: {ended.stderr}")
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        _tell(what, wall, cpu, aim_seconds)


def _tell(what: str, wall_seconds: float, cpu_seconds: float, aim_seconds: float | None) -> None:
    aim = "" if aim_seconds is None else f"  (aim: at most {aim_seconds:g} s)"
    print(f"{what:46} {wall_seconds:7.2f} s, {cpu_seconds:7.2f} s of CPU{aim}", flush=True)


LENGTHS = "1:50"
MODELS = "fixed,luong_general"
RUNS_PER_JOB = 4
ARRAY_SIZE = 1000
TINY = (
    "task.length=3",
    "training.steps=4",
    "training.evaluate_every=2",
    "training.batch_size=4",
    "training.validation_examples=8",
    "training.test_examples=8",
    "model.hidden_size=8",
    "model.embedding_size=8",
    "device=cpu",
)


def sweep_words(seeds: int, results: Path) -> list[str]:
    """Return the words of the sweep: a hundred runs for each seed."""
    words = ["sweep", "--lengths", LENGTHS, "--models", MODELS, "--seeds", str(seeds)]
    return [*words, "--results", str(results)]


def planned_sweep(seeds: int) -> SweepPlan:
    """Return what these words plan."""
    return plan_sweep(Configuration(), SweepOptions(lengths=LENGTHS, models=MODELS, seeds=str(seeds)))


def prepare_all(store: RunStore, plan: SweepPlan) -> None:
    """Write the runs down, as the sweep does before the first of them is trained."""
    store.runs_path.mkdir(parents=True)
    prepare(store, plan.runs, lambda _: None)


def train_one(folder: Path) -> RunFolder:
    """Train a run of a tenth of a second."""
    request = request_run(Configuration(), TINY)
    run_folder = RunFolder(folder / request.spec.run_id)
    run_folder.prepare(request.spec.to_values(), request.lengths)
    execute(run_folder, Execution(device="cpu"))
    return run_folder


def finish_all(store: RunStore, runs: Sequence[PlannedRun], trained: RunFolder) -> None:
    """Let prepared runs end as the trained one did."""
    [row] = read_rows(trained.metrics_file)
    outcome = trained.read_outcome()
    assert outcome is not None
    for run in runs:
        folder = store.folder(run.spec.run_id)
        folder.claim_file.touch()
        for file in (trained.train_file, trained.environment_file):
            shutil.copyfile(file, folder.path / file.name)
        # One file under all names: readers look at its size and time, and the disk does not fill.
        folder.checkpoint_file.hardlink_to(trained.checkpoint_file)
        write_rows(folder.metrics_file, [{**row, **_own_cells(run)}])
        folder.write_outcome(
            RunStatus(folder.run_id, "done", list(run.lengths), outcome.stop_reason, outcome.steps)
        )


def _own_cells(run: PlannedRun) -> dict[str, object]:
    spec = run.spec
    [length] = run.lengths
    return {
        "run_id": spec.run_id,
        "model": spec.model.name,
        "variant": spec.variant,
        "length": length,
        "length_min": length,
        "train_min_length": spec.lengths.minimum,
        "train_max_length": spec.lengths.maximum,
        "seed": spec.seed,
        "hidden_size": spec.model.hidden_size,
        "learning_rate": spec.training.learning_rate,
    }


def hand_to_cluster(store: RunStore, runs: Sequence[PlannedRun], commands: Path) -> None:
    """Write down jobs for runs, and put a `squeue` into a folder which says that all of them wait."""
    names = [run.spec.run_id for run in runs]
    packs = [names[first : first + RUNS_PER_JOB] for first in range(0, len(names), RUNS_PER_JOB)]
    records = [new_record(packs[first : first + ARRAY_SIZE]) for first in range(0, len(packs), ARRAY_SIZE)]
    for record in records:
        JobRecords(store.jobs_path).write(record)
    commands.mkdir()
    (commands / "queue").write_text("\n".join(line for record in records for line in _queue_lines(record)))
    squeue = commands / "squeue"
    squeue.write_text('#!/bin/sh\ncat "$(dirname "$0")/queue"\n')
    squeue.chmod(0o755)


def _queue_lines(record: JobRecord) -> list[str]:
    return [f"{record.name}|7|{index}|Priority|PENDING" for index in range(len(record.packs))]
