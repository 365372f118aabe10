"""Faults that strike a cluster while it makes the runs of a sweep: the Slurm of one node that belongs to the tests."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.fault_injection.processes import PROCESS_FAULTS
from tools.fault_injection.round import Fault, Round

SCRIPTS = Path(__file__).parents[2] / "tests" / "slurm"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
PORT = "28817"  # apart from those of the tests
ANSWER_SECONDS = 20.0
LOOK_AFTER_EVERY_SECONDS = 1.0
REVOKED_SECONDS = 2.0  # in the second of its requeue slurmd refuses a job for good


def why_no_slurm() -> str | None:
    """Return why there can be no Slurm here; None where there can."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"no Slurm here ({', '.join(absent)} missing)"
    return None if os.geteuid() == 0 else "its Slurm is started by root alone"


@dataclass
class Cluster:
    """A running Slurm.

    Attributes:
        folder: holds all of it.
        looked_after: when it was last seen to.
        pending_since: when each job was first seen waiting.
    """

    folder: Path
    looked_after: float = 0.0
    pending_since: dict[str, float] = field(default_factory=dict)

    def call(self, *command: str) -> bool:
        """Tell Slurm to do something, and say whether it did."""
        return self._ask(*command) is not None

    def _ask(self, *command: str) -> str | None:
        """Return what Slurm says; None where it is silent or refuses: that may be a fault at work."""
        try:
            finished = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        return finished.stdout if finished.returncode == 0 else None

    def jobs(self, *states: str) -> list[str]:
        """Return the ids of the jobs in these states, elements of arrays one by one."""
        listed = ("squeue", "--noheader", "--array", f"--states={','.join(states)}", "--format=%i")
        return (self._ask(*listed) or "").split()

    def look_after(self) -> None:
        """Do what an administrator would after a fault: put nodes back into service, and release what Slurm holds.

        A job that was requeued is released at once too: Slurm would hold each back for two minutes.
        """
        if time.monotonic() - self.looked_after < LOOK_AFTER_EVERY_SECONDS:
            return
        self.looked_after = time.monotonic()
        for node, state in self._pairs("sinfo", "--noheader", "--Node", "--format=%N|%T"):
            if state.startswith(("down", "drain")):
                self.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
        pending = self._pairs("squeue", "--noheader", "--array", "--states=pending", "--format=%i|%r")
        self.pending_since = {job: self.pending_since.get(job, self.looked_after) for job, _ in pending}
        for job, reason in pending:
            if reason == "BeginTime" and self.looked_after - self.pending_since[job] > REVOKED_SECONDS:
                self.call("scontrol", "update", f"JobId={job}", "StartTime=now")
            elif "held" in reason:
                self.call("scontrol", "release", job)

    def _pairs(self, *command: str) -> set[tuple[str, str]]:
        lines = (self._ask(*command) or "").splitlines()
        return {(first, second) for first, _, second in (line.strip().partition("|") for line in lines)}

    def kill_daemon(self, name: str) -> None:
        """Kill slurmctld or slurmd."""
        os.kill(int((self.folder / "run" / f"{name}.pid").read_text()), signal.SIGKILL)

    def start_daemon(self, name: str) -> None:
        """Start slurmctld or slurmd again, which finds its state on disk."""
        subprocess.run([name, "-f", self.folder / "slurm.conf"], check=True, start_new_session=True)

    def clear(self) -> None:
        """End every job."""
        self.call("scancel", "--user=root")


@contextmanager
def started_cluster() -> Iterator[Cluster]:
    """Start a Slurm, and stop it whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="attnbench-slurm-"))
    folder.chmod(0o755)  # munged, which is not root, has to reach its own folder
    os.environ.setdefault("ATTNBENCH_TEST_SLURM_PORT", PORT)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        # In a session of its own: Ctrl-C must not end the daemons before the sweeps.
        subprocess.run([SCRIPTS / "start", folder], check=True, timeout=120, start_new_session=True)
        yield Cluster(folder)
    finally:
        subprocess.run([SCRIPTS / "stop", folder], check=False, timeout=120, start_new_session=True)
        shutil.rmtree(folder, ignore_errors=True)


# Here the parent waits for the jobs, and they go on where it ends.
OF_THE_PARENT = ("SIGKILL of the parent", "Ctrl-C", "SIGTERM")
# 1: runs that were taken from their job twice count as failed, and are named.
OF_LOST_JOBS = {0, 1}
# 2: Slurm does not answer, so nothing is begun.
OF_SILENCE = {0, 2}


def slurm_faults(cluster: Cluster) -> list[Fault]:
    """Return the kinds of faults of a cluster."""
    return [
        Fault("Slurm: scancel of a job", _strike_job(cluster, _cancel)),
        Fault("Slurm: requeue of one array element", _strike_job(cluster, _requeue)),
        Fault("Slurm: SIGUSR2, the warning before the time limit", _strike_job(cluster, _warn)),
        Fault("Slurm: preemption by an urgent job", _strike_job(cluster, _preempt)),
        Fault("Slurm: slurmctld killed and restarted", _restart(cluster, "slurmctld")),
        Fault("Slurm: slurmd killed and restarted", _restart(cluster, "slurmd")),
        *(
            Fault(f"Slurm: while jobs go on, {fault.kind}", fault.strike)
            for fault in PROCESS_FAULTS
            if fault.kind in OF_THE_PARENT
        ),
    ]


def _strike_job(
    cluster: Cluster, strike_job: Callable[[Cluster, str, Round], bool]
) -> Callable[[Round], int | None]:
    """Return what does something to a random running job at a random moment."""

    def strike(round_: Round) -> int | None:
        command = round_.running_command()
        round_.await_moment(command)
        round_.await_work(command)
        jobs = cluster.jobs("running")
        if not command.is_running or not jobs:
            return None
        command.expected |= OF_LOST_JOBS
        hits = round_.in_flight()
        return hits if strike_job(cluster, round_.choice.choice(jobs), round_) else None

    return strike


def _cancel(cluster: Cluster, job: str, _: Round) -> bool:
    return cluster.call("scancel", job)


def _requeue(cluster: Cluster, job: str, _: Round) -> bool:
    return cluster.call("scontrol", "requeue", job)


def _warn(cluster: Cluster, job: str, _: Round) -> bool:
    return cluster.call("scancel", "--signal=USR2", job)


def _preempt(cluster: Cluster, _: str, round_: Round) -> bool:
    """Take the whole node from everybody else for some seconds."""
    seconds = round_.choice.uniform(1, 4)
    words = ("--partition=urgent", "--exclusive", "--output=/dev/null", f"--wrap=sleep {seconds:.1f}")
    return cluster.call("sbatch", *words)


def _restart(cluster: Cluster, daemon: str) -> Callable[[Round], int | None]:
    """Return what kills a daemon at a random moment and starts it again some seconds later."""

    def strike(round_: Round) -> int | None:
        command = round_.running_command()
        round_.await_moment(command)
        if not command.is_running:
            return None
        command.expected |= OF_SILENCE
        hits = round_.in_flight()
        cluster.kill_daemon(daemon)
        try:
            round_.let_pass(command, round_.choice.uniform(0.5, 5))
        finally:
            cluster.start_daemon(daemon)
        return hits

    return strike
