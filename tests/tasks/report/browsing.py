"""A headless chromium for tests that look at pages as a reader does."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
)  # fmt: skip

_AXE = Path(__file__).parents[2] / "npm/node_modules/axe-core/axe.min.js"
_RUN_AXE = """
const done = arguments[0];
axe.run().then(found => done(found.violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => [id, nodes.map(({html}) => html.slice(0, 120))])));
"""


def open_browser() -> Iterator[Any]:
    """A driver with a profile of its own, closed afterwards; skips where there is no chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra: test)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def set_width(browser: Any, width: int) -> None:
    """Show pages as wide as a phone (below 500 pixels) or a desk's screen."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def requests(browser: Any) -> list[str]:
    """Every address that was asked for since the last call, but for data inside the page; each once."""
    found: dict[str, None] = {}
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found[message["params"]["request"]["url"]] = None
    return [address for address in found if not address.startswith(("data:", "chrome:"))]


def seconds_to_draw(browser: Any, address: str) -> float:
    """What opening a page takes of its own thread, which is what other programs don't disturb."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.get(address)
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def serious_faults(browser: Any) -> list[Any]:
    """What axe-core finds serious or critical for readers with a screen reader; skips without it."""
    if not _AXE.exists():
        pytest.skip("axe-core is not installed (`make vega` fetches it)")
    browser.execute_script(_AXE.read_text(encoding="utf-8"))
    return list(browser.execute_async_script(_RUN_AXE))
