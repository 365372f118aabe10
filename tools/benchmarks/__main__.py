"""Benchmarks of attnbench itself. Times are of this machine now; quote ratios measured in one run."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tools.benchmarks.cost import time_decode, time_growth
from tools.benchmarks.gpu import time_gpu
from tools.benchmarks.memory import measure_memory
from tools.benchmarks.peers import time_peers
from tools.benchmarks.scale import time_scale
from tools.benchmarks.sweep import time_start, time_sweep
from tools.benchmarks.text import time_text

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.command("scale")(time_scale)
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
    seconds = [_seconds(lambda: _run([*ATTNBENCH, "--help"])) for _ in range(repeats)]
    print(f"attnbench --help: median {statistics.median(seconds):.2f} s of {repeats} (aim: at most 0.3)")


@app.command("quick")
def time_quick() -> None:
    """Time the `quick` sweep from command to figure; the aim is two minutes on two idle cores of 2020 or later."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = _seconds(lambda: _run([*ATTNBENCH, "sweep", "--results", folder]))
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
    trainer = _trainer(f"model={model}")
    bare = _bare_steps(trainer, steps)

    def full() -> None:
        for _ in range(steps):
            trainer._train_step()
            trainer.step += 1

    for warm_up in (full, bare):
        warm_up()
    ratios, milliseconds = [], []
    for _ in range(repeats):
        bare_seconds, full_seconds = _seconds(bare), _seconds(full)
        ratios.append(full_seconds / bare_seconds - 1)
        milliseconds.append(1000 * full_seconds / steps)
    print(
        f"trainer's overhead ({model}): median {100 * statistics.median(ratios):.1f} % over {repeats} turns "
        f"of {steps} steps (aim: at most 5 %); a step takes {statistics.median(milliseconds):.1f} ms"
    )


def _trainer(*overrides: str):  # type: ignore[no-untyped-def]  # types would import torch at start-up
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run
    from attnbench.runs.execute import make_trainer
    from attnbench.training.device import resolve_device

    request = request_run(Configuration(), ["task=reverse", "task.length=16", *overrides])
    return make_trainer(request.spec, resolve_device("cpu"))


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


@app.command("step")
def time_step(
    models: Annotated[str, typer.Option(metavar="A,B", help="Which arms; all by default.")] = "",
    repeats: Annotated[int, typer.Option(min=1)] = 7,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Time a training step of every arm, beside a bare floor of the same cell.

    The floor is the fused recurrent calls of encoder and decoder, the output projection, loss, backward and the
    optimizer's step alone. Floor and arm take turns, and the ratio is taken turn by turn. The aim: at most 1.4 for arms
    that are parallel under teacher forcing, besides their own matrix products, and 4 for additive scores and input
    feeding.
    """
    import torch

    from attnbench.config.compose import Configuration

    torch.set_num_threads(threads)
    chosen = models.split(",") if models else Configuration().choices("model")
    arms = [*chosen, *(f"{name} model.input_feeding=true" for name in chosen if name == "luong_general")]
    for batch, length, hidden in ((64, 32, 64), (128, 64, 128)):
        print(
            f"batch {batch}, length {length}, hidden {hidden}, {threads} thread(s), medians of {repeats} turns"
        )
        for arm in arms:
            print("  " + _time_arm(arm, (batch, length, hidden), repeats), flush=True)


def _time_arm(arm: str, sizes: tuple[int, int, int], repeats: int) -> str:
    batch, length, hidden = sizes
    model, *options = arm.split()
    own = [] if model.startswith("transformer") else [f"model.embedding_size={hidden}"]
    numbers = [f"training.batch_size={batch}", f"task.length={length}", f"model.hidden_size={hidden}", *own]
    trainer = _trainer(f"model={model}", *numbers, *options)
    step, floor = (
        _bare_steps(trainer, 1),
        _floor_step(trainer.task.training_batch(0, 0, batch, trainer.lengths), hidden),
    )
    for _ in range(2):
        step()
        floor()
    turns = [(_seconds(step), _seconds(floor)) for _ in range(repeats)]
    seconds = statistics.median(mine for mine, _ in turns)
    ratio = statistics.median(mine / bare for mine, bare in turns)
    return (
        f"{arm:40} {1000 * seconds:8.1f} ms  {batch * length / seconds:9.0f} tokens/s  {ratio:5.2f} x floor"
    )


def _floor_step(batch, hidden: int) -> Callable[[], None]:  # type: ignore[no-untyped-def]
    """Return a function that takes one step of the bare floor: LSTMs, output projection, loss, backward, optimizer."""
    import torch
    from torch import nn

    vocabulary = int(max(batch.source.max(), batch.target.max())) + 1
    embedding = nn.Embedding(vocabulary, hidden)
    directions = [nn.LSTM(hidden, hidden // 2, batch_first=True) for _ in range(2)]
    decoder, output = nn.LSTM(hidden, hidden, batch_first=True), nn.Linear(hidden, vocabulary)
    parts = nn.ModuleList([embedding, *directions, decoder, output])
    optimizer = torch.optim.Adam(parts.parameters(), fused=True)

    def floor() -> None:
        source = embedding(batch.source)
        finals = [direction(source)[1][0] for direction in directions]
        first = torch.cat(finals, dim=2)
        states, _ = decoder(embedding(batch.target), (first, torch.zeros_like(first)))
        loss = nn.functional.cross_entropy(output(states).flatten(0, 1), batch.target.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return floor


@app.command("all")
def run_all() -> None:
    """Run every benchmark, one after the other."""
    time_help()
    time_overhead()
    measure_memory(long=False)  # which takes minutes
    time_quick()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    app()
