"""The page of attention, opened from disk in a real browser without a window: what hover, click and keys do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from attnbench.inspection.capture import capture_attention
from attnbench.plots.attention_page import attention_page
from tests import browser
from tests.browser import (
    IN_A_BROWSER,
    ActionChains,
    Keys,
    choose_colours,
    numbers_of,
    screen_of,
    started_browser,
    widths,
)
from tests.inspection.small_runs import small_spec, untrained
from tests.models.arms import arm_names
from tests.plots.attention_examples import attention_example, long_attention_example, numbers, random_shares

pytestmark = IN_A_BROWSER
LIGHTEST, DARKEST = (255, 255, 255), (8, 38, 94)
HOSTILE = '<!--<script </script></script x><script>broken = 1</script><img src=x onerror="broken = 1">'
# The middle of a cell of the first map as the page lays it out, in pixels from its upper left corner.
MIDDLE = """
    const view = viewOf(arms[0].examples[state.example], state.kind);
    const layout = layoutOf(view, document.querySelector("main > section").clientWidth);
    const middle = (start, cell) => start + (cell + 0.5) * layout.cell;
    return [middle(layout.left, arguments[1]), middle(layout.top, arguments[0])];
"""
PIXEL = """
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const pen = canvas.getContext("2d"), ratio = devicePixelRatio;
    pen.drawImage(document.querySelector("canvas.map"), -arguments[0] * ratio, -arguments[1] * ratio);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
"""
# Scrolling hides the tooltip, and is only told of at the next frame.
SCROLL = """
    arguments[0].scrollIntoView({ block: "center" });
    requestAnimationFrame(() => requestAnimationFrame(arguments[1]));
"""
VIOLATION = """
    const done = arguments[0];
    document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
    document.body.append(Object.assign(new Image(), { src: "https://example.invalid/a.png" }));
"""


class Page(browser.Page):
    """The page of attention in the browser."""

    def hover(self, row: int, column: int) -> tuple[str, tuple[int, ...]]:
        """Move the mouse to a cell of the first map; return what the tooltip says and the cell's colour."""
        x, y = self.driver.execute_script(MIDDLE, row, column)
        canvas = self.one("canvas.map")
        self.driver.execute_async_script(SCROLL, canvas)
        right, down = x - canvas.size["width"] / 2, y - canvas.size["height"] / 2
        ActionChains(self.driver).move_to_element_with_offset(canvas, round(right), round(down)).perform()
        return self.one("#tooltip").text, tuple(self.driver.execute_script(PIXEL, x, y))

    def source_colours(self, arm: int = 1) -> list[tuple[int, ...]]:
        words = self.all(f"main > section:nth-child({arm}) .source .word")
        return [numbers_of(word.value_of_css_property("background-color")) for word in words]


Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with started_browser() as driver:
        yield driver


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Opened]:
    """Open a page from disk; afterwards see that the browser complained of nothing."""

    def open_page(*arms: tuple[str, list[Any]], title: str = "reverse") -> Page:
        path = tmp_path / "attention.html"
        path.write_text(attention_page(title, arms), encoding="utf-8")
        driver.get(path.as_uri())
        return Page(driver)

    driver.get_log("browser")
    yield open_page
    assert driver.get_log("browser") == []


def test_hover_shows_the_weight_of_a_cell(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    assert page.hover(1, 0)[0] == "a ← a: 0.830"
    assert page.hover(0, 2)[0] == "c ← c: 0.900"


def test_the_colour_of_a_cell_is_its_weight(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    assert page.hover(2, 0)[1] == DARKEST
    assert page.hover(2, 1)[1] == LIGHTEST


def test_a_click_on_a_written_word_colours_the_source(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.one("[data-row='2']").click()
    assert page.source_colours() == [DARKEST, LIGHTEST, LIGHTEST]
    page.one("[data-row='0']").click()
    first, second, third = map(sum, page.source_colours())
    assert first > second > third


def test_a_second_click_shows_the_mean_over_the_words(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.one("[data-row='2']").click()
    page.one("[data-row='2']").click()
    assert page.texts(".told") == ["All words together ← “a” 0.610, “c” 0.317, “b” 0.073"]


def test_the_first_answer_is_chosen_from_the_start(opened: Opened):
    page = opened(("luong general", [attention_example(is_given=(True, False, False))]))
    assert page.texts("[aria-pressed='true'].word") == ["a"]
    assert page.one(".told").text.startswith("“a” ← “a” 0.830")


def test_a_click_on_the_map_chooses_its_row(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.hover(2, 1)
    ActionChains(page.driver).click().perform()
    assert page.one("[aria-pressed='true'].word").get_attribute("data-row") == "2"


def test_the_keyboard_chooses_words_and_reads_the_map(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.driver.execute_script("document.querySelector(\"[data-row='0']\").focus()")
    page.press(Keys.TAB, Keys.ENTER)
    assert page.one("[aria-pressed='true'].word").get_attribute("data-row") == "1"
    page.press(Keys.TAB, Keys.TAB, Keys.ARROW_RIGHT)
    assert page.one("#tooltip").text == "a ← b: 0.120"
    page.press(Keys.TAB, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.one("#tooltip").text == "a ← a: 1.000"


def test_a_wrong_word_is_red_and_says_what_was_expected(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    assert page.texts("button.wrong") == ["a"]
    wrong = page.one("button.wrong")
    assert numbers_of(wrong.value_of_css_property("color")) == (192, 20, 12)
    assert wrong.get_attribute("aria-label") == "a, wrong, expected b"


def test_words_that_were_not_written_are_wrong_too(opened: Opened):
    page = opened(("luong general", [attention_example(expected=("c", "a", "a", "b"), sure=None)]))
    assert page.texts("dd .wrong") == ["–"]
    assert page.texts("option") == ["1 of 1: test example 7, 1 wrong"]
    assert page.one("#wrong-key").text.endswith("–: one left out")


def test_behind_a_word_too_many_words_are_right_and_outlines_move_along(opened: Opened):
    slipped = attention_example(written=("c", "c", "b"), expected=("c", "b", "a"))
    page = opened(("luong general", [slipped]))
    assert page.texts("button.wrong") == ["c"]
    assert page.one("button.wrong").get_attribute("aria-label") == "c, wrong, expected nothing"
    assert page.texts("dd.slips") == [
        "1 word too many at position 2, the rest right (no room for the last word)"
    ]
    assert page.texts("dd .word")[-1] == "…"
    page.one("[data-row='2']").click()
    styles = [word.value_of_css_property("outline-style") for word in page.all(".source .word")]
    assert styles == ["none", "solid", "none"]


def test_a_word_that_only_fills_a_fixed_length_is_marked_as_in_the_heatmap(opened: Opened):
    assert opened(("luong general", [attention_example()])).one("#filling-key").text == ""  # hidden
    page = opened(("luong general", [attention_example(written=("c", "a", "c"))]))
    assert page.texts("button.filling") == ["c (…)"]
    told = page.one("button.filling").get_attribute("aria-label")
    assert told == "c, written only since the length was fixed"
    assert page.one("#filling-key").text.startswith("word (…)")
    page.one("button.filling").click()
    assert page.one("button.filling").get_attribute("aria-pressed") == "true"


def test_the_gold_position_of_the_chosen_word_is_outlined(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.one("[data-row='1']").click()
    styles = [word.value_of_css_property("outline-style") for word in page.all(".source .word")]
    assert styles == ["none", "solid", "none"]


def test_an_arm_without_attention_says_so_and_shows_its_gradient(opened: Opened):
    page = opened(("fixed", [attention_example(weights=None)]))
    (note,) = page.texts(".note")
    assert note.startswith("This arm has no attention over source words. Shown instead")
    assert page.hover(1, 2)[0] == "a ← c: 0.600"
    page.one("[data-row='1']").click()
    assert page.one(".told").text.endswith("1 strongest of 3 source words, and half within the last 1.")


def pressed(page: Page) -> list[str]:
    return page.texts("#kinds [aria-pressed='true']")


def test_an_arm_without_attention_has_that_switch_off_and_its_legend_speaks_of_gradients(opened: Opened):
    page = opened(("fixed", [attention_example(weights=None)]))
    assert pressed(page) == ["Gradient"]
    assert not page.one("[data-kind='attention']").is_enabled()
    meaning = page.one("#meaning").text
    assert meaning.startswith("There is no attention over source words here.")
    assert "share of the gradient" in meaning
    assert "share of its attention" not in meaning


def test_beside_an_arm_with_attention_the_legend_names_the_one_without(opened: Opened):
    page = opened(("luong general", [attention_example()]), ("fixed", [attention_example(weights=None)]))
    assert pressed(page) == ["Attention"]
    assert page.one("#meaning").text.endswith(
        "Not of fixed, which has no attention: there it is the gradient."
    )


@pytest.mark.parametrize("model", arm_names())
def test_the_page_of_every_arm_speaks_of_the_map_that_it_shows(opened: Opened, model: str):
    run = untrained(small_spec(f"model={model}"))
    shown = capture_attention(run, run.spec.task.sample("test", 3, 1, torch.Generator().manual_seed(0)))
    page = opened((model, [shown]))
    has_attention = shown.weights is not None
    assert pressed(page) == ["Attention" if has_attention else "Gradient"]
    assert page.one("[data-kind='attention']").is_enabled() == has_attention
    assert ("share of its attention" in page.one("#meaning").text) == has_attention
    heading = "Source words looked at" if has_attention else "Gradient by source word"
    assert page.texts("h3")[0].startswith(heading)


def test_where_not_all_words_have_their_gradient_the_page_says_so(opened: Opened):
    page = opened(("fixed", [attention_example(weights=None, with_gradient=2)]))
    assert "The first 2 words alone have their gradient" in page.one(".note").text


def test_an_arm_with_neither_shows_its_answer_alone(opened: Opened):
    page = opened(("own", [attention_example(weights=None, gradients=None)]))
    assert (pressed(page), page.one("#meaning").text) == (
        [],
        "There is no attention over source words here. Nor are there gradients: no map is shown.",
    )
    assert page.texts(".note") == [
        "This arm has no attention over source words. Nor has it gradients to show."
    ]
    assert page.all("canvas.map") == []


def test_an_answer_without_a_word_of_the_models_own_has_no_map(opened: Opened):
    page = opened(("luong general", [attention_example(is_given=(True,) * 3)]))
    assert page.texts("dd .given") == ["c a a", "c", "b", "a", "c", "a", "a"]
    assert page.all("canvas.map") == []


def test_the_switch_shows_gradients(opened: Opened):
    page = opened(("luong general", [attention_example()]))
    page.one("[data-kind='gradient']").click()
    assert page.hover(0, 0)[0] == "c ← a: 0.200"


def test_a_click_on_a_word_chooses_it_under_both_arms(opened: Opened):
    page = opened(("luong general", [attention_example()]), ("fixed", [attention_example(weights=None)]))
    page.one("section:nth-child(2) [data-row='2']").click()
    assert page.source_colours(1) == [DARKEST, LIGHTEST, LIGHTEST]
    assert page.texts("[aria-pressed='true'].word") == ["a", "a"]
    assert page.texts("h2") == ["luong general", "fixed"]


def test_every_layer_and_head_is_drawn_and_one_can_be_shown_large(opened: Opened):
    heads = random_shares(2, 2, 3, 3)
    heads[1, 0, 1] = numbers([0.0, 0.0, 1.0])
    page = opened(("transformer", [attention_example(heads=heads)]))
    assert page.texts(".tile") == [
        "mean of all",
        "layer 1 · head 1",
        "layer 1 · head 2",
        "layer 2 · head 1",
        "layer 2 · head 2",
    ]
    assert page.hover(1, 0)[0] == "a ← a: 0.830"
    page.all(".tile")[3].click()
    assert page.hover(1, 2)[0] == "a ← c: 1.000"
    page.all(".tile")[0].click()
    assert page.hover(1, 0)[0] == "a ← a: 0.830"


def test_the_source_is_shown_looking_at_itself(opened: Opened):
    encoder = numbers([[[[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]]])
    page = opened(
        ("transformer", [attention_example(encoder=encoder)]), ("fixed", [attention_example(weights=None)])
    )
    page.one("[data-kind='encoder']").click()
    assert page.hover(0, 1)[0] == "a ← b: 1.000"
    page.driver.execute_script("scrollTo(0, 0)")  # from under the controls, which stay in view
    page.one("[data-row='2']").click()
    assert page.source_colours() == [DARKEST, LIGHTEST, LIGHTEST]
    assert page.texts(".note") == ["The encoder of this arm has no self-attention."]


def test_another_example_can_be_chosen(opened: Opened):
    page = opened(
        ("luong general", [attention_example(), attention_example(index=None, source=("x", "y", "z"))])
    )
    page.one("#next").click()
    assert page.texts(".source .word") == ["x", "y", "z"]
    assert page.texts("option") == ["1 of 2: test example 7, 1 wrong", "2 of 2: own words, 1 wrong"]


def test_hostile_words_are_only_words(opened: Opened):
    hostile = attention_example(source=(HOSTILE, "b", "c"), written=(HOSTILE, "a", "a"))
    page = opened((HOSTILE, [hostile]), title=HOSTILE)
    assert page.texts("h1, h2") == [HOSTILE] * 2
    assert page.texts(".source .word")[0] == HOSTILE
    assert page.all("img") == []
    assert page.driver.execute_script("return typeof broken") == "undefined"


def test_nothing_is_fetched_and_nothing_may_be(driver: Any, tmp_path: Path):
    path = tmp_path / "attention.html"
    path.write_text(attention_page("reverse", [("luong general", [attention_example()])]), encoding="utf-8")
    driver.get(path.as_uri())
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.execute_async_script(VIOLATION) == "img-src"


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_the_page_itself_never_scrolls_sideways(opened: Opened, driver: Any, width: int):
    with screen_of(driver, width):
        opened(
            ("transformer", [long_attention_example(60, layers=2, heads=8)]),
            ("fixed", [long_attention_example(60)]),
        )
        needed, there = widths(driver)
    assert needed == there > width - 20  # what is missing is the bar that scrolls down


def test_a_dark_screen_gets_dark_paper(opened: Opened, driver: Any):
    page = opened(("luong general", [attention_example()]))
    choose_colours(driver, "dark")
    paper = numbers_of(page.one("body").value_of_css_property("background-color"))
    choose_colours(driver, "light")
    assert max(paper) < 40


def test_the_worst_answers_are_listed_and_a_click_shows_one(driver: Any, opened: Opened, tmp_path: Path):
    arms = [("luong general", [attention_example(), attention_example(index=9, source=("x", "y", "z"))])]
    path = tmp_path / "worst.html"
    page_text = attention_page("reverse", arms, [f"Run {HOSTILE}"], [(1, f"test example 9: {HOSTILE}")])
    path.write_text(page_text, encoding="utf-8")
    page = opened(*arms)
    assert page.texts("#worst *") == []
    driver.get(path.as_uri())
    assert page.texts("#facts li") == [f"Run {HOSTILE}"]
    assert page.texts("#worst li") == [f"test example 9: {HOSTILE}"]
    page.one("#worst button").click()
    assert page.texts(".source .word") == ["x", "y", "z"]


def test_the_map_is_as_wide_as_its_place_or_as_high_as_the_window(opened: Opened):
    page = opened(("luong general", [long_attention_example(24)]))
    width, height, place, window = page.driver.execute_script(
        "const box = document.querySelector('canvas.map').getBoundingClientRect();"
        "return [box.width, box.height, document.querySelector('main > section').clientWidth, innerHeight];"
    )
    assert width > 0.9 * place or height > 0.75 * window
