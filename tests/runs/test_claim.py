import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from attnbench.errors import StorageError
from attnbench.runs.io import ClaimedError, claimed, held_in_turn, is_claimed

HOLD = """
import sys, time
from pathlib import Path
from attnbench.runs.io import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claim"


@pytest.fixture
def holder(path):
    """Another process that holds the claim."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_claim_is_held_and_given_back(path):
    assert not is_claimed(path)
    with claimed(path):
        assert is_claimed(path)
    assert not is_claimed(path)


def test_looking_at_a_claim_makes_no_file(path):
    assert not is_claimed(path)
    assert not path.exists()


def test_a_claim_says_who_holds_it(path):
    with claimed(path):
        assert json.loads(path.read_text())["process"] == os.getpid()


def test_nobody_else_gets_a_claim_that_is_held(path, holder):
    assert is_claimed(path)
    with pytest.raises(ClaimedError), claimed(path):
        pass
    assert json.loads(path.read_text())["process"] == holder.pid


def test_the_claim_of_a_killed_process_is_free_at_once(path, holder):
    holder.kill()
    holder.wait()
    assert not is_claimed(path)
    with claimed(path):
        assert is_claimed(path)


def test_a_claim_is_given_back_after_an_error(path):
    with pytest.raises(ZeroDivisionError), claimed(path):
        raise ZeroDivisionError
    assert not is_claimed(path)


def test_what_a_former_holder_wrote_is_replaced(path):
    path.write_text("x" * 1000)
    with claimed(path):
        assert json.loads(path.read_text())["process"] == os.getpid()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_what_to_do(path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    path.touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    for ask in (
        lambda: claimed(path).__enter__(),
        lambda: held_in_turn(path).__enter__(),
        lambda: is_claimed(path),
    ):
        with pytest.raises(StorageError, match="Choose results on a file system whose files can be locked"):
            ask()
