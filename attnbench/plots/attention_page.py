"""An interactive page of where models looked: hover shows weights, a click on a written word colours the source.

It is one file without outside resources, to be opened from disk; its own security policy forbids it any. The parts
that it is put together from are in `page/`.

Weights are shares between 0 and 1. A map by itself goes as 16-bit whole numbers, 65535 for 1; the maps of many layers
and heads go as bytes, 255 times the square root, which keeps small shares: the error is below .004 near 1 and below
.0004 under .01. As base64 that is 2.7 and 1.3 characters a number.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from attnbench.inspection.attention_example import AttentionExample, Mask, Numbers
from attnbench.inspection.word_edits import described

Value = None | bool | int | float | str | Sequence["Value"] | Mapping[str, "Value"]

# In this order, as one script: each uses the names of those above it.
_SCRIPTS = ("numbers.js", "colours.js", "views.js", "words.js", "tooltip.js", "maps.js", "arms.js", "page.js")


def attention_page(
    title: str,
    arms: Sequence[tuple[str, Sequence[AttentionExample]]],
    facts: Sequence[str] = (),
    worst: Sequence[tuple[int, str]] = (),
) -> str:
    """Return the HTML of a page that shows the same examples under one arm or side by side under two.

    Args:
        title: of the page, any text.
        arms: the name of each arm and what it made of the same examples, in the same order.
        facts: lines below the title, such as the accuracy of each run.
        worst: the examples that were answered worst, by their place among those of an arm, and what is wrong with them.

    Raises:
        ValueError: for no arm, more than two, no example, or arms with different numbers of examples.
    """
    _check(arms)
    script = "\n".join(map(_part, _SCRIPTS))
    style = _part("page.css")
    examples = [example for _, own in arms for example in own]
    values: Value = {
        "facts": list(facts),
        "worst": [[place, text] for place, text in worst],
        "kinds": _kinds_of(examples),
        "kind": _chosen_kind(examples),
        "arms": [
            {
                "name": name,
                "examples": [_example_values(example) for example in own],
            }
            for name, own in arms
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


def _check(arms: Sequence[tuple[str, Sequence[AttentionExample]]]) -> None:
    counts = [len(examples) for _, examples in arms]
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


def _example_values(example: AttentionExample) -> Value:
    """Return what the page shows of one example, of types that JSON knows."""
    encoder = example.encoder
    return {
        "index": example.index,
        "source": list(example.source),
        "written": list(example.written),
        "expected": list(example.expected),
        "given": list(example.is_given),
        **_answer(example),
        "sure": _positions(example.sure, example),
        "possible": _positions(example.possible, example),
        "attention": _view(example.weights, example.heads),
        "gradient": _view(example.gradients, None),
        "withGradient": example.with_gradient,
        "encoder": _view(None if encoder is None else encoder.mean(axis=(0, 1)), encoder),
    }


def _kinds_of(examples: Sequence[AttentionExample]) -> Mapping[str, bool]:
    """Return the kinds of maps, and whether any of the examples has it."""
    return {
        "attention": any(each.weights is not None for each in examples),
        "gradient": any(each.gradients is not None for each in examples),
        "encoder": any(each.encoder is not None for each in examples),
    }


def _chosen_kind(examples: Sequence[AttentionExample]) -> str | None:
    """Return the kind of map that is shown first: attention where any example has it; None where there is no map."""
    return next((kind for kind, is_there in _kinds_of(examples).items() if is_there), None)


def _answer(example: AttentionExample) -> Mapping[str, Value]:
    """Return which words are wrong, what was expected there, which only fill the length, and what is missing."""
    wrong: list[Value] = [False] * len(example.written)
    instead: list[Value] = [None] * len(example.written)
    filling: list[Value] = [False] * len(example.written)
    missing: list[Value] = []
    before = 0
    for each in example.aligned:
        expected = None if each.expected is None else example.expected[each.expected : each.expected + 1]
        if each.written is None:
            if expected and each.kind != "given":
                missing.append({"before": before, "word": expected[0], "wrong": each.is_edit})
            continue
        before = each.written + 1
        wrong[each.written] = each.is_edit
        filling[each.written] = each.kind == "filler"
        if each.kind == "swapped":
            instead[each.written] = "the word beside it"
        elif each.is_edit:
            instead[each.written] = expected[0] if expected else "nothing"
    slips = described(example.aligned) if example.expected else ""
    return {"wrong": wrong, "instead": instead, "filling": filling, "missing": missing, "slips": slips}


def _positions(mask: Mask | None, example: AttentionExample) -> Value:
    """Return the source positions that are True, a list for each written word: those of the word it belongs to."""
    if mask is None:
        return None
    positions: list[Value] = [[] for _ in example.written]
    for each in example.aligned:
        if each.written is not None and each.expected is not None:
            positions[each.written] = np.flatnonzero(mask[each.expected]).tolist()
    return positions


def _view(mean: Numbers | None, heads: Numbers | None) -> Value:
    if mean is None:
        return None
    return {
        "mean": _base64(np.rint(_shares(mean) * 65535).astype("<u2")),
        "heads": None if heads is None else _base64(np.rint(np.sqrt(_shares(heads)) * 255).astype("u1")),
        "layers": 1 if heads is None else heads.shape[0],
        "headsPerLayer": 1 if heads is None else heads.shape[1],
    }


def _shares(numbers: Numbers) -> Numbers:
    """Return the numbers within [0, 1], which sums of rounded parts may leave by a hair."""
    if not np.isfinite(numbers).all():
        raise ValueError("weights that are not finite")
    return np.clip(numbers, 0, 1)


def _base64(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")
