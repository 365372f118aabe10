"""Benchmarks of attnbench itself. Times are of this machine now; quote ratios measured in one run."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tools.benchmarks.cost import time_decode, time_growth
from tools.benchmarks.gpu import time_gpu
from tools.benchmarks.memory import measure_memory
from tools.benchmarks.peers import time_peers
from tools.benchmarks.scale import time_scale
from tools.benchmarks.step import seconds_of, time_step, trainer_of
from tools.benchmarks.sweep import time_start, time_sweep
from tools.benchmarks.text import time_text

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
    trainer = trainer_of(f"model={model}")
    bare = _bare_steps(trainer, steps)

    def full() -> None:
        for _ in range(steps):
            trainer._train_step()
            trainer.step += 1

    for warm_up in (full, bare):
        warm_up()
    ratios, milliseconds = [], []
    for _ in range(repeats):
        bare_seconds, full_seconds = seconds_of(bare), seconds_of(full)
        ratios.append(full_seconds / bare_seconds - 1)
        milliseconds.append(1000 * full_seconds / steps)
    print(
        f"trainer's overhead ({model}): median {100 * statistics.median(ratios):.1f} % over {repeats} turns "
        f"of {steps} steps (aim: at most 5 %); a step takes {statistics.median(milliseconds):.1f} ms"
    )


def _bare_steps(trainer, steps: int) -> Callable[[], None]:  # type: ignore[no-untyped-def]
    """Return a function that takes the bare parts of as many steps, on batches made beforehand."""
    import torch

    from attnbench.training.evaluation import scored_nats

    batches = [
        trainer.task.training_batch(0, step, trainer.config.batch_size, trainer.lengths)
        for step in range(steps)
    ]
    tokens = int(batches[0].scored.sum())
    parameters = list(trainer.model.parameters())

    def bare() -> None:
        for batch in batches:
            loss = scored_nats(trainer.model(batch, wants_weights=False).logits, batch) / tokens
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, trainer.config.gradient_clip)
            trainer.optimizer.step()

    return bare


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
