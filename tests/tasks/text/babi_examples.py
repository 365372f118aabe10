"""Small stories in files, for tests of the task that reads them."""

from pathlib import Path

import yaml

from attnbench.tasks.text.babi import Babi
from tests import ROOT

CONFIG = ROOT / "conf" / "task" / "babi.yaml"
TWO_STORIES = (
    "1 Mary moved to the bathroom.\n"
    "2 Where is Mary? \tbathroom\t1\n"
    "3 John got milk.\n"
    "4 What is John carrying? \tmilk,football\t3 1\n"
    "1 Ann went.\n"
    "2 Is she here?\tno\t1\n"
)
PLACES = ("garden", "hallway", "kitchen", "office")


def babi(**changed: object) -> Babi:
    """Return the task with the defaults of its yaml and the values given in place of them."""
    values = yaml.safe_load(CONFIG.read_text())
    del values["_target_"]
    return Babi(**values | {"name": "babi"} | changed)


def write_stories(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def numbered_stories(count: int, first: int = 0) -> str:
    """Return stories of 1 to 5 sentences, each about a person of its own, with a question after each sentence."""
    return "".join(_story(f"P{first + i}", 1 + i % 5, i) for i in range(count))


def _story(person: str, sentences: int, turn: int) -> str:
    lines = []
    for sentence in range(sentences):
        place, number = PLACES[(turn + sentence) % 4], 2 * sentence + 1
        lines += [
            f"{number} {person} went to the {place}.",
            f"{number + 1} Where is {person}? \t{place}\t{number}",
        ]
    return "\n".join(lines) + "\n"
