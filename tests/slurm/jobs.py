"""Sweeps as jobs of a real Slurm, and the moments in which something may be done to them."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attnbench.runs.folder import RunFolder
from tests.commands import TINY_SWEEP, Finished, attnbench, run_folders

ON_SLURM = ("--executor", "slurm", "executor.memory_gb=1", "executor.runs_per_job=2")
INIT = 1
PATIENCE_SECONDS = 300.0
"""How long anything may take: many times what it does take, for a machine that is slow, or that others use too."""
REVOKED_SECONDS = 2.0
"""How long slurmd refuses a requeued job for good, its "credential revoked": it tells times apart by whole seconds."""


def slurm(*command: object) -> str:
    """Return what a command of Slurm prints."""
    words = [str(word) for word in command]
    finished = subprocess.run(words, capture_output=True, text=True)
    assert finished.returncode == 0, f"{' '.join(words)}: {finished.stderr}\n{state_of_slurm()}"
    return finished.stdout


def tried(*command: object) -> None:
    """Ask Slurm for what it may refuse, and what is asked again if need be."""
    subprocess.run([str(word) for word in command], capture_output=True)


def state_of_slurm() -> str:
    """Return what Slurm says of its jobs and its node, and the last lines of its logs: why something did not happen."""
    logs = sorted((Path(os.environ["SLURM_CONF"]).parent / "log").glob("*.log"))
    commands = (
        ["squeue", "--array", "--format=%i %T %r %j"],
        ["sinfo", "--format=%P %a %T"],
        ["sinfo", "--list-reasons"],
        *(["tail", "--lines=25", str(path)] for path in logs),
    )
    said = []
    for words in commands:
        finished = subprocess.run(["timeout", "30", *words], capture_output=True, text=True)
        said.append(f"$ {' '.join(words)}\n{finished.stdout}{finished.stderr}")
    return "\n".join(said)


def until(is_so: Callable[[], object]) -> None:
    """Wait for something to come to pass."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, (
            f"it did not come to pass in {PATIENCE_SECONDS:g} s\n{state_of_slurm()}"
        )
        time.sleep(0.1)


def put_in_order() -> None:
    """End all jobs and bring the node back to work, whatever the test before has left behind."""

    def is_in_order() -> bool:
        node, state = slurm("sinfo", "--noheader", "--partition=main", "--Node", "--format=%N %T").split()
        if "down" in state or "drain" in state:
            tried("scontrol", "update", f"NodeName={node}", "State=RESUME")
        if slurm("squeue", "--noheader"):
            # First: they need not save, for which Slurm would give them time.
            tried("scancel", "--user=root", "--full", "--signal=KILL")
            tried("scancel", "--user=root")
            return False
        return state == "idle"

    slurm("scontrol", "update", "PartitionName=main", "State=UP")
    until(is_in_order)


def sweep(results: Path, *words: object) -> Finished:
    """Run a sweep on Slurm to its end, in this process: another one would load torch once more."""
    return attnbench(*TINY_SWEEP, *ON_SLURM, "--results", results, *words)


def wait_for_words(process: "subprocess.Popen[str]", words: str) -> None:
    """Wait until a sweep says something; what it says before is passed over."""
    said = []
    with _killed_at_last(process):
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if words in line:
                return
    raise AssertionError(f"the sweep never said '{words}', but: {''.join(said)}\n{state_of_slurm()}")


def end_of(process: "subprocess.Popen[str]") -> str:
    """Wait for the end of a sweep, which all its runs end well, and return what it said."""
    with _killed_at_last(process):
        _, said = process.communicate()
    assert process.returncode == 0, f"the sweep ended with {process.returncode}: {said}\n{state_of_slurm()}"
    return said


@contextlib.contextmanager
def _killed_at_last(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill a sweep that is waited for in vain, which ends its output too."""
    alarm = threading.Timer(PATIENCE_SECONDS, process.kill)
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def states(folder: Path) -> dict[str, int]:
    """Return how many runs of a sweep are how far."""
    return attnbench("status", folder, "--json").json["counts"]


def runs_of(folder: Path, count: int = 1) -> list[RunFolder]:
    """Return the runs of a sweep once so many are written down."""
    until(lambda: (folder / "runs").is_dir() and len(run_folders(folder)) == count)
    return [RunFolder(path) for path in run_folders(folder)]


def process_of(run: RunFolder) -> int:
    """Return the process that works on a run."""
    return int(json.loads(run.claim_file.read_bytes())["process"])


def freeze(run: RunFolder) -> int:
    """Hold a run where it is once it has saved, and return its process: what comes then comes in its middle.

    Whatever Slurm signals, be it a warning, it sends together with SIGCONT: then the process goes on by itself.
    """
    return freeze_all([run])[0]


def freeze_all(runs: Sequence[RunFolder]) -> list[int]:
    """Hold several runs, each as soon as it has saved: while one is waited for another would come to its end."""
    held: dict[Path, int] = {}

    def all_are_held() -> bool:
        for run in runs:
            if run.path not in held and run.checkpoint_file.exists():
                held[run.path] = _hold(run)
        return len(held) == len(runs)

    until(all_are_held)
    return [held[run.path] for run in runs]


def _hold(run: RunFolder) -> int:
    process = process_of(run)
    os.kill(process, signal.SIGSTOP)
    assert run.state == "running", "it was over before it could be held"
    return process


def variables_of(process: int) -> dict[str, str]:
    """Return the environment that a process was given."""
    pairs = (each.partition(b"=") for each in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"))
    return {name.decode(): value.decode() for name, _, value in pairs}


def job_of(process: int) -> str:
    """Return the job that a process belongs to; in an array by its place, since one bare number means them all."""
    variables = variables_of(process)
    if "SLURM_ARRAY_JOB_ID" in variables:
        return f"{variables['SLURM_ARRAY_JOB_ID']}_{variables['SLURM_ARRAY_TASK_ID']}"
    return variables["SLURM_JOB_ID"]


def kill_hard(process: int, *, with_daemons: bool) -> None:
    """Kill all processes of a job, its script and the process given among them, and the daemon of each if so asked."""
    marks = {name: variables_of(process)[name] for name in ("SLURM_CONF", "SLURM_JOB_ID")}
    processes, daemons = {process}, {parent_of(process)}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marks.items() <= variables_of(int(path.name)).items():
                processes.add(int(path.name))
                daemons |= {parent_of(int(path.name))} if with_daemons else set()
    for each in [*daemons - processes - {INIT}, *processes]:  # a daemon that lived on would tell of their end
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def parent_of(process: int) -> int:
    """Return the process that began a process: a daemon of Slurm for those of a job."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def release(job: str) -> None:
    """Let a job begin again soon after it is requeued, for which this waits; Slurm holds it back for two minutes."""

    def has_begun_again() -> bool:
        # More than once: while the old processes end Slurm sets the time anew.
        tried("scontrol", "update", f"JobId={job}", "StartTime=now")
        said = slurm("scontrol", "show", "job", job)
        return any(f"JobState={each}" in said for each in ("RUNNING", "COMPLETED"))

    until(lambda: "Restarts=0" not in slurm("scontrol", "show", "job", job))
    time.sleep(REVOKED_SECONDS)
    until(has_begun_again)
