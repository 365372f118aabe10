"""Events as lines of text, from a worker to its sweep."""

import json
from collections.abc import Callable
from dataclasses import asdict

from attnbench.runs.outcome import Outcome
from attnbench.sweeps.events import Event, Note, RunEnded, RunProgressed, RunStarted, StorageRefused

_KIND = "event"
_BEGINNING = f'{{"{_KIND}"'
_KINDS: dict[str, Callable[..., Event]] = {
    each.__name__: each for each in (RunStarted, RunProgressed, RunEnded, StorageRefused, Note)
}


def to_line(event: Event) -> str:
    """Write an event as one line of JSON."""
    return json.dumps({_KIND: type(event).__name__, **asdict(event)}) + "\n"


def from_line(line: str) -> Event | None:
    """Read an event, whatever stands before it on its line; None where there is none, or half of one."""
    try:
        values = json.loads(line[max(line.find(_BEGINNING), 0) :])
        kind = _KINDS[values.pop(_KIND)]
        if values.get("outcome") is not None:
            values["outcome"] = Outcome(**values["outcome"])
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
