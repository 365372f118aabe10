"""`attnbench preview`: what a model will see; answers and the places that hold them in like colours."""

import inspect
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    ConfigDir,
    Debug,
    NeedlessResults,
    Overrides,
    TaskName,
    explained_errors,
    print_text,
    say,
)
from attnbench.vocabulary import PAD, Vocabulary

if TYPE_CHECKING:
    from attnbench.batch import Batch
    from attnbench.runs.spec import RunSpec
    from attnbench.tasks.base import Task

# One after the other for the answers of a sample; bright enough on light and on dark terminals.
COLOURS = ("red", "blue", "green", "magenta", "cyan", "yellow")
GIVEN, POSSIBLE = "dim", "underline"


def preview(
    overrides: Overrides = None,
    task: TaskName = None,
    examples: Annotated[int, typer.Option(min=1, help="How many samples.")] = 3,
    _results: NeedlessResults = DEFAULT_RESULTS,
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Print samples of a task: source, given words, and the answers that are scored."""
    with explained_errors(debug, config_dir):
        from attnbench.config.compose import Configuration
        from attnbench.config.run_request import request_run
        from attnbench.errors import memory_faults_named

        request = request_run(Configuration(config_dir), overrides or [], task)
        with memory_faults_named():
            lines = list(describe_samples(request.spec, examples))
        for line in lines:
            print_text(line)
        for note in request.spec.task.notes():
            say(note)


def describe_samples(spec: "RunSpec", examples: int) -> Iterator[Text]:
    """Yield the lines that show samples of the first training batch; given words stand in brackets."""
    task = spec.task
    unit = task.length_unit
    span = sorted({spec.lengths.minimum, spec.lengths.maximum})
    yield Text(f"{task.name}: {'–'.join(map(str, span))} {unit}; [given] words are told to the decoder")
    bits = task.information_bits(spec.lengths)
    if bits is not None:
        chance = task.chance_accuracy(spec.lengths)
        yield Text(f"information at length {spec.lengths.maximum}: {bits:.1f} bits; chance {chance:.3f}")
    batch = task.training_batch(spec.seed, 0, examples, spec.lengths)
    for number in range(len(batch)):
        yield Text("")
        yield from sample_lines(task, batch, number)


def sample_lines(task: "Task", batch: "Batch", number: int) -> Iterator[Text]:
    """Yield the source, the target and, where the task knows them, the source positions that hold each answer.

    An answer and its positions share a colour; positions that may hold an answer are underlined. Positions count
    from 1.
    """
    links = _links(batch, number)
    yield Text("source  ") + _source(task.source_vocabulary, batch, number, links)
    yield Text("target  ") + _target(task.target_vocabulary, batch, number)
    held = {place: positions for place, positions in links.items() if positions}
    if held:
        words = _words(task.target_vocabulary, batch.target[number].tolist())
        parts = [
            Text(f"{words[place]} at {_ranges(positions)}", style=_colour(batch, number, place))
            for place, positions in held.items()
        ]
        yield Text("gold    ") + Text(", ").join(parts)


def task_lines(task: "Task", length: int | None) -> Iterator[Text]:
    """Yield what `attnbench list tasks` says of a task beneath its name: unit, chance, bits and an example.

    A task of files shows the example that its class draws.
    """
    if task.reads_files:
        yield Text(f"length in {task.length_unit}; reads your files: task.source=FILE")
        drawn = (inspect.getdoc(type(task)) or "").splitlines()
        yield from (Text(line.strip()) for line in drawn if line.startswith(("    source ", "    target ")))
        return
    if length is None:
        yield Text(f"length in {task.length_unit}: task.length=LENGTH")
        return
    from attnbench.tasks.base import LengthRange

    lengths = LengthRange(length, length)
    facts = [f"length in {task.length_unit}", f"at {length}: chance {task.chance_accuracy(lengths):.3f}"]
    bits = task.information_bits(lengths)
    facts += [] if bits is None else [f"{bits:.1f} bits"]
    yield Text(", ".join(facts))
    batch = task.training_batch(0, 0, 1, lengths)
    yield from list(sample_lines(task, batch, 0))[:2]


def _links(batch: "Batch", number: int) -> dict[int, list[int]]:
    """Return the sure source positions of every scored target position, counted from 0."""
    places = batch.scored[number].nonzero().flatten().tolist()
    if batch.alignment_sure is None:
        return {place: [] for place in places}
    return {place: batch.alignment_sure[number, place].nonzero().flatten().tolist() for place in places}


def _colour(batch: "Batch", number: int, place: int) -> str:
    """Return the colour of a scored target position."""
    before = int(batch.scored[number, :place].sum())
    return f"bold {COLOURS[before % len(COLOURS)]}"


def _source(vocabulary: Vocabulary, batch: "Batch", number: int, links: dict[int, list[int]]) -> Text:
    words = [Text(word) for word in _words(vocabulary, batch.source[number].tolist())]
    if batch.alignment_possible is not None:
        for position in batch.alignment_possible[number].any(dim=0).nonzero().flatten().tolist():
            words[position].stylize(POSSIBLE)
    for place, positions in links.items():
        for position in positions:
            words[position].stylize(_colour(batch, number, place))
    return Text(" ").join(words)


def _target(vocabulary: Vocabulary, batch: "Batch", number: int) -> Text:
    words = [
        Text(word, style=_colour(batch, number, place))
        if batch.scored[number, place]
        else Text(f"[{word}]", style=GIVEN)
        for place, word in enumerate(_words(vocabulary, batch.target[number].tolist()))
    ]
    return Text(" ").join(words)


def _words(vocabulary: Vocabulary, numbers: list[int]) -> list[str]:
    return [vocabulary.tokens[number] for number in numbers if number != PAD]


def _ranges(positions: list[int]) -> str:
    """Return positions counted from 1, neighbours joined: 3-5+9."""
    runs = [list(run) for _, run in groupby(enumerate(positions), key=lambda each: each[1] - each[0])]
    bounds = [(run[0][1] + 1, run[-1][1] + 1) for run in runs]
    return "+".join(str(low) if low == high else f"{low}-{high}" for low, high in bounds)
