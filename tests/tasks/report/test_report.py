"""The report: whole, the same every time, harmless whatever names it is given, readable on a phone."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from data.contracts.wording import number
from tasks.report.charts.chart import Chart
from tasks.report.page import charts_of, render_report
from tasks.report.response import crop_model
from tasks.report.tables import ReportData
from tests.tasks.report.browsing import (
    open_browser,
    requests,
    seconds_to_draw,
    serious_faults,
    set_width,
)
from tests.tasks.report.reporting import report_data, settings_for, world_table

SCRIPT, END, DROP, IMAGE = (
    "<script>alert(1)</script>",
    "</script>",
    "'; DROP TABLE x; --",
    '"><img src=x onerror=alert(1)>',
)
TEMPLATE, FORMULA = "{{ 7 * 7 }}", "$\\alpha_{"
HOSTILE = [SCRIPT, END, DROP, IMAGE, TEMPLATE, FORMULA, "大阪府", "R1"]
CUTOFFS = ("06-30", "07-31", "09-30")


@pytest.fixture(scope="module")
def data() -> ReportData:
    return report_data(world_table([f"R{at:02d}" for at in range(18)], 25), as_of=CUTOFFS)


@pytest.fixture(scope="module")
def hostile() -> ReportData:
    given: dict[str, Any] = {"notes": [SCRIPT], "inputs": [{"name": IMAGE, "size": 1, "sha256": "0" * 64}]}
    return report_data(world_table(HOSTILE, 20, crops=(SCRIPT, END, FORMULA)), **given)


@pytest.fixture(scope="module")
def textbook() -> ReportData:
    return report_data(
        world_table(["a", "b"], 9, test=0), settings_for(baseline="none", split={"by": "none"})
    )


@pytest.fixture(scope="module")
def pages(data: ReportData, hostile: ReportData, textbook: ReportData) -> dict[str, str]:
    return {
        "data": render_report(data),
        "hostile": render_report(hostile),
        "textbook": render_report(textbook),
    }


class Page(HTMLParser):
    """Tags and attributes as a browser would take them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_same_data_make_the_same_bytes(data: ReportData, pages: dict[str, str]) -> None:
    assert render_report(data) == pages["data"]


@pytest.mark.parametrize("name", ["data", "hostile", "textbook"])
def test_a_page_is_whole_and_fetches_nothing(name: str, pages: dict[str, str]) -> None:
    page = Page(pages[name])
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"iframe", "object", "embed", "form", "base", "img"}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [
        {"type": "application/json", "id": "page-data"},
        {},
        {},
    ]
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
        source = attributes.get("src") or attributes.get("href") or attributes.get("xlink:href") or ""
        assert source == "" or source.startswith(("data:", "#")), f"{tag} fetches {source}"
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    used = {
        value[1:] for tag, attributes in page.tags if tag == "a" and (value := attributes.get("href") or "")
    }
    assert used <= set(names)


def test_hostile_names_come_through_as_text(hostile: ReportData, pages: dict[str, str]) -> None:
    text = pages["hostile"]
    for name in HOSTILE:
        assert name in html.unescape(text)
    assert SCRIPT not in text
    assert text.count("</script>") == 3
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in charts(hostile))


def charts(data: ReportData) -> dict[str, Chart]:
    return charts_of(data, {crop: crop_model(data, crop) for crop in data.headline["crops"]})


def test_charts_of_every_kind(data: ReportData, textbook: ReportData) -> None:
    per_crop = {
        f"{kind}-{crop}"
        for kind in ("predicted-actual", "error-by-season", "heat-map", "history")
        for crop in ("apples", "oranges")
    }
    assert set(charts(data)) == {"excess", "skill-by-cutoff"} | per_crop
    assert set(charts(textbook)) == {"excess"} | per_crop


def test_a_page_and_its_charts_agree(data: ReportData, pages: dict[str, str]) -> None:
    shown = {
        attributes["data-chart"] for _, attributes in Page(pages["data"]).tags if "data-chart" in attributes
    }
    assert shown == set(charts(data))


def test_crops_whose_names_collide_in_files_keep_their_own_pictures() -> None:
    data = report_data(world_table(["a", "b", "c"], crops=("Rice, paddy", "rice paddy", "小麦")))
    names = [name for name in charts(data) if name.startswith("heat-map")]
    assert names == ["heat-map-rice-paddy", "heat-map-rice-paddy-2", "heat-map-crop-3"]


def test_nothing_of_time_or_place_is_told(data: ReportData) -> None:
    text = render_report(replace(data, settings=settings_for(weather="/secret/w", runner="processes")))
    assert "/secret" not in text
    assert "processes" not in text
    assert "[gate]" not in text


def test_without_a_test_the_report_says_so(pages: dict[str, str]) -> None:
    assert "No season was kept for a test" in pages["textbook"]
    assert "No season was kept for a test" not in pages["data"]


def test_a_run_in_which_nothing_was_scored_is_reported() -> None:
    data = report_data(world_table(["a", "b"]))
    bare = replace(
        data,
        metrics={"as_of": {"09-30": {"excess": {"evaluation": None, "published": None}, "splits": {}}}},
        losses={},
        evaluation=data.evaluation.slice(0, 0),
    )
    assert "No harvest was scored" in render_report(bare)


def test_cutoffs_follow_the_season_across_new_year(data: ReportData) -> None:
    season = {"start": "10-01", "end": "09-30"}
    crossing = replace(data, settings=settings_for(season=season, as_of=["12-31", "03-31"]))
    parts = dict.fromkeys(("03-31", "09-30", "12-31"), data.metrics["as_of"]["09-30"])
    assert replace(crossing, metrics={"as_of": parts}).cutoffs == ["12-31", "03-31", "09-30"]


def test_one_feature_has_no_heat_map() -> None:
    table = world_table(["a", "b", "c"])
    table = replace(table, features=table.features[:1], x_NF=table.x_NF[:, :1])
    assert not [name for name in charts(report_data(table)) if name.startswith("heat-map")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from open_browser()


@pytest.mark.parametrize("name", ["data", "hostile", "textbook"])
def test_in_a_browser(
    name: str, browser: Any, pages: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data: ReportData = request.getfixturevalue(name)
    file = tmp_path / "report.html"
    file.write_text(pages[name], encoding="utf-8")
    for width in (390, 1280):
        set_width(browser, width)
        browser.get(file.as_uri())
        broad = browser.execute_script("return document.documentElement.scrollWidth")
        assert broad <= width, f"{broad} pixels in {width}"
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        drawn = browser.execute_script(
            "return [...document.querySelectorAll('[data-chart] svg, [data-chart] canvas')]"
            ".map(chart => chart.getBoundingClientRect().width)"
        )
        assert len(drawn) == len(charts(data))
        assert min(drawn) > 200
    assert browser.get_log("browser") == []
    assert requests(browser) == [file.as_uri()]
    assert serious_faults(browser) == []
    shown = browser.execute_script(
        "return [...document.querySelectorAll('[data-crop]')].map(row => [row.dataset.crop, "
        "[...row.querySelectorAll('[data-metric]')]"
        ".map(n => [n.dataset.metric, n.dataset.value, n.textContent])])"
    )
    found = {(crop, metric): (value, text) for crop, metrics in shown for metric, value, text in metrics}
    for crop, figures in data.headline["crops"].items():
        for metric in ("mse", "rmse", "mae"):
            value, text = found[crop, metric]
            assert float(value) == figures[metric]
            assert text == number(figures[metric])


def test_a_page_of_three_thousand_regions_is_small_and_quickly_drawn(browser: Any, tmp_path: Path) -> None:
    names = [f"county {at:04d}" for at in range(3000)]
    text = render_report(report_data(world_table(names, 40)))
    assert len(text.encode()) < 5e6
    file = tmp_path / "report.html"
    file.write_text(text, encoding="utf-8")
    set_width(browser, 1280)
    assert seconds_to_draw(browser, file.as_uri()) < 2


def test_scores_follow_the_region_that_is_chosen(browser: Any, pages: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(pages["data"], encoding="utf-8")
    set_width(browser, 1280)
    browser.get(file.as_uri())
    find = "document.querySelector('#crop-apples table.sortable tbody tr[data-region=R03] button')"
    browser.execute_script(f"{find}.focus()")
    browser.switch_to.active_element.send_keys("\ue007")
    assert browser.execute_script("return document.querySelector('[data-chosen-name]').textContent") == "R03"


def test_tables_are_sorted_and_searched_by_keyboard(
    browser: Any, pages: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(pages["data"], encoding="utf-8")
    set_width(browser, 1280)
    browser.get(file.as_uri())
    column = (
        "[...document.querySelectorAll('#crop-apples tr[data-region]')].map(row => row.cells[2].textContent)"
    )
    head = "document.querySelector('#crop-apples tr[data-region]').closest('table').tHead.rows[0].cells[2]"
    for order in ("descending", "ascending"):
        browser.execute_script(f"{head}.querySelector('button').focus()")
        browser.switch_to.active_element.send_keys(" ")
        assert browser.execute_script(f"return {head}.getAttribute('aria-sort')") == order
        shown = [float(text) for text in browser.execute_script(f"return {column}")]
        assert shown == sorted(shown, reverse=order == "descending")
    search = "document.querySelector('#crop-apples input[type=search]')"
    browser.execute_script(f"{search}.focus()")
    browser.switch_to.active_element.send_keys("r04")
    assert len(browser.execute_script(f"return {column}")) == 1


def test_without_scripts_the_figures_are_there(
    pages: dict[str, str], browser: Any, data: ReportData, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(pages["data"], encoding="utf-8")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(file.as_uri())
        text = browser.find_element("css selector", "body").text
        assert not browser.find_elements("css selector", "figure:not([hidden]) svg")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    for figures in data.headline["crops"].values():
        assert number(figures["rmse"]) in text
