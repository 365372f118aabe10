"""Runs that are trained within a tenth of a second."""

from pathlib import Path

from attnbench.config.run_request import request_run
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.spec import RunSpec
from attnbench.runs.status import RunStatus
from tests.commands import TINY
from tests.configuration import CONFIGURATION


def tiny_spec(*overrides: str) -> RunSpec:
    return request_run(CONFIGURATION, [*TINY, "task.length=3", *overrides]).spec


def text_spec(source: Path, *overrides: str) -> RunSpec:
    """Return a run on a .tsv, a third of which is its test."""
    task = ["task=text_pairs", f"task.source={source}", "task.units=word", "task.test_share=0.3"]
    return request_run(CONFIGURATION, [*TINY, *task, *overrides]).spec


def prepared(runs: Path, spec: RunSpec, *lengths: int) -> RunFolder:
    """Return the folder of a run, ready to be executed; at its own length where none is given."""
    folder = RunFolder(runs / spec.run_id)
    folder.prepare(spec.to_values(), lengths or (spec.lengths.maximum,))
    return folder


def executed(runs: Path, spec: RunSpec, *lengths: int) -> RunFolder:
    folder = prepared(runs, spec, *lengths)
    assert finish(folder).state == "done"
    return folder


def finish(folder: RunFolder) -> RunStatus:
    return execute(RunFolder(folder.path), Execution(device="cpu"))
