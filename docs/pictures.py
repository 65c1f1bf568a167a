"""Makes the pictures of this folder anew, in chromium: Prefect's UI and a report of the sample, a bulletin.

`make pictures` runs it from the project's folder, where it leaves the sample's store and `.ui`. The bulletin
is of a simulated world, in July of its last season.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from data.synthetic.simulate import LAST_YEAR
from data.synthetic.write import synth
from flows.server.local import interruptible
from flows.server.ui import FOLDER, TRAINING, Ui, ended, running_ui, start
from tests.tasks.report.browsing import open_browser

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 860
BULLETIN, REPORT = 1100, 1560  # heights that show what each page has, down to its first charts
COLOURS = 256
"""Enough for flat pages, and half of the bytes."""


def main() -> None:
    """Run the sample under the Prefect UI, forecast a world, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        _bulletin(_forecast_world(Path(folder) / "world"))
    with interruptible(), running_ui(FOLDER) as ui:
        run = start(ui.server, TRAINING, force=True)
        state = _wait(lambda: ended(ui.server, run))
        if state["type"] != "COMPLETED":
            sys.exit(f"the sample's run ended as {state['name']}: {state['message']}")
        for browser in open_browser():
            _show(browser, HEIGHT)
            _prefect(browser, ui, run)
            _report(browser)


def _forecast_world(place: Path) -> Path:
    """A simulated world whose last season is under way, trained and forecast with the weather up to July."""
    synth(place, regions=300, years=35, resolution="monthly", seed=0)
    for file in (place / "weather").iterdir():
        pd.read_parquet(file).query(f"year < {LAST_YEAR} or month < 8").to_parquet(file)
    for command in (["train", "--set", 'as_of=["07-31"]'], ["forecast"]):
        name, *more = command
        cropyield = str(Path(sys.executable).with_name("cropyield"))
        subprocess.run([cropyield, name, str(place / "settings.toml"), *more], check=True)
    return place / "store/bulletin.html"


def _bulletin(page: Path) -> None:
    for browser in open_browser():
        _show(browser, BULLETIN)
        browser.get(page.as_uri())
        _wait(lambda browser=browser: browser.find_elements("css selector", "[data-chart=map-1][data-drawn]"))
        _save(browser, "bulletin.png")


def _show(browser: Any, height: int) -> None:
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def _prefect(browser: Any, ui: Ui, run: str) -> None:
    browser.get(f"{ui.server.url}/v2/runs/flow-run/{run}?tab=Artifacts")
    _wait(lambda: "predicted-actual" in _text(browser))
    time.sleep(3)  # the graph is drawn on a canvas, which nobody can ask whether it is ready
    _save(browser, "prefect-ui.png")


def _report(browser: Any) -> None:
    (report,) = sorted(Path("store/sample/runs").glob("*/report.html"), key=lambda f: f.stat().st_mtime)[-1:]
    _show(browser, REPORT)
    browser.get(report.absolute().as_uri())
    _wait(lambda: browser.find_elements("css selector", "[data-chart][data-drawn]"))
    _save(browser, "report.png")


def _text(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def _save(browser: Any, name: str) -> None:
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.quantize(COLOURS).save(HERE / name, optimize=True)
    print(f"{HERE / name}: {(HERE / name).stat().st_size:,} bytes")


def _wait(condition: Callable[[], Any], seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            sys.exit(f"not within {seconds:.0f} s")
        time.sleep(0.5)
    return found


if __name__ == "__main__":
    main()
