"""All that a worker does: take one run folder and bring it to its end."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch

from attnbench.errors import (
    DamagedFileError,
    InterruptedRunError,
    RunFailedError,
    StorageError,
    UserError,
    is_storage_fault,
    storage_faults_named,
)
from attnbench.runs.checkpoint import (
    begin_from_trunk,
    finds_trunk,
    keep_trunk,
    load_checkpoint,
    remove_needless,
    save_checkpoint,
)
from attnbench.runs.data import find_data, keep_data, read_kept_data
from attnbench.runs.folder import RunFolder
from attnbench.runs.io import read_whole, write_atomically, write_json
from attnbench.runs.metrics_csv import as_csv, read_rows, write_rows
from attnbench.runs.records import describe_environment, metrics_row, sentence_rows, typed_command
from attnbench.runs.sentences import is_real_text, read_sentences, write_sentences
from attnbench.runs.spec import RunSpec
from attnbench.runs.status import RunStatus
from attnbench.runs.tensorboard import Row, events_written
from attnbench.tasks.base import LengthRange
from attnbench.training.device import check_cuda_graphs, check_precision, resolve_device
from attnbench.training.trainer import Trainer, TrainRow

TRAIN_COLUMNS = [field.name for field in fields(TrainRow)]


def _say_nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Execution:
    """How a run is executed; nothing here changes its results.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        should_stop: asked before every step.
        on_progress: told after every evaluation: steps done, budget, free-running validation accuracy.
        on_note: told in words what a person should know.
        command: that asked for the run.
        shares_trunk: whether the run keeps what runs of larger budgets begin from. One that finds the like of a
            smaller budget begins from it, and does the same.
        writes_events: whether TensorBoard is to see its training.
    """

    device: str = "auto"
    should_stop: Callable[[], bool] = lambda: False
    on_progress: Callable[[int, int, float], None] = _say_nothing
    on_note: Callable[[str], None] = _say_nothing
    command: str = field(default_factory=typed_command)
    shares_trunk: bool = False
    writes_events: bool = False


def execute(folder: RunFolder, execution: Execution) -> RunStatus:
    """Train the run, or go on where it stopped, then evaluate it at every requested length.

    Whatever goes wrong inside the run ends in its status.json, so that the others can go on. A run that has ended is
    left as it is, also where it has failed: another sweep, or an earlier turn of this job, was at it.

    Raises:
        InterruptedRunError: when asked to stop; the run is saved and goes on another time.
        ClaimedError: when another process works on it.
        StorageError: when the disk refuses a file; the run goes on another time from what was saved before.
    """
    with storage_faults_named(), folder.claim():
        folder.remove_partial_files()
        outcome = folder.read_outcome()
        if outcome is not None and folder.has_ended:
            return outcome
        started = time.perf_counter()
        try:
            outcome = _train_and_evaluate(folder, execution)
        except (InterruptedRunError, StorageError, BrokenPipeError):
            raise  # a pipe breaks where nobody listens any more; the run is no worse for that
        except Exception as error:
            if is_storage_fault(error):
                raise
            write_atomically(folder.error_file, traceback.format_exc().encode())
            outcome = RunStatus(folder.run_id, "failed", error=_reason(error))
        outcome.seconds = round(time.perf_counter() - started, 3)
        folder.write_outcome(outcome)
        return outcome


def _reason(error: Exception) -> str:
    """Return why a run failed. Our own words stand for themselves; those of a KeyError are nothing but the key."""
    if isinstance(error, (UserError, RunFailedError)):
        return f"{error}"
    name = type(error).__name__
    return f"{name}: {error}" if f"{error}" else name


def _train_and_evaluate(folder: RunFolder, execution: Execution) -> RunStatus:
    known = _known_results(folder)
    folder.status_file.unlink(missing_ok=True)
    folder.error_file.unlink(missing_ok=True)
    # Sums depend on how they are split over threads: with one, a run gives the same numbers in every executor.
    torch.set_num_threads(1)
    recorded = RunSpec.from_values(folder.read_spec())
    if not execution.shares_trunk and finds_trunk(folder, recorded):
        execution = replace(execution, shares_trunk=True)
    spec = _with_data(recorded, folder, execution)
    device = resolve_device(execution.device)
    check_precision(spec.training.precision, device)
    check_cuda_graphs(spec.training.cuda_graphs, device)
    trainer = make_trainer(spec, device)
    for split in (trainer.training_split, trainer.evaluation_split):
        split.tell = lambda text: execution.on_note(f"{folder.run_id}: {text}")
    resumed_from_step = _resume(trainer, folder, execution)
    if resumed_from_step is None:
        known = {}  # of another training, whose checkpoint is gone
        resumed_from_step = _branch(trainer, folder, recorded, execution)
    environment = describe_environment(str(device), spec.training.precision, execution.command)
    write_json(folder.environment_file, environment)
    lengths_before = folder.requested_lengths
    rows = [asdict(row) for row in trainer.rows]
    with events_written(folder, rows) if execution.writes_events else nullcontext(_say_nothing) as add_event:
        _train(trainer, folder, execution, add_event)
    folder.request(lengths_before)  # of no effect, but where the file was damaged in the meantime
    lengths = folder.requested_lengths
    found = _evaluate(spec, trainer, lengths, known, execution.should_stop)
    write_rows(folder.metrics_file, [found[each].row for each in sorted(found)])
    if sentences := [row for each in sorted(found) for row in found[each].sentences]:
        write_sentences(folder.sentences_file, sentences)
    tested = [spec.task.evaluation_range(length, lengths) for length in lengths]
    keep_data(
        folder, spec, {each: int(found[each].row["examples"]) if each in found else 0 for each in tested}
    )
    if execution.shares_trunk:
        remove_needless(folder, recorded)
    return RunStatus(
        folder.run_id,
        "done",
        lengths=lengths,
        stop_reason=trainer.stop_reason,
        steps=trainer.step,
        resumed_from_step=resumed_from_step,
        batch_parts=trainer.training_split.parts,
    )


def _with_data(spec: RunSpec, folder: RunFolder, execution: Execution) -> RunSpec:
    """Return the spec with the files of its data found, and with what an earlier execution learnt from them."""
    try:
        kept = read_kept_data(folder)
    except DamagedFileError as error:
        execution.on_note(f"{error} It is written anew.")
        kept = None
    remedy = "The same command with the paths at which they lie, and with --retry-failed, carries on."
    spec = find_data(spec, folder.path, remedy, kept.files if kept else None)
    return replace(spec, task=spec.task.with_learnt(kept.learnt)) if kept else spec


def make_trainer(spec: RunSpec, device: torch.device) -> Trainer:
    """Return the trainer of a run at its first step."""
    sizes = len(spec.task.source_vocabulary.tokens), len(spec.task.target_vocabulary.tokens)
    model = spec.model.build(*sizes, spec.seed)
    return Trainer(spec.task, model, spec.training, spec.lengths, spec.seed, device)


def _resume(trainer: Trainer, folder: RunFolder, execution: Execution) -> int | None:
    """Go on from the checkpoint, if there is a good one; return the step at which it stood."""
    if not folder.checkpoint_file.exists():
        return None
    try:
        trainer.load_state_dict(load_checkpoint(folder.checkpoint_file))
    except DamagedFileError as error:
        execution.on_note(f"{error} The run {folder.run_id} begins anew.")
        folder.checkpoint_file.unlink()
        return None
    if not _holds_train_rows(folder, trainer):
        _write_train_rows(trainer, folder)  # there may be no further step that would
    return trainer.step


def _branch(trainer: Trainer, folder: RunFolder, spec: RunSpec, execution: Execution) -> int | None:
    """Begin from the trunk, where this is asked for and one stands; return the step at which it stood."""
    step = begin_from_trunk(trainer, folder, spec, execution.on_note) if execution.shares_trunk else None
    if step is not None:
        _save(trainer, folder)  # there may be no further step that would
    return step


def _train(
    trainer: Trainer, folder: RunFolder, execution: Execution, add_event: Callable[[Row], None]
) -> None:
    def keep() -> None:
        if execution.shares_trunk:
            keep_trunk(trainer, folder)

    try:
        for row in trainer.fit(execution.should_stop, at_branching_step=keep):
            _save(trainer, folder)
            add_event(asdict(row))
            execution.on_progress(row.step, trainer.config.steps, row.validation_token_accuracy)
    except InterruptedRunError:
        _save(trainer, folder)
        raise
    if trainer.step < trainer.config.branching_step:
        keep()  # solved or flat: every larger budget stops here too, for the same reason


def _save(trainer: Trainer, folder: RunFolder) -> None:
    """Write train.csv, then the checkpoint that holds the same rows: after a crash in between, nothing is lost."""
    _write_train_rows(trainer, folder)
    save_checkpoint(folder.checkpoint_file, trainer.state_dict())


def _write_train_rows(trainer: Trainer, folder: RunFolder) -> None:
    write_rows(folder.train_file, [asdict(row) for row in trainer.rows], TRAIN_COLUMNS)


def _holds_train_rows(folder: RunFolder, trainer: Trainer) -> bool:
    rows = [asdict(row) for row in trainer.rows]
    return folder.train_file.exists() and read_whole(folder.train_file) == as_csv(rows, TRAIN_COLUMNS)


@dataclass(frozen=True)
class _Result:
    """What evaluation at one length or bucket gave: its row of metrics.csv, and for real text its sentences."""

    row: dict[str, Any]
    sentences: Sequence[Mapping[str, object]] = ()


def _known_results(folder: RunFolder) -> dict[LengthRange, _Result]:
    """Return the results that status.json vouches for.

    Those of an execution that was cut short may be damaged without a trace; making them again trains nothing. So are
    those of real text of which the sentences are gone, or were not kept by an earlier version.
    """
    if folder.read_outcome() is None or folder.find_damage() is not None:
        return {}
    try:
        rows = read_rows(folder.metrics_file)
        sentences = {} if folder.find_damaged_record() else read_sentences(folder.sentences_file)
        found = {}
        for row in rows:
            bucket = int(row["length_min"]), int(row["length"])
            if bucket in sentences or not is_real_text(row):
                found[LengthRange(*bucket)] = _Result(dict(row), sentences.get(bucket, ()))
        return found
    except (OSError, UserError, KeyError, ValueError):
        return {}


def _evaluate(
    spec: RunSpec,
    trainer: Trainer,
    lengths: list[int],
    known: Mapping[LengthRange, _Result],
    should_stop: Callable[[], bool],
) -> dict[LengthRange, _Result]:
    """Return the results at each requested length, taking those that are known already."""
    wanted = [spec.task.evaluation_range(length, lengths) for length in lengths]
    found = {each: known[each] for each in wanted if each in known}
    for each in wanted:
        if each not in found:
            if should_stop():
                raise InterruptedRunError("stopped before every length was evaluated")
            scores = trainer.test(each)
            if scores.tokens:
                row = metrics_row(spec, trainer, each, scores)
                found[each] = _Result(row, sentence_rows(each, scores) if is_real_text(row) else ())
    return found
