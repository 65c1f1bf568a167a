"""The bulletin through the command: a world with hostile names, forecast twice, as readers open it."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.contracts.wording import number
from data.synthetic.write import synth
from flows.cli.main import run
from tests.tasks.report.browsing import open_browser, requests, serious_faults, set_width

HOSTILE = {
    "R0001": "</script><script>alert(1)</script>",
    "R0002": '"><img src=x onerror=alert(1)>',
    "R0003": "'; DROP TABLE x; --",
    "R0004": "{{ 7 * 7 }}",
    "R0005": "大阪府",
}
CROPS = {"apples": "</script>", "oranges": "oranges"}
YEAR = 2023


def rewrite(folder: Path, change: Any) -> None:
    for file in sorted(folder.iterdir()):
        change(pd.read_parquet(file)).to_parquet(file)


def renamed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(region=rows["region"].astype(str).replace(HOSTILE))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose last harvest isn't in yet, trained and forecast twice: first with a cooler season."""
    folder = tmp_path_factory.mktemp("bulletin") / "world"
    synth(str(folder), regions=40, years=20, resolution="season", seed=4)

    def known(rows: pd.DataFrame) -> pd.DataFrame:
        return renamed(rows).assign(crop=rows["crop"].astype(str).replace(CROPS))

    rewrite(folder / "yields", known)
    rewrite(folder / "weather", renamed)
    boundaries = json.loads((folder / "regions.geojson").read_text())
    for feature in boundaries["features"]:
        about = feature["properties"]
        if about["region"] in HOSTILE:
            about |= {
                "region": HOSTILE[about["region"]],
                "state": "</script>",
                "name": HOSTILE[about["region"]],
            }
    del boundaries["features"][5]["geometry"]
    (folder / "regions.geojson").write_text(json.dumps(boundaries))
    settings = folder / "settings.toml"
    settings.write_text(settings.read_text().replace('"apples"', '"</script>"'))
    assert run(["train", str(settings), "--json"]) == 0
    for warmer in (-1.0, 1.0):
        rewrite(folder / "weather", lambda rows, by=warmer: warmed(rows, by))
        assert run(["forecast", str(settings), "--json"]) == 0
    return folder


def warmed(rows: pd.DataFrame, by: float) -> pd.DataFrame:
    return rows.assign(temperature=rows["temperature"].where(rows["year"] != YEAR, rows["temperature"] + by))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from open_browser()


@pytest.fixture
def page(world: Path, browser: Any) -> Any:
    """The bulletin, opened on a desk's screen."""
    browser.get("about:blank")
    requests(browser)
    browser.get_log("browser")
    set_width(browser, 1280)
    browser.get((world / "store/bulletin.html").as_uri())
    return browser


def forecasts_of(world: Path) -> list[Path]:
    """The folders of both forecasts, as they were issued."""
    entries = [json.loads(file.read_text()) for file in sorted((world / "store/log").glob("0*.json"))]
    return [world / "store/forecasts" / each["run_id"] for each in entries if each["action"] == "forecast"]


def shown_rows(browser: Any, crop: str) -> list[list[str]]:
    """Cells of a crop's table of regions as they stand on the page."""
    script = """
    const at = [...document.querySelectorAll("section.crop")].find(section => section.querySelector("h2")
      .textContent.startsWith(arguments[0]));
    return [...at.querySelectorAll("tr[data-region]")].map(row => [row.dataset.region,
      ...[...row.cells].map(cell => cell.textContent.trim())]);
    """
    return list(browser.execute_script(script, crop))


def test_each_forecast_has_its_page_and_its_map(world: Path) -> None:
    store = world / "store"
    assert [file.name for file in sorted((store / "bulletins").iterdir())] == [
        "00000002.html",
        "00000003.html",
    ]
    assert (store / "bulletin.html").read_bytes() == (store / "bulletins/00000003.html").read_bytes()
    for forecast in forecasts_of(world):
        table = pd.read_parquet(forecast / "predictions.parquet")
        content = (forecast / "forecast.geojson").read_bytes()
        files = json.loads((forecast / "manifest.json").read_text())["files"]
        assert files["forecast.geojson"]["size"] == len(content)
        collection = json.loads(content)
        said = [each["properties"]["predicted"] for each in collection["features"]]
        assert said == table["predicted"].tolist()
        assert collection["regions_without_boundary"] == ["R0006"]
        assert set(HOSTILE.values()) <= {each["properties"]["name"] for each in collection["features"]}


def test_the_page_says_what_the_forecast_says(world: Path) -> None:
    first, second = forecasts_of(world)
    text = (world / "store/bulletin.html").read_text()
    before, after = (pd.read_parquet(each / "aggregates.parquet") for each in (first, second))
    history = pd.read_parquet(second / "history.parquet")
    whole = after[(after["level"] == "all") & (after["year"] == YEAR)]
    assert set(whole["crop"]) == set(CROPS.values())
    for row in whole.itertuples():
        assert f'data-value="{row.predicted}"' in text
        past = history[(history["level"] == "all") & (history["crop"] == row.crop)]["yield"]
        assert f"<td>{1 + (past > row.predicted).sum()} of {len(past) + 1}</td>" in text
        said = before[(before["level"] == "all") & (before["crop"] == row.crop)]["predicted"].iloc[-1]
        assert f"({(row.predicted / said - 1) * 100:+.1f}".replace("-", "−") in text
    yields = pd.read_parquet(world / "yields")
    regional = history[history["level"] == "region"]
    assert len(regional) == len(yields)
    assert regional["yield"].sum() == pytest.approx(yields["yield"].sum())
    assert "1 region has no boundary" in text
    assert "Gate of that run: <strong>passed" in text


def test_names_stay_text_wherever_they_stand(world: Path) -> None:
    text = (world / "store/bulletin.html").read_text()
    assert text.count("</script>") == 3
    assert "<img" not in text
    for name in HOSTILE.values():
        assert name in html.unescape(text)


def test_what_a_killed_forecast_left_undrawn_is_drawn_by_whoever_writes_next(world: Path) -> None:
    store, settings = world / "store", str(world / "settings.toml")
    newest = store / "bulletins/00000003.html"
    drawn = newest.read_bytes()
    model = json.loads((store / "current.json").read_text())["run_id"]
    for command in (
        ["prune", str(store), "--keep", "9"],
        ["rollback", str(store), model],
        ["train", settings],
        ["forecast", settings],
    ):
        newest.unlink()  # as if killed between the log's entry and the page
        (store / "bulletin.html").unlink()
        assert run([*command, "--json"]) == 0
        assert newest.read_bytes() == drawn
        assert (store / "bulletin.html").read_bytes() == drawn
    assert run(["verify", str(store)]) == 0


def test_people_read_larger_units_first(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["forecast", str(world / "settings.toml")]) == 0
    said = capsys.readouterr().out
    assert said.index("all regions") < said.index("means over the regions")
    assert "bulletin.html" in said


def test_a_region_may_be_asked_for_by_its_name_on_the_map(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = json.loads((forecasts_of(world)[1] / "forecast.geojson").read_text())["features"]
    about = next(each["properties"] for each in shapes if each["properties"]["region"] == "R0010")
    assert about["name"] != "R0010"
    said = []
    for region in ("R0010", about["name"]):
        capsys.readouterr()
        assert run(["show", str(world / "store"), "--why", region]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert run(["show", str(world / "store"), "--why", f"{about['name']}x"]) == 2
    assert about["name"] in capsys.readouterr().err


def test_figures_in_a_browser_are_the_tables_own(world: Path, page: Any) -> None:
    _, forecast = forecasts_of(world)
    table = pd.read_parquet(forecast / "predictions.parquet").query("year == @YEAR")
    for crop, rows in table.groupby("crop"):
        shown = {region: cells for region, *cells in shown_rows(page, str(crop))}
        assert set(shown) == set(rows["region"])
        for row in rows.itertuples():
            cells = shown[str(row.region)]
            assert cells[2] == number(row.predicted)
            assert cells[5:7] == [number(row.mean_5), number(row.last)]
        assert shown[HOSTILE["R0001"]][:2] == [HOSTILE["R0001"], "</script>"]
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(page.find_elements("css selector", "[data-chart=map-1] .mark-shape path")) == 39
    assert page.get_log("browser") == []
    assert requests(page) == [(world / "store/bulletin.html").as_uri()]
    assert serious_faults(page) == []


def test_a_click_shows_what_drives_a_region(world: Path, page: Any) -> None:
    _, forecast = forecasts_of(world)
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    webdriver = pytest.importorskip("selenium.webdriver")
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
    shape = page.find_elements("css selector", "[data-chart=map-1] .mark-shape path")[7]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", shape)
    webdriver.ActionChains(page).move_to_element(shape).click().perform()
    chosen = page.execute_script("return document.querySelector('tr[data-chosen]').dataset.region")
    drivers = pd.read_parquet(forecast / "drivers.parquet").query("year == @YEAR and term != 'constant'")
    own = drivers[(drivers["region"] == chosen) & (drivers["crop"] == sorted(CROPS.values())[0])]
    shown = page.execute_script(
        "return JSON.parse(document.getElementById('page-data').textContent)"
        ".tables['region-drivers-1'].regions[arguments[0]].contribution",
        chosen,
    )
    assert sorted(shown) == pytest.approx(sorted(own["contribution"]), rel=5e-3)
    words = {
        "temperature_mean": "mean temperature",
        "rainfall_sum": "rainfall",
        "humidity_mean": "mean humidity",
    }
    by_size = own.loc[own["contribution"].abs().sort_values(ascending=False).index, "term"]
    script = """
    return [...document.querySelectorAll("[data-chart=region-drivers-1] .role-axis-label text")]
      .filter(text => /^[a-z]/.test(text.textContent))
      .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
      .map(text => text.textContent);
    """
    wait(page, 5).until(lambda browser: browser.execute_script(script) == [words[term] for term in by_size])
    name = page.execute_script("return document.querySelector('[data-chosen-name]').textContent")
    boundaries = json.loads((world / "regions.geojson").read_text())["features"]
    assert name == next(
        each["properties"]["name"] for each in boundaries if each["properties"]["region"] == chosen
    )


def test_sorting_and_searching_need_no_mouse(page: Any) -> None:
    keys = pytest.importorskip("selenium.webdriver").Keys
    crop = sorted(CROPS.values())[0]

    def press(*given: str) -> None:
        page.switch_to.active_element.send_keys(*given)

    def is_at(selector: str) -> bool:
        script = """
        const at = document.activeElement;
        return at.closest("section.crop") !== null && at.matches(arguments[0]);
        """
        return bool(page.execute_script(script, selector))

    def tab_to(selector: str, text: str = "") -> None:
        for _ in range(200):
            press(keys.TAB)
            if is_at(selector) and text in page.switch_to.active_element.text:
                return
        raise AssertionError(f"no {selector} within reach of the keyboard")

    tab_to("input[type=search]")
    press("大阪")
    assert [row[0] for row in shown_rows(page, crop)] == ["大阪府"]
    press(keys.BACKSPACE, keys.BACKSPACE)
    tab_to("th button", "forecast")
    for rising in (False, True):
        press(keys.ENTER)
        figures = [float(row[3].replace(",", "")) for row in shown_rows(page, crop)]
        assert figures == sorted(figures, reverse=not rising)
    tab_to("tr[data-region] button")
    first = shown_rows(page, crop)[0][0]
    press(keys.ENTER)
    assert page.execute_script("return document.querySelector('tr[data-chosen]').dataset.region") == first
