"""A run as Python has it: its weights, and where it looked, as arrays and data frames."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attnbench.cli.inspect import Choice, InspectRequest
from attnbench.cli.options import DEFAULT_RESULTS, named_errors
from attnbench.errors import UserError, memory_faults_named
from attnbench.inspection.attention_example import AttentionExample
from attnbench.runs.folder import RunFolder
from attnbench.runs.records import recorded_as


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes:
        folder: of the run.
        config_dir: the folder of the person's own classes.
    """

    folder: RunFolder
    config_dir: Path | None = None

    @property
    def run_id(self) -> str:
        """The name of the run."""
        return self.folder.run_id

    @property
    def metrics(self) -> pd.DataFrame:
        """A row for each evaluated length, as in metrics.csv.

        Raises:
            DamagedFileError: where the file is not what the run wrote.
        """
        from attnbench.runs.metrics_table import read_metrics

        return read_metrics(self.folder.metrics_file)

    @property
    def training(self) -> pd.DataFrame:
        """A row for each evaluation during the training, as in train.csv."""
        return pd.read_csv(self.folder.train_file)

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The trained weights by the names of the model's parameters.

        Raises:
            UserError: where the run has not finished, or cannot be opened here.
        """
        from attnbench.inspection.load import load_run

        with named_errors(self.config_dir):
            trust(self.config_dir)
            state = load_run(self.folder.path).model.state_dict()
            return {name: tensor.cpu().numpy() for name, tensor in state.items()}

    def inspect(
        self,
        *,
        length: int | None = None,
        examples: int | None = None,
        wrong: bool = False,
        index: Sequence[int] = (),
        text: str | None = None,
        question: str | None = None,
        answer_tokens: int | None = None,
        scores: bool = True,
        beside: "Run | None" = None,
        device: str = "auto",
        files: Mapping[str, str] | None = None,
    ) -> "Inspection":
        """Look where the model looked and what it got wrong; nothing is written. Options are those of the command.

        Args:
            length: of the test examples; by default the longest, and scores of all.
            examples: how many.
            wrong: the worst ones.
            index: these.
            text: your own words in their place.
            question: about the text.
            answer_tokens: how many words to write about it.
            scores: whether the whole test set is gone through.
            beside: another run of the same task that answers the same.
            device: "auto", "cpu", "cuda" or "mps".
            files: where files of the data lie, by the task's key, where they have moved.

        Raises:
            UserError: for what is not there or cannot be asked.
        """
        choice = Choice(length, examples, wrong, tuple(index), text, question, answer_tokens)
        names = tuple(str(each.folder.path) for each in (self, beside) if each is not None)
        request = InspectRequest(
            names, choice, scores, None, device, DEFAULT_RESULTS, self.config_dir, files or {}
        )
        with as_the_command(self.config_dir):
            return _inspect(request)

    def __repr__(self) -> str:
        """Return its name and state."""
        return f"{self.run_id} ({self.folder.state}, {self.folder.path})"


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """What one run answered and where it looked, or two side by side.

    Attributes:
        examples: of the first run: words as tuples; weights as an array (written, source), gradients likewise.
        beside: the same examples under the second run; empty without one.
        attention: scores of the weights over the whole test set, as in attention.csv.
        causal: what changes when words are erased or weights permuted, as in causal.csv.
        errors: errors by kind and position, as in errors.csv.
        worst: the worst examples in words, as in worst.csv.
        figures: draws an example, by its place among `examples`.
    """

    examples: Sequence[AttentionExample]
    beside: Sequence[AttentionExample]
    attention: pd.DataFrame
    causal: pd.DataFrame
    errors: pd.DataFrame
    worst: pd.DataFrame
    _drawn: Any

    def plot(self, number: int = 0) -> Figure:
        """Draw where the model looked in one of the examples.

        Raises:
            UserError: where there is no such example.
        """
        from attnbench.plots.attention import draw_heatmap

        if not 0 <= number < self._drawn.count:
            raise UserError(f"There is no example {number}: expected one of {self._drawn.count}, from 0.")
        return shown(draw_heatmap(self._drawn.arms_of(number), self._drawn.about[number]))

    def __repr__(self) -> str:
        """Return each example: what was asked, expected and written."""
        lines = []
        for about, each in zip(self._drawn.about, self.examples, strict=True):
            sides = {"asked": each.source, "expected": each.expected, "written": each.written}
            lines += [about, *(f"  {side:10}{' '.join(words)}" for side, words in sides.items() if words)]
        return "\n".join(lines)


def _inspect(request: InspectRequest) -> Inspection:
    from attnbench.cli.inspect import open_runs, score
    from attnbench.cli.inspect_examples import capture
    from attnbench.cli.inspect_scores import WORST_COLUMNS, Scores
    from attnbench.cli.progress import StageProgress
    from attnbench.inspection.evaluate import ATTENTION_COLUMNS, CAUSAL_COLUMNS, ERROR_COLUMNS

    trust(request.config_dir)
    _, runs = open_runs(request)
    with StageProgress() as progress:
        with memory_faults_named():
            drawn = capture(runs, request.choice, progress)
        scores = score(request, runs, progress) or Scores()
    worst = scores.worst_rows(request, drawn) if scores.worst else []
    return Inspection(
        examples=drawn.attention_examples[0],
        beside=drawn.attention_examples[1] if len(runs) > 1 else (),
        attention=pd.DataFrame(scores.attention, columns=list(ATTENTION_COLUMNS)),
        causal=pd.DataFrame(scores.causal, columns=list(CAUSAL_COLUMNS)),
        errors=pd.DataFrame(scores.errors, columns=list(ERROR_COLUMNS)),
        worst=pd.DataFrame(worst, columns=list(WORST_COLUMNS)),
        _drawn=drawn,
    )


@contextmanager
def as_the_command(config_dir: Path | None = None, command: str | None = None) -> Iterator[None]:
    """Do as a command does; in a notebook messages go to standard output, for it shows the other as an error."""
    with named_errors(config_dir), recorded_as(command):
        if _shell() is None:
            yield
            return
        with redirect_stderr(sys.stdout):
            yield


def trust(config_dir: Path | None) -> None:
    """Let the classes of a person's folder be loaded, until the call has ended."""
    from attnbench.config.compose import Configuration

    Configuration(config_dir)


def _shell() -> Any:
    """Return the IPython that runs this notebook; None outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def shown(figure: Figure) -> Figure:
    """Return a figure such that a notebook shows it, whether or not pyplot was loaded."""
    if (shell := _shell()) is not None:
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})
    return figure
