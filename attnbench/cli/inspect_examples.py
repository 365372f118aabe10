"""The examples that `attnbench inspect` shows, each answered by every run: chosen, drawn, printed and as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.text import Text

from attnbench.cli.inspect import Choice
from attnbench.cli.options import print_text
from attnbench.cli.progress import StageProgress
from attnbench.formatting import length_span
from attnbench.inspection.attention_example import AttentionExample
from attnbench.inspection.capture import capture_attention
from attnbench.inspection.errors import looks_described
from attnbench.inspection.evaluate import evaluate_errors
from attnbench.inspection.examples import HeldOut, NumberedExample, custom_text, evaluated_lengths, held_out
from attnbench.inspection.load import TrainedRun
from attnbench.inspection.word_edits import described, edits_of
from attnbench.plots.attention import draw_heads, draw_heatmap, draw_self_attention
from attnbench.plots.attention_page import attention_page
from attnbench.plots.attention_panel import boxes_for_missing_letters, missing_letters
from attnbench.plots.attention_rows import DrawnArm
from attnbench.plots.layout import save_figure
from attnbench.plots.style import model_style
from attnbench.report.text_heatmap import shaded_lines
from attnbench.runs.io import write_atomically
from attnbench.runs.metrics_csv import read_rows
from attnbench.tasks.text.subwords import WORD_START, SubwordVocabulary


@dataclass(frozen=True)
class Drawn:
    """What is drawn.

    Attributes:
        names: of the runs, as figures write them.
        run_ids: of the runs.
        attention_examples: of the same examples, for each run.
        about: which example each of them is, for captions.
        at: the task and the length of its inputs, for the title of the page.
        facts: what the page says of each run.
        worst: of the examples by their place, those that were answered worst, in words; the page lists them.
        stems: what their files are called.
        page: what the page is called: what was asked in another way does not take its place.
        length: of the test examples; None for a person's own text.
        notes: what a person should know.
        unknown: words that the models read as unknown.
    """

    names: Sequence[str]
    run_ids: Sequence[str]
    attention_examples: Sequence[Sequence[AttentionExample]]
    about: Sequence[str]
    stems: Sequence[str]
    at: str = ""
    facts: Sequence[str] = ()
    worst: Sequence[tuple[int, str]] = ()
    page: str = "page.html"
    length: int | None = None
    notes: Sequence[str] = ()
    unknown: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.about)

    def arms_of(self, number: int) -> list[DrawnArm]:
        """Return one example as every run answered it."""
        answered = zip(self.names, self.run_ids, self.attention_examples, strict=True)
        return [
            DrawnArm(name, run_id, attention_examples[number])
            for name, run_id, attention_examples in answered
        ]


def capture(runs: Sequence[TrainedRun], choice: Choice, progress: StageProgress) -> Drawn:
    """Let every run answer test examples, or a person's own text.

    Raises:
        UserError: for what is not there or cannot be asked.
    """
    if choice.text is None:
        return _capture_examples(runs, choice, progress)
    return _capture_text(runs, choice, progress)


def _capture_examples(runs: Sequence[TrainedRun], choice: Choice, progress: StageProgress) -> Drawn:
    """Choose test examples and let every run answer them."""
    examples = _test_of(runs, choice.length)
    chosen, looks = _choose(runs, examples, choice, progress)
    attention_examples: list[list[AttentionExample]] = [[] for _ in runs]
    tell = progress.stage("answering")
    for done, example in enumerate(chosen):
        for run, own in zip(runs, attention_examples, strict=True):
            own.append(capture_attention(run, example.batch, example.index))
        tell(done + 1, len(chosen))
    unit = examples.task.length_unit
    at = f"{examples.task.name}, {length_span(examples.lengths.minimum, examples.lengths.maximum)} {unit}"
    shown = f"Examples of {at}: {', '.join(str(each.index) for each in chosen)}"
    return Drawn(
        names=arm_names(runs),
        run_ids=[run.spec.run_id for run in runs],
        attention_examples=attention_examples,
        about=[f"Test example {each.index} of {at}" for each in chosen],
        stems=[f"{each.index}" for each in chosen],
        at=at,
        facts=[*(_fact(run, examples.lengths.maximum) for run in runs), *_subword_notes(runs[0])],
        page="page_index.html" if choice.indexes else "page_wrong.html" if choice.wrong_only else "page.html",
        length=examples.lengths.maximum,
        notes=[
            shown if chosen else f"No example of {at} has a wrong word: there is none to draw",
            *looks,
            *_subword_notes(runs[0]),
            *_gradient_notes(attention_examples),
        ],
    )


def _capture_text(runs: Sequence[TrainedRun], choice: Choice, progress: StageProgress) -> Drawn:
    assert choice.text is not None
    own = custom_text(runs[0], choice.text, choice.question, choice.answer_tokens)
    notes = _subword_notes(runs[0])
    words = "subwords" if notes else "words"
    if own.unknown:
        unknown = ", ".join(own.unknown)
        notes.append(f"Not in the vocabulary of {runs[0].spec.task.name}, read and drawn as <unk>: {unknown}")
    attention_examples = []
    for name, run in zip(arm_names(runs), runs, strict=True):
        progress.say(
            f"{name} answers {own.batch.source.shape[1]:,} {words}; then come the gradients of its answer"
        )
        tell = progress.stage(f"{name}: gradients", words)
        attention_examples.append([capture_attention(run, own.batch, has_expected=False, on_progress=tell)])
    notes += _gradient_notes(attention_examples)
    return Drawn(
        names=arm_names(runs),
        run_ids=[run.spec.run_id for run in runs],
        attention_examples=attention_examples,
        about=["Own text, to which no right answer is known"],
        stems=["text"],
        at=runs[0].spec.task.name,
        facts=[*map(_fact, runs), *_subword_notes(runs[0])],
        page="page_text.html",
        notes=notes,
        unknown=own.unknown,
    )


def _subword_notes(run: TrainedRun) -> list[str]:
    """Say what the pieces are that stand in the place of words, of a run that reads such."""
    if not isinstance(run.spec.task.source_vocabulary, SubwordVocabulary):
        return []
    return [
        f"Words stand in pieces (subwords): {WORD_START} marks the beginning of a word. "
        "A run trained with task.units=word keeps them whole"
    ]


def _fact(run: TrainedRun, length: int | None = None) -> str:
    """Say which run it is, and how accurate at a length, where it was evaluated there."""
    file = run.folder.metrics_file
    rows = read_rows(file) if length is not None and file.is_file() else []
    for row in rows:
        if row.get("length") == str(length) and row.get("token_accuracy"):
            accuracy = float(row["token_accuracy"])
            return f"Run {run.spec.run_id}: free-running token accuracy {accuracy:.3f} at this length"
    return f"Run {run.spec.run_id}"


def with_worst(
    runs: Sequence[TrainedRun], drawn: Drawn, worst: Sequence[tuple[int, str]], progress: StageProgress
) -> Drawn:
    """Return what is drawn with the worst answers behind it, which the page alone shows.

    Args:
        runs: that answered.
        drawn: the examples asked for.
        worst: the number in the test of each example to list, and what is wrong with its answer.
        progress: of what takes long.
    """
    own = [[*examples] for examples in drawn.attention_examples]
    places = {each.index: place for place, each in enumerate(own[0])}
    lacking = [index for index in dict.fromkeys(index for index, _ in worst) if index not in places]
    picked = _test_of(runs, drawn.length).pick(lacking) if lacking else []
    tell = progress.stage("answering the worst")
    for done, example in enumerate(picked):
        places[example.index] = len(own[0])
        for run, examples in zip(runs, own, strict=True):
            examples.append(capture_attention(run, example.batch, example.index))
        tell(done + 1, len(picked))
    return replace(drawn, attention_examples=own, worst=[(places[index], text) for index, text in worst])


def arm_names(runs: Sequence[TrainedRun]) -> list[str]:
    """Name runs by their models; where these are the same, by their run_id."""
    names = [model_style(run.spec.model.name).name for run in runs]
    return names if len(set(names)) == len(names) else [run.spec.run_id for run in runs]


def shared_lengths(runs: Sequence[TrainedRun]) -> list[int]:
    """Return the lengths at which all runs were evaluated, ascending; those of the first where they share none."""
    lengths = [evaluated_lengths(run) for run in runs]
    return sorted(set(lengths[0]).intersection(*lengths)) or lengths[0]


def _test_of(runs: Sequence[TrainedRun], length: int | None) -> HeldOut:
    """Return the test examples of a length; by default of the longest that has any."""
    if length is not None:
        return held_out(runs[0], length)
    tests = [held_out(runs[0], each) for each in reversed(shared_lengths(runs))]
    return next((test for test in tests if not test.is_empty), tests[0])


def _choose(
    runs: Sequence[TrainedRun], examples: HeldOut, choice: Choice, progress: StageProgress
) -> tuple[list[NumberedExample], list[str]]:
    """Return the examples to draw, and of the worst how often each run looked elsewhere where it was right."""
    if choice.indexes:
        return examples.pick(list(dict.fromkeys(choice.indexes))), []
    if not choice.wrong_only:
        return examples.first(choice.count), []
    worst, looks = _worst(runs, examples, choice.count, progress)
    return examples.pick(worst), looks


def _worst(
    runs: Sequence[TrainedRun], examples: HeldOut, count: int, progress: StageProgress
) -> tuple[list[int], list[str]]:
    """Return the numbers of the examples with the most edits for their length under any of the runs, worst first.

    Behind them one sentence for each run, of all examples: how often it looked elsewhere.
    """
    badness: dict[int, tuple[float, float]] = {}
    looks = []
    for name, run in zip(arm_names(runs), runs, strict=True):
        tell = progress.stage(f"{name}: searching the worst")
        errors = evaluate_errors(run, examples, tell, kept=count)
        for each in errors.worst:
            badness[each.index] = max(each.badness, badness.get(each.index, each.badness))
        if said := looks_described({kind: errors.count(kind) for kind in errors.counts}):
            looks.append(f"{name}, in the whole test: {said}")
    worst = sorted(badness, key=lambda index: (*(-share for share in badness[index]), index))[:count]
    return worst, looks


def _gradient_notes(attention_examples: Sequence[Sequence[AttentionExample]]) -> list[str]:
    """Say of how many words gradients are drawn, where those of all would take too long."""
    reached = [
        each.with_gradient for own in attention_examples for each in own if each.with_gradient is not None
    ]
    if not reached:
        return []
    return [
        f"Gradients are drawn of the first {min(reached):,} words of an answer alone: those of all would take too long"
    ]


# Beside the heatmap, of arms that have them: the names of their files.
_MAPS: dict[str, Callable[[DrawnArm, str], Figure | None]] = {
    "heads": draw_heads,
    "self_attention": draw_self_attention,
}


def draw_examples(drawn: Drawn, out: Path, progress: StageProgress) -> list[Path]:
    """Write every example as PNG and SVG, and all of them as one page; return what was written."""
    if drawn.count == 0:
        return []
    out.mkdir(parents=True, exist_ok=True)
    files = []
    tell = progress.stage("drawing")
    with boxes_for_missing_letters():
        for number in range(drawn.count):
            files += _draw_example(drawn, number, out)
            tell(number + 1, drawn.count)
    return [*files, write_page(drawn, out)]


def write_page(drawn: Drawn, out: Path) -> Path:
    """Write all examples as one page to click through; return its path."""
    page = out / drawn.page
    arms = list(zip(drawn.names, drawn.attention_examples, strict=True))
    title = f"{drawn.at}: {' beside '.join(drawn.names)}{'' if drawn.length else ', own text'}"
    write_atomically(page, attention_page(title, arms, drawn.facts, drawn.worst).encode())
    return page


def _draw_example(drawn: Drawn, number: int, out: Path) -> list[Path]:
    arms, about, stem = drawn.arms_of(number), drawn.about[number], drawn.stems[number]
    files = save_figure(draw_heatmap(arms, about), out / f"heatmap_{stem}")
    for place, arm in enumerate(arms):
        # Two arms may both have heads.
        of_arm = f"{stem}_{'ab'[place]}" if len(arms) > 1 else stem
        for name, draw in _MAPS.items():
            figure = draw(arm, about)
            files += [] if figure is None else save_figure(figure, out / f"{name}_{of_arm}")
    return files


def letters_note(drawn: Drawn) -> str | None:
    """Return what to say of letters that the figures cannot show; None where there are none."""
    words = (
        word
        for own in drawn.attention_examples
        for each in own
        for word in (*each.source, *each.written, *each.expected)
    )
    missing = missing_letters(words)
    if not missing:
        return None
    return f"The font of PNG and SVG lacks {missing[:20]}: boxes stand for such letters. The page shows them."


def print_shaded(drawn: Drawn) -> None:
    """Print every example under every run, as wide as the terminal is, in colour where it has any."""
    console = Console()
    has_colour = console.color_system is not None and not console.no_color
    for number in range(drawn.count):
        print_text(Text(drawn.about[number], style="bold"))
        for arm in drawn.arms_of(number):
            if arm.example.expected:
                print_text(Text(f"{arm.name}: {described(arm.example.aligned)}"))
            for line in shaded_lines(arm, console.width, has_colour):
                print_text(line)
            print_text(Text())


def example_as_json(drawn: Drawn, number: int) -> dict[str, Any]:
    """Return what `--json` prints of one example."""
    arms = drawn.arms_of(number)
    first = arms[0].example
    return {
        "index": first.index,
        "source": first.source,
        "expected": first.expected or None,
        "written": {arm.run_id: arm.example.written for arm in arms},
        "wrong": {arm.run_id: _wrong_in_place(arm.example) if first.expected else None for arm in arms},
        "edits": {arm.run_id: edits_of(arm.example.aligned) if first.expected else None for arm in arms},
        "slips": {arm.run_id: described(arm.example.aligned) if first.expected else None for arm in arms},
    }


def _wrong_in_place(attention_example: AttentionExample) -> int:
    """Return how many places hold another word than the expected one, or none; given words left out."""
    places = zip_longest(attention_example.written, attention_example.expected, attention_example.is_given)
    return sum(word != expected and not is_given for word, expected, is_given in places)
