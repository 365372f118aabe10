"""A sweep folder of thousands of finished runs, made by what makes real ones; the runs themselves are not trained.

One tiny run is trained in earnest. Every other folder gets its files, with rows of its own names and a status of its
own, so that whoever reads the folder reads what a long sweep would have left.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from attnbench.config.composition import Configuration
from attnbench.config.run_request import request_run
from attnbench.config.sweep_axes import SweepWords
from attnbench.config.sweep_plan import SweepPlan, plan_sweep
from attnbench.runs.columns import read_rows, write_rows
from attnbench.runs.execute import Execution, execute
from attnbench.runs.folder import RunFolder
from attnbench.runs.outcome import Outcome
from attnbench.runs.store import RunStore
from attnbench.sweeps.executors.slurm_records import JobBook, JobRecord, new_record
from attnbench.sweeps.planned import PlannedRun
from attnbench.sweeps.sweep import prepare

LENGTHS = "1:50"
MODELS = "fixed,luong_general"
RUNS_PER_JOB = 4
ARRAY_SIZE = 1000
TINY = (
    "task.length=3",
    "training.steps=4",
    "training.evaluate_every=2",
    "training.batch_size=4",
    "training.validation_examples=8",
    "training.test_examples=8",
    "model.hidden_size=8",
    "model.embedding_size=8",
    "device=cpu",
)


def sweep_words(seeds: int, results: Path) -> list[str]:
    """Return the words of the sweep: a hundred runs for each seed."""
    words = ["sweep", "--lengths", LENGTHS, "--models", MODELS, "--seeds", str(seeds)]
    return [*words, "--results", str(results)]


def planned_sweep(seeds: int) -> SweepPlan:
    """Return what these words plan."""
    return plan_sweep(Configuration(), SweepWords(lengths=LENGTHS, models=MODELS, seeds=str(seeds)))


def prepare_all(store: RunStore, plan: SweepPlan) -> None:
    """Write the runs down, as the sweep does before the first of them is trained."""
    store.runs_path.mkdir(parents=True)
    prepare(store, plan.runs, lambda _: None, trusted_folder=None)


def train_one(folder: Path) -> RunFolder:
    """Train a run of a tenth of a second."""
    request = request_run(Configuration(), TINY)
    run_folder = RunFolder(folder / request.spec.run_id)
    run_folder.prepare(request.spec.to_values(), request.lengths)
    execute(run_folder, Execution(device="cpu"))
    return run_folder


def finish_all(store: RunStore, runs: Sequence[PlannedRun], trained: RunFolder) -> None:
    """Let prepared runs end as the trained one did."""
    [row] = read_rows(trained.metrics_file)
    outcome = trained.read_outcome()
    assert outcome is not None
    for run in runs:
        folder = store.folder(run.spec.run_id)
        folder.claim_file.touch()
        for file in (trained.train_file, trained.environment_file):
            shutil.copyfile(file, folder.path / file.name)
        # One file under all names: readers look at its size and time, and the disk does not fill.
        folder.checkpoint_file.hardlink_to(trained.checkpoint_file)
        write_rows(folder.metrics_file, [{**row, **_own_cells(run)}])
        folder.write_outcome(
            Outcome(folder.run_id, "done", list(run.lengths), outcome.stop_reason, outcome.steps)
        )


def _own_cells(run: PlannedRun) -> dict[str, object]:
    spec = run.spec
    [length] = run.lengths
    return {
        "run_id": spec.run_id,
        "model": spec.model.name,
        "variant": spec.variant,
        "length": length,
        "length_min": length,
        "train_min_length": spec.lengths.minimum,
        "train_max_length": spec.lengths.maximum,
        "seed": spec.seed,
        "hidden_size": spec.model.hidden_size,
        "learning_rate": spec.training.learning_rate,
    }


def hand_to_cluster(store: RunStore, runs: Sequence[PlannedRun], commands: Path) -> None:
    """Write down jobs for runs, and put a `squeue` into a folder which says that all of them wait."""
    names = [run.spec.run_id for run in runs]
    packs = [names[first : first + RUNS_PER_JOB] for first in range(0, len(names), RUNS_PER_JOB)]
    records = [new_record(packs[first : first + ARRAY_SIZE]) for first in range(0, len(packs), ARRAY_SIZE)]
    for record in records:
        JobBook(store.jobs_path).write(record)
    commands.mkdir()
    (commands / "queue").write_text("\n".join(line for record in records for line in _queue_lines(record)))
    squeue = commands / "squeue"
    squeue.write_text('#!/bin/sh\ncat "$(dirname "$0")/queue"\n')
    squeue.chmod(0o755)


def _queue_lines(record: JobRecord) -> list[str]:
    return [f"{record.name}|7|{index}|Priority|PENDING" for index in range(len(record.packs))]
