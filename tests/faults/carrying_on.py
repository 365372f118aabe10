"""The same command once more, after something went wrong: what must then hold, whatever it was."""

import json
from dataclasses import dataclass
from pathlib import Path

from attnbench.runs.checkpoint import load_checkpoint
from attnbench.runs.folder import RunFolder
from tests.commands import TINY, Finished, attnbench, rows_of, run_folders, without_times
from tests.faults.writes import halves_in

FOLDER = "quick-reverse"
TWO_RUNS = ("sweep", *TINY, "--models", "fixed", "--lengths", "2,3", "--seeds", "1", "--executor", "inline")
# Long enough to be met in the middle: a second or two.
LONG = (
    "training.steps=240",
    "training.evaluate_every=20",
    "training.patience=1000",
    "training.solved_accuracy=1",
)
LONG_RUNS = ("sweep", *TINY, *LONG, "--models", "fixed", "--lengths", "2,3", "--seeds", "1")
TRAIN = ("train", *TINY, "task.length=3")
LEFT = ("status.json", "metrics.csv")


@dataclass(frozen=True)
class Progress:
    """How far the runs of a folder are.

    Attributes:
        finished: when the files of finished runs were written.
        saved_steps: at which step the checkpoint of each unfinished run stands.
    """

    finished: dict[Path, int]
    saved_steps: dict[str, int]


def progress_of(folder: Path) -> Progress:
    finished, saved_steps = {}, {}
    for path in run_folders(folder) if (folder / "runs").exists() else []:
        run = RunFolder(path)
        if run.state == "done":
            finished |= {path / name: (path / name).stat().st_mtime_ns for name in LEFT}
        elif run.checkpoint_file.exists():
            saved_steps[run.run_id] = load_checkpoint(run.checkpoint_file)["step"]
    return Progress(finished, saved_steps)


def complete(words: tuple[str, ...], results: Path) -> Finished:
    """Give a command that must succeed, without figures."""
    finished = attnbench(*words, *(["--no-plot"] if words[0] == "sweep" else []), "--results", results)
    assert finished.status == 0, finished.err
    assert "Traceback" not in finished.err
    return finished


def carry_on(results: Path, expected: list[dict[str, str]], words: tuple[str, ...] = TWO_RUNS) -> Finished:
    """Give the same command again; nothing finished is touched, nothing saved is lost, and no half is left.

    Args:
        results: where the command had been disturbed.
        expected: the rows of the merged metrics.csv where nothing goes wrong.
        words: of the command.
    """
    folder = results / FOLDER
    before = progress_of(folder)
    finished = complete(words, results)
    assert without_times(rows_of(folder / "metrics.csv")) == expected
    assert {path: path.stat().st_mtime_ns for path in before.finished} == before.finished
    resumed = {
        run_id: json.loads((folder / "runs" / run_id / "status.json").read_text())["resumed_from_step"]
        for run_id in before.saved_steps
    }
    assert resumed == before.saved_steps
    assert halves_in(folder) == []
    assert not list(folder.rglob("error.txt"))
    return finished
