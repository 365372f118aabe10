"""Make published results again, or a folder of results/reference, and say whether they hold here."""

import csv
import io
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from attnbench.formatting import duration
from attnbench.runs.io import write_atomically
from attnbench.runs.metrics_table import read_metrics
from tools.reproduction.claims import BIBLE_FILES, Claim, Found, Reproduction, SweepWords
from tools.reproduction.published import ALL
from tools.reproduction.stored import REFERENCE, commands_of, compare, stored_folders

app = typer.Typer(add_completion=False)
STORED = Path("results/reference/reproductions")
PAGE = Path("docs/reproductions.md")
CLAIMS_FILE = "claims.csv"


@app.command(help=__doc__, no_args_is_help=True)
def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; `all` for all.", show_default=False)
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Say which there are, and stop.")] = False,
    results: Annotated[
        Path, typer.Option(help="Where the runs are made; those that are there are kept.")
    ] = Path("results"),
    text: Annotated[
        Path | None,
        typer.Option(
            help="Folder with train, dev and test, .en and .eo, for those that read text.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Where the rows of each sweep go, and the claims, a folder each.")
    ] = STORED,
    page: Annotated[
        Path | None,
        typer.Option(
            help="The page with the claims of every folder there.",
            show_default="docs/reproductions.md with the default --out",
        ),
    ] = None,
    tiny: Annotated[
        bool, typer.Option(help="Seconds in place of hours: only the form is tried, the claims mean nothing.")
    ] = False,
) -> None:
    """Run what is missing, judge, store and print."""
    if list_all:
        print(_listed(out), end="")
        return
    if tiny and (out == STORED or results == Path("results")):
        _refuse("--tiny needs an --out and --results of its own: its runs are not to stand among real ones.")
    stored = [name for name in names or [] if name in stored_folders()]
    chosen = _chosen([name for name in names or [] if name not in stored], text) if names != stored else []
    if sum(_repeat(name, results) for name in stored):
        raise typer.Exit(1)
    for reproduction in chosen:
        claims = _reproduce(reproduction, results, text, out, is_tiny=tiny)
        Console().print(_table(reproduction, claims))
        print("\n".join(["What differs from the paper:", *_differs(reproduction, out), ""]))
    if page is None and out == STORED and chosen:
        page = PAGE
    if page is not None:
        write_atomically(page, _page(out).encode())
        print(f"{page} written.")


def _chosen(names: list[str], text: Path | None) -> list[Reproduction]:
    known = {name: each for each in ALL for name in (each.name, each.also) if name}
    for name in names:
        if name not in {*known, "all"}:
            _refuse(
                f"No reproduction is called {name!r}; there are {', '.join([*known, *stored_folders()])}, and all."
            )
    if not names:
        _refuse(f"Which? {', '.join([*known, *stored_folders()])}, or all.")
    chosen = list(ALL) if "all" in names else list(dict.fromkeys(known[name] for name in names))
    needing = [each.name for each in chosen if each.reads_text]
    if needing and text is None:
        _refuse(
            f"{', '.join(needing)}: --text FOLDER is needed, with .en and .eo of {', '.join(BIBLE_FILES)}."
        )
    return chosen


def _refuse(words: str) -> None:
    print(f"reproduce: {words}", file=sys.stderr)
    raise typer.Exit(2)


def _reproduce(
    reproduction: Reproduction, results: Path, text: Path | None, out: Path, *, is_tiny: bool
) -> list[Claim]:
    """Run the sweeps of a reproduction, judge its claims and store them."""
    for sweep in reproduction.sweeps:
        _attnbench([*sweep.command(results, text, is_tiny=is_tiny), "--no-plot"])
    with tempfile.TemporaryDirectory() as temporary:

        def inspect(run: Path) -> Path:
            folder = Path(temporary) / run.name
            if not folder.exists():
                _attnbench(["inspect", str(run), "--examples", "1", "--out", str(folder)])
            return folder

        claims = reproduction.judge(Found(results, inspect))
    folder = out / reproduction.name
    folder.mkdir(parents=True, exist_ok=True)
    for sweep in reproduction.sweeps:
        write_atomically(out / f"{sweep.name}.csv", (results / sweep.name / "metrics.csv").read_bytes())
    write_atomically(folder / CLAIMS_FILE, _as_csv(claims).encode())
    return claims


def _repeat(name: str, results: Path) -> int:
    """Run a stored sweep again beside the stored one; return how many of its numbers are others."""
    for words in commands_of(REFERENCE / name):
        _attnbench([*words, "--name", name, "--results", str(results), "--no-plot"])
    found = compare(REFERENCE / name, results / name)
    for line in found.differences:
        print(f"  {line}")
    print(
        f"{name}: {found.points} means compared with those stored, "
        f"{len(found.differences)} differences beyond intervals."
    )
    return len(found.differences)


def _attnbench(words: list[str]) -> None:
    print(f"attnbench {shlex.join(words)}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "attnbench", *words], stdout=sys.stderr, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _listed(out: Path) -> str:
    lines = []
    for each in ALL:
        names = " or ".join(filter(None, (each.name, each.also)))
        needs = ", reads --text" if each.reads_text else ""
        lines += [f"{names}: {each.paper}", f"    {_time(each, out)}{needs}"]
    lines += [f"Folders of {REFERENCE}, run again and compared: {', '.join(stored_folders())}"]
    return "\n".join([*lines, ""])


def _table(reproduction: Reproduction, claims: list[Claim]) -> Table:
    table = Table(title=reproduction.paper, title_justify="left", show_lines=True)
    for column in ("claim", "published", "here", "outcome"):
        table.add_column(column)
    for claim in claims:
        table.add_row(claim.claim, claim.published, claim.here, claim.outcome)
    return table


def _differs(reproduction: Reproduction, out: Path) -> list[str]:
    return [f"- {line}" for line in (*reproduction.differs, f"{_time(reproduction, out)}.")]


def _time(reproduction: Reproduction, out: Path) -> str:
    """Say how long the stored runs were trained; papers that share a sweep share its time."""
    rows = [out / f"{sweep.name}.csv" for sweep in reproduction.sweeps]
    if not all(path.exists() for path in rows):
        return "Not made yet, so the time is not known"
    seconds = sum(float(read_metrics(path).drop_duplicates("run_id")["train_seconds"].sum()) for path in rows)
    return f"Training took {duration(seconds)} of one core"


def _as_csv(claims: list[Claim]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Claim)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(claim) for claim in claims)
    return text.getvalue()


def _page(out: Path) -> str:
    """Return the page of all stored claims; of what was not made, it says so."""
    lines = [
        "# Published results, made again",
        "",
        "Written by `scripts/reproduce NAME --text FOLDER`. *Holds*: the interval over seeds lies on the claimed side;",
        "*does not hold*: on the other; *not shown*: the interval contains the bound, or an arm has not learnt.",
        "Bounds and tests of ours are named. Intervals of text too are over seeds: other sentences would add to them.",
    ]
    for each in ALL:
        lines += ["", f"## {each.name}", "", f"{each.paper}.", ""]
        stored = out / each.name / CLAIMS_FILE
        if not stored.exists():
            lines += ["Not made yet.", ""]
            continue
        lines += ["| claim | published | here | |", "|---|---|---|---|"]
        with stored.open(newline="") as file:
            lines += [
                f"| {row['claim']} | {row['published']} | {row['here']} | {row['outcome']} |".replace(
                    " nan", " ?"
                )
                for row in csv.DictReader(file)
            ]
        lines += ["", "What differs from the paper:", "", *_differs(each, out), ""]
        lines += ["Commands:", "", *(f"    attnbench {_command(sweep)}" for sweep in each.sweeps)]
    return "\n".join([*lines, ""])


def _command(sweep: SweepWords) -> str:
    text = Path("FOLDER") if sweep.reads_text else None
    words = sweep.command(Path("results"), text)
    return shlex.join([word for word in words if word not in ("--results", "results")])


if __name__ == "__main__":
    app()
