"""Where a run was made: versions, machine, command."""

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import attnbench

PACKAGES = ("torch", "numpy", "hydra-core", "tokenizers", "sacrebleu")


def typed_command() -> str:
    """Return the command that a person gave, as a shell takes it."""
    return shlex.join(["attnbench", *sys.argv[1:]])


def describe_environment(device: str, precision: str, command: str) -> dict[str, Any]:
    """Return what somebody would need to know to repeat a run elsewhere.

    The command is that of a person; a worker or a job has been started with another.
    """
    return {
        "attnbench": attnbench.__version__,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "device": device,
        "device_name": _device_name(device),
        "precision": precision,
        "git_commit": _git_commit(),
        "command": command,
    }


def package_version(package: str) -> str | None:
    """Return the installed version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def _git_commit() -> str | None:
    """Return the commit of the checkout that attnbench runs from; None for an installed copy."""
    folder = Path(attnbench.__file__).parent
    if not (folder.parent / ".git").exists():
        return None  # a copy installed below somebody's own checkout is not of its commits
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
