"""Faults that strike a cluster while it makes the runs of a sweep."""

from collections.abc import Callable

from tools.fault_injection.cluster import Cluster
from tools.fault_injection.processes import PROCESS_FAULTS
from tools.fault_injection.round import Fault, Round

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
