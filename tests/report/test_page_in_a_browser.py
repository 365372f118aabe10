"""The page of a sweep, opened from disk in a real browser without a window: charts, switches, tables, paper and ink."""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attnbench.report.page import SweepPage
from attnbench.report.settings import SweepTables
from attnbench.runs.metrics_table import read_metrics
from attnbench.runs.sweep_records import SweepRecords
from tests import ROOT, browser
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
from tests.commands import TINY_SWEEP, attnbench
from tests.metrics_rows import curve_rows, metrics_table
from tests.plots.sweeps import two_arms
from tests.report.pages import HOSTILE, hostile_rows, many_rows

pytestmark = IN_A_BROWSER
STANDARD = ROOT / "results" / "reference" / "standard" / "metrics.csv"
# The strip over a length, which takes the mouse: the first chart's, by its place.
STRIPS = ".chart svg line[stroke-width='26']"
# Charts are drawn behind the first script: promises.
DRAWN = """
    const done = arguments[0];
    const look = () => [...drawn.values()].every(Boolean) ? setTimeout(done, 50) : setTimeout(look, 20);
    look();
"""
VIOLATION = """
    const done = arguments[0];
    document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
    document.body.append(Object.assign(new Image(), { src: "https://example.invalid/a.png" }));
"""
# Behind a timer, since what the driver itself runs may evaluate whatever it likes.
EVALUATED = """
    const done = arguments[0];
    const look = () => { try { done(new Function("return 1")()); } catch (error) { done(error.name); } };
    setTimeout(look, 0);
"""
# How many lines of means each chart has, told by their width.
MEANS = """
    const lines = (box) => box.querySelectorAll("path[stroke-width='2']").length;
    return [...document.querySelectorAll(".chart")].map(lines);
"""


class Page(browser.Page):
    """The page of a sweep in the browser."""

    def settle(self) -> None:
        """Wait until every chart is drawn as the switches say."""
        self.driver.execute_async_script(DRAWN)

    def hover(self, strip: int) -> dict[str, str]:
        """Move the mouse to a length of the first chart; return what is told, by what it is told of."""
        line = self.all(STRIPS)[strip]
        self.driver.execute_script("arguments[0].closest('figure').scrollIntoView({ block: 'center' })", line)
        ActionChains(self.driver).move_to_element(line).perform()
        note = "#vg-tooltip-element.visible td"
        return dict(zip(self.texts(f"{note}.key"), self.texts(f"{note}.value"), strict=True))

    def unfold(self) -> None:
        self.driver.execute_script("document.querySelectorAll('details').forEach((each) => each.open = true)")

    def click(self, selector: str) -> None:
        button = self.one(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", button)
        button.click()

    def switch(self, label: str) -> Any:
        """Return the switch of an arm in the first legend."""
        return next(each for each in self.all("#charts .arm") if each.text == label)

    def column(self, table: str, place: int) -> list[str]:
        return self.texts(f"{table} tbody tr > :nth-child({place})")


Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(downloads: Path) -> Iterator[Any]:
    with started_browser() as driver:
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
        )
        yield driver


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Opened]:
    """Open the page of some rows from disk; afterwards see that the browser complained of nothing."""

    def open_page(rows: Sequence[dict[str, object]], title: str = "quick") -> Page:
        tables = SweepTables.of(metrics_table(rows))
        path = tmp_path / "report.html"
        text = SweepPage(title, tables, SweepRecords(tmp_path), "attnbench report quick").html()
        path.write_text(text, encoding="utf-8")
        return open_file(path)

    def open_file(path: Path) -> Page:
        driver.get(path.as_uri())
        page = Page(driver)
        page.settle()
        return page

    open_page.file = open_file  # type: ignore[attr-defined]
    driver.get_log("browser")
    yield open_page
    assert driver.get_log("browser") == []


def test_every_score_has_its_chart_with_a_line_for_each_arm(opened: Opened, driver: Any):
    opened(two_arms())
    assert driver.execute_script(MEANS) == [2, 2, 2]


def test_a_length_tells_mean_interval_and_seeds_of_every_arm(opened: Opened):
    page = opened(two_arms())
    assert page.hover(2) == {
        "input length": "16",
        "fixed": "0.600 [0.476, 0.724], n = 3",
        "luong general": "0.997 [0.982, 1.000], n = 3",
    }


def test_an_arm_that_is_switched_off_is_in_no_chart_and_no_note(opened: Opened, driver: Any):
    page = opened(two_arms())
    page.switch("fixed").click()
    page.settle()
    assert driver.execute_script(MEANS) == [1, 1, 1]
    assert page.hover(2) == {"input length": "16", "luong general": "0.997 [0.982, 1.000], n = 3"}
    page.switch("fixed").click()
    page.settle()
    assert driver.execute_script(MEANS) == [2, 2, 2]


def test_the_keyboard_switches_arms_and_all_at_once(opened: Opened, driver: Any):
    page = opened(two_arms() + curve_rows({4: [0.5], 8: [0.4]}, model="bahdanau"))
    driver.execute_script("document.querySelector('#charts input').focus()")
    page.press(Keys.SPACE)
    page.settle()
    assert driver.execute_script(MEANS)[0] == 2
    page.press(*[Keys.TAB] * 4, Keys.ENTER)  # over the other arms and "Show all" to "Hide all"
    page.settle()
    assert driver.execute_script(MEANS)[0] == 0
    assert not any(box.is_selected() for box in page.all("input[data-arm]"))
    back = ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT)
    back.send_keys(Keys.ENTER).perform()
    page.settle()
    assert driver.execute_script(MEANS)[0] == 3


def test_a_heading_sorts_by_numbers_with_missing_ones_last(opened: Opened, driver: Any):
    page = opened(two_arms() + curve_rows({4: [0.9], 8: [0.8]}, model="bahdanau"))
    page.unfold()
    table = "#charts figure:first-child table"
    heading = page.one(f"{table} th:nth-child(4)")
    assert page.column(table, 4) == ["0.600 [0.476, 0.724]", "–", "0.997 [0.982, 1.000]"]
    page.click(f"{table} th:nth-child(4) button")
    assert (heading.get_attribute("aria-sort"), page.column(table, 1)) == (
        "ascending",
        ["fixed", "luong general", "bahdanau"],
    )
    page.press(Keys.ENTER)  # the button has the focus
    assert (heading.get_attribute("aria-sort"), page.column(table, 1)) == (
        "descending",
        ["luong general", "fixed", "bahdanau"],
    )
    page.click(f"{table} th:nth-child(1) button")
    assert heading.get_attribute("aria-sort") == "none"
    assert page.column(table, 1) == ["bahdanau", "fixed", "luong general"]


def test_a_table_is_saved_whole_with_the_columns_of_its_file(opened: Opened, downloads: Path):
    page = opened(two_arms())
    page.unfold()
    page.click("[data-csv='breakdown.csv']")
    path = downloads / "breakdown.csv"
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [(row["model"], row["threshold"]) for row in rows][:2] == [("fixed", "L50"), ("fixed", "L90")]
    assert {"accuracy_threshold", "seeds_above"} <= set(rows[0])


def test_nothing_is_fetched_or_evaluated_and_nothing_may_be(opened: Opened, driver: Any):
    opened(two_arms())
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.execute_async_script(EVALUATED) == "EvalError"
    assert driver.execute_async_script(VIOLATION) == "img-src"
    driver.get_log("browser")  # it complains of these two


def test_names_with_markup_are_only_text(opened: Opened, driver: Any):
    page = opened(hostile_rows(), title=HOSTILE)
    page.unfold()
    assert page.one("h1").text == HOSTILE
    assert [each.strip() for each in page.texts("#charts .arm")] == ["fixed", HOSTILE]
    assert HOSTILE in page.one("#verdict").text
    assert set(page.hover(0)) == {"input length", "fixed", HOSTILE}
    assert page.all("main img, main b, main script") == []
    assert driver.execute_script("return typeof planted") == "undefined"


def test_without_scripts_there_are_still_pictures_and_tables(opened: Opened, driver: Any):
    opened(two_arms())
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.refresh()
        page = Page(driver)
        shown = [each for each in page.all("noscript img") if each.is_displayed()]
        assert [each.size["width"] > 300 for each in shown] == [True, True]
        assert page.one("#verdict .verdict h3").text == "reverse: one model per length"
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_page_of_the_standard_sweep_never_scrolls_sideways(
    opened: Opened, driver: Any, width: int, tmp_path: Path
):
    path = tmp_path / "standard.html"
    tables = SweepTables.of(read_metrics(STANDARD))
    path.write_text(SweepPage("standard", tables, SweepRecords(tmp_path), "").html(), encoding="utf-8")
    with screen_of(driver, width):
        page = opened.file(path)  # type: ignore[attr-defined]
        page.unfold()
        needed, there = widths(driver)
        charts = [each.size["width"] for each in page.all(".chart svg")]
    assert needed == there > width - 20
    assert len(charts) == 3
    assert all(250 < each <= there for each in charts)


def test_a_dark_screen_gets_dark_paper_and_lighter_arms_and_print_does_not(opened: Opened, driver: Any):
    page = opened(curve_rows({4: [0.9] * 3, 8: [0.8] * 3}, model="transformer"))

    def colours() -> list[tuple[int, ...]]:
        paper = page.one("body").value_of_css_property("background-color")
        line = page.one(".chart path[stroke-width='2']").value_of_css_property("stroke")
        return [numbers_of(paper)[:3], numbers_of(line)[:3]]

    assert colours() == [(255, 255, 255), (0, 0, 0)]
    choose_colours(driver, "dark")
    dark_paper, dark_line = colours()
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    printed = colours()
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    choose_colours(driver, "light")
    assert max(dark_paper) < 40
    assert min(dark_line) > 100
    assert printed == [(255, 255, 255), (0, 0, 0)]


def test_a_screen_reader_is_told_what_charts_and_tables_are(opened: Opened):
    page = opened(two_arms())
    told = [each.get_attribute("aria-label") for each in page.all(".chart[role='graphics-document']")]
    assert told[0] == (
        "reverse: one model per length: free-running token accuracy of 2 arms against input length. "
        "A table of the same follows."
    )
    assert len(told) == 3
    assert all(page.texts("table caption")) or len(page.all("table")) == len(page.all("table > caption"))
    assert all(each.get_attribute("scope") for each in page.all("th"))


@pytest.mark.parametrize("rows", [curve_rows({8: [0.5]}), many_rows(5_000)], ids=["one_row", "5000_rows"])
def test_few_rows_and_many_open_alike(opened: Opened, driver: Any, rows: list[dict[str, object]]):
    page = opened(rows)
    assert page.one("h1").text == "quick"
    assert driver.execute_script("return document.querySelectorAll('.chart svg').length") == 3


def test_a_sweep_of_which_nothing_has_finished_says_so(opened: Opened, tmp_path: Path):
    path = tmp_path / "report.html"
    path.write_text(SweepPage("new", None, SweepRecords(tmp_path), "").html(), encoding="utf-8")
    page = opened.file(path)  # type: ignore[attr-defined]
    assert page.one(".verdict").text == "Nothing can be said yet: no run has finished."


PLANTED = "<script>window.planted=1</script>"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep on text that has a script among its words, with a run that has been inspected."""
    folder = tmp_path_factory.mktemp("planted")
    words = [PLANTED, "<img/src=x/onerror=planted=1>", "a", "b"]
    lines = [" ".join(words[(place + step) % 4] for step in range(1 + place % 3)) for place in range(90)]
    pairs = [f"w{place} {line}\t{line}\n" for place, line in enumerate(lines)]
    (folder / "pairs.tsv").write_text("".join(pairs))
    task = ["--task", "text_pairs", f"task.source={folder / 'pairs.tsv'}", "task.units=word"]
    text = [*task, "task.test_share=0.3", "--protocol", "mixed", "--train-range", "1:5", "--lengths", "5"]
    words_of_sweep = [word for word in TINY_SWEEP if word not in ("--lengths", "2,3")]
    done = attnbench(
        *words_of_sweep, *text, "--models", "luong_general", "--name", "text", "--results", folder
    )
    assert done.status == 0, done.err
    (run,) = (folder / "text" / "runs").iterdir()
    assert attnbench("inspect", run, "--results", folder).status == 0
    done = attnbench("report", "text", "--results", folder)
    assert done.status == 0, done.err
    return folder / "text" / "report.html"


def test_a_script_in_a_vocabulary_is_shown_as_text(opened: Opened, driver: Any, planted: Path):
    page = opened.file(planted)  # type: ignore[attr-defined]
    page.unfold()
    assert PLANTED in page.one("#attention").text
    assert page.all("main script, #attention td img") == []
    assert driver.execute_script("return typeof planted") == "undefined"
    pictures = page.all("#attention img.picture")
    assert len(pictures) == 3
    assert all(each.get_property("naturalWidth") > 100 for each in pictures)


def test_learning_curves_show_what_is_chosen(opened: Opened, driver: Any, planted: Path):
    page = opened.file(planted)  # type: ignore[attr-defined]
    page.click("#learning summary")
    deadline = time.monotonic() + 10
    while not page.all("#learning svg.marks") and time.monotonic() < deadline:
        time.sleep(0.05)
    page.settle()
    first = page.one("#learning .mark-line path").get_attribute("d")
    page.one("#learning select[data-signal='measure'] option[value='n']").click()
    page.settle()
    assert page.one("#learning .mark-line path").get_attribute("d") != first
