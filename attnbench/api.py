"""The commands as calls from Python, for notebooks and scripts: `attnbench.load`, `attnbench.sweep`, `attnbench.train`.

They do what the commands do, through the same functions, and raise errors whose text is the command's message.
"""

import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from attnbench.api_run import Run, as_the_command, shown
from attnbench.cli.options import DEFAULT_RESULTS, named_errors
from attnbench.errors import UserError
from attnbench.report.settings import SweepTables
from attnbench.runs.store import RunStore

REPR_COLUMNS = 100
COMMAND_ALONE = ("dry_run", "no_wait")


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What a sweep found.

    Attributes:
        folder: of the sweep, or of the metrics.csv that was named.
        metrics: a row for each run and evaluated length, as in metrics.csv.
        tables: all that is derived from them.
        verdict: what it shows and what it does not, as in verdict.md.
        config_dir: the folder of the person's own classes.
    """

    folder: Path
    metrics: pd.DataFrame
    tables: SweepTables
    verdict: str
    config_dir: Path | None = None

    @property
    def curve(self) -> pd.DataFrame:
        """Means with intervals by arm, score and length, as in curve.csv."""
        return self.tables.curve

    @property
    def breakdown(self) -> pd.DataFrame:
        """The length at which each arm breaks down, as in breakdown.csv."""
        return self.tables.breakdown

    @property
    def comparison(self) -> pd.DataFrame:
        """Each arm beside the baseline, as in comparison.csv."""
        return self.tables.comparison

    @property
    def failed(self) -> dict[str, str]:
        """Why runs failed, by run_id."""
        from attnbench.sweeps.run import result_of

        return result_of(RunStore(self.folder).folders()).failed

    def plot(self, figure: str | None = None) -> Figure:
        """Draw accuracy against length, or BLEU where real text has no accuracy.

        Args:
            figure: another one: "memory", "capacity", "price" or "law", as `attnbench plot --figure` takes them.

        Raises:
            UserError: where there is no such figure, or nothing to draw in it.
        """
        from attnbench.plots.length import draw_length_figures
        from attnbench.report.sweep_report import FIGURES, check_figure, check_scores
        from attnbench.runs.training_records import TrainingRecords

        with named_errors():
            if figure is not None:
                check_figure(figure)
                unfinished = self.tables.progress.unfinished
                tuning = TrainingRecords([self.folder]).tuning_rows()
                return shown(FIGURES[figure](self.tables.metrics, unfinished, tuning).figure)
            check_scores([self.metrics])
            return shown(next(iter(draw_length_figures(self.tables.drawn_panels).values())))

    def run(self, run_id: str) -> "Run":
        """Return one run of the sweep.

        Raises:
            UserError: where there is none, naming those most like it.
        """
        with named_errors():
            from attnbench.errors import unknown

            known = [folder.run_id for folder in RunStore(self.folder).folders()]
            if run_id not in known:
                raise unknown("run", run_id, known)
            return Run(RunStore(self.folder).folder(run_id), self.config_dir)

    def __repr__(self) -> str:
        """Return the table and the verdict that the command prints."""
        from rich.console import Console

        from attnbench.report.summary import summary_table

        text = io.StringIO()
        console = Console(
            file=text, width=REPR_COLUMNS, force_jupyter=False, force_terminal=False, color_system=None
        )
        console.print(summary_table(self.tables.panels))
        return text.getvalue() + self.verdict.rstrip()


def load(sweep: str | Path, *, results: str | Path = DEFAULT_RESULTS, baseline: str | None = None) -> Results:
    """Return what a sweep found.

    Args:
        sweep: its folder, its name under the results, or a metrics.csv.
        results: where results are.
        baseline: the arm that the others are compared with.

    Raises:
        UserError: where there is no such sweep, nothing has finished, or a table is damaged.
    """
    from attnbench.cli.plot import read_sweep
    from attnbench.report.law_words import all_verdicts
    from attnbench.report.sweep_report import check_baseline, check_rates, join_sweeps
    from attnbench.report.verdict import verdict_markdown
    from attnbench.runs.training_records import TrainingRecords

    with as_the_command():
        metrics, folder = read_sweep(str(sweep), Path(results))
        check_rates([metrics])
        if baseline is not None:
            check_baseline([metrics], baseline)
        joined = join_sweeps([metrics])
        tables = SweepTables.of(joined, baseline, TrainingRecords([folder]))
        return Results(folder, joined, tables, verdict_markdown(all_verdicts(tables)))


def sweep(
    task: str | None = None,
    models: str | Sequence[str] | None = None,
    lengths: str | int | Sequence[int] | None = None,
    seeds: str | int | Sequence[int] | None = None,
    *,
    results: str | Path = DEFAULT_RESULTS,
    config_dir: str | Path | None = None,
    **overrides: Any,
) -> Results:
    """Do what `attnbench sweep` does, in worker processes, and return what it found.

    Args:
        task: which.
        models: which arms to compare, a list or "a,b".
        lengths: a list, or "4:64:x2".
        seeds: a count, or a list of seeds.
        results: where results are.
        config_dir: your own yaml groups, and the classes that they name.
        **overrides: other options of the command by name (preset="hour", workers=2), and keys: training={"steps": 500}
            or training__steps=500. A list is an axis. A text is read as on the command line.

    Raises:
        UserError: for what does not fit, before anything is written.
        RefusedError: where a disk or a cluster does not take the work; the same call carries on.
        KeyboardInterrupt: after an interrupt, when what was done has been saved.
    """
    from attnbench.cli.sweep_work import carry_out, check_sweep
    from attnbench.config.compose import Configuration
    from attnbench.sweeps.plan import SweepOptions, plan_sweep

    for name in COMMAND_ALONE:
        if name in overrides:
            raise UserError(
                f"{name}: expected a sweep to be made and waited for; it is for `attnbench sweep`."
            )
    options = {"task": task, "models": models, "lengths": lengths, "seeds": _seeds(seeds)}
    known = {each.name for each in fields(SweepOptions)} - {"overrides"}
    options |= {name: overrides.pop(name) for name in list(overrides) if name in known}
    given = {name: _option(name, value) for name, value in options.items() if value is not None}
    words = _override_words(overrides, _axis)
    own, folder = Path(results), None if config_dir is None else Path(config_dir)
    with as_the_command(folder, _command("sweep", given, words, own, folder)):
        chosen = SweepOptions(**given, overrides=tuple(words))
        plan = plan_sweep(Configuration(folder), chosen)
        store, device = check_sweep(plan, chosen, own)
        made = carry_out(plan, chosen, store, device, lambda *_: None)
        made.work.refusal.raise_noted()
        if made.stop_status:
            raise KeyboardInterrupt
    found = load(store.path, results=own, baseline=given.get("baseline"))
    return Results(found.folder, found.metrics, found.tables, found.verdict, folder)


def train(
    task: str | None = None,
    model: str | Mapping[str, Any] | None = None,
    *,
    name: str = "train",
    retry_failed: bool = False,
    tensorboard: bool = False,
    results: str | Path = DEFAULT_RESULTS,
    config_dir: str | Path | None = None,
    **overrides: Any,
) -> Run:
    """Do what `attnbench train` does, in a process of its own, and return the run.

    Args:
        task: which.
        model: which; or keys of the default one, as {"hidden_size": 32}.
        name: folder under the results.
        retry_failed: whether to repeat the run if it has failed.
        tensorboard: whether to write event files of its training.
        results: where results are.
        config_dir: your own yaml groups, and the classes that they name.
        **overrides: keys: task={"length": 8} or task__length=8.

    Raises:
        UserError: for what does not fit, before anything is written.
        RunFailedError: where the run failed, with the reason.
        RefusedError: where the disk does not take what is saved; the same call carries on.
        KeyboardInterrupt: after an interrupt, when what was done has been saved.
    """
    from attnbench.cli.find import named_store
    from attnbench.cli.train import carry_out
    from attnbench.config.compose import Configuration
    from attnbench.config.run_request import request_run
    from attnbench.errors import RunFailedError
    from attnbench.executors.local import Processes
    from attnbench.sweeps.run import result_of

    own, config = Path(results), None if config_dir is None else Path(config_dir)
    options = {"task": task, "name": name, "tensorboard": tensorboard or None}
    words = _override_words(({} if model is None else {"model": model}) | overrides, _value)
    given = {key: value for key, value in options.items() if value is not None}
    with as_the_command(config, _command("train", given, words, own, config)):
        request = request_run(Configuration(config), words, task)
        one_process = Processes(workers=1, workers_per_gpu=1)
        store = named_store(own, name)
        folder, refusal, stop_status = carry_out(store, request, retry_failed, one_process, tensorboard)
        refusal.raise_noted()
        if stop_status:
            raise KeyboardInterrupt
        for run_id, reason in result_of([folder]).failed.items():
            raise RunFailedError(f"{run_id} failed: {reason}")
    return Run(folder, config)


def _command(
    name: str, options: Mapping[str, Any], words: Sequence[str], results: Path, config_dir: Path | None
) -> str:
    """Return the command that does the same, as a shell takes it, for the records."""
    parts = ["attnbench", name]
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        parts += ([option] if value else []) if isinstance(value, bool) else [option, str(value)]
    parts += words
    parts += [] if results == DEFAULT_RESULTS else ["--results", str(results)]
    parts += [] if config_dir is None else ["--config-dir", str(config_dir)]
    return shlex.join(parts)


def _seeds(seeds: Any) -> Any:
    """Return seeds in the words of --seeds, where a comma makes a list of one."""
    return seeds if seeds is None or isinstance(seeds, str | int) else ",".join(map(str, seeds)) + ","


def _option(name: str, value: Any) -> Any:
    """Return an option as the command line has it."""
    if isinstance(value, bool) or name in ("workers", "longer"):
        return value
    mark = ":" if name == "train_range" else ","
    return (
        mark.join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )


def _override_words(overrides: Mapping[str, Any], as_text: Any, prefix: str = "") -> list[str]:
    """Return `key=value` for each key, those within a mapping behind a dot."""
    words: list[str] = []
    for name, value in overrides.items():
        key = prefix + name.replace("__", ".")
        if isinstance(value, Mapping):
            words += _override_words(value, as_text, f"{key}.")
        else:
            words.append(f"{key}={as_text(value)}")
    return words


def _axis(value: Any) -> str:
    """Return the values of a sweep's key as they are typed."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return ",".join(map(_value, value)) if is_list else _value(value)


def _value(value: Any) -> str:
    """Return a value as it is typed; a path is quoted, for it may hold a comma."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_value, value)) + "]"
    return str(value)
