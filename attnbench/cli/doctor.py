"""`attnbench doctor`: versions, devices, cluster, write access."""

import typer

from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    Debug,
    NeedlessConfigDir,
    Results,
    explained_errors,
    print_json,
)

SOMETHING_IS_WRONG = 1


def doctor(
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what this machine offers, and what would keep a sweep from running here."""
    with explained_errors(debug):
        from attnbench.cli.examination import examine

        findings = examine(results)
        if as_json:
            print_json(
                [{"what": each.what, "found": each.found, "is_good": each.is_good} for each in findings]
            )
        else:
            for each in findings:
                print(f"{'ok ' if each.is_good else 'BAD'}  {each.what:16} {each.found}")
    raise typer.Exit(0 if all(each.is_good for each in findings) else SOMETHING_IS_WRONG)
