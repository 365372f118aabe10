"""What a training step costs, beside twenty lines of plain torch that do the same mathematics."""

import time
from dataclasses import dataclass
from typing import Annotated

import typer

from tools.benchmarks.timing import (
    Clock,
    Findings,
    Json,
    Turns,
    Work,
    by_turns,
    ratio,
    seconds_of,
    show,
    sized,
    trainer_for,
    trainer_steps,
)

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


def floor_step(sizes: Sizes, vocabulary: int) -> Work:
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


def time_by_turns(
    arm: str, sizes: Sizes, turns: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of a step of the arm and of the floor, by turns, in the threads that torch was given.

    Args:
        arm: the name of its yaml, and overrides after it.
        sizes: of the step.
        turns: how many.
        clock: on the wall, or of the processor.
    """
    trainer = trainer_for(*sized(arm, sizes.batch, sizes.length, sizes.hidden))
    floor = floor_step(sizes, len(trainer.task.target_vocabulary.tokens))
    for _ in range(3):
        floor()
    steps = max(1, round(TURN_SECONDS / seconds_of(floor)))
    works: dict[str, Work] = {
        "arm": trainer_steps(trainer, steps),
        "floor": lambda: [floor() for _ in range(steps)],
    }
    taken = by_turns(works, turns, clock=clock)
    return {name: [seconds / steps for seconds in each] for name, each in taken.items()}


def time_step(
    models: Annotated[str, typer.Option(metavar="A,B", help="Which arms; all by default.")] = "",
    turns: Turns = 7,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    to: Json = None,
) -> None:
    """Time a training step of every arm, data, clipping and Adam included, as a ratio to a floor.

    The floor is the mathematics of `luong_general` in twenty lines of plain torch. Floor and arm take turns in one
    process, and the ratio is taken turn by turn. The aims at the four sizes: 0.85 and then 1 for `luong_general`; 1.4,
    2.2, 2.2 and 3 for `bahdanau`.
    """
    import torch

    from attnbench.config.compose import Configuration

    torch.set_num_threads(threads)
    arms = models.split(",") if models else Configuration().choices("model")
    if PARALLEL in arms:
        arms.append(LOOPING)
    found = Findings(f"A step as a multiple of the floor's, medians of {turns} turns, {threads} thread(s)")
    for arm in arms:
        cells = {}
        for sizes in SIZES:
            seconds = time_by_turns(arm, sizes, turns)
            cells[str(sizes)] = ratio(seconds["arm"], seconds["floor"])
        found.add(arm=arm, **cells)
    show([found], to)
