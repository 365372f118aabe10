"""What a person asks `attnbench inspect` for, and which run folders that names."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attnbench.cli.find import check_reachable, stores_below
from attnbench.cli.options import DEFAULT_RESULTS
from attnbench.errors import UserError, nearest
from attnbench.runs.store import RunStore

EXAMPLES = 3
_NAMED = 5  # runs in a message


@dataclass(frozen=True)
class Choice:
    """Which examples to draw.

    Attributes:
        length: of the test examples; None where nobody said.
        examples: how many; None where nobody said.
        wrong_only: only those with a wrong word.
        indexes: these; empty where nobody said.
        text: the person's own words in place of test examples.
        question: about them.
        answer_tokens: how many words to write about them.
    """

    length: int | None = None
    examples: int | None = None
    wrong_only: bool = False
    indexes: tuple[int, ...] = ()
    text: str | None = None
    question: str | None = None
    answer_tokens: int | None = None

    @property
    def count(self) -> int:
        """How many examples to draw where no indexes are given."""
        return EXAMPLES if self.examples is None else self.examples

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            UserError: naming two.
        """
        of_tests = {
            "--length": self.length is not None,
            "--examples": self.examples is not None,
            "--wrong": self.wrong_only,
            "--index": bool(self.indexes),
        }
        of_text = {"--question": self.question is not None, "--answer-tokens": self.answer_tokens is not None}
        for option, is_given in of_tests.items():
            if is_given and self.text is not None:
                raise UserError(f"{option} chooses test examples, --text takes their place: use one of them.")
        for option, is_given in of_text.items():
            if is_given and self.text is None:
                raise UserError(f"{option} belongs to --text: give a text too.")
        for option in ("--wrong", "--examples"):
            if self.indexes and of_tests[option]:
                raise UserError(f"--index names the examples, {option} searches for some: use one of them.")


@dataclass(frozen=True)
class InspectRequest:
    """All that a person asked for.

    Attributes:
        runs: as the person named them.
        choice: of the examples.
        has_scores: whether the whole test set is gone through.
        out: where to write; None where nobody said.
        device: where the models run.
        results: where runs are searched by run_id.
        config_dir: of the person.
        files: where files of the runs' data lie, by the task's key.
    """

    runs: tuple[str, ...]
    choice: Choice
    has_scores: bool
    out: Path | None
    device: str
    results: Path
    config_dir: Path | None
    files: Mapping[str, str] = field(default_factory=dict)

    def find_runs(self) -> list[Path]:
        """Return the folders of one run, or of two.

        Raises:
            UserError: for more, or where there is no such run.
        """
        if len(self.runs) > 2:
            raise UserError(f"{len(self.runs)} runs: expected one, or two to be laid side by side.")
        return [find_run(words, self.results) for words in self.runs]

    def example_command(self, length: int, index: int, default_length: int) -> str:
        """Return the command that draws one example of the same runs."""
        has_length = self.choice.length is not None or length != default_length
        return self.command(
            *(["--length", str(length)] if has_length else []), "--index", str(index), "--no-scores"
        )

    def command(self, *options: str) -> str:
        """Return the command that looks at the same runs with other options."""
        files = [f"task.{key}={path}" for key, path in self.files.items()]
        words = ["attnbench", "inspect", *self.runs, *files, *options]
        words += [] if self.results == DEFAULT_RESULTS else ["--results", str(self.results)]
        words += [] if self.config_dir is None else ["--config-dir", str(self.config_dir)]
        return shlex.join(words)

    def folder(self, paths: Sequence[Path]) -> Path:
        """Return where to write: what one asks for does not take the place of what another one asked for."""
        if self.out is not None:
            return self.out
        folder = paths[0] / "inspect"
        folder = folder / f"beside_{paths[1].name}" if len(paths) > 1 else folder
        return folder if self.choice.length is None else folder / f"length_{self.choice.length}"


def split_words(words: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the runs that a person named, and the files of their data by the task's key.

    Raises:
        UserError: for another key than one of a task, or no run at all.
    """
    runs, files = [], {}
    for word in words:
        key, mark, path = word.partition("=")
        group, _, name = key.partition(".")
        if not mark or "/" in key or os.path.exists(word):  # noqa: PTH110 a path would refuse a long word
            runs.append(word)
        elif group == "task" and name and path:
            files[name] = path
        else:
            raise UserError(
                f"'{word}': expected a run, or where a file of its data lies, such as task.source=FILE. "
                "All else of a run was fixed when it was trained."
            )
    if not runs:
        raise UserError("No run is named: expected a run's folder or run_id.")
    return tuple(runs), files


def find_run(words: str, results: Path) -> Path:
    """Return the folder of the run that the words name: a path, or a run_id in any sweep of the results.

    Raises:
        UserError: where there is none, naming those most like it.
    """
    folders = [folder for store in stores_below(results) for folder in store.folders()]
    found = [folder for folder in folders if folder.run_id == words]
    if found:
        # The same run may be in several sweeps, and be finished in one of them alone.
        return min(found, key=lambda folder: folder.state != "done").path
    path = Path(words)
    if path.is_dir() and not RunStore(path).is_ours:
        return path
    if path.is_dir() or RunStore(results / words).is_ours:
        sweep = RunStore(path if path.is_dir() else results / words)
        names = [folder.run_id for folder in sweep.folders()]
        raise UserError(f"{sweep.path} is a sweep, expected one of its runs: {_some(names)}.")
    check_reachable(results, path)
    names = [folder.run_id for folder in folders]
    held = f"{results} holds {_some(names)}" if names else f"{results} holds no runs"
    raise UserError(f"There is no run '{words}': {held}.{nearest(words, names)}")


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
