"""Whether the nodes of a cluster see the results folder."""

import os
import re
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from attnbench.sweeps.executors.slurm_commands import Option, SlurmError, as_flags, ask, nodes_of

# File systems that one machine has for itself.
LOCAL = {"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
NODES_BY_RIGHT = ("account", "partition", "qos", "reservation")
NODES_BY_KIND = ("constraint", "gpus-per-node", "gres", "mem", "prefer")
NODES_BY_NAME = ("exclude", "nodefile", "nodelist")
MOUNTS_FILE = Path("/proc/mounts")
PROBE_SECONDS = 120


def check_nodes_see(folder: Path, partition: str | None, options: Mapping[str, Option]) -> None:
    """Refuse a folder that the nodes do not see.

    A folder on a network file system is taken as seen, and so is any where this machine is the only node. For
    another a job of a moment looks for a file that is made for it, where the options send it.

    Raises:
        SlurmError: where it is not seen, or nobody could look.
    """
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists()).resolve()
    kind = file_system_of(existing)
    if kind not in LOCAL or set(nodes_of(partition)) <= {socket.gethostname(), _short_host_name()}:
        return
    remedy = (
        f"{existing} lies on {kind}, which as a rule one machine has for itself. Put the results where the nodes "
        "see them (--results), or say executor.checks_folder=false where you know better."
    )
    with tempfile.NamedTemporaryFile(dir=existing, prefix=".attnbench-") as file:
        marks = "saw", "did not see"
        script = f'test -e "$1" && echo {marks[0]} || echo {marks[1]}'
        command = ["srun", *as_flags({**_where(options), "time": 1, "ntasks": 1, "immediate": PROBE_SECONDS})]
        try:
            said = ask([*command, "bash", "-c", script, "bash", file.name], 2.0 * PROBE_SECONDS)
        except SlurmError as error:
            raise SlurmError(
                f"No node could be asked whether it sees the results: {error}\n{remedy}"
            ) from error
    if marks[1] in said or marks[0] not in said:
        raise SlurmError(f"The nodes of the cluster do not see the results folder {folder}. {remedy}")


def _where(options: Mapping[str, Option]) -> dict[str, Option]:
    """Return the options that choose a node; any other, such as hold or exclusive, would have the question wait."""
    chosen_by = (*NODES_BY_RIGHT, *NODES_BY_KIND, *NODES_BY_NAME)
    return {name: options[name] for name in chosen_by if name in options}


def _short_host_name() -> str:
    return socket.gethostname().partition(".")[0]


def file_system_of(path: Path, mounts_file: Path = MOUNTS_FILE) -> str:
    """Return the kind of file system that a path lies on, such as ext4 or nfs4; "unknown" where nothing tells."""
    kinds = {"": "unknown"}
    for line in mounts_file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        written, kind = line.split()[1:3]
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), written)  # \040 is a blank
        if os.path.commonpath([path, place]) == place:
            kinds[place] = kind
    return kinds[max(kinds, key=len)]
