import json
import subprocess
import sys

import pytest

from attnbench.runs.folder import RunFolder
from tests.commands import ENDLESS
from tests.runs.tiny_runs import prepared, tiny_spec

WORKER = [sys.executable, "-m", "attnbench.executors.worker"]


def order(folder):
    return json.dumps({"run_folder": str(folder.path), "device": "cpu", "command": "attnbench"}) + "\n"


def test_a_worker_without_work_leaves_at_once():
    finished = subprocess.run(WORKER, input="", capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_worker_executes_its_orders_and_tells_every_event(tmp_path):
    folders = [prepared(tmp_path, tiny_spec(f"seed={seed}")) for seed in (0, 1)]
    with subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("".join(map(order, folders)))
        worker.stdin.flush()
        events = [json.loads(worker.stdout.readline()) for _ in range(8)]
        worker.stdin.close()
        assert worker.wait(60) == 0
    told = ["RunStarted", "RunProgressed", "RunProgressed", "RunEnded"]
    assert [event["event"] for event in events] == told * 2
    assert [event["run_id"] for event in events] == [folders[0].run_id] * 4 + [folders[1].run_id] * 4
    assert [event["step"] for event in events if event["event"] == "RunProgressed"] == [2, 4, 2, 4]
    assert [folder.state for folder in folders] == ["done", "done"]


@pytest.mark.slow
def test_a_run_whose_sweep_was_killed_is_saved_and_has_not_failed(tmp_path):
    folder = prepared(tmp_path, tiny_spec(*ENDLESS, "training.evaluate_every=1"))
    with subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(order(folder))
        worker.stdin.flush()
        while json.loads(worker.stdout.readline())["event"] != "RunProgressed":
            pass
        # What a killed sweep leaves of its pipes: nobody reads and nobody writes any more.
        worker.stdout.close()
        worker.stdin.close()
        assert worker.wait(20) == 0
    assert RunFolder(folder.path).state == "interrupted"
    assert not folder.error_file.exists()
