"""`attnbench status`: what is done, running, failed, left."""

from collections import Counter
from typing import Annotated

import typer

from attnbench.cli.options import DEFAULT_RESULTS, AsJson, Debug, Results, explained_errors, print_json

WORDS = {
    "done": "done",
    "running": "running",
    "failed": "failed",
    "interrupted": "interrupted, will go on from a checkpoint",
    "waiting": "not begun",
}


def status(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A folder, or its name under the results.")],
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say how far the runs of a sweep are; every run that is not done is named."""
    with explained_errors(debug):
        from attnbench.cli.places import find_store

        store = find_store(sweep, results)
        states = store.states()
        reasons = {
            run_id: store.folder(run_id).read_outcome() for run_id in states if states[run_id] == "failed"
        }
        counts: Counter[str] = Counter(states.values())
        if as_json:
            failed = {run_id: outcome.error for run_id, outcome in reasons.items() if outcome}
            print_json({"folder": str(store.path), "counts": counts, "runs": states, "failed": failed})
            return
        print(f"{store.path}: {len(states)} runs")
        for state, words in WORDS.items():
            if counts[state]:
                print(f"  {counts[state]:6}  {words}")
        for run_id, state in states.items():
            outcome = reasons.get(run_id)
            if state != "done":
                print(f"{state:11}  {run_id}{f': {outcome.error}' if outcome else ''}")
