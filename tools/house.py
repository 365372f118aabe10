"""How easy the house is to find one's way in: the size of its files, and how many a reader opens on four ways.

A file counts as opened when one of its functions runs; what runs only because a module is imported does not count.
"""

import ast
import inspect
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Annotated

import typer

PACKAGE = Path(__file__).parents[1] / "attnbench"
LEARNT = PACKAGE.parent / "results" / "reference" / "quick" / "metrics.csv"
SHORT = 100
TINY = ("training.steps=4", "training.batch_size=8", "training.test_examples=8", "training.evaluate_every=2")
SWEEP = (
    *("sweep", "--lengths", "2,3", "--seeds", "1", "--models", "fixed,luong_general", "--executor", "inline"),
    *("--name", "walk", "--no-plot", *TINY),
)
RUN = "walk/runs/*luong_general-L3-*"

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Print the table."""
    found = {**dict(_sizes()), **dict(_ways())}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:<48}{value:>8}")


def _sizes() -> Iterator[tuple[str, str]]:
    """Yield what a listing of the package says."""
    files = sorted(PACKAGE.rglob("*.py"))
    lines = [text.count("\n") for text in map(_read, files)]
    filled = sorted(number for number in lines if number)
    functions = [
        node.end_lineno - node.lineno + 1
        for file in files
        for node in ast.walk(ast.parse(_read(file)))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    ]
    folders = Counter(file.parent for file in files if file.name != "__init__.py")
    folder, most = folders.most_common(1)[0]
    yield "files", f"{len(files)}"
    yield "files that are not empty", f"{len(filled)}"
    yield "lines", f"{sum(lines):,}"
    yield "median file, of those that are not empty", f"{statistics.median(filled):.0f}"
    yield f"files of under {SHORT} lines", f"{sum(number < SHORT for number in filled) / len(filled):.0%}"
    yield "longest file", f"{max(lines)}"
    yield f"most modules in one folder ({folder.name}/)", f"{most}"
    yield "median function", f"{statistics.median(functions):.0f}"


def _ways() -> Iterator[tuple[str, str]]:
    """Yield how many files a tiny sweep opens, and what is done with it."""
    with tempfile.TemporaryDirectory() as results:
        yield "opened: sweep to a row of metrics.csv", _opened(results, *SWEEP)
        yield "opened: metrics.csv to accuracy_vs_length.png", _opened(results, "plot", "walk")
        run = next(Path(results).glob(RUN))
        yield "opened: a run to its heatmap", _opened(results, "inspect", str(run), "--examples", "1")
        # Of arms that have learnt, as those of a tiny sweep have not.
        memory = ("plot", str(LEARNT), "--figure", "memory", "--out", f"{results}/memory")
        yield "opened: metrics.csv to memory.png", _opened(results, *memory)


def _opened(results: str, *words: str) -> str:
    command = [sys.executable, "-m", "tools.house", "--profile", *words, "--results", results]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"attnbench {' '.join(words)} failed:\n{done.stderr}")
    return done.stderr.rpartition("opened: ")[2].strip()


def _profile(words: list[str]) -> None:
    """Run the program with these words and tell on standard error how many of our files took part."""
    opened: set[str] = set()
    looked_at: set[CodeType] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code not in looked_at:
            looked_at.add(code)
            # Neither the body of a module or a class, nor a comprehension within one.
            if code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<"):
                opened.add(code.co_filename)

    sys.argv = ["attnbench", *words]
    from attnbench.__main__ import main as attnbench

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        attnbench()
    finally:
        sys.setprofile(None)
        ours = [name for name in opened if Path(name).is_relative_to(PACKAGE)]
        print(f"opened: {len(ours)}", file=sys.stderr)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--profile"]:
        _profile(sys.argv[2:])
    else:
        app()
