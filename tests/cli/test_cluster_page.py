"""The commands of docs/cluster.md are such as the program takes."""

import re
import shlex

import pytest

from tests import ROOT
from tests.commands import attnbench

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
