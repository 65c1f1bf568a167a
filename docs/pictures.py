"""Makes the pictures of this folder anew: the Prefect UI and the report of the sample's run, in chromium.

`make pictures` runs it from the project's folder, where it leaves the sample's store and `.ui`.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from flows.server.local import interruptible
from flows.server.ui import FOLDER, TRAINING, Ui, ended, running_ui, start
from tests.tasks.report.browsing import open_browser

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 860
COLOURS = 128
"""Enough for flat pages, and a third of the bytes."""


def main() -> None:
    """Run the sample under the Prefect UI and take both pictures."""
    with interruptible(), running_ui(FOLDER) as ui:
        run = start(ui.server, TRAINING, force=True)
        state = _wait(lambda: ended(ui.server, run))
        if state["type"] != "COMPLETED":
            sys.exit(f"the sample's run ended as {state['name']}: {state['message']}")
        for browser in open_browser():
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
            )
            _prefect(browser, ui, run)
            _report(browser)


def _prefect(browser: Any, ui: Ui, run: str) -> None:
    browser.get(f"{ui.server.url}/v2/runs/flow-run/{run}?tab=Artifacts")
    _wait(lambda: "predicted-actual" in _text(browser))
    time.sleep(3)  # the graph is drawn on a canvas, which nobody can ask whether it is ready
    _save(browser, "prefect-ui.png")


def _report(browser: Any) -> None:
    (report,) = sorted(Path("store/sample/runs").glob("*/report.html"), key=lambda f: f.stat().st_mtime)[-1:]
    browser.get(report.absolute().as_uri())
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
