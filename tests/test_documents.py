"""README and docs/: every link leads somewhere, and every command runs as it is written."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from attnbench import __version__
from attnbench.sweeps import measuring
from tests.commands import TINY, attnbench

PROJECT = Path(__file__).parents[1]
# A record of what was done on its day, and a session on a cluster, whose commands the tests marked slurm run.
RECORDS = ("docs/lab-book.md", "docs/cluster.md", "CHANGELOG.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^ {4}(attnbench (?:.*\\\n)*.*)$", re.MULTILINE)
SWEEPS = ("sweep", "train")
PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("commands", "own_data", "extending", "python", "figures", "lesson")),
)
EXTENDING = PROJECT / "docs" / "extending.md"
FILE = re.compile(r"^`(mine/\S+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL = (*(word for word in TINY if "embedding" not in word), "training.warmup_steps=1")


@dataclass(frozen=True)
class Command:
    """A command of a document, as a shell would take it apart."""

    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: attnbench {shlex.join(self.words)}"


def documents() -> list[Path]:
    pages = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("results/reference/**/*.md")]
    return sorted(path for path in pages if path.name != "verdict.md")


def commands() -> Iterator[Command]:
    """Yield every command of attnbench that a reader is to type."""
    for path in documents():
        name = str(path.relative_to(PROJECT))
        if name in RECORDS:
            continue
        for match in COMMAND.finditer(path.read_text()):
            if "task.dataset=" in match[1]:
                continue  # it downloads; tests/tasks/text/test_tables.py loads sets that lie on disk
            written = re.sub(r"\\\n\s*", "", match[1]).replace("[OPTIONS]", "")
            yield Command(name, tuple(shlex.split(written, comments=True)[1:]))


def sweeps() -> list[Command]:
    return [each for each in commands() if each.words and each.words[0] in SWEEPS]


def anchors(path: Path) -> set[str]:
    """Return what `#…` may name in a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(linked), f"{target}: no such heading"


def test_the_changes_stand_under_versions_and_kinds() -> None:
    versions = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kinds = re.findall(r"^### (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == "Unreleased" or versions[0].startswith(f"{__version__} - ")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", each) for each in versions[1:])
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def story(count: int, at: int) -> str:
    """Return a story of so many sentences and its question, as the files of bAbI have them."""
    people, places = ("Mary", "John", "Sandra", "Daniel"), ("hall", "garden", "kitchen", "office", "cellar")
    facts = [(people[(at + n) % 4], places[(at * n + n) % 5]) for n in range(count)]
    lines = [f"{n} {person} moved to the {place}.\n" for n, (person, place) in enumerate(facts, 1)]
    person, place = facts[-1]
    return "".join([*lines, f"{count + 1} Where is {person}? \t{place}\t{count}\n"])


def test_the_gallery_shows_every_stored_result() -> None:
    shown = (PROJECT / "docs" / "gallery.md").read_text()
    for readme in PROJECT.glob("results/reference/*/README.md"):
        assert f"](../results/reference/{readme.parent.name}/README.md)" in shown


def test_how_long_a_preset_takes_is_said_alike_everywhere() -> None:
    table = (PROJECT / "docs" / "commands.md").read_text()
    told = {}
    for path in PROJECT.glob("conf/sweep/*.yaml"):
        if found := re.search(r"about [^.;]* on two cores", path.read_text()):
            told[path.stem] = found[0]
            (row,) = re.findall(rf"^\| `{path.stem}`.*$", table, re.MULTILINE)
            assert found[0].removesuffix(" on two cores") in row, f"{path.stem}: {found[0]}"
    assert {"quick", "hour"} <= set(told)
    readme = (PROJECT / "README.md").read_text()
    assert re.search(rf"--preset hour +# five arms, tuned rates: {told['hour']}\n", readme)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to type in, with the files of text that the examples name, and those that docs/extending.md shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "nice", lambda _: None)
    for name, text in FILE.findall(EXTENDING.read_text()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    lines = [f"w{number % 7} w{number % 5} w{number % 3}" for number in range(60)]
    stories = [story(count, at) for count in range(2, 11) for at in range(12)]
    for folder in (tmp_path, tmp_path / "FOLDER", tmp_path.parent / "shared/data/bible_en_eo"):
        folder.mkdir(parents=True, exist_ok=True)
        for split in ("train", "dev", "test"):
            for language in ("en", "eo"):
                text = "".join(f"{line} {split}{at}\n" for at, line in enumerate(lines))
                (folder / f"{split}.{language}").write_text(text)
            (folder / f"qa1_single-supporting-fact_{split}.txt").write_text("".join(stories))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def test_the_examples_of_own_classes_are_found() -> None:
    names = [name for name, _ in FILE.findall(EXTENDING.read_text())]
    assert len(names) == 6
    assert {name.split("/")[1] for name in names} > {"task", "model", "executor"}


def test_commands_are_found_in_the_documents() -> None:
    assert {"README.md", "docs/commands.md", "docs/own_data.md"} <= {each.document for each in sweeps()}
    assert len(sweeps()) > 15


@pytest.mark.parametrize("command", sweeps(), ids=str)
def test_every_sweep_can_be_planned_as_written(
    command: Command, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del desk
    if "--tensorboard" in command.words:
        pytest.importorskip("tensorboard", reason="it is an extra: pip install 'attnbench[tensorboard]'")
    monkeypatch.setattr(measuring, "estimate", lambda *_, **__: None)
    is_sweep = command.words[0] == "sweep"
    done = attnbench(*command.words, *(("--dry-run",) if is_sweep else ("--show-config",)))
    assert done.status == 0, f"{command}\n{done.err}"


@pytest.mark.slow(seconds=30)
@pytest.mark.parametrize("document", sorted({each.document for each in commands()} & {*PAGES}))
def test_every_command_of_a_page_runs_as_written_but_small(document: str, desk: Path) -> None:
    """Commands on a run look at one that was made for them: a page does not repeat what it takes to get there."""
    looked_at = ("train", "task=translation", "task.length=3", "model=luong_general", *SMALL)
    runs = [attnbench(*looked_at, f"seed={seed}", "--json").json["folder"] for seed in range(2)]
    for number, command in enumerate(each for each in commands() if each.document == document):
        words = small(command, runs, f"documented-{number}")
        if words is not None and "--tensorboard" in words and find_spec("tensorboard") is None:
            words.remove("--tensorboard")  # tests/runs/test_tensorboard.py skips too, and says so
        if words is not None:
            done = attnbench(*words)
            assert done.status == 0, f"{command}\n{done.err}"


def small(command: Command, runs: list[str], name: str) -> list[str] | None:
    """Return the words of a command with less work, and with runs in place of RUN; None for what was never made."""
    words = [word for word in command.words if not word.startswith(("KEY=", "[KEY"))]
    if words[0] in SWEEPS:
        words += ["--name", name]
        words += SMALL
        if words[0] == "sweep":
            words += ["--lengths", "3,4", "--seeds", "1", "--executor", "inline"]
            words += (
                ["--no-plot"] if command.document != "README.md" else []
            )  # one page's figures tell enough
            words += ["--budgets", "2,3,4"] if "--budgets" in words or "law" in words else []
        words += ["--train-range", "2:3"] if "extrapolation" in words else []
        return [word for word in words if word != "--no-wait"]
    if words[0] == "inspect":
        places = {"RUN": runs[0], "RUN_A": runs[0], "RUN_B": runs[-1], "…": "the cat sees the dog"}
        return [str(places.get(word, word)) for word in words]
    if words[0] in ("plot", "status", "export", "report"):
        return None  # of sweeps with names of their own: `sweep` draws too
    return words
