"""Speed on a CUDA device: steps, many runs at once, and presets from command to figure."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.benchmarks.timing import (
    Findings,
    Json,
    Spread,
    Turns,
    Work,
    bare_steps,
    by_turns,
    ratio,
    ready_batches,
    seconds_of,
    show,
    sized,
    tell,
    trainer_for,
    trainer_steps,
)

if TYPE_CHECKING:
    from attnbench.training.trainer import Trainer

STEPS = 50
"""Steps of a turn: the device is waited for once, at their end."""

ATTNBENCH = [sys.executable, "-m", "attnbench"]
GRAPHED = ["training.cuda_graphs=true"]


def time_gpu(
    models: Annotated[str, typer.Option(metavar="A,B")] = "fixed,luong_general,bahdanau,transformer",
    turns: Turns = 5,
    at_once: Annotated[str, typer.Option(help="How many runs at once, a process each.")] = "1,2,4,8,16,32,64",
    presets: Annotated[
        str, typer.Option(help="Timed from command to figure, where conf/ has them; empty for none.")
    ] = "quick,standard,law",
    json: Json = None,
) -> None:
    """Time a step on a CUDA device, eager and replayed, beside the CPU; many runs at once; presets to their figure.

    Without a CUDA device it says so and measures nothing.
    """
    import torch

    if not torch.cuda.is_available():
        print("This machine has no CUDA device that PyTorch can use: nothing was measured.")
        return
    arms = models.split(",")
    counts = [int(each) for each in at_once.split(",")]
    found = [_steps(arms, turns), _runs_at_once(counts, turns), _runs_at_once(counts, turns, GRAPHED)]
    if presets:
        found.append(_presets(_known(presets.split(","))))
    show(found, json)


def _finished(work: Work) -> Work:
    """Return the same work, with the device waited for: its calls return before it has computed."""
    import torch

    def waited() -> None:
        work()
        torch.cuda.synchronize()

    return waited


def _steps(arms: Sequence[str], turns: int) -> Findings:
    import torch

    torch.set_num_threads(1)
    name = torch.cuda.get_device_name()
    table = Findings(f"A training step on {name}, turns of {STEPS} steps, medians of {turns}")
    for batch, length, hidden in ((64, 16, 64), (64, 32, 64), (128, 64, 128)):
        for arm in arms:
            words = sized(arm, batch, length, hidden)
            eager, host = trainer_for(*words, device="cuda"), trainer_for(*words)
            torch.cuda.reset_peak_memory_stats()
            works = {
                "whole": _finished(trainer_steps(eager, STEPS)),
                "bare": _finished(bare_steps(eager, ready_batches(eager, 10) * (STEPS // 10))),
                "host": trainer_steps(host),
            }
            for work in works.values():
                work()
            eager_bytes = torch.cuda.max_memory_allocated()
            graphed = trainer_for(*words, *GRAPHED, device="cuda")
            graphed.training_split.tell = tell  # why, where steps are not replayed
            works["graphed"] = _finished(trainer_steps(graphed, STEPS))
            seconds = by_turns(works, turns, warm_ups=2)
            whole = [each / STEPS for each in seconds["whole"]]
            table.add(
                arm=arm,
                sizes=f"{batch} × {length}, {hidden}",
                ms=Spread.of([1000 * each for each in whole]),
                ms_graphed=Spread.of([1000 * each / STEPS for each in seconds["graphed"]]),
                graphs_x_faster=ratio(seconds["whole"], seconds["graphed"]),
                replayed=_share_replayed(graphed),
                tokens_a_second=Spread.of([batch * length / each for each in whole]),
                x_bare=ratio(seconds["whole"], seconds["bare"]),
                x_faster_than_one_core=ratio(seconds["host"], whole),
                MB=round(eager_bytes / 2**20),
            )
    table.notes.append("The aim on an H100 or H200: graphed at least 3 times as fast at hidden 64.")
    return table


def _share_replayed(trainer: "Trainer") -> float:
    """Return the share of its steps that a trainer has replayed; a number well below 1 tells that it could not."""
    return trainer.recorded.replays / trainer.step if trainer.recorded is not None else 0.0


# Trains one run of as many steps as asked for, and says when it is ready; each line that it reads is a turn.
WORKER = """
import sys
import torch
from tools.benchmarks.gpu import _finished
from tools.benchmarks.timing import sized, trainer_for, trainer_steps
torch.set_num_threads(1)
steps, *words = sys.argv[1:]
trainer = trainer_for(*sized("luong_general", 64, 16, 64), *words, device="cuda")
work = _finished(trainer_steps(trainer, int(steps)))
work()
print("ready", flush=True)
for _ in sys.stdin:
    work()
    print("done", flush=True)
"""


def _runs_at_once(counts: Sequence[int], turns: int, words: Sequence[str] = ()) -> Findings:
    """Time as many steps of each of several processes; the ratio is of steps a second, all together, to one alone."""
    how = "replayed" if words else "eager"
    table = Findings(
        f"Runs of luong_general at once on one device, a process each, {how}, medians of {turns} turns"
    )
    workers: list[subprocess.Popen[str]] = []
    try:
        for _ in range(max(counts)):
            workers.append(_start_worker(words))
        works: dict[str, Work] = {f"{count}": partial(_take_a_turn, workers[:count]) for count in counts}
        seconds = by_turns(works, turns)
    finally:
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait()
    alone = [counts[0] * STEPS / each for each in seconds[f"{counts[0]}"]]
    for count in counts:
        rates = [count * STEPS / each for each in seconds[f"{count}"]]
        table.add(runs=count, steps_a_second=Spread.of(rates), x_first=ratio(rates, alone))
    table.notes.append("The aim on an H100 or H200: 16 runs at once at least 6 times one at a time.")
    return table


def _start_worker(words: Sequence[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKER, f"{STEPS}", *words]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _hear(worker)
    return worker


def _take_a_turn(workers: Sequence["subprocess.Popen[str]"]) -> None:
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _hear(worker)


def _hear(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdout is not None
    if not worker.stdout.readline():
        sys.exit("A process on the device ended early: see above. Fewer of them need less: --at-once.")


def _known(presets: Sequence[str]) -> list[str]:
    """Return the presets that this version has, and say which it has not."""
    from attnbench.config.compose import Configuration

    known = Configuration().choices("sweep")
    for each in presets:
        if each not in known:
            tell(f"{each}: no such preset here, left out.")
    return [each for each in presets if each in known]


def _presets(presets: Sequence[str]) -> Findings:
    table = Findings("Presets from command to figure, on the devices of this machine")
    for preset in presets:
        for how, words in (("eager", []), ("replayed", GRAPHED)):
            with tempfile.TemporaryDirectory() as folder:
                command = [
                    *ATTNBENCH,
                    "sweep",
                    "--preset",
                    preset,
                    "--results",
                    folder,
                    "device=cuda",
                    *words,
                ]
                seconds = seconds_of(partial(subprocess.run, command, check=True, stdout=sys.stderr))
                figures = sorted(each.name for each in Path(folder).glob("*/accuracy_vs_length.png"))
            tell(f"{preset}, {how}: {seconds:.0f} s")
            table.add(preset=preset, steps=how, seconds=seconds, figure=", ".join(figures))
    table.notes.append("The aim of standard on an H100 or H200: 600 s.")
    return table
