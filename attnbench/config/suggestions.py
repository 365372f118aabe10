"""What a person may have meant whose word is not known: how it is typed here."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

# How a choice of a group is typed, where it stands by itself.
_CHOICES = {
    "task": "task={}",
    "model": "model={}",
    "sweep": "attnbench sweep --preset {}",
    "executor": "attnbench sweep --executor {}",
}
_CELLS = ("lstm", "gru")
_ONE_VECTOR = (
    *(
        "none",
        "no_attention",
        "noattention",
        "without_attention",
        "no",
        "vanilla",
        "vector",
        "context",
        "bottleneck",
    ),
    *("seq2seq", "baseline", "plain", "encoder_decoder"),
)
_ATTENTION = ("attention", "attn", "with_attention", "soft_attention")
# Words of other programs for keys of ours.
_ALIASES = {"lr": "training.learning_rate", "hidden": "model.hidden_size", "dim": "model.hidden_size"}


def instead_of_bare_word(
    words: Sequence[str], place: int, choices: Callable[[str], list[str]], keys: Iterable[str]
) -> str:
    """Return " Did you mean …?" for a word without `=`, or nothing where nobody can tell.

    Args:
        words: all overrides.
        place: of the one that has no `=`.
        choices: gives the names of a group.
        keys: all known keys.
    """
    word, before, after = words[place], words[place - 1] if place else "", words[place + 1 : place + 2]
    if before.endswith("="):
        return f" Did you mean {before}{word}? No blank stands beside the =."
    key = full_key(word.lstrip("-"), keys)
    if key is not None:
        return f" Did you mean {key}={after[0].lstrip('=') if after else '…'}?"
    names = {name: typed for group, typed in _CHOICES.items() for name in choices(group)}
    parts = word.split(",")
    typed = [names[each] for each in parts if each in names]
    if len(typed) == len(parts) and len(set(typed)) == 1:
        return f" Did you mean {typed[0].format(word)}?"
    alike = difflib.get_close_matches(word, sorted(names), n=1, cutoff=0.7)
    return f" Did you mean {names[alike[0]].format(alike[0])}?" if alike else ""


def full_key(name: str, known: Iterable[str]) -> str | None:
    """Return the known key that is this one, or ends with it, written with - or _; None where no one key does."""
    known = list(dict.fromkeys(known))
    spelt = name.replace("-", "_")
    if spelt in known:
        return spelt
    if spelt in _ALIASES:
        return _ALIASES[spelt]
    found = [each for each in known if each.rpartition(".")[2] == spelt.rpartition(".")[2]]
    return found[0] if len(found) == 1 else None


def instead_of_model(name: str, described: Mapping[str, str]) -> str:
    """Return " Did you mean …?" for words that name a kind of model and no arm of ours, or nothing.

    Args:
        name: what was typed.
        described: every arm with its line.
    """
    kind = name.lower().replace("-", "_")
    if kind in _CELLS:
        return f" Did you mean model.cell={kind}, with fixed or any other recurrent arm?"
    if kind in _ONE_VECTOR:
        return " Did you mean fixed, one vector without attention?"
    if kind in _ATTENTION:
        found = [
            each for each, line in described.items() if "attention" in line.lower() and not _squeezes(line)
        ]
    else:
        found = [each for each in described if each.startswith(f"{kind}_")]
    if len(found) < 2:
        return ""
    what = "The arms with attention" if kind in _ATTENTION else f"There are several {kind} arms"
    return f" {what}: {', '.join(found)}."


def _squeezes(line: str) -> bool:
    """Say whether an arm's line tells of a context that the length of the source does not widen."""
    return " once" in line or "one vector" in line
