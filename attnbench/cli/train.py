"""`attnbench train`: one run."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Overrides,
    Results,
    TaskName,
    command_line,
    explained_errors,
    print_json,
    say,
)
from attnbench.formatting import length_span

if TYPE_CHECKING:
    from attnbench.config.run_request import RunRequest
    from attnbench.executors.base import Executor
    from attnbench.runs.folder import RunFolder
    from attnbench.runs.store import RunStore
    from attnbench.sweeps.run import Refusal

SHOWN = (
    ("token accuracy, running freely", "token_accuracy", ".3f"),
    ("token accuracy, teacher-forced", "teacher_forced_accuracy", ".3f"),
    ("whole sequences right", "sequence_accuracy", ".3f"),
    ("accuracy by chance", "chance_accuracy", ".3f"),
    ("bits recovered", "bits_recovered", ".1f"),
    ("bits available", "bits_available", ".1f"),
    ("looked at the answer", "alignment_accuracy", ".3f"),
    ("BLEU", "bleu", ".1f"),
    ("chrF", "chrf", ".1f"),
)


def train(
    overrides: Overrides = None,
    task: TaskName = None,
    results: Results = DEFAULT_RESULTS,
    name: Annotated[str, typer.Option(help="Folder under the results.")] = "train",
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the configuration and stop.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Repeat the run if it has failed.")
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write event files of the training (needs attnbench\\[tensorboard]).",
        ),
    ] = False,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train one model and evaluate it.

    The same command again carries on where it stopped, or prints what there is.
    """
    with explained_errors(debug, config_dir):
        from attnbench.config.compose import Configuration
        from attnbench.config.run_request import request_run

        configuration = Configuration(config_dir)
        request = request_run(configuration, overrides or [], task)
        if show_config:
            _show(request.values, as_json)
            return
        from attnbench.cli.find import named_store

        store = named_store(results, name)
        looking = command_line("inspect", request.spec.run_id, results=results, config_dir=config_dir)
        status = _train(store, request, retry_failed, tensorboard, as_json, looking)
    raise typer.Exit(status)


def _show(values: dict[str, Any], as_json: bool) -> None:
    shown = {key: value for key, value in values.items() if key not in ("sweep", "executor")}
    if as_json:
        print_json(shown)
        return
    import yaml

    say("# What `attnbench train` would run; every key can be changed on the command line.")
    print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")


def _train(
    store: "RunStore",
    request: "RunRequest",
    retry_failed: bool,
    writes_events: bool,
    as_json: bool,
    looking: str,
) -> int:
    """Bring one run to its end, tell what came of it and which command looks at it; return the exit status."""
    from attnbench.executors.local import Inline

    folder, refusal, stop_status = carry_out(store, request, retry_failed, Inline(), writes_events)
    status = _report(folder, as_json, refusal, looking)
    refusal.raise_noted()
    return stop_status or status


def carry_out(
    store: "RunStore",
    request: "RunRequest",
    retry_failed: bool,
    executor: "Executor",
    writes_events: bool = False,
) -> "tuple[RunFolder, Refusal, int]":
    """Bring one run to its end, or as far as nobody says stop.

    Returns:
        Its folder, what a disk refused, and the exit status of a signal that asked to stop: 0 where none came.
    """
    from attnbench.cli.progress import TrainProgress
    from attnbench.cli.stopping import stop_on_signals
    from attnbench.executors.base import WorkOrder
    from attnbench.runs.folder import forget_failures
    from attnbench.runs.spec import PlannedRun
    from attnbench.runs.tensorboard import check_tensorboard, complete_events, tensorboard_command
    from attnbench.sweeps.run import Refusal, missing, prepare, run_to_the_end
    from attnbench.training.device import check_cuda_graphs, check_precision, resolve_device

    if writes_events:
        check_tensorboard()
    store.check_ours()
    device = resolve_device(request.device)
    check_precision(request.spec.training.precision, device)
    check_cuda_graphs(request.spec.training.cuda_graphs, device)
    order = WorkOrder(str(device), writes_events=writes_events)
    planned = PlannedRun(request.spec, tuple(request.lengths))
    refusal = Refusal()
    store.remove_partial_files()
    with stop_on_signals() as stop, TrainProgress() as progress, refusal.noted():
        folders = prepare(store, [planned], progress.say)
        if writes_events:
            complete_events(folders)
        left = missing(folders, retry_failed)
        if retry_failed:
            forget_failures(left)
        if left:
            _announce(request, store.folder(request.spec.run_id), str(device))
            if writes_events:
                say(f"  To watch: {tensorboard_command(store.path)}")
            run_to_the_end(left, executor, order, progress.listen, stop)
    return store.folder(request.spec.run_id), refusal, stop.exit_status


def _announce(request: "RunRequest", folder: "RunFolder", device: str) -> None:
    spec = request.spec
    span = f"{spec.lengths.minimum}–{spec.lengths.maximum}" if request.spec.protocol != "per_length" else ""
    lengths = span or f"{spec.lengths.maximum}"
    say(
        f"Training {spec.model.name} on {spec.task.name}, {lengths} {spec.task.length_unit}, seed {spec.seed}, "
        f"up to {spec.training.steps:,} steps on {device}, into {folder.path}"
    )
    for note in [*spec.task.notes(), *spec.task.evaluation_notes(request.lengths), *spec.notes()]:
        say(f"  {note}")


def _report(folder: "RunFolder", as_json: bool, refusal: "Refusal", looking: str) -> int:
    from attnbench.runs.metrics_csv import read_rows
    from attnbench.sweeps.run import result_of

    result = result_of([folder])
    rows = read_rows(folder.metrics_file) if result.done else []
    if as_json:
        print_json(_as_json(folder, rows, refusal))
    for run_id, reason in result.failed.items():
        say(f"{run_id} failed: {reason}")
        say(f"Its folder: {folder.path}. --retry-failed repeats it.")
        return 1
    if result.unfinished:
        say(f"The run is not finished; the same command carries on. Its folder: {folder.path}")
    elif not as_json:
        for row in rows:
            _print_row(row)
        say(f"Everything about the run is in {folder.path}")
        say(f"See what it wrote and where it looked: `{looking}`")
    return 0


def _print_row(row: dict[str, str]) -> None:
    length = length_span(row["length_min"] or row["length"], row["length"])
    print(
        f"length {length} {row['length_unit']}, {row['steps']} steps ({row['stop_reason']}), {row['examples']} examples"
    )
    for label, column, form in SHOWN:
        if row[column]:
            print(f"  {label:32} {float(row[column]):{form}}")


def _as_json(folder: "RunFolder", rows: list[dict[str, str]], refusal: "Refusal") -> dict[str, Any]:
    outcome = folder.read_outcome()
    return {
        "run_id": folder.run_id,
        "folder": str(folder.path),
        "state": folder.state,
        "error": outcome.error if outcome else None,
        "metrics": [{key: _number(value) for key, value in row.items()} for row in rows],
        "refused": str(refusal.error) if refusal.error else None,
    }


def _number(text: str) -> Any:
    """Return a cell as a number where it is one, and None where it is empty."""
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
