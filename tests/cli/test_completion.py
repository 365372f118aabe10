"""What the shell completes: asked as bash, zsh and fish ask, through the variables that typer's scripts set."""

import json
import subprocess
import sys

import pytest

from attnbench.runs.folder import RunFolder
from tests.cli.test_main import loaded_by
from tests.commands import attnbench, run_folders


def completed(monkeypatch, capsys, typed: str, *, is_over: bool = False) -> list[str]:
    """Return what bash offers for the last word of a line, or for a next one."""
    words = typed.split()
    monkeypatch.setenv("_ATTNBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - (not is_over)))
    from attnbench.cli.main import app

    with pytest.raises(SystemExit) as leaving:
        app(args=[], prog_name="attnbench")
    assert leaving.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("attnbench sweep --task rep", ["repeat"]),
        ("attnbench train --task rep", ["repeat"]),
        ("attnbench sweep --preset h", ["hour"]),
        ("attnbench list pre", ["presets"]),
        ("attnbench sweep --proto", ["--protocol"]),
        # As bash takes the words apart, at every `=`.
        ("attnbench train task = rep", ["repeat"]),
        ("attnbench train model = luong_g", ["luong_general"]),
        ("attnbench train training.st", ["training.steps="]),
        ("attnbench sweep --config-dir nowhere --task rep", []),
    ],
)
def test_names_are_completed(monkeypatch, capsys, typed, offered):
    assert completed(monkeypatch, capsys, typed) == offered


def test_sweeps_and_runs_are_completed(monkeypatch, capsys, swept):
    run = run_folders(swept)[0].name
    at = f"--results {swept.parent}"
    assert completed(monkeypatch, capsys, f"attnbench status {at} qu") == ["quick-reverse"]
    assert completed(monkeypatch, capsys, f"attnbench plot {at}", is_over=True) == ["quick-reverse"]
    assert completed(monkeypatch, capsys, f"attnbench inspect {at} {run[:-3]}") == [run]
    assert RunFolder(swept / "runs" / run).state == "done"


def test_nothing_is_completed_where_there_is_nothing(monkeypatch, capsys, tmp_path):
    assert completed(monkeypatch, capsys, f"attnbench status --results {tmp_path / 'none'} q") == []


@pytest.mark.parametrize(
    "typed", ["attnbench sweep --task re", "attnbench status q", "attnbench train training.st"]
)
def test_a_completion_loads_nothing_heavy(monkeypatch, typed):
    monkeypatch.setenv("_ATTNBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    code = (
        "import contextlib, io, sys; from attnbench.__main__ import main\n"
        "sys.argv = ['attnbench']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    main()\n"
    )
    assert loaded_by(code) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_every_shell(monkeypatch, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code = "import sys; sys.argv[0] = 'attnbench'; from attnbench.__main__ import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "--show-completion", shell], capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "_ATTNBENCH_COMPLETE" in shown.stdout or "_TYPER_COMPLETE" in shown.stdout


def test_presets_are_listed_with_their_time():
    lines = attnbench("list", "presets").out.splitlines()
    assert [line.split()[0] for line in lines] == ["converged", "hour", "law", "quick", "standard"]
    assert all(
        any(word in line for word in ("class", "between two lessons", "evening", "night")) for line in lines
    )
    assert [each["name"] for each in json.loads(attnbench("list", "presets", "--json").out)] == [
        line.split()[0] for line in lines
    ]


def test_help_shows_flags_as_flags_and_leaves_out_what_is_of_no_effect():
    for command in ("sweep", "status", "list", "plot", "inspect"):
        assert "<bool>" not in attnbench(command, "--help").out
    assert "--config-dir" not in attnbench("status", "--help").out
    assert "--results" not in attnbench("list", "--help").out
