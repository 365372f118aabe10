"""The lesson: its notebook is made from its page, has been executed, and runs from start to end."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LARGEST_BYTES = 2_000_000
# In place of the cell that says how much is trained.
TINY = "lengths, seeds, steps = [2, 3], 1, 4"


@pytest.fixture
def lesson() -> ModuleType:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from tools import lesson

    return lesson


@pytest.fixture
def stored(lesson: ModuleType) -> Any:
    return lesson.nbformat.read(lesson.NOTEBOOK, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_stored_notebook_has_the_text_and_the_cells_of_the_page(lesson: ModuleType, stored: Any) -> None:
    made = lesson.notebook_of(lesson.PAGE.read_text())
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ]
    assert len(code_cells(made)) > 8


def test_the_stored_notebook_was_executed_from_start_to_end_without_error(stored: Any) -> None:
    cells = code_cells(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= 8
    assert not [each for each in outputs if each.output_type == "error" or each.get("name") == "stderr"]


def test_the_page_shows_what_the_stored_notebook_shows(lesson: ModuleType, stored: Any) -> None:
    page = lesson.PAGE.read_text()
    written, figures = lesson.page_of(page, stored)
    assert written == page
    assert len(figures) >= 8
    for name, png in figures.items():
        assert (lesson.PAGE.parent / name).read_bytes() == png, name


def test_no_figure_of_the_lesson_is_left_over(lesson: ModuleType, stored: Any) -> None:
    _, figures = lesson.page_of(lesson.PAGE.read_text(), stored)
    beside = {str(path.relative_to(lesson.PAGE.parent)) for path in (lesson.PAGE.parent / "lesson").iterdir()}
    assert beside == set(figures)


def test_the_stored_notebook_is_small(lesson: ModuleType) -> None:
    assert lesson.NOTEBOOK.stat().st_size < LARGEST_BYTES


def test_links_of_the_notebook_lead_somewhere(lesson: ModuleType, stored: Any) -> None:
    targets = [
        target
        for cell in stored.cells
        if cell.cell_type == "markdown"
        for target in lesson.LINK.findall(cell.source)
    ]
    assert targets
    for target in targets:
        assert (lesson.NOTEBOOK.parent / target.split("#")[0]).exists(), target


def test_a_page_becomes_cells_and_gets_their_outputs(lesson: ModuleType) -> None:
    page = "# Title\n\nA [link](python.md).\n\n```python\n1 + 1\n```\n\n```text\nold\n```\n\nThe end.\n"
    notebook = lesson.notebook_of(page)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        ("markdown", "# Title\n\nA [link](../docs/python.md)."),
        ("code", "1 + 1"),
        ("markdown", "The end."),
    ]
    result = {
        "output_type": "execute_result",
        "data": {"text/plain": "2"},
        "metadata": {},
        "execution_count": 1,
    }
    notebook.cells[1].outputs = [lesson.nbformat.from_dict(result)]
    written, figures = lesson.page_of(page, notebook)
    assert written == page.replace("old", "2")
    assert not figures


@pytest.mark.slow(seconds=60)
def test_the_notebook_runs_from_start_to_end(lesson: ModuleType, tmp_path: Path) -> None:
    notebook = lesson.notebook_of(lesson.PAGE.read_text())
    (sizes,) = [cell for cell in code_cells(notebook) if "lengths, seeds, steps =" in cell.source]
    sizes.source = f"import attnbench\n{TINY}"
    lesson.execute(notebook, tmp_path)
    figures = [
        each for cell in code_cells(notebook) for each in cell.outputs if "image/png" in each.get("data", {})
    ]
    assert len(figures) >= 8
