"""The bulletin: figures as in the tables, regions to click, nothing fetched, whatever regions are called."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.contracts.wording import number
from tasks.report.bulletin import Bulletin, render_bulletin
from tasks.report.charts.theme import NONE
from tasks.report.region_table import region_table
from tests.tasks.report.browsing import (
    open_browser,
    requests,
    seconds_to_draw,
    serious_faults,
    set_width,
)
from tests.tasks.report.bulletins import YEAR, made_up_bulletin, squares

HOSTILE = [
    "<script>alert(1)</script>",
    "</script>",
    "'; DROP TABLE x; --",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "大阪府",
    "$\\alpha_{",
]
NAMES = [f"R{at:02d}" for at in range(30)]
CHARTS = "document.querySelectorAll('[data-chart] svg, [data-chart] canvas')"


def with_a_newcomer(data: Bulletin) -> Bulletin:
    """The same, but of one region no mean of five years is known."""
    forecasts = data.forecasts
    return replace(
        data, forecasts=forecasts.assign(mean_5=forecasts["mean_5"].mask(forecasts["region"] == "R03"))
    )


BULLETINS: dict[str, Bulletin] = {
    "map": with_a_newcomer(made_up_bulletin(NAMES, squares(NAMES[:28]))),
    "tiles": with_a_newcomer(made_up_bulletin(NAMES)),
    "hostile": made_up_bulletin(
        HOSTILE, squares(HOSTILE), ["</script>"] * 3 + ["b"] * 4, crops=("</script>", "x")
    ),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render_bulletin(data) for name, data in BULLETINS.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from open_browser()


def test_the_same_data_make_the_same_bytes(pages: dict[str, str]) -> None:
    assert render_bulletin(BULLETINS["map"]) == pages["map"]


def test_hostile_names_come_through_as_text(pages: dict[str, str]) -> None:
    text = pages["hostile"]
    assert text.count("</script>") == 3
    assert "<img" not in text
    for name in HOSTILE:
        assert name in html.unescape(text)


def test_a_region_is_ranked_among_its_past_years() -> None:
    data = BULLETINS["map"]
    rows = data.forecasts[data.forecasts["crop"] == "corn"]
    past = data.yields[data.yields["crop"] == "corn"]
    table = region_table(rows, data.regions, past).set_index("region")
    for region in NAMES[:5]:
        own = past[past["region"] == region]["yield"]
        row: dict[Any, Any] = table.loc[region].to_dict()
        assert row["rank"] == 1 + int((own > row["predicted"]).sum())
        assert row["years"] == len(own)
        assert len(row["history"]) == 40
        assert row["history"].count(".") == 40 - len(own)
        assert {"A", "9"} <= set(row["history"])
    assert table["departure"].dropna().abs().is_monotonic_decreasing


def test_larger_units_are_ranked_among_their_past_years(pages: dict[str, str]) -> None:
    data = BULLETINS["map"]
    for level, name, shown in (("all", "all", "all regions"), ("state", "G1", "G1")):
        said, past = (
            rows[(rows["level"] == level) & (rows["name"] == name) & (rows["crop"] == "corn")]
            for rows in (data.aggregates, data.units)
        )
        rank = 1 + int((past["yield"] > said["predicted"].iloc[0]).sum())
        row = next(
            row for row in re.findall("<tr.*?</tr>", pages["map"], re.DOTALL) if f">{shown}</td>" in row
        )
        assert f"<td>{rank} of {len(past) + 1}</td>" in row


def test_each_crop_says_what_it_is_made_from(pages: dict[str, str]) -> None:
    data = BULLETINS["map"]
    assert "Made from the season&#39;s weather up to 31 July, 61 days before its end." in pages["map"]
    corn = data.forecasts["crop"] == "corn"
    short = corn & data.forecasts["region"].isin(NAMES[:2])
    forecasts = data.forecasts.assign(
        season=data.forecasts["season"].where(corn, "winter"),
        as_of=data.forecasts["as_of"].mask(short, "06-30").where(corn, "09-30"),
        lead_days=data.forecasts["lead_days"].mask(short, 92).where(corn, 0),
    )
    text = render_bulletin(replace(data, forecasts=forecasts))
    assert "up to 31 July, 61 days before its end; for 2 regions from less of it." in text
    assert "Made from the season winter&#39;s weather up to 30 September, its end." in text


def test_what_is_missing_is_said(pages: dict[str, str]) -> None:
    assert "3 regions without weather" in pages["map"]
    assert "2 regions have no boundary: R28, R29" in pages["map"]


def test_gaps_of_the_past_are_only_counted() -> None:
    data = BULLETINS["tiles"]
    older = data.forecasts.assign(year=YEAR - 20)
    text = render_bulletin(replace(data, forecasts=pd.concat([data.forecasts, older])))
    assert "60 forecasts for gaps of past seasons" in text
    assert f"corn {YEAR - 20}" not in text


def test_gaps_before_the_last_harvest_are_no_season_to_come() -> None:
    data = made_up_bulletin(["a", "b", "c"], crops=("corn",))
    gap = data.forecasts.head(1).assign(year=YEAR - 9)
    drivers = data.drivers[data.drivers["region"] == "a"].assign(year=YEAR - 9)
    text = render_bulletin(replace(data, forecasts=gap, drivers=drivers, aggregates=data.aggregates[:0]))
    assert "Nothing is ahead to be forecast" in text
    assert "1 forecast for gaps of past seasons stands in" in text
    assert f"corn {YEAR - 9}" not in text
    assert "unknown day" not in text


def test_without_aggregates_and_record_there_is_a_page() -> None:
    data = BULLETINS["map"]
    none = {
        name: getattr(data, name).iloc[:0]
        for name in ("aggregates", "drivers", "issued", "record", "previous")
    }
    text = render_bulletin(replace(data, **none))
    assert "corn 2026" in text


@pytest.mark.parametrize("name", list(BULLETINS))
def test_in_a_browser(name: str, browser: Any, pages: dict[str, str], tmp_path: Path) -> None:
    data = BULLETINS[name]
    file = tmp_path / "bulletin.html"
    file.write_text(pages[name], encoding="utf-8")
    browser.get("about:blank")
    requests(browser)
    browser.get_log("browser")
    for width in (390, 1280):
        set_width(browser, width)
        browser.get(file.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        charts = browser.execute_script("return document.querySelectorAll('[data-chart]').length")
        drawn = browser.execute_script(
            "return document.querySelectorAll('[data-chart] svg, [data-chart] canvas').length"
        )
        assert charts == drawn == 10
    assert browser.get_log("browser") == []
    assert requests(browser) == [file.as_uri()]
    assert serious_faults(browser) == []
    for crop, rows in data.aggregates[data.aggregates["level"] == "all"].groupby("crop"):
        shown = browser.execute_script(
            "return [...document.querySelectorAll('[data-crop]')]"
            ".filter(card => card.dataset.crop === arguments[0])"
            ".map(card => card.querySelector('[data-metric=predicted]'))"
            ".map(figure => [figure.dataset.value, figure.textContent])",
            crop,
        )
        ((value, text),) = shown
        assert float(value) == rows["predicted"].iloc[0]
        assert text == number(rows["predicted"].iloc[0])


def test_regions_without_a_mean_are_on_the_map_too(
    browser: Any, pages: dict[str, str], tmp_path: Path
) -> None:
    for name, marks, count in (("map", "shape", 28), ("tiles", "rect", 30)):
        file = tmp_path / "bulletin.html"
        file.write_text(pages[name], encoding="utf-8")
        browser.get(file.as_uri())
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        drawn = browser.find_elements("css selector", f"[data-chart=map-1] .mark-{marks}.role-mark path")
        assert len(drawn) == count
        assert sum(each.get_attribute("fill") == NONE for each in drawn) == 1


def test_tiles_bear_their_regions_names_where_these_fit(
    browser: Any, pages: dict[str, str], tmp_path: Path
) -> None:
    few, many = BULLETINS["tiles"], made_up_bulletin([f"R{at:03d}" for at in range(200)])
    file = tmp_path / "bulletin.html"
    for data, page, width, visible in (
        (few, pages["tiles"], 1280, True),
        (few, pages["tiles"], 390, True),
        (many, render_bulletin(many), 390, False),
    ):
        file.write_text(page, encoding="utf-8")
        set_width(browser, width)
        browser.get(file.as_uri())
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        drawn = browser.find_elements("css selector", "[data-chart=map-1] .layer_1_marks text")
        begins = [str(each.get_attribute("textContent")).removesuffix("…") for each in drawn]
        names = data.regions["name"].tolist()
        assert len(begins) == len(names)
        assert all(any(name.startswith(begin) for name in names) for begin in begins)
        assert min(map(len, begins)) >= 3 or not visible
        shown = [each.get_attribute("opacity") in (None, "1") for each in drawn]
        assert shown == [visible] * len(names)


def test_without_scripts_no_column_stands_empty(browser: Any, pages: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "bulletin.html"
    file.write_text(pages["map"], encoding="utf-8")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(file.as_uri())
        heads = browser.find_elements("css selector", "table.sortable th")
        shown = [head.text for head in heads if head.is_displayed()]
        cells = browser.find_elements("css selector", "tr[data-region]:first-child td")
        empty = [cell for cell in cells if cell.is_displayed() and not cell.text.strip()]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "rank" in shown
    assert "history" not in shown
    assert empty == []


def test_the_gate_s_checks_say_which_models_they_are_of() -> None:
    """In July the table showed the checks of the season's-end model beside July's forecast."""
    said = "The checks are of the models that know a season's weather to its end."
    data = BULLETINS["map"]
    checks = [{"name": "sound", "crop": "corn", "outcome": "passed", "reason": "training R² 0.7"}]
    gate = {"outcome": "passed", "checks": checks}
    text = render_bulletin(replace(data, gate=gate))
    assert said in text
    ended = data.forecasts.assign(lead_days=0, as_of="09-30")
    assert said not in render_bulletin(replace(data, gate=gate, forecasts=ended))


def test_what_nobody_knows_takes_no_column(pages: dict[str, str]) -> None:
    assert "<th>production" not in pages["map"]
    assert "against previous forecast" in pages["map"]
    data = BULLETINS["map"]
    first = replace(
        data,
        previous=data.previous.iloc[:0],
        regions=data.regions.assign(group=None),
        aggregates=data.aggregates.assign(production=2.0e6),
    )
    text = render_bulletin(first)
    assert "against previous forecast" not in text
    assert ">part of</th>" not in text
    assert text.count("2,000,000") == len(data.aggregates)
    assert "<th>production (t/ha × the area's)</th>" in text


def test_a_click_on_a_region_shows_its_drivers(browser: Any, pages: dict[str, str], tmp_path: Path) -> None:
    data = BULLETINS["map"]
    file = tmp_path / "bulletin.html"
    file.write_text(pages["map"], encoding="utf-8")
    set_width(browser, 1280)
    browser.get(file.as_uri())
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    shapes = browser.find_elements("css selector", "[data-chart=map-1] .mark-shape path")
    assert len(shapes) == 28
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", shapes[11])
    webdriver = pytest.importorskip("selenium.webdriver")
    webdriver.ActionChains(browser).move_to_element(shapes[11]).click().perform()
    chosen = browser.execute_script("return document.querySelector('tr[data-chosen]').dataset.region")
    assert (
        browser.execute_script("return document.querySelector('[data-chosen-name]').textContent")
        == f"{chosen} county"
    )
    tip = browser.execute_script("return document.querySelector('.tip').textContent")
    assert f"region: {chosen} county" in tip
    assert "forecast t/ha" in tip
    own = data.drivers[(data.drivers["region"] == chosen) & (data.drivers["crop"] == "corn")]
    largest = own.loc[own["contribution"].abs().idxmax(), "term"].replace("_", " ")
    first = (
        "return [...document.querySelectorAll('[data-chart=region-drivers-1] .role-axis-label text')]"
        ".filter(text => /^[a-z]/.test(text.textContent))"
        ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].textContent"
    )
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
    wait(browser, 5).until(lambda browser: browser.execute_script(first) == largest)


def test_a_page_of_three_thousand_regions_is_small_and_quickly_drawn(browser: Any, tmp_path: Path) -> None:
    names = [f"county {at:04d}" for at in range(3000)]
    text = render_bulletin(
        made_up_bulletin(names, squares(names, 60), [f"state {at // 60}" for at in range(3000)])
    )
    assert len(text.encode()) < 5e6
    file = tmp_path / "bulletin.html"
    file.write_text(text, encoding="utf-8")
    set_width(browser, 1280)
    assert seconds_to_draw(browser, file.as_uri()) < 2
    assert len(re.findall("<tr data-region", text)) == 6000
