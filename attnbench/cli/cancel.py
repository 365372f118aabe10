"""`attnbench cancel`: end the cluster jobs of a sweep."""

from typing import Annotated

import typer

from attnbench.cli.options import DEFAULT_RESULTS, Debug, NeedlessConfigDir, Results, explained_errors, say
from attnbench.wording import counted


def cancel(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A folder, or its name under the results.")],
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
