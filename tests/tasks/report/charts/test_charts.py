"""Charts are data: whole, drawable by vl-convert, and harmless whatever names they hold."""

import json
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tasks.report.charts.chart import Chart, by_region, columns, page_data, to_json
from tasks.report.charts.picture import draw_png, draw_svg
from tasks.report.charts.response import curve, response_curves
from tasks.report.charts.scores import MANY, excess_curve, predicted_actual
from tasks.report.charts.season import season_line

SCRIPT = "</script><script>alert(1)</script>"


def cloud(rows: int, crop: str = "apples") -> Chart:
    rng = np.random.default_rng(1)
    actual = rng.normal(40, 6, rows)
    table = pd.DataFrame(
        {"region": crop, "year": 2020, "actual": actual, "predicted": actual + rng.normal(0, 2, rows)}
    )
    return predicted_actual("cloud", table, crop, "t/ha")


def texts(svg: str) -> list[str]:
    return [
        element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def test_json_ends_no_script_and_comes_back_whole() -> None:
    value = {"name": [SCRIPT, "<!--", "a & b", "\u2028"]}
    text = to_json(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize("value", [1 / 3, 1.5e-300, -123456.789, 0.0, 1e300, 2.0**60])
def test_numbers_keep_six_digits(value: float) -> None:
    (shown,) = columns(pd.DataFrame({"x": [value]}))["x"]
    assert shown == pytest.approx(value, rel=5e-6, abs=0)
    assert columns(pd.DataFrame({"x": [value]}), None)["x"] == [value]


def test_what_is_not_known_is_null() -> None:
    days = [date(2026, 7, 31), None, None]
    table = pd.DataFrame({"x": [1.0, np.nan, np.inf], "name": ["a", None, "c"], "n": [1, 2, 3], "day": days})
    shown = {"x": [1, None, None], "name": ["a", None, "c"], "n": [1, 2, 3]}
    assert columns(table) == shown | {"day": ["2026-07-31", None, None]}


def test_a_table_by_region_comes_back_row_by_row() -> None:
    table = pd.DataFrame(
        {
            "region": ["b", "b", "b", "a", "a", "a"],
            "year": [1, 2, 3] * 2,
            "x": [np.nan, np.nan, 5.0, 1.0, 2.0, 3.0],
        }
    )
    found = by_region(table)
    assert found == {"shared": {"year": [1, 2, 3]}, "regions": {"a": {"x": [1, 2, 3]}, "b": {"x": [5]}}}


def test_a_page_holds_each_table_once() -> None:
    one, many = cloud(5), cloud(6)
    found = json.loads(page_data({"a": one, "b": many}, {"font": "x"}, region="R1"))
    assert set(found["charts"]) == {"a", "b"}
    assert list(found["tables"]) == ["cloud"]
    assert found["region"] == "R1"


@pytest.mark.parametrize("rows", [3, MANY, MANY + 1, 50_000])
def test_many_points_become_a_density(rows: int) -> None:
    table = cloud(rows).tables["cloud"]
    if rows <= MANY:
        assert len(table) == rows
    else:
        assert int(table["rows"].sum()) == rows
        assert len(table) <= 40 * 40


def test_any_name_is_drawn_as_it_is() -> None:
    svg = draw_svg(cloud(20, SCRIPT))
    assert f"actual {SCRIPT} (t/ha)" in texts(svg)
    assert not [element for element in ElementTree.fromstring(svg).iter() if "script" in element.tag]


def test_pictures_are_drawn() -> None:
    assert draw_png(cloud(2000)).startswith(b"\x89PNG")
    one = pd.DataFrame({"day": ["2026-06-01"], "predicted": [5.0], "lower": [4.0], "upper": [6.0]})
    assert "five-year mean" in texts(draw_svg(season_line("line", one, 5.5, None, "corn", "t/ha")))


def test_what_is_below_the_optimum_is_left_out() -> None:
    losses = pd.DataFrame({"as_of": "09-30", "epoch": [1, 2, 3], "excess": [1.0, -1e-9, 1e-9]})
    assert excess_curve(losses).tables["excess"]["epoch"].tolist() == [1, 3]


def test_a_response_is_that_of_the_coefficients_within_the_data() -> None:
    x = np.random.default_rng(2).normal(20, 3, 400)
    table = curve("mean temperature in July, °C", x, 2.0, -0.05)
    assert (table["x"].min(), table["x"].max()) == (x.min(), x.max())
    slope = np.gradient(table["change"], table["x"])
    assert slope[20] == pytest.approx(2.0 - 0.1 * table["x"][20], rel=1e-3)
    assert table["change"][table["x"].sub(x.mean()).abs().argmin()] == pytest.approx(0, abs=0.2)
    assert 0.4 < table["common"].mean() < 0.9
    assert draw_svg(response_curves("curves", table, "corn", "t/ha"))
