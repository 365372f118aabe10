"""What a training step costs, beside twenty lines of plain torch that do the same mathematics."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from attnbench.training.trainer import Trainer

Step = Callable[[], object]
Clock = Callable[[], float]

PARALLEL, LOOPING = "luong_general", "luong_general model.input_feeding=true"
TURN_SECONDS = 0.1
"""What a turn takes at least, so that the clock and the change of turns are not felt."""


@dataclass(frozen=True)
class Sizes:
    """Of a step: examples, tokens each, and numbers in a state."""

    batch: int
    length: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch} × {self.length}, hidden {self.hidden}"


SIZES = (Sizes(64, 4, 64), Sizes(64, 16, 64), Sizes(64, 32, 64), Sizes(128, 64, 128))


def floor_step(sizes: Sizes, vocabulary: int) -> Step:
    """Return a function that takes one step of Luong general on reversal as anyone would write it with `nn.LSTM`.

    Data, embeddings, encoder of two directions, bridge, decoder, attention, readout, loss, clipping and Adam: as
    `model=luong_general task=reverse` has them. Nothing of attnbench is in it.
    """
    import torch
    from torch import nn

    size = sizes.hidden
    words, answers = nn.Embedding(vocabulary, size), nn.Embedding(vocabulary, size)
    encoder = nn.LSTM(size, size // 2, batch_first=True, bidirectional=True)
    decoder, bridge = nn.LSTM(size, size, batch_first=True), nn.Linear(size, size)
    key, readout = nn.Linear(size, size, bias=False), nn.Linear(2 * size, size)
    output = nn.Linear(size, vocabulary)
    parameters = list(
        nn.ModuleList([words, answers, encoder, decoder, bridge, key, readout, output]).parameters()
    )
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def step() -> None:
        source = torch.randint(4, vocabulary, (sizes.batch, sizes.length))
        target = source.flip(1)
        before = nn.functional.pad(target[:, :-1], (1, 0), value=1)
        memory, (hidden, cell) = encoder(words(source))
        first = torch.tanh(bridge(torch.cat([*hidden], dim=1))).unsqueeze(0)
        states, _ = decoder(answers(before), (first, torch.cat([*cell], dim=1).unsqueeze(0)))
        weights = torch.softmax(states @ key(memory).transpose(1, 2), dim=2)
        logits = output(torch.tanh(readout(torch.cat([weights @ memory, states], dim=2))))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def trainer_of(*overrides: str) -> "Trainer":
    """Return the trainer of a run on `reverse`, at 16 tokens unless told otherwise, on the CPU."""
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run
    from attnbench.runs.execute import make_trainer
    from attnbench.training.device import resolve_device

    request = request_run(Configuration(), ["task=reverse", "task.length=16", *overrides])
    return make_trainer(request.spec, resolve_device("cpu"))


def arm_step(arm: str, sizes: Sizes) -> tuple[Step, int]:
    """Return a function that takes one whole step of the trainer, and the size of the vocabulary.

    Args:
        arm: the name of its yaml, and overrides after it.
        sizes: of the step.
    """
    model, *options = arm.split()
    embedding = [] if model.startswith("transformer") else [f"model.embedding_size={sizes.hidden}"]
    numbers = [
        f"training.batch_size={sizes.batch}",
        f"task.length={sizes.length}",
        f"model.hidden_size={sizes.hidden}",
    ]
    trainer = trainer_of(f"model={model}", *numbers, *embedding, *options)

    def step() -> "torch.Tensor":
        nats = trainer._train_step()
        trainer.step += 1
        return nats

    return step, len(trainer.task.target_vocabulary.tokens)


@dataclass(frozen=True)
class Timing:
    """Of an arm beside the floor, taken by turns in one process.

    Attributes:
        milliseconds: of a step, the median over the turns.
        tokens_per_second: of the source.
        ratio: to the floor's step in the same turn, the median; 1 is as fast.
        spread: smallest and largest of these ratios.
    """

    milliseconds: float
    tokens_per_second: float
    ratio: float
    spread: tuple[float, float]


def time_by_turns(arm: str, sizes: Sizes, turns: int, clock: Clock = time.perf_counter) -> Timing:
    """Time a step of the arm and of the floor, one after the other, in the threads that torch was given."""
    step, vocabulary = arm_step(arm, sizes)
    floor = floor_step(sizes, vocabulary)
    for _ in range(3):
        step()
        floor()
    steps = max(1, round(TURN_SECONDS / seconds_of(floor)))

    def mean_seconds(one: Step) -> float:
        return seconds_of(lambda: [one() for _ in range(steps)], clock) / steps

    pairs = [(mean_seconds(floor), mean_seconds(step)) for _ in range(turns)]
    ratios = [mine / bare for bare, mine in pairs]
    seconds = statistics.median(mine for _, mine in pairs)
    tokens = sizes.batch * sizes.length
    return Timing(1000 * seconds, tokens / seconds, statistics.median(ratios), (min(ratios), max(ratios)))


def seconds_of(work: Step, clock: Clock = time.perf_counter) -> float:
    """Return how long a call takes, by the clock on the wall or by another one."""
    started = clock()
    work()
    return clock() - started


def time_step(
    models: Annotated[str, typer.Option(metavar="A,B", help="Which arms; all by default.")] = "",
    repeats: Annotated[int, typer.Option(min=1, help="Turns of floor and arm.")] = 7,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers for a program.")] = False,
) -> None:
    """Time a training step of every arm, data, clipping and Adam included, as a ratio to a floor.

    The floor is the mathematics of `luong_general` in twenty lines of plain torch. Floor and arm take turns in one
    process, and the ratio is taken turn by turn: the median is printed, and with --json the spread. The aims at the
    four sizes: 0.85 and then 1 for `luong_general`; 1.4, 2.2, 2.2 and 3 for `bahdanau`.
    """
    import torch

    from attnbench.config.compose import Configuration

    torch.set_num_threads(threads)
    arms = models.split(",") if models else Configuration().choices("model")
    if PARALLEL in arms:
        arms.append(LOOPING)
    found: dict[str, dict[str, object]] = {}
    if not as_json:
        print(f"A step as a multiple of the floor's: medians of {repeats} turns, {threads} thread(s)")
        print(f"{'':40}" + "".join(f"{sizes!s:>22}" for sizes in SIZES))
    for arm in arms:
        timings = {str(sizes): time_by_turns(arm, sizes, repeats) for sizes in SIZES}
        found[arm] = {sizes: asdict(timing) for sizes, timing in timings.items()}
        if not as_json:
            cells = (f"{each.ratio:.2f} ({each.milliseconds:.1f} ms)" for each in timings.values())
            print(f"{arm:40}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    if as_json:
        print(json.dumps({"threads": threads, "turns": repeats, "arms": found}, indent=2))
