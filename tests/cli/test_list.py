import pytest

from attnbench.config.compose import Configuration
from tests.commands import attnbench


@pytest.mark.parametrize(("kind", "group"), [("tasks", "task"), ("models", "model")])
def test_every_choice_is_on_a_line_of_its_own_with_what_it_is(kind, group):
    finished = attnbench("list", kind)
    assert (finished.status, finished.err) == (0, "")
    described = Configuration().described(group)
    lines = [line.split(maxsplit=1) for line in finished.out.splitlines() if not line.startswith(" ")]
    assert [tuple(line) for line in lines] == list(described.items())


def test_json_says_the_same():
    found = attnbench("list", "models", "--json").json
    assert [each["name"] for each in found] == Configuration().choices("model")
    assert all(each["description"] for each in found)


def test_a_task_comes_with_its_unit_chance_bits_and_an_example():
    lines = attnbench("list", "tasks").out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("recall "))
    unit, source, target = (line.strip() for line in lines[at + 1 : at + 4])
    assert unit == "length in pairs, at 8: chance 0.062, 32.0 bits"
    assert len(source.split()) == 1 + 16
    assert target.startswith("target  [k")
    at = next(number for number, line in enumerate(lines) if line.startswith("text_pairs "))
    assert lines[at + 1].strip() == "length in words; reads your files: task.source=FILE"


def test_anything_else_exits_2_with_what_there_is():
    finished = attnbench("list", "model")
    assert (finished.status, finished.out) == (2, "")
    assert "Known: models, tasks. Did you mean models?" in finished.err
