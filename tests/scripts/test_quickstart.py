"""The first command of the README, with a stand-in for the installation."""

import shutil
import subprocess

import pytest

from tests import ROOT


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--task", "copy", "--help"]])
def test_help_says_what_it_does_and_installs_nothing(tmp_path, words):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "quickstart", scripts)
    (scripts / "install").write_text("#!/bin/sh\ntouch installed\n")
    (scripts / "install").chmod(0o755)
    finished = subprocess.run([scripts / "quickstart", *words], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "installs attnbench into .venv" in finished.stdout
    assert "`attnbench sweep --preset quick`: 40 small models" in finished.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]
