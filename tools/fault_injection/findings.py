"""What must not be found after a disturbed sweep has finished: lost runs, work done twice, wrong rows, leftovers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attnbench.errors import UserError
from attnbench.runs.folder import RunFolder
from attnbench.runs.store import RunStore
from tools.fault_injection.ledger import Ledger
from tools.fault_injection.sweep import Reference, RowKey, compared_rows

CATEGORIES = {
    "lost": "runs lost",
    "twice": "done twice",
    "wrong": "wrong rows",
    "leftovers": "leftovers",
}


@dataclass
class Findings:
    """What was found, a sentence each.

    Attributes:
        lost: planned runs that are not `done`, or have no row in the merged table.
        twice: runs done twice, as the ledger defines it.
        wrong: rows, of a run or of the merged table, that differ from those of the undisturbed sweep in a column
            other than times, or that the undisturbed sweep does not have.
        leftovers: halves of files (`.*.tmp`), tracebacks on stderr, exit statuses other than promised, commands that
            do not end, processes that live on.
    """

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    def count(self, category: str) -> int:
        """Return how much of one kind was found."""
        return len(getattr(self, category))

    def __bool__(self) -> bool:
        """Say whether anything was found."""
        return any(self.count(category) for category in CATEGORIES)

    def lines(self) -> list[str]:
        """Return everything found, with its category."""
        return [f"{words}: {each}" for name, words in CATEGORIES.items() for each in getattr(self, name)]


def judge(findings: Findings, store: RunStore, reference: Reference, ledger: Ledger) -> None:
    """Add what is wrong in the folder of a finished sweep."""
    merged = _rows(findings, store)
    of_runs: dict[RowKey, dict[str, str]] = {}
    for run_id in reference.run_ids:
        run = store.folder(run_id)
        damage = run.find_damage()
        if run.state != "done" or damage or not any(key[0] == run_id for key in merged):
            findings.lost.append(f"{run_id} is {damage or run.state}")
        of_runs |= _rows(findings, run)
    findings.wrong += _differences("merged", merged, reference.rows)
    findings.wrong += _differences("of its run", of_runs, reference.rows)
    findings.twice += [f"{run_id}: {reason}" for run_id, reason in ledger.twice.items()]
    findings.leftovers += [str(half.relative_to(store.path)) for half in store.path.rglob(".*.tmp")]


def _rows(findings: Findings, owner: RunStore | RunFolder) -> dict[RowKey, dict[str, str]]:
    """Read a table; where there is none its rows are missing, and where it is damaged they are wrong."""
    try:
        return compared_rows(owner.metrics_file)
    except FileNotFoundError:
        return {}
    except (UserError, KeyError) as error:
        findings.wrong.append(f"{owner.metrics_file.relative_to(owner.path.parent)}: {error}")
        return {}


def _differences(
    where: str, rows: Mapping[RowKey, Mapping[str, str]], expected: Mapping[RowKey, Mapping[str, str]]
) -> list[str]:
    """Name the rows that are not as expected; missing ones belong to lost runs."""
    return [
        f"{run_id} at {length} ({where}): {_difference(row, expected.get((run_id, length), {}))}"
        for (run_id, length), row in rows.items()
        if row != expected.get((run_id, length))
    ]


def _difference(row: Mapping[str, str], expected: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {cell}, expected {expected.get(name, 'no such row')}"
        for name, cell in row.items()
        if cell != expected.get(name)
    )
