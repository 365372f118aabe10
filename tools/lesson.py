"""Makes the notebook of the lesson from its page: `.venv/bin/python -m tools.lesson` writes both anew.

docs/lesson.md is the one source: text, and cells between ```python and ```. What a cell showed stands behind it, as a
block ```text or as a PNG file that the page names; both are written by this program.
"""

import base64
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "lesson.md"
NOTEBOOK = PROJECT / "examples" / "lesson.ipynb"
# A cell, then what it showed: text, or a figure.
CELL = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?(?:\n!\[(?P<alt>[^\]]*)\]\((?P<figure>[^)]+)\)\n)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def notebook_of(page: str) -> NotebookNode:
    """Return the notebook of a page, not executed: its text and cells, without what the cells showed."""
    cells: list[NotebookNode] = []
    end = 0
    for match in CELL.finditer(page):
        cells += _text(page[end : match.start()])
        cells.append(new_code_cell(match["code"].rstrip("\n")))
        end = match.end()
    cells += _text(page[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # a notebook that is made again differs where the lesson does
    return new_notebook(cells=cells, metadata=KERNEL)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run a notebook from start to end in a folder, which gets the results.

    Raises:
        CellExecutionError: where a cell fails, with its message.
    """
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if not _is_progress(each)]
    return notebook


def page_of(page: str, notebook: NotebookNode) -> tuple[str, dict[str, bytes]]:
    """Return the page with what the cells of the executed notebook showed, and its figures as PNG by their names."""
    cells = iter(cell for cell in notebook.cells if cell.cell_type == "code")
    figures: dict[str, bytes] = {}

    def shown(match: re.Match[str]) -> str:
        outputs = next(cells).outputs
        figure = next(filter(None, map(_figure_of, outputs)), None)
        # A cell that trains says what it does; the page shows what came of it.
        text = "" if figure is not None else "\n".join(map(_text_of, outputs))
        parts = [f"```python\n{match['code']}```\n"]
        if text:
            parts.append(f"```text\n{text}\n```\n")
        if (figure is None) != (match["figure"] is None):
            raise ValueError(
                f"Name a PNG file behind a cell that draws, and behind no other: {match['code']}"
            )
        if figure is not None:
            figures[match["figure"]] = figure
            parts.append(f"![{match['alt']}]({match['figure']})\n")
        return "\n".join(parts)

    return CELL.sub(shown, page), figures


def _text(text: str) -> list[NotebookNode]:
    """Return a cell of text, its links as they are beside the notebook; none where there is no text."""
    linked = LINK.sub(lambda match: f"](../docs/{match[1]})", text.strip("\n"))
    return [new_markdown_cell(linked)] if linked else []


def _is_progress(output: NotebookNode) -> bool:
    """Whether an output is a bar or a line of the training, which says how fast this machine was."""
    return output.output_type == "display_data" and _figure_of(output) is None


def _text_of(output: NotebookNode) -> str:
    """Return what an output says in words."""
    said = output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
    return "\n".join(line.rstrip() for line in said.splitlines()).strip("\n")


def _figure_of(output: NotebookNode) -> bytes | None:
    """Return the PNG of an output, if it is a figure."""
    encoded = output.get("data", {}).get("image/png")
    return base64.b64decode(encoded) if encoded else None


def main() -> None:
    """Execute the lesson, and write its notebook, its figures and what the page shows of them."""
    page, began = PAGE.read_text(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(notebook_of(page), Path(folder))
    written, figures = page_of(page, notebook)
    NOTEBOOK.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, NOTEBOOK)
    for name, figure in figures.items():
        (PAGE.parent / name).parent.mkdir(exist_ok=True)
        (PAGE.parent / name).write_bytes(figure)
    PAGE.write_text(written)
    print(f"{NOTEBOOK.relative_to(PROJECT)} in {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
