"""The site builds strictly, its links lead somewhere, and it works from a file without a network."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.errors import EXIT_CODES
from docs.generator.build import DOCS, FROM_THE_CODE, NOTEBOOKS, STUB, build, with_generated
from docs.generator.links import faults
from docs.generator.notebooks import render_notebook
from tests.tasks.report.browsing import open_browser

PHONE, DESK = 390, 1280


rendered = functools.cache(render_notebook)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: every notebook executed, every warning an error, links checked."""
    return build(tmp_path_factory.mktemp("docs"), rendered).parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from open_browser()


def _wait(condition: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path) -> None:
    assert rendered(notebook).text.startswith("# ")


def test_every_page_is_there_and_asks_for_what_the_code_has(site: Path) -> None:
    sources = [file for file in DOCS.rglob("*.md") if "generator" not in file.parts]
    for source in [*sources, *NOTEBOOKS]:
        assert (site / source.relative_to(DOCS)).with_suffix(".html").is_file(), source
    asked = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert [name for name in FROM_THE_CODE if f"<!-- from the code: {name} -->" not in asked] == []


def test_a_page_from_the_code_says_in_the_repository_where_it_is_filled() -> None:
    """On the site, where it is, nobody is told."""
    pages = [file.read_text(encoding="utf-8") for file in DOCS.rglob("*.md")]
    for text in (text for text in pages if "<!-- from the code: " in text):
        title, said, _ = text.split("\n\n", 2)
        assert title.startswith("# ")
        assert f"{said}\n\n" == STUB
    assert "make docs" not in with_generated(f"# A page\n\n{STUB}<!-- from the code: exit codes -->\n")


@pytest.mark.parametrize("source", sorted((DOCS / "tutorial").glob("*.py")), ids=lambda file: file.stem)
def test_a_tutorial_becomes_a_notebook_by_the_command_on_its_page(source: Path, tmp_path: Path) -> None:
    (line,) = re.findall(r"^# (jupytext .+)$", source.read_text(encoding="utf-8"), re.MULTILINE)
    _, *words = line.split()
    shutil.copytree(DOCS / "tutorial", tmp_path / "docs/tutorial")
    program = str(Path(sys.executable).parent / "jupytext")
    subprocess.run([program, *words], cwd=tmp_path, capture_output=True, check=True)
    made = json.loads((tmp_path / f"{source.stem}.ipynb").read_text(encoding="utf-8"))
    assert any("".join(cell["source"]).startswith("%%bash\ncropyield") for cell in made["cells"])


def test_the_site_works_from_a_file_without_a_network(site: Path, browser: Any) -> None:
    """Nothing is fetched from elsewhere, no script fails, and the search finds a setting."""
    by = pytest.importorskip("selenium.webdriver.common.by").By
    browser.get((site / "index.html").as_uri())
    browser.find_element(by.TAG_NAME, "body").send_keys("/")
    results = "const box = document.activeElement.shadowRoot; return box ? box.textContent : ''"
    assert _wait(lambda: browser.execute_script("return document.activeElement.shadowRoot !== null"))
    browser.switch_to.active_element.send_keys("min_coverage")
    # the page of settings, and the one that says what this setting does
    wanted = ("ReferenceSettings", "What is a fault")
    assert _wait(lambda: all(each in browser.execute_script(results) for each in wanted))
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [each for each in fetched if not each.startswith(("file:", "data:"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_no_page_is_wider_than_its_window(site: Path, browser: Any) -> None:
    for page in sorted(site.rglob("*.html")):
        browser.get(page.as_uri())
        for width in (PHONE, DESK):
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE},
            )
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page


def test_links_that_lead_nowhere_and_fetches_from_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="here">A</h1><a href="#here"></a><a href="#gone"></a><a href="b.html#there"></a>'
        '<a href="c.html"></a><a href="https://example.org"></a><img src="https://example.org/x.png">'
        '<link rel="canonical" href="https://example.org">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">B</h1>')
    assert faults(tmp_path) == [
        "a.html: fetches https://example.org/x.png",
        "a.html: #gone leads to no heading",
        "a.html: c.html leads to no file",
    ]


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(
        "# %% [markdown]\n# # Small\n\n# %%\nfrom pathlib import Path\n\nprint(Path().resolve())\n\n"
        '# %% language="bash"\n# echo from a shell\n\n'
        '# %% caption="A line."\nimport matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()\n\n'
        '# %% tags=["check"]\nassert True\n'
    )
    page = render_notebook(tmp_path / "small.py")
    assert page.text.startswith("# Small\n")
    assert "```{ .text .output .no-copy }\n…\n```" in page.text  # no path of the machine that made the page
    assert "```bash\necho from a shell\n```" in page.text
    assert "![A line.](small-1.svg)" in page.text
    assert page.pictures["small-1.svg"].startswith(b"<?xml")
    assert '<details class="check" markdown><summary>Checked by a test</summary>' in page.text


def test_a_notebook_that_fails_makes_no_page(tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    (tmp_path / "wrong.py").write_text("# %%\nassert 15813.81 < 1\n")
    with pytest.raises(CellExecutionError, match=r"15813\.81 < 1"):
        render_notebook(tmp_path / "wrong.py")


def test_the_reference_follows_the_code() -> None:
    settings = with_generated("<!-- from the code: settings -->")
    assert "| `min_coverage` | number > 0 and ≤ 1<br>default: `0.9` | Share of a feature's days" in settings
    assert "## `[[features]]`" in settings
    assert "## `[measures.NAME]`" in settings
    assert "| `predicted` | the model's prediction | double<br>the crop's unit |" in with_generated(
        "<!-- from the code: tables -->"
    )
    assert "‹path›: no such settings file; `cropyield init" in with_generated(
        "<!-- from the code: messages -->"
    )
    messages = with_generated("<!-- from the code: messages -->")
    assert "### NoBucketError: exit code 5" in messages
    assert "can't ‹action› ‹place›: the bucket doesn't exist; check its name" in messages
    codes = with_generated("<!-- from the code: exit codes -->")
    assert all(f"| {number} | {meaning} |" in codes for number, meaning in EXIT_CODES.items())
    assert "`DamageError`: " in codes
    storage = with_generated("<!-- from the code: failures of storage -->")
    assert (
        "### On a disk\n\n- the disk is full; free some space and repeat the command: `ENOSPC`\n" in storage
    )
    for words in (
        "`NoSuchBucket`",
        "`ExpiredToken`",
        "`InvalidAccessKeyId`",
        "kind: Connect",
        "configured region",
    ):
        assert words in storage
    assert "## cropyield backtest" in with_generated("<!-- from the code: command line -->")
    assert "| `leave_one_out` | `bool` | `False` |" in with_generated(
        "<!-- from the code: flow parameters -->"
    )
    assert "| `gate` |" in with_generated("<!-- from the code: artifacts -->")
