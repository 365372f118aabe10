"""What `attnbench doctor` looks at."""

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import attnbench
from attnbench.errors import UserError
from attnbench.executors.resources import available_bytes, available_cores, suitable_workers
from attnbench.runs.records import PACKAGES, package_version
from attnbench.runs.store import RunStore
from attnbench.training.device import resolve_device


@dataclass(frozen=True)
class Finding:
    """One thing looked at, what was found, and whether a sweep can live with it."""

    what: str
    found: str
    is_good: bool = True


def examine(results: Path) -> list[Finding]:
    """Look at versions, devices, cores, cluster and the results folder."""
    versions = [
        Finding(name, package_version(name) or "missing", package_version(name) is not None)
        for name in PACKAGES
    ]
    return [
        Finding("attnbench", attnbench.__version__),
        Finding("python", platform.python_version()),
        *versions,
        Finding("device: auto", _describe_device()),
        Finding("cores", str(available_cores())),
        Finding("memory", f"{available_bytes() / 2**30:.1f} GiB"),
        Finding("workers", f"{suitable_workers()} at once, unless --workers says otherwise"),
        Finding("slurm", shutil.which("sbatch") or "not on PATH (needed for a cluster only)"),
        _examine_results(results),
    ]


def _describe_device() -> str:
    import torch

    device = resolve_device("auto")
    if device.type != "cuda":
        return device.type
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"cuda ({', '.join(names)})"


def _examine_results(results: Path) -> Finding:
    probe = RunStore(results / ".doctor")
    try:
        probe.check_ours()
    except UserError as error:
        return Finding("results", str(error), is_good=False)
    free = shutil.disk_usage(
        next(each for each in (results, *results.absolute().parents) if each.exists())
    ).free
    return Finding("results", f"{results} can be written to; {free / 2**30:.0f} GiB free")
