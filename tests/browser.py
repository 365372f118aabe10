"""A browser without a window for the tests of pages; who imports it is skipped where there is none."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

__all__ = ["ActionChains", "Keys"]  # for the tests: selenium may be missing where they import it themselves

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(not BROWSER, reason="no chromium, chromium-browser or google-chrome on the PATH"),
    pytest.mark.skipif(not DRIVER, reason="no chromedriver on the PATH (Debian: chromium-driver)"),
]
"""The marks of such tests."""

NEXT_FRAME = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"


class Page:
    """A page in the browser, as a person has it before them."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [each.text for each in self.all(selector)]

    def press(self, *keys: str) -> None:
        """Press one key after another, each when the page has drawn what the one before did.

        A key may move the focus, so the page scrolls; that hides the tooltip, and is only told of at the next frame.
        """
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.driver.execute_async_script(NEXT_FRAME)


@contextmanager
def started_browser(**preferences: Any) -> Iterator[Any]:
    """Start a browser on a light screen of 1200 by 900 pixels; its log has all that it complains of."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", preferences)
    for argument in ("--headless=new", "--window-size=1200,900", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # as root, as in containers, it would not start
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        choose_colours(driver, "light")
        yield driver
    finally:
        driver.quit()


def choose_colours(driver: Any, scheme: str) -> None:
    """Let the screen be light or dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@contextmanager
def screen_of(driver: Any, width: int) -> Iterator[None]:
    """Give the screen another width for a while, in CSS pixels."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 2, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def widths(driver: Any) -> tuple[int, int]:
    """Return how wide the page is, and how wide it may be without being scrolled sideways."""
    root = "document.documentElement"
    needed, there = driver.execute_script(f"return [{root}.scrollWidth, {root}.clientWidth]")
    return needed, there


def numbers_of(colour: str) -> tuple[int, ...]:
    """Return the channels of a colour as CSS writes it."""
    return tuple(int(number) for number in re.findall(r"\d+", colour)[:3])
