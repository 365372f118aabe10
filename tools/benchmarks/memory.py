"""What a worker takes at most, in memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from attnbench.config.compose import Configuration
from attnbench.config.run_request import request_run
from attnbench.executors.worker import KEEP_MEMORY, ONE_THREAD
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.sweeps.plan import SweepOptions, plan_sweep
from tools.benchmarks.timing import Findings, Json, show

AIM_MB, LONG_AIM_MB = 600, 4096
LONG = (
    "model=multihead",
    "model.heads=8",
    "model.hidden_size=256",
    "model.embedding_size=256",
    "task.length=1000",
)


def measure_memory(
    presets: Annotated[str, typer.Option(help="Of which; all by default.")] = "",
    steps: Annotated[int, typer.Option(min=1, help="Of each run, before it is evaluated.")] = 5,
    long: Annotated[bool, typer.Option(help="Measure 1,000 tokens too: minutes.")] = True,
    json: Json = None,
) -> None:
    """Measure the largest memory of a worker at the largest run of every arm of each preset.

    A run is cut to a few steps, and then validated, saved and tested as always. The aims: 600 MB for each run of
    `quick`, 4 GB for sources of 1,000 tokens with hidden size 256 and 8 heads.
    """
    chosen = presets.split(",") if presets else Configuration().choices("sweep")
    table = Findings(f"Largest memory of one worker, runs of {steps} steps and their evaluation")
    for preset in chosen:
        for spec, lengths in _largest_runs(preset):
            table.add(preset=preset, **_cells(spec, lengths, steps))
    if long:
        request = request_run(Configuration(), LONG)
        table.add(preset="(long inputs)", **_cells(request.spec, request.lengths, 1))
    table.notes.append(
        f"The aims: {AIM_MB} MB in quick; {LONG_AIM_MB:,} MB for long inputs, whole batches of 64 and 128."
    )
    show([table], json)


def _largest_runs(preset: str) -> Iterator[tuple[RunSpec, list[int]]]:
    """Yield for every arm its run with most numbers in a batch's states."""
    largest: dict[str, tuple[RunSpec, list[int]]] = {}
    for run in plan_sweep(Configuration(), SweepOptions(preset=preset)).runs:
        name = run.spec.model.name
        if name not in largest or _size(run.spec) > _size(largest[name][0]):
            largest[name] = run.spec, list(run.lengths)
    yield from largest.values()


def _size(spec: RunSpec) -> int:
    return spec.lengths.maximum * spec.model.hidden_size


def _cells(spec: RunSpec, lengths: list[int], steps: int) -> dict[str, object]:
    training = replace(spec.training, steps=steps, evaluate_every=steps, warmup_steps=0)
    return {
        "arm": spec.model.name,
        "length": spec.lengths.maximum,
        "hidden": spec.model.hidden_size,
        "MB": peak_mb(replace(spec, training=training), lengths),
    }


EXECUTE = """
import sys
from pathlib import Path
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
outcome = execute(RunFolder(Path(sys.argv[1])), Execution(device="cpu"))
sys.exit(outcome.error)
"""


def peak_mb(spec: RunSpec, lengths: list[int]) -> int:
    """Execute a run in a process of its own, as a worker does, and return the most that this took, in MB."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder(Path(temporary) / spec.run_id)
        folder.prepare(spec.to_values(), lengths)
        command = [sys.executable, "-c", EXECUTE, str(folder.path)]
        process = subprocess.Popen(command, env={**os.environ, **KEEP_MEMORY, **ONE_THREAD})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{spec.run_id} did not end well: see above.")
    return round(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
