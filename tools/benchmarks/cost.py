"""What a step and decoding cost: how that grows, and how near it comes to what the machine can do."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

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
    show,
    sized,
    trainer_for,
    trainer_steps,
)

if TYPE_CHECKING:
    from attnbench.training.trainer import Trainer

ARMS = "fixed,luong_general,bahdanau,transformer"
Arms = Annotated[str, typer.Option(metavar="A,B")]


@dataclass(frozen=True)
class Sizes:
    """Of a step: examples, tokens of each, numbers in a state."""

    batch: int = 64
    length: int = 16
    hidden: int = 64

    def trainer(self, arm: str) -> "Trainer":
        """Return the trainer of an arm at these sizes, on the CPU."""
        return trainer_for(*sized(arm, self.batch, self.length, self.hidden))

    @property
    def tokens(self) -> int:
        """Source tokens of a batch, and as many of its targets."""
        return self.batch * self.length

    def __str__(self) -> str:
        return f"{self.batch} × {self.length}, {self.hidden}"


def time_decode(
    models: Arms = ARMS,
    turns: Turns = 7,
    length: int = 16,
    hidden: int = 64,
    batch: int = 128,
    json: Json = None,
) -> None:
    """Time greedy decoding of every arm beside one pass over the same batch under teacher forcing, by turns."""
    import torch

    torch.set_num_threads(1)
    table = Findings(f"Greedy decoding, {Sizes(batch, length, hidden)}, one thread, medians of {turns} turns")
    for arm in models.split(","):
        trainer = Sizes(batch, length, hidden).trainer(arm)
        [one] = ready_batches(trainer, 1)
        model = trainer.model.eval()

        forced = torch.no_grad()(partial(model, one, wants_weights=False))
        free = partial(model.generate, one.source, one.source_lengths, one.given)
        seconds = by_turns({"free": free, "forced": forced}, turns)
        table.add(
            arm=arm,
            ms=1000 * median(seconds["free"]),
            tokens_a_second=Spread.of([batch * length / each for each in seconds["free"]]),
            x_forced=ratio(seconds["free"], seconds["forced"]),
        )
    table.notes.append("x forced: beside teacher forcing, which answers all positions in one go.")
    show([table], json)


def time_growth(
    models: Arms = ARMS,
    turns: Turns = 5,
    lengths: str = "4,8,16,32,64,128",
    hidden_sizes: str = "32,64,128,256",
    batches: str = "16,64,256",
    runs: Annotated[str, typer.Option(help="How many at once, a process each.")] = "1,2,4",
    figure: Annotated[Path | None, typer.Option(help="A PNG of step time against length.")] = None,
    json: Json = None,
) -> None:
    """Show how a training step grows with length, hidden size, batch and runs at once, and its share of the peak.

    Operations are those of its matrix products, 2 for each product and sum, as torch counts them; bytes are what its
    calls read and write, caches not considered. Peaks are of one matrix product and one copy, timed in the same run.
    """
    import torch

    torch.set_num_threads(1)
    arms, plain = models.split(","), Sizes()
    by_length = _growth(arms, [replace(plain, length=each) for each in _numbers(lengths)], turns, "length")
    found = [
        by_length,
        _growth(arms, [replace(plain, hidden=each) for each in _numbers(hidden_sizes)], turns, "hidden"),
        _growth(arms, [replace(plain, batch=each) for each in _numbers(batches)], turns, "batch"),
        _side_by_side(arms, _numbers(runs), turns),
        _shares_of_peak(arms, [plain, Sizes(64, 32, 128), Sizes(128, 64, 256)], turns),
    ]
    show(found, json)
    if figure is not None:
        draw(by_length, figure)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each]


def _growth(arms: Sequence[str], sizes: Sequence[Sizes], turns: int, axis: str) -> Findings:
    """Time a step at every size by turns; the ratio is to the smallest."""
    table = Findings(f"A training step as {axis} grows (batch × length, hidden), medians of {turns} turns")
    for arm in arms:
        works = {f"{each}": trainer_steps(each.trainer(arm)) for each in sizes}
        seconds = by_turns(works, turns, warm_ups=2)
        for each in sizes:
            mine = seconds[f"{each}"]
            cells = {"arm": arm, axis: getattr(each, axis), "ms": Spread.of([1000 * one for one in mine])}
            least = min(getattr(one, axis) for one in sizes)
            table.add(
                **cells,
                microseconds_a_token=1e6 * median(mine) / each.tokens,
                x_smallest=ratio(mine, seconds[f"{sizes[0]}"]),
                size_grew=getattr(each, axis) / least,
            )
    return table


def _side_by_side(arms: Sequence[str], counts: Sequence[int], turns: int) -> Findings:
    """Time as many steps in one process and in several at once; the ratio is of steps a second, all together."""
    table = Findings(f"Runs at once, a process and thread each, at {Sizes()}, medians of {turns} turns")
    with ProcessPoolExecutor(max(counts), get_context("spawn")) as pool:
        for arm in arms:
            works: dict[str, Work] = {f"{count}": partial(_at_once, pool, arm, count) for count in counts}
            works = {f"{max(counts)}": works.pop(f"{max(counts)}"), **works}  # it starts all processes
            seconds = by_turns(works, turns, warm_ups=2)
            for count in counts:
                mine = [count * STEPS / each for each in seconds[f"{count}"]]
                alone = [counts[0] * STEPS / each for each in seconds[f"{counts[0]}"]]
                table.add(arm=arm, runs=count, steps_a_second=Spread.of(mine), x_first=ratio(mine, alone))
    return table


def _at_once(pool: ProcessPoolExecutor, arm: str, count: int) -> None:
    list(pool.map(steps_in_process, [arm] * count))


STEPS = 20
_kept: dict[str, Callable[[], object]] = {}


def steps_in_process(arm: str) -> None:
    """Take some steps of an arm, in a process that keeps its trainer."""
    import torch

    torch.set_num_threads(1)
    if arm not in _kept:
        _kept[arm] = trainer_steps(Sizes().trainer(arm), STEPS)
    _kept[arm]()


def _shares_of_peak(arms: Sequence[str], sizes: Sequence[Sizes], turns: int) -> Findings:
    import torch

    table = Findings(f"A step against what one core can do, medians of {turns} turns")
    side, numbers = 1024, 2**25
    one, other = torch.rand(side, side), torch.rand(side, side)
    target, source = torch.empty(numbers), torch.rand(numbers)
    for each in sizes:
        for arm in arms:
            trainer = each.trainer(arm)
            step = bare_steps(trainer, ready_batches(trainer, 1))
            work = count_work(step)
            seconds = by_turns(
                {"step": step, "product": lambda: one @ other, "copy": lambda: target.copy_(source)}, turns
            )
            rate = [work.operations / one_turn for one_turn in seconds["step"]]
            peak = [2 * side**3 / one_turn for one_turn in seconds["product"]]
            moved = [work.bytes / one_turn for one_turn in seconds["step"]]
            band = [8 * numbers / one_turn for one_turn in seconds["copy"]]
            table.add(
                arm=arm,
                sizes=f"{each}",
                G_operations=work.operations / 1e9,
                GB=work.bytes / 1e9,
                calls=work.calls,
                ms=1000 * median(seconds["step"]),
                G_operations_a_second=median(rate) / 1e9,
                of_the_product=ratio(rate, peak),
                of_the_copy=ratio(moved, band),
            )
    table.notes += [
        f"The product is of two {side} × {side} matrices, the copy of 128 MB; "
        "a step may be above the copy where its data stay in a cache.",
        "Calls, operations and bytes are counted with every step of an LSTM a call of its own.",
    ]
    return table


@dataclass
class StepWork:
    """What a step asks of the machine: operations of matrix products, bytes that calls read and write, and calls."""

    operations: int = 0
    bytes: int = 0
    calls: int = 0


def count_work(step: Callable[[], object]) -> StepWork:
    """Count a step, forward and backward; recurrent layers are taken apart for it, as their fused call hides them."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import FlopCounterMode

    work = StepWork()

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if not func.is_view:
                tensors = [each for each in tree_leaves((args, result)) if isinstance(each, torch.Tensor)]
                work.bytes += sum(each.numel() * each.element_size() for each in tensors)
                work.calls += 1
            return result

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, on TF32 of GPUs, whenever these flags are set
        with (
            torch.backends.mkldnn.flags(enabled=False),
            FlopCounterMode(display=False) as counter,
            Counting(),
        ):
            step()
    work.operations = counter.get_total_flops()
    return work


def draw(found: Findings, path: Path) -> None:
    """Draw step time against length, a line for each arm, with the spread over the turns."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = drawn.add_subplot()
    markers = "osD^vPX*"
    for number, arm in enumerate(dict.fromkeys(row["arm"] for row in found.rows)):
        rows = [row for row in found.rows if row["arm"] == arm]
        times = [row["ms"] for row in rows]
        middle = [each.median for each in times]
        below = [each.median - each.low for each in times]
        above = [each.high - each.median for each in times]
        lengths = [row["length"] for row in rows]
        ax.errorbar(lengths, middle, [below, above], label=arm, marker=markers[number % 8], capsize=2)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(lengths, [f"{each}" for each in lengths])
    ax.set(xlabel="input length (tokens)", ylabel="one training step (ms)")
    ax.set_title("Step time against length, batch 64, hidden 64, one thread of the CPU", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend()
    drawn.savefig(path, dpi=150)
