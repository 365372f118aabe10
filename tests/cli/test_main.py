"""The program as a whole: what it loads, how it is called; and the commands of docs/cluster.md."""

import re
import shlex
import signal
import subprocess
import sys
import tomllib

import pytest

import attnbench as package
from tests import ROOT
from tests.commands import TINY, attnbench, in_a_process

COMMANDS = (
    "train",
    "sweep",
    "plot",
    "export",
    "report",
    "preview",
    "inspect",
    "status",
    "cancel",
    "list",
    "doctor",
)
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


@pytest.mark.parametrize(
    ("words", "status"),
    [(["models"], 0), (["arms", "--json"], 0), (["modles"], 2), (["tasks", "--config-dir", "nowhere"], 2)],
    ids=str,
)
def test_a_list_that_shows_no_batch_loads_nothing_heavy(words, status):
    code = (
        "import sys; from attnbench.__main__ import main\n"
        f"sys.argv = ['attnbench', 'list', *{words}]\n"
        "try:\n    main()\n"
        f"except SystemExit as leaving:\n    assert leaving.code == {status}, leaving"
    )
    assert loaded_by(code) == []


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
    words |= {"report": ["nowhere"], "list": ["models"], "train": ["model=none"], "sweep": ["model=none"]}
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


def test_the_version_stands_in_one_place():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in settings["project"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "attnbench.__version__"}
    assert attnbench("--version").out == f"attnbench {package.__version__}\n"


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


PAGE = ROOT / "docs" / "cluster.md"
COMMAND = re.compile(r"^    \$ (.+)$", re.MULTILINE)
# An indented line that is none of the program's.
OTHERS = ("tar", "squeue", "head", "grep")


def commands():
    """Return the commands of the page, each as its words; one inside $(…) by itself."""
    lines = (re.sub(r"^\w+=\$\((.+)\)$", r"\1", line) for line in COMMAND.findall(PAGE.read_text()))
    return [shlex.split(line) for line in lines]


def words_for_attnbench(command):
    """Return what of a command attnbench is given: all of it, or what its script passes on; None for other programs."""
    if command[0] == "attnbench":
        return command[1:]
    script = [place for place, word in enumerate(command) if word.endswith("attnbench.sbatch")]
    return ["sweep", *command[script[0] + 1 :]] if command[0] == "sbatch" and script else None


def test_the_page_has_commands_of_every_kind():
    kinds = {words[0] for command in commands() if (words := words_for_attnbench(command))}
    assert kinds == {"sweep", "status", "cancel", "plot", "doctor"}
    assert {command[0] for command in commands()} <= {"attnbench", "sbatch", *OTHERS}


@pytest.mark.parametrize("command", commands(), ids=shlex.join)
def test_the_program_takes_the_words_of_the_page(command, results):
    words = words_for_attnbench(command)
    if words is None:
        assert command[0] in OTHERS
    elif words[0] != "sweep":
        assert attnbench(*words, "--help").status == 0
    elif "executor.memory=8" in words:
        assert "Did you mean executor.memory_gb?" in attnbench(*words, "--dry-run").err
    else:
        finished = attnbench(*words, "--dry-run", "--results", results)
        assert finished.status == 0, finished.err


def test_the_options_of_sbatch_stand_before_the_script():
    for command in commands():
        if command[0] == "sbatch":
            options = command[1 : [word.endswith(".sbatch") for word in command].index(True)]
            assert all(word.startswith("--") for word in options)


def test_the_keys_that_the_page_names_are_keys(results):
    table = re.findall(r"^\| (`[a-z_]+.*?`) \|", PAGE.read_text(), re.MULTILINE)
    keys = [
        key
        for cell in table
        for key in re.findall(r"`([a-z_]+(?:=[^`]+)?)`", cell)
        if "_" in key or "=" in key
    ]
    typed = [f"executor.{word}" for key in keys for word in shlex.split(key) if "=" in word]
    known = attnbench("sweep", "--executor", "slurm", "executor.nothing=1", "--dry-run").err
    assert len(keys) > 4
    assert all(f"executor.{key.partition('=')[0]}" in known for key in keys)
    assert attnbench("sweep", "--executor", "slurm", *typed, "--dry-run", "--results", results).status == 0
