"""`attnbench doctor`: versions, devices, cluster, write access."""

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import typer

import attnbench
from attnbench.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    Debug,
    NeedlessConfigDir,
    Results,
    explained_errors,
    print_json,
)

SOMETHING_IS_WRONG = 1
SINFO_SECONDS = 10.0


def doctor(
    results: Results = DEFAULT_RESULTS,
    _config_dir: NeedlessConfigDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what this machine offers, and what would keep a sweep from running here."""
    with explained_errors(debug):
        findings = examine(results)
        if as_json:
            print_json(
                [
                    {
                        "what": each.what,
                        "found": each.found,
                        "is_good": each.is_good,
                        "is_there": each.is_there,
                    }
                    for each in findings
                ]
            )
        else:
            for each in findings:
                mark = "BAD" if not each.is_good else "ok " if each.is_there else "no "
                print(f"{mark}  {each.what:16} {each.found}")
    raise typer.Exit(0 if all(each.is_good for each in findings) else SOMETHING_IS_WRONG)


@dataclass(frozen=True)
class Finding:
    """One thing looked at, what was found, whether a sweep can live with it, and whether the thing can be used."""

    what: str
    found: str
    is_good: bool = True
    is_there: bool = True


def examine(results: Path) -> list[Finding]:
    """Look at versions, devices, cores, cluster and the results folder."""
    from attnbench.executors.resources import available_bytes, available_cores, suitable_workers
    from attnbench.runs.records import PACKAGES, package_version

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
        _examine_slurm(),
        _examine_results(results),
    ]


def _describe_device() -> str:
    import torch

    from attnbench.training.device import resolve_device

    device = resolve_device("auto")
    if device.type != "cuda":
        return device.type
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"cuda ({', '.join(names)})"


def _examine_slurm() -> Finding:
    """Ask the cluster for its partitions: the commands may be there and no controller behind them."""
    from attnbench.executors.slurm.queue import SlurmError, ask, check_on_path

    sbatch = shutil.which("sbatch")
    if sbatch is None:
        return Finding("slurm", "not on PATH (needed for a cluster only)", is_there=False)
    try:
        check_on_path()
        partitions = ask(["sinfo", "--noheader", "--format=%R"], SINFO_SECONDS).split()
    except SlurmError as error:
        said = " ".join(f"{error}".split())
        return Finding(
            "slurm", f"{sbatch}, but no cluster answers (needed for a cluster only). {said}", is_there=False
        )
    return Finding("slurm", f"{sbatch}; partitions: {', '.join(dict.fromkeys(partitions)) or 'none'}")


def _examine_results(results: Path) -> Finding:
    from attnbench.errors import UserError
    from attnbench.runs.store import RunStore

    probe = RunStore(results / ".doctor")
    try:
        probe.check_ours()
    except UserError as error:
        return Finding("results", str(error), is_good=False)
    free = shutil.disk_usage(
        next(each for each in (results, *results.absolute().parents) if each.exists())
    ).free
    return Finding("results", f"{results} can be written to; {free / 2**30:.0f} GiB free")
