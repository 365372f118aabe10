"""Stands in for the commands of Slurm on PATH: it keeps a queue in a folder, and runs nothing."""

import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = f"""#!{sys.executable}
import json, re, sys
from pathlib import Path

folder = Path(__file__).parent
name, words = Path(__file__).name, sys.argv[1:]
with (folder / "calls.jsonl").open("a") as file:
    file.write(json.dumps([name, *words]) + "\\n")
refusal = folder / f"{{name}}.refusal"
if refusal.exists():
    sys.exit(refusal.read_text())
queue_file = folder / "queue.json"
queue = json.loads(queue_file.read_text()) if queue_file.exists() else []
trial = folder / "trial.refusal"
if "--test-only" in words and trial.exists():
    sys.exit(trial.read_text())
if "--begin=now+1hour" in words:
    queue.append(["later", "99", "N/A", "PENDING"])
    print("99;cluster")
elif name == "sbatch" and "--test-only" not in words:
    script = Path(words[-1]).read_text()
    (folder / "script").write_text(script)
    job_name = re.search("--job-name=(.*)", script).group(1)
    array = re.search("--array=0-([0-9]+)", script)
    job_id = str(100 + len((folder / "calls.jsonl").read_text().splitlines()))
    indices = [str(each) for each in range(int(array.group(1)) + 1)] if array else ["N/A"]
    room_file = folder / "room"
    if room_file.exists() and len(queue) + len(indices) > int(room_file.read_text()):
        sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    queue += [[job_name, job_id, index, "PENDING"] for index in indices]
    print(f"Submitted batch job {{job_id}}")
elif name == "squeue":
    wanted = words[2].removeprefix("--name=").split(",")
    reason_file = folder / "reason"
    reason = reason_file.read_text() if reason_file.exists() else "Priority"
    print("\\n".join("|".join([*job[:3], reason, job[3]]) for job in queue if job[0] in wanted))
elif name == "scancel":
    queue = [job for job in queue if job[1] not in words]
answer = folder / f"{{name}}.answer"
if answer.exists():
    print(answer.read_text())
queue_file.write_text(json.dumps(queue))
failure = folder / f"{{name}}.failure"
if failure.exists() and "--test-only" not in words:
    sys.exit(failure.read_text())
"""


@dataclass(frozen=True)
class FakeSlurm:
    """The queue, and what was asked of it."""

    folder: Path

    @property
    def queue(self) -> list[list[str]]:
        file = self.folder / "queue.json"
        return json.loads(file.read_text()) if file.exists() else []

    def put(self, queue: list[list[str]]) -> None:
        (self.folder / "queue.json").write_text(json.dumps(queue))

    def set_states(self, state: str) -> None:
        self.put([[*job[:3], state] for job in self.queue])

    def hold(self, reason: str) -> None:
        """Say of every job that it waits for this reason."""
        (self.folder / "reason").write_text(reason)

    def calls(self, command: str) -> list[list[str]]:
        file = self.folder / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [words[1:] for words in map(json.loads, lines) if words[0] == command]

    @property
    def submissions(self) -> int:
        return sum("--test-only" not in words for words in self.calls("sbatch"))

    @property
    def script(self) -> str:
        return (self.folder / "script").read_text()

    def refuse(self, command: str, words: str) -> None:
        (self.folder / f"{command}.refusal").write_text(words)

    def relent(self, command: str) -> None:
        """No longer refuse."""
        (self.folder / f"{command}.refusal").unlink()

    def refuse_trials(self, words: str) -> None:
        """Refuse `sbatch --test-only` alone."""
        (self.folder / "trial.refusal").write_text(words)

    def fail_late(self, command: str, words: str) -> None:
        """Do what is asked, and then report an error."""
        (self.folder / f"{command}.failure").write_text(words)

    def limit(self, jobs: int) -> None:
        """Take no more jobs than these into the queue."""
        (self.folder / "room").write_text(str(jobs))

    def answer(self, command: str, words: str) -> None:
        (self.folder / f"{command}.answer").write_text(words)


class Cluster:
    """Does something whenever the sweep asks whether to stop, as the cluster does in the meantime."""

    def __init__(self, *deeds: Callable[[], object]) -> None:
        self.deeds = list(deeds)

    def __call__(self) -> bool:
        if self.deeds:
            self.deeds.pop(0)()
        return False


def install(folder: Path, patch: Any) -> FakeSlurm:
    """Put the commands into a folder, and that before all others on PATH."""
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel"):
        path = folder / name
        path.write_text(COMMAND)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    fake = FakeSlurm(folder)
    fake.answer("sinfo", os.uname().nodename)
    return fake
