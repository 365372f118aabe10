"""An interactive page of where models looked: hover shows weights, a click on a written word colours the source.

It is one file without outside resources, to be opened from disk; its own security policy forbids it any. The parts
that it is put together from are in `page/`.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files

from attnbench.inspection.portrait import Portrait
from attnbench.plots.attention_page_values import Value, chosen_kind, kinds_of, portrait_values

# In this order, as one script: each uses the names of those above it.
_SCRIPTS = ("numbers.js", "colours.js", "views.js", "words.js", "tooltip.js", "maps.js", "arms.js", "page.js")


def attention_page(title: str, arms: Sequence[tuple[str, Sequence[Portrait]]]) -> str:
    """Return the HTML of a page that shows the same examples under one arm or side by side under two.

    Args:
        title: of the page, any text.
        arms: the name of each arm and its portraits, of the same examples in the same order.

    Raises:
        ValueError: for no arm, more than two, no example, or arms with different numbers of examples.
    """
    _check(arms)
    script = "\n".join(map(_part, _SCRIPTS))
    style = _part("page.css")
    portraits = [portrait for _, own in arms for portrait in own]
    values: Value = {
        "kinds": kinds_of(portraits),
        "kind": chosen_kind(portraits),
        "arms": [
            {"name": name, "examples": [portrait_values(portrait) for portrait in own]} for name, own in arms
        ],
    }
    filled = {
        "policy": _policy(script, style),
        "title": html.escape(title),
        "style": style,
        "values": _script_safe(json.dumps(values, ensure_ascii=False, separators=(",", ":"))),
        "script": script,
    }
    return _fill(_part("page.html"), filled)


def _check(arms: Sequence[tuple[str, Sequence[Portrait]]]) -> None:
    counts = [len(portraits) for _, portraits in arms]
    if not 1 <= len(arms) <= 2:
        raise ValueError(f"{len(arms)} arms: expected one or two.")
    if min(counts) == 0 or len(set(counts)) > 1:
        raise ValueError(f"{counts} examples: expected the same of each arm, at least one.")


def _part(name: str) -> str:
    return files("attnbench.plots").joinpath("page", name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """Return a Content-Security-Policy that allows this one script and this one style, and nothing to be fetched."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_safe(text: str) -> str:
    """Return JSON in which no word can end the element that holds it: `</script>` and `<!--` lose their `<`."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _fill(template: str, filled: dict[str, str]) -> str:
    """Put each text in the place of its name, `{{name}}`, in one pass: what a word says is not filled again."""
    pieces = template.split("{{")
    page = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        page += [filled[name], rest]
    return "".join(page)
