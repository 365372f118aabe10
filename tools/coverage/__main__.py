"""Simulate sweeps from known curves and count how often the intervals hold what they should."""

import datetime
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from attnbench.runs.io import write_atomically
from tools.coverage.law import LawRow, law_rows
from tools.coverage.page import page
from tools.coverage.simulation import Row, StayRow, breakdown_rows, gap_rows, mean_rows, stay_rows
from tools.coverage.text import TextRow, text_rows

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(
    sweeps: Annotated[int, typer.Option(min=10, help="Simulated sweeps behind every number.")] = 6000,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The page to write.")] = Path("docs/coverage.md"),
) -> None:
    """Write the page and print it; progress goes to stderr."""
    started = time.perf_counter()
    print(
        f"Simulating {sweeps} sweeps a case for {out}; 6000 take about a quarter of an hour …",
        file=sys.stderr,
    )
    rows, stays, texts = list(_rows(sweeps)), list(_stay_rows(sweeps)), list(_text_rows(sweeps))
    text = page(rows, stays, texts, list(_law_rows(sweeps)), sweeps, datetime.date.today().isoformat())
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, text.encode())
    print(text)
    print(f"{out} written after {time.perf_counter() - started:.0f} s.", file=sys.stderr)


def _rows(sweeps: int) -> Iterator[Row]:
    for rows in (mean_rows, gap_rows, breakdown_rows):
        for row in rows(sweeps):
            print(f"  {row.quantity}, {row.spread.name}, {row.case}", file=sys.stderr)
            yield row


def _stay_rows(sweeps: int) -> Iterator[StayRow]:
    for row in stay_rows(sweeps):
        print(f"  stays, {row.spread.name}, × {row.change:g}", file=sys.stderr)
        yield row


def _text_rows(sweeps: int) -> Iterator[TextRow]:
    for row in text_rows(sweeps):
        print(f"  real text, {row.method}", file=sys.stderr)
        yield row


def _law_rows(sweeps: int) -> Iterator[LawRow]:
    for row in law_rows(sweeps):
        print(f"  law, {row.planted.name}, {row.quantity}", file=sys.stderr)
        yield row


if __name__ == "__main__":
    app()
