"""Steps of other projects beside ours, on the same work by turns. They live in a virtual environment of their own."""

import os
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from tools.benchmarks.step import TURN_SECONDS
from tools.benchmarks.timing import (
    Findings,
    Json,
    Turns,
    Work,
    by_turns,
    ratio,
    seconds_of,
    show,
    sized,
    tell,
    trainer_for,
    trainer_steps,
)

FOLDER = Path(os.environ.get("ATTNBENCH_CACHE") or Path.home() / ".cache" / "attnbench") / "peers"
SCRIPT = Path(__file__).with_name("peer_steps.py")
TORCH = ("-c", f"{Path(__file__).parents[2] / 'constraints.txt'}", "torch", "numpy")
# What pip installs for each; the peers are those of README.md, and JAX for another compiler.
NEEDS = {
    "torch": (),  # the same mathematics in plain torch, so that both environments can be compared
    "jax": ("jax",),
    "jax-3-seeds": ("jax",),  # three trainings at once, by `vmap`
    "opennmt": ("--no-deps", "OpenNMT-py==3.5.1"),
    "joeynmt": ("joeynmt==2.3.0", "importlib_metadata"),  # which it imports and does not ask for
}
SIZES = ((64, 4, 64), (64, 16, 64), (64, 32, 64), (128, 64, 128))


def time_peers(
    peers: Annotated[
        str, typer.Option(metavar="A,B", help="torch, jax, jax-3-seeds, opennmt, joeynmt.")
    ] = ",".join(NEEDS),
    turns: Turns = 7,
    folder: Annotated[
        Path, typer.Option(help="Of the virtual environment, made where it is missing.")
    ] = FOLDER,
    json: Json = None,
) -> None:
    """Time a training step of our `luong_general` beside those of peers, by turns, in processes that wait meanwhile.

    All have an LSTM of two directions, Luong's general score, clipping and Adam, and the same sizes; one thread each.
    A peer that cannot be installed is named with pip's last words, and left out.
    """
    import torch

    torch.set_num_threads(1)
    table = Findings(f"A training step as a multiple of ours, one thread, medians of {turns} turns")
    python = _environment(folder)
    chosen = [name for name in peers.split(",") if _install(python, name, table)]
    for batch, length, hidden in SIZES:
        trainer = trainer_for(*sized("luong_general", batch, length, hidden))
        trainer_steps(trainer, 3)()
        steps = max(1, round(TURN_SECONDS / seconds_of(trainer_steps(trainer))))
        started = {}
        for name in chosen:
            peer = _Peer(python, name, (batch, length, hidden), steps)
            if peer.refusal is None:
                started[name] = peer
            else:
                table.notes.append(f"{name} at {batch} × {length}, hidden {hidden}: {peer.refusal}")
        works: dict[str, Work] = {
            "attnbench": trainer_steps(trainer, steps),
            **{name: peer.take_turn for name, peer in started.items()},
        }
        seconds = by_turns(works, turns, warm_ups=3)
        for name, mine in seconds.items():
            sizes = f"{batch} × {length}, {hidden}"
            table.add(
                sizes=sizes,
                peer=name,
                ms=1000 * median(mine) / steps,
                x_attnbench=ratio(mine, seconds["attnbench"]),
            )
        for peer in started.values():
            peer.leave()
    show([table], json)


def _environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        tell(f"Making {folder} …")
        venv.create(folder, with_pip=True)
    return python


def _install(python: Path, name: str, table: Findings) -> bool:
    """Install a peer, and say whether that could be; where not, note why."""
    if name not in NEEDS:
        sys.exit(f"--peers: unknown '{name}'. Known: {', '.join(NEEDS)}.")
    for words in (TORCH, NEEDS[name]):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
        if not words:
            continue
        tell(f"pip install {' '.join(words)}")
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=1800)
            reason = (
                (ended.stderr.strip().splitlines() or ["no reason given"])[-1] if ended.returncode else None
            )
        except subprocess.TimeoutExpired:
            reason = "pip took more than half an hour"
        if reason is not None:
            table.notes.append(f"{name} could not be installed here: {reason}")
            return False
    return True


class _Peer:
    """A process that takes steps of a peer, as many as the line says that it is given.

    Attributes:
        steps: of a turn.
        refusal: why it cannot, in its own last words.
    """

    def __init__(self, python: Path, name: str, sizes: tuple[int, int, int], steps: int) -> None:
        command = [str(python), str(SCRIPT), name, *(f"{each}" for each in sizes)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.steps = steps
        self.refusal: str | None = None
        if not self.process.stdout.readline():
            _, words = self.process.communicate()
            self.refusal = (words.strip().splitlines() or ["it ended without a word"])[-1]

    def take_turn(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            sys.exit(f"A peer ended early: {self.process.communicate()[1]}")

    def leave(self) -> None:
        self.process.communicate()
