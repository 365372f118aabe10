import signal
import subprocess
import sys
import tomllib

import pytest

import attnbench as package
from tests import ROOT
from tests.commands import TINY, attnbench, in_a_process

COMMANDS = ("train", "sweep", "plot", "preview", "inspect", "status", "cancel", "list", "doctor")
HEAVY = ("torch", "pandas", "matplotlib", "numpy", "hydra", "scipy")


def loaded_by(code: str) -> list[str]:
    """Return which heavy modules a fresh Python has loaded after running the code."""
    tail = f"\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return finished.stdout.splitlines()[-1].split()


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import attnbench") == []


HELP = """
import sys
from attnbench.__main__ import main
for words in {lines}:
    sys.argv = ["attnbench", *words, "--help"]
    try:
        main()
    except SystemExit as leaving:
        assert leaving.code == 0, (words, leaving)
"""


def test_no_help_loads_anything_heavy():
    assert loaded_by(HELP.format(lines=[[], *([command] for command in COMMANDS)])) == []


def test_the_module_is_the_same_program():
    finished = in_a_process("--help")
    assert finished.status == 0
    for command in COMMANDS:
        assert f" {command} " in finished.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command):
    finished = attnbench(command, "--help")
    assert finished.status == 0
    assert "--debug" in finished.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_both_folders(command, tmp_path):
    words = {"plot": ["nowhere"], "inspect": ["nowhere"], "status": ["nowhere"], "cancel": ["nowhere"]}
    words |= {"list": ["models"], "train": ["model=none"], "sweep": ["model=none"]}
    folders = ("--results", tmp_path, "--config-dir", tmp_path)
    assert "No such option" not in attnbench(command, *words.get(command, []), *folders).err


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)], ids=str)
def test_the_short_word_for_help_is_the_same(words):
    asked = attnbench(*words, "-h")
    assert (asked.status, asked.err) == (0, "")
    assert asked.out == attnbench(*words, "--help").out


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_program_tells_its_version(word):
    finished = attnbench(word)
    assert (finished.status, finished.out, finished.err) == (0, f"attnbench {package.__version__}\n", "")


def test_a_home_that_the_shell_left_alone_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    words = ("train", *TINY, "task.length=2", "--results=~/runs", "--name=a~b")
    assert attnbench(*words).status == 0
    assert [each.name for each in tmp_path.iterdir()] == ["runs"]
    assert attnbench("plot", "a~b", "--results=~/runs", "--out=~/drawn").status == 0
    assert (tmp_path / "drawn").is_dir()


def test_without_a_word_the_help_is_shown():
    finished = attnbench()
    assert "sweep" in finished.out + finished.err


@pytest.mark.parametrize(
    "words", [["swep"], ["--weird"], ["train", "--weird"], ["sweep", "--lengths"], ["plot"]]
)
def test_a_usage_error_exits_2_with_a_few_lines(words):
    finished = attnbench(*words)
    assert (finished.status, finished.out) == (2, "")
    assert 0 < len(finished.err.splitlines()) <= 8
    assert "Traceback" not in finished.err


def test_the_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package.__version__ == project["version"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_commands_are_being_imported_ends_without_a_traceback(number):
    code = (
        "import os, sys, signal; import attnbench.__main__ as program\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'typer': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "program.main()"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (finished.returncode, finished.stdout, finished.stderr) == (128 + number, "", "")


def test_a_terminal_without_dashes_loses_no_figure(swept, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    finished = in_a_process("plot", swept)
    assert finished.status == 0, finished.err
    assert (swept / "accuracy_vs_length.png").exists()


def test_a_json_document_is_whole_on_a_terminal_without_umlauts(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# Für mich – allein.\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    listed = in_a_process("list", "models", "--json", "--config-dir", tmp_path).json
    assert {"name": "mine", "description": "Für mich – allein."} in listed


@pytest.mark.parametrize(
    "words", [("train", "task=copy\r"), ("sweep", "--name", "mine\r"), ("status", "copy\r"), ("doctor\r",)]
)
def test_a_word_that_ends_in_a_carriage_return_is_refused_with_where_it_comes_from(words, tmp_path):
    finished = in_a_process(*words, cwd=tmp_path)
    assert (finished.status, finished.out, list(tmp_path.iterdir())) == (2, "", [])
    assert "\r" not in finished.err
    assert finished.err.startswith(
        f"attnbench: '{words[-1][:-1]}\\r' ends in a carriage return: a script with Windows"
    )


def test_control_characters_of_a_word_are_written_out(tmp_path):
    finished = attnbench("train", "task=co\x1b[2Jpy\x07")
    assert finished.status == 2
    assert "Unknown task 'co\\x1b[2Jpy\\x07'" in finished.err
