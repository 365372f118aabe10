"""What the commands cost on a sweep of thousands of runs."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

AIM_SECONDS = 5.0


def time_scale(
    seeds: Annotated[int, typer.Option(min=2, help="A hundred runs for each.")] = 100,
) -> None:
    """Time `--dry-run`, `status` and merging on a sweep of 10,000 runs; the aim is 5 s at most for each.

    The folder is made in a temporary place by the code that makes real ones. Every command is a process of its own.
    """
    import benchmark_scale_sweep as scale

    from attnbench.runs.store import RunStore

    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary) / "results"
        commands = _Commands(scale.sweep_words(seeds, results))
        commands.time("--dry-run of an empty folder", "--dry-run")
        plan = scale.planned_sweep(seeds)
        store = RunStore(results / plan.name)
        started = _Clock()
        scale.prepare_all(store, plan)
        started.tell(f"writing down {len(plan.runs)} new runs")
        trained = scale.train_one(Path(temporary))
        scale.finish_all(store, plan.runs[::2], trained)
        commands.time_half_done(store.path)
        scale.hand_to_cluster(store, plan.runs[1::2], Path(temporary) / "bin")
        commands.time_with_jobs(store.path, Path(temporary) / "bin")
        scale.finish_all(store, plan.runs[1::2], trained)
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
