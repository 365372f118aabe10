"""Benchmarks of attnbench itself. Times are of this machine now; quote ratios measured in one run."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tools.benchmarks.cost import time_decode, time_growth
from tools.benchmarks.gpu import time_gpu
from tools.benchmarks.memory import measure_memory
from tools.benchmarks.peers import time_peers
from tools.benchmarks.scale import time_scale
from tools.benchmarks.step import time_step
from tools.benchmarks.sweep import time_start, time_sweep
from tools.benchmarks.text import time_text
from tools.benchmarks.timing import (
    bare_steps,
    by_turns,
    ratio,
    ready_batches,
    seconds_of,
    sized,
    trainer_for,
    trainer_steps,
)

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.command("scale")(time_scale)
app.command("step")(time_step)
app.command("sweep")(time_sweep)
app.command("start")(time_start)
app.command("decode")(time_decode)
app.command("growth")(time_growth)
app.command("text")(time_text)
app.command("memory")(measure_memory)
app.command("peers")(time_peers)
app.command("gpu")(time_gpu)
ATTNBENCH = [sys.executable, "-m", "attnbench"]


@app.command("help")
def time_help(repeats: Annotated[int, typer.Option(min=1)] = 10) -> None:
    """Time `attnbench --help`; the aim is 0.3 s at most."""
    seconds = [seconds_of(lambda: _run([*ATTNBENCH, "--help"])) for _ in range(repeats)]
    print(f"attnbench --help: median {statistics.median(seconds):.2f} s of {repeats} (aim: at most 0.3)")


@app.command("quick")
def time_quick() -> None:
    """Time the `quick` sweep from command to figure; the aim is two minutes on two idle cores of 2020 or later."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = seconds_of(lambda: _run([*ATTNBENCH, "sweep", "--results", folder]))
        figure = Path(folder) / "quick-reverse" / "accuracy_vs_length.png"
        print(
            f"attnbench sweep (quick): {seconds:.0f} s to {figure.name} (aim: at most 120 on two idle cores)"
        )


@app.command("overhead")
def time_overhead(
    repeats: Annotated[int, typer.Option(min=1)] = 40,
    steps: Annotated[int, typer.Option(min=1)] = 10,
    model: str = "fixed",
) -> None:
    """Compare the trainer's step with its bare parts on ready batches; the aim is 5 % at most.

    The bare parts are forward, loss, backward, clipping and the optimizer's step, at batch 64, length 16 and hidden
    size 64. The two take turns, and the ratio is taken turn by turn, so that a busy machine blurs it little.
    """
    import torch

    torch.set_num_threads(1)
    trainer = trainer_for(*sized(model, batch=64, length=16, hidden=64))
    works = {
        "bare": bare_steps(trainer, ready_batches(trainer, steps)),
        "whole": trainer_steps(trainer, steps),
    }
    seconds = by_turns(works, repeats)
    overhead = ratio(seconds["whole"], seconds["bare"]).median - 1
    print(
        f"trainer's overhead ({model}): median {100 * overhead:.1f} % over {repeats} turns of {steps} steps "
        f"(aim: at most 5 %); a step takes {1000 * statistics.median(seconds['whole']) / steps:.1f} ms"
    )


@app.command("all")
def run_all() -> None:
    """Run every benchmark, one after the other."""
    time_help()
    time_overhead()
    measure_memory(long=False)  # which takes minutes
    time_quick()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)


if __name__ == "__main__":
    app()
