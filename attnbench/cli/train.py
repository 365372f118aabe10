"""`attnbench train`: one run."""

from typing import Annotated, Any

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    ConfigDir,
    Debug,
    Overrides,
    Results,
    TaskName,
    explained_errors,
    print_json,
    say,
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
        from attnbench.cli.train_run import train_run

        store = named_store(results, name)
        status = train_run(store, request, retry_failed, as_json)
    raise typer.Exit(status)


def _show(values: dict[str, Any], as_json: bool) -> None:
    shown = {key: value for key, value in values.items() if key not in ("sweep", "executor")}
    if as_json:
        print_json(shown)
        return
    import yaml

    say("# What `attnbench train` would run; every key can be changed on the command line.")
    print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")
