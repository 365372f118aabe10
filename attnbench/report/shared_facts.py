"""What the arms of a figure have in common, for its caption: legends name only what differs within a panel."""

from collections.abc import Iterable, Sequence

from attnbench.arm import Arm, shared_changes
from attnbench.plots.points import panel_title


def shared_sentences(arms: Iterable[Arm], more: Sequence[str] = ()) -> str:
    """Say what all arms share, then what those of one panel share besides; empty where there is nothing to say.

    Args:
        arms: of all panels.
        more: further facts about all arms.
    """
    panels: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        panels.setdefault((arm.task, arm.protocol), []).append(arm)
    common = _shared([arm for panel in panels.values() for arm in panel])
    facts = [*common, *more]
    sentences = [f"All arms: {', '.join(facts)}."] if facts else []
    for panel in panels.values():
        own = [fact for fact in _shared(panel) if fact not in common]
        sentences += [f"In “{panel_title(panel)}”: {', '.join(own)}."] if own else []
    return " ".join(sentences)


def _shared(arms: Sequence[Arm]) -> list[str]:
    sizes = {arm.hidden_size for arm in arms}
    shared = shared_changes(arm.variant for arm in arms)
    return [*(f"hidden size {size}" for size in sizes if len(sizes) == 1), *shared.parts]
