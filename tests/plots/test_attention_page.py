"""What the page of attention holds; what it does in a browser is in `test_attention_page_in_a_browser`."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch

from attnbench.inspection.capture import capture_attention
from attnbench.plots.attention_page import attention_page
from tests.inspection.small_runs import small_spec, untrained
from tests.models.arms import arm_names
from tests.plots.attention_examples import attention_example, long_attention_example, numbers, random_shares

WITHOUT_ATTENTION = {"blind", "fixed", "fixed_init", "slots", "linear", "transformer_fixed"} | {
    "published_cho2014",
    "published_sutskever2014",
}
HOSTILE = (
    "<!--<script </script></script x><script>broken = 1</script>"
    '<img src=x onerror="broken = 1"> & {{script}} " \u2028 \\'
)


class Elements(HTMLParser):
    """The elements of a page as a browser takes them, each with its attributes and the text it begins with."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[Any]] = []
        self.is_open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append([tag, dict(attrs), ""])
        self.is_open = True

    def handle_endtag(self, tag: str) -> None:
        self.is_open = False

    def handle_data(self, data: str) -> None:
        if self.is_open:
            self.found[-1][2] += data

    def of(self, tag: str) -> list[tuple[dict[str, str], str]]:
        return [(attributes, text) for name, attributes, text in self.found if name == tag]


def values_of(page: str) -> dict[str, Any]:
    (text,) = [text for attributes, text in Elements(page).of("script") if attributes.get("id") == "values"]
    return json.loads(text)


def example_of(page: str, arm: int = 0, example: int = 0) -> dict[str, Any]:
    return values_of(page)["arms"][arm]["examples"][example]


def page_of(**changes: Any) -> str:
    return attention_page("reverse", [("luong general", [attention_example(**changes)])])


def decoded(text: str, kind: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(shape).astype(float)


def test_words_are_the_persons_own():
    example = example_of(page_of())
    assert example["source"] == ["a", "b", "c"]
    assert example["written"] == ["c", "a", "a"]
    assert example["expected"] == ["c", "b", "a"]


def test_wrong_is_what_differs_from_the_word_it_belongs_to():
    assert example_of(page_of())["wrong"] == [False, True, False]


def test_a_given_word_is_never_wrong():
    assert example_of(page_of(is_given=(False, True, False)))["wrong"] == [False, False, False]


def test_a_word_behind_the_end_of_the_expected_answer_is_wrong():
    assert example_of(page_of(expected=("c", "a"), sure=None))["wrong"] == [False, False, True]


def test_nothing_is_wrong_where_nothing_is_expected():
    assert example_of(page_of(expected=(), sure=None))["wrong"] == [False, False, False]


def test_behind_a_word_too_many_words_are_right_and_gold_moves_along():
    example = example_of(page_of(written=("c", "c", "b"), expected=("c", "b", "a")))
    assert example["wrong"] == [False, True, False]
    assert example["instead"] == [None, "nothing", None]
    assert example["sure"] == [[2], [], [1]]
    assert example["missing"] == [{"before": 3, "word": "a", "wrong": False}]
    assert example["slips"] == "1 word too many at position 2, the rest right (no room for the last word)"


def test_words_that_only_fill_a_fixed_length_are_no_errors_and_are_marked():
    example = example_of(page_of(written=("c", "a", "c"), expected=("c", "b", "a")))
    assert (example["wrong"], example["filling"]) == ([False] * 3, [False, False, True])
    assert example["slips"].endswith("the rest right (1 word fills the fixed length)")


def test_words_left_out_are_named_with_their_place():
    short = {"written": ("c", "a"), "is_given": (False, False), "weights": None, "gradients": None}
    example = example_of(page_of(**short))
    assert (example["wrong"], example["sure"]) == ([False, False], [[2], [0]])
    assert example["missing"] == [{"before": 1, "word": "b", "wrong": True}]


def test_swapped_words_keep_their_own_gold():
    example = example_of(page_of(written=("b", "c", "a")))
    assert (example["wrong"], example["sure"]) == ([True, True, False], [[1], [2], [0]])


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({}, "attention"),
        ({"weights": None}, "gradient"),
        ({"weights": None, "encoder": random_shares(1, 1, 3, 3)}, "gradient"),
        ({"weights": None, "gradients": None}, None),
    ],
)
def test_the_page_begins_with_a_map_that_there_is(changes: dict[str, Any], chosen: str | None):
    values = values_of(page_of(**changes))
    assert values["kind"] == chosen
    assert values["kinds"]["attention"] == ("weights" not in changes)
    assert [kind for kind, is_there in values["kinds"].items() if is_there][:1] == [chosen] * bool(chosen)


def test_of_two_arms_one_with_attention_is_enough_to_begin_with_it():
    values = values_of(
        attention_page("reverse", [("a", [attention_example(weights=None)]), ("b", [attention_example()])])
    )
    assert (values["kind"], values["kinds"]["attention"]) == ("attention", True)


@pytest.mark.parametrize("model", arm_names())
def test_every_arm_begins_with_attention_or_without_it_with_gradients(model: str):
    run = untrained(small_spec(f"model={model}"))
    shown = capture_attention(run, run.spec.task.sample("test", 3, 1, torch.Generator().manual_seed(0)))
    values = values_of(attention_page("reverse", [(model, [shown])]))
    assert values["kind"] == ("gradient" if model in WITHOUT_ATTENTION else "attention")
    assert values["kinds"]["attention"] == (model not in WITHOUT_ATTENTION)
    example = values["arms"][0]["examples"][0]
    assert example[values["kind"]] is not None


def test_gold_positions_are_listed_by_written_word():
    example = example_of(page_of(possible=np.ones((3, 3), dtype=bool)))
    assert example["sure"] == [[2], [1], [0]]
    assert example["possible"] == [[0, 1, 2]] * 3


def test_one_map_keeps_four_decimals():
    weights = random_shares(3, 3)
    read = decoded(example_of(page_of(weights=weights))["attention"]["mean"], "<u2", 3, 3) / 65535
    np.testing.assert_allclose(read, weights, atol=5e-5)


def test_heads_keep_small_shares_apart_from_nothing():
    heads = numbers([[[[1.0, 0.0, 0.001], [0.83, 0.01, 0.0001], [0.5, 0.25, 0.25]]] * 2])
    attention = example_of(page_of(heads=heads))["attention"]
    assert (attention["layers"], attention["headsPerLayer"]) == (1, 2)
    read = (decoded(attention["heads"], "u1", 1, 2, 3, 3) / 255) ** 2
    np.testing.assert_allclose(read, heads, atol=0.004)
    np.testing.assert_allclose(read[heads <= 0.01], heads[heads <= 0.01], atol=4e-4)
    assert (read[heads > 0] > 0).all()


def test_the_mean_of_the_encoder_is_over_layers_and_heads():
    encoder = random_shares(2, 4, 3, 3)
    read = decoded(example_of(page_of(encoder=encoder))["encoder"]["mean"], "<u2", 3, 3) / 65535
    np.testing.assert_allclose(read, encoder.mean(axis=(0, 1)), atol=5e-5)


def test_what_an_arm_has_not_is_null():
    example = example_of(page_of(weights=None, gradients=None, sure=None))
    names = ("attention", "gradient", "encoder", "sure")
    assert [example[name] for name in names] == [None] * 4


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        page_of(weights=np.full((3, 3), np.nan, dtype=np.float32))


def test_no_word_or_title_breaks_out():
    harmless = Elements(attention_page("reverse", [("fixed", [attention_example()])]))
    page = attention_page(HOSTILE, [(HOSTILE, [attention_example(source=(HOSTILE, "b", "c"))])])
    assert [tag for tag, *_ in Elements(page).found] == [tag for tag, *_ in harmless.found]
    assert [text for _, text in Elements(page).of("h1")] == [HOSTILE]
    assert example_of(page)["source"][0] == HOSTILE
    (values,) = re.findall(r'id="values">(.*)</script>', page)
    assert not set("<>&") & set(values)


def test_the_policy_allows_this_script_and_this_style_and_nothing_else():
    elements = Elements(page_of())
    (policy,) = [
        attributes["content"]
        for attributes, _ in elements.of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (script,) = [text for attributes, text in elements.of("script") if not attributes]
    ((_, style),) = elements.of("style")
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert [rules["script-src"], rules["style-src"]] == [f"'sha256-{digest}'" for digest in digests]


def test_nothing_outside_is_named():
    page = page_of()
    assert not re.search(r"https?:|@import|url\(", page)
    assert not [attributes for _, attributes, _ in Elements(page).found if {"src", "href"} & set(attributes)]


def test_ten_long_examples_of_a_deep_transformer_stay_below_fifteen_megabytes():
    page = attention_page("reverse", [("transformer", [long_attention_example(120, layers=4, heads=8)] * 10)])
    assert len(page.encode()) < 15e6


@pytest.mark.parametrize("counts", [(), (1, 1, 1), (0,), (1, 2)])
def test_arms_that_cannot_be_laid_side_by_side_are_refused(counts: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected"):
        attention_page("reverse", [("fixed", [attention_example()] * count) for count in counts])


def test_the_page_is_made_without_torch():
    code = "import sys, attnbench.plots.attention_page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
