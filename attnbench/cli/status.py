"""`attnbench status`: what is done, running, failed, left; and `attnbench cancel`, which ends the cluster jobs."""

import csv
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    Debug,
    NeedlessConfigDir,
    Results,
    SweepName,
    explained_errors,
    print_json,
    say,
)
from attnbench.errors import UserError
from attnbench.formatting import counted

if TYPE_CHECKING:
    from rich.table import Table

    from attnbench.executors.slurm.records import JobOfRun
    from attnbench.runs.store import RunStore

WATCH_SECONDS = 2.0
IDLE_LOOKS = 5
WORDS = {
    "done": "done",
    "running": "running",
    "pending": "pending: a job of the cluster will take them up",
    "failed": "failed",
    "lost": "lost: their job ended before they did; the same sweep does them again",
    "interrupted": "interrupted, will go on from a checkpoint",
    "waiting": "waiting: not begun",
    "renamed": "renamed: the folder bears another name than the run in it, so its rows do not count",
}


def status(
    sweep: SweepName,
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking until nobody is at the runs any more.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say how far the runs of a sweep are; every run that is not done is named."""
    with explained_errors(debug):
        from attnbench.cli.find import find_store

        if watch and as_json:
            raise UserError("--watch shows, --json tells once: use one of them.")
        store = find_store(sweep, results)
        if watch:
            _watch(store)
        states, held = _states(store)
        outcomes = {
            run_id: store.folder(run_id).read_outcome() for run_id in states if states[run_id] == "failed"
        }
        failed = {run_id: outcome.error or "" for run_id, outcome in outcomes.items() if outcome}
        renamed = store.renamed() if "renamed" in states.values() else {}
        if as_json:
            counts = Counter(states.values())
            reasons = {run_id: job.reason for run_id, job in held.items()}
            told = {"counts": counts, "runs": states, "failed": failed, "reasons": reasons}
            print_json({"folder": str(store.path), **told, "renamed": renamed})
        else:
            about = failed | {name: f"the run {true}" for name, true in renamed.items()}
            _show(store, states, about, held)


def _watch(store: "RunStore") -> None:
    """Show counts and the runs at work, again and again, until there are none; into a pipe, a line when counts change.

    Between two runs, and between the stages of a sweep, nobody is at any for a moment.
    """
    from rich.console import Console
    from rich.live import Live

    console, said, idle = Console(), "", 0
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            states, _ = _states(store)
            counts = Counter(states.values())
            line = ", ".join(f"{count:,} {state}" for state, count in counts.items())
            if console.is_terminal:
                live.update(_at_work(store, states, line), refresh=True)
            elif line != said:
                print(line, flush=True)
            said = line
            idle = 0 if counts["running"] or counts["pending"] else idle + 1
            if idle >= IDLE_LOOKS or set(counts) <= {"done"}:
                return
            time.sleep(WATCH_SECONDS)


def _at_work(store: "RunStore", states: Mapping[str, str], line: str) -> "Table":
    """Return the runs that somebody is at, with step, accuracy so far and the minutes that are left at most."""
    from rich.table import Table

    running = [run_id for run_id, state in states.items() if state == "running"]
    table = Table(
        title=f"{store.path}: {line}{_time_left(store, states, len(running))}", title_justify="left"
    )
    for name in ("run", "step", "of", "accuracy", "minutes left"):
        table.add_column(name, justify="left" if name == "run" else "right")
    for run_id in running:
        table.add_row(run_id, *_progress(store, run_id))
    return table


def _progress(store: "RunStore", run_id: str) -> Iterator[str]:
    """Yield step, budget, validation accuracy and minutes left of a run, as far as they are known."""
    folder = store.folder(run_id)
    steps = folder.read_spec()["training"]["steps"]
    try:
        *_, row = csv.DictReader(folder.train_file.read_text().splitlines())
    except (OSError, ValueError):
        yield from ("–", f"{steps:,}", "–", "–")  # not validated yet
        return
    done = int(row["step"])
    yield from (f"{done:,}", f"{steps:,}", f"{float(row['validation_token_accuracy']):.2f}")
    yield f"{float(row['train_seconds']) / done * (steps - done) / 60:.1f}"


def _time_left(store: "RunStore", states: Mapping[str, str], at_once: int) -> str:
    """Say about how long the rest takes: at the mean time of the runs that are done, as many at once as now."""
    done = [store.folder(run_id).read_outcome() for run_id, state in states.items() if state == "done"]
    seconds = [outcome.seconds for outcome in done if outcome is not None and outcome.seconds]
    left = sum(state in ("running", "pending", "waiting", "interrupted", "lost") for state in states.values())
    if not seconds or not at_once:
        return ""
    return f"; about {sum(seconds) / len(seconds) * left / at_once / 60:.0f} minutes left"


def _states(store: "RunStore") -> tuple[dict[str, str], "dict[str, JobOfRun]"]:
    """Return how far every run is, and the jobs that wait for what may not pass by itself.

    How far a run is its folder tells, and where that tells of no end, its job.
    """
    from attnbench.executors.slurm.records import JobRecords

    book, jobs = JobRecords(store.jobs_path), {}
    before = store.states()
    try:
        jobs = book.jobs_of(
            [run_id for run_id, state in before.items() if state in ("interrupted", "waiting")]
        )
    except UserError as error:
        say(f"What the jobs of the cluster do is not known: {error}")
    # Once more, since a run may have ended while Slurm was being asked.
    states: dict[str, str] = dict(store.states() if jobs else before)
    jobs = {run_id: job for run_id, job in jobs.items() if states[run_id] in ("interrupted", "waiting")}
    states |= {run_id: _of_job(store, run_id, job.state) for run_id, job in jobs.items()}
    return states, {run_id: job for run_id, job in jobs.items() if job.is_held}


def _of_job(store: "RunStore", run_id: str, job: str) -> str:
    """Name what a job does for a run: one that runs may not have come to it yet."""
    is_begun = store.folder(run_id).claim_file.exists()
    return "pending" if job == "running" and not is_begun else job


def _show(
    store: "RunStore", states: Mapping[str, str], about: Mapping[str, str], held: "Mapping[str, JobOfRun]"
) -> None:
    from attnbench.executors.slurm.records import why_held

    counts = Counter(states.values())
    of = len(states)
    done = f"{counts['done']:,} of {of:,} planned runs" if counts["done"] < of else counted(of, "run")
    print(f"{store.path}: {done}")
    for state, words in WORDS.items():
        if counts[state]:
            print(f"  {counts[state]:6}  {words}")
        if state == "pending":
            for count, reason in why_held(held.values()):
                print(f"          Slurm holds {count} of them: {reason}")
    for run_id, state in states.items():
        if state != "done":
            print(f"{state:11}  {run_id}{f': {about[run_id]}' if run_id in about else ''}")


def cancel(
    sweep: SweepName,
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    debug: Debug = False,
) -> None:
    """End the cluster jobs of a sweep; what they have finished or saved is kept."""
    with explained_errors(debug):
        from attnbench.cli.find import find_store
        from attnbench.executors.slurm.records import JobRecords

        store = find_store(sweep, results)
        count = JobRecords(store.jobs_path).cancel()
        if count:
            say(
                f"Cancelled: {counted(count, 'job')} of {store.path}. The command of the sweep takes the runs up again."
            )
        else:
            say(f"No job of {store.path} is in the queue of a cluster.")
