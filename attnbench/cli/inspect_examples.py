"""The examples that `attnbench inspect` draws, each answered by every run."""

from collections.abc import Sequence
from dataclasses import dataclass

from attnbench.cli.inspect_progress import StageProgress
from attnbench.cli.inspect_request import Choice
from attnbench.inspection.attention_example import AttentionExample
from attnbench.inspection.capture import capture_attention
from attnbench.inspection.evaluate import evaluate_errors
from attnbench.inspection.examples import HeldOut, NumberedExample, evaluated_lengths, held_out, own_text
from attnbench.inspection.load import TrainedRun
from attnbench.plots.attention_rows import DrawnArm
from attnbench.plots.style import model_style
from attnbench.tasks.base import LengthRange


@dataclass(frozen=True)
class Drawn:
    """What is drawn.

    Attributes:
        names: of the runs, as figures write them.
        run_ids: of the runs.
        portraits: of the same examples, for each run.
        about: which example each of them is, for captions.
        stems: what their files are called.
        length: of the test examples; None for a person's own text.
        notes: what a person should know.
        unknown: words that the models read as unknown.
    """

    names: Sequence[str]
    run_ids: Sequence[str]
    portraits: Sequence[Sequence[AttentionExample]]
    about: Sequence[str]
    stems: Sequence[str]
    length: int | None = None
    notes: Sequence[str] = ()
    unknown: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.about)

    def arms_of(self, number: int) -> list[DrawnArm]:
        """Return one example as every run answered it."""
        answered = zip(self.names, self.run_ids, self.portraits, strict=True)
        return [DrawnArm(name, run_id, portraits[number]) for name, run_id, portraits in answered]


def capture_examples(runs: Sequence[TrainedRun], choice: Choice, progress: StageProgress) -> Drawn:
    """Choose test examples and let every run answer them.

    Raises:
        UserError: for a length or number that is not there.
    """
    examples = _test_of(runs, choice.length)
    chosen = _choose(runs, examples, choice, progress)
    portraits: list[list[AttentionExample]] = [[] for _ in runs]
    tell = progress.stage("answering")
    for done, example in enumerate(chosen):
        for run, own in zip(runs, portraits, strict=True):
            own.append(capture_attention(run, example.batch, example.index))
        tell(done + 1, len(chosen))
    unit = examples.task.length_unit
    at = f"{examples.task.name}, {_span(examples.lengths)} {unit}"
    shown = f"Examples of {at}: {', '.join(str(each.index) for each in chosen)}"
    return Drawn(
        names=arm_names(runs),
        run_ids=[run.spec.run_id for run in runs],
        portraits=portraits,
        about=[f"Test example {each.index} of {at}" for each in chosen],
        stems=[f"{each.index}" for each in chosen],
        length=examples.lengths.maximum,
        notes=[
            shown if chosen else f"No example of {at} has a wrong word: there is none to draw",
            *_gradient_notes(portraits),
        ],
    )


def capture_text(runs: Sequence[TrainedRun], choice: Choice, progress: StageProgress) -> Drawn:
    """Let every run answer a person's own text.

    Raises:
        UserError: for a text or question that cannot be asked.
    """
    assert choice.text is not None
    own = own_text(runs[0], choice.text, choice.question, choice.answer_tokens)
    notes = []
    if own.unknown:
        words = ", ".join(own.unknown)
        notes.append(f"Not in the vocabulary of {runs[0].spec.task.name}, read and drawn as <unk>: {words}")
    portraits = []
    for name, run in zip(arm_names(runs), runs, strict=True):
        progress.say(
            f"{name} answers {own.batch.source.shape[1]:,} words; then come the gradients of its answer"
        )
        tell = progress.stage(f"{name}: gradients", "words")
        portraits.append([capture_attention(run, own.batch, has_expected=False, on_progress=tell)])
    notes += _gradient_notes(portraits)
    return Drawn(
        names=arm_names(runs),
        run_ids=[run.spec.run_id for run in runs],
        portraits=portraits,
        about=["Own text, to which no right answer is known"],
        stems=["text"],
        notes=notes,
        unknown=own.unknown,
    )


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
) -> list[NumberedExample]:
    if choice.indexes:
        return examples.pick(list(dict.fromkeys(choice.indexes)))
    if not choice.wrong_only:
        return examples.first(choice.count)
    return examples.pick(_worst(runs, examples, choice.count, progress))


def _worst(runs: Sequence[TrainedRun], examples: HeldOut, count: int, progress: StageProgress) -> list[int]:
    """Return the numbers of the examples with the most edits for their length under any of the runs, worst first."""
    badness: dict[int, tuple[float, float]] = {}
    for name, run in zip(arm_names(runs), runs, strict=True):
        tell = progress.stage(f"{name}: searching the worst")
        for each in evaluate_errors(run, examples, tell, kept=count).worst:
            badness[each.index] = max(each.badness, badness.get(each.index, each.badness))
    return sorted(badness, key=lambda index: (*(-share for share in badness[index]), index))[:count]


def _gradient_notes(portraits: Sequence[Sequence[AttentionExample]]) -> list[str]:
    """Say of how many words gradients are drawn, where those of all would take too long."""
    reached = [each.with_gradient for own in portraits for each in own if each.with_gradient is not None]
    if not reached:
        return []
    return [
        f"Gradients are drawn of the first {min(reached):,} words of an answer alone: those of all would take too long"
    ]


def _span(lengths: LengthRange) -> str:
    low, high = lengths.minimum, lengths.maximum
    return f"{high}" if low == high else f"{low}–{high}"
