"""Plots are well-formed, deterministic, small whatever the number of points, and swallow any name."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest

from tasks.report import plane, plots

HOSTILE = "<script>alert(1)</script> & $\\alpha_{ 大阪 \"'"
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def scatter(count: int, crop: str = "apples") -> plots.Draw:
    rng = np.random.default_rng(0)
    actual = rng.normal(40, 6, count)
    return plots.predicted_actual(actual, actual + rng.normal(0, 2, count), crop, "t/ha")


def seasons(crop: str = "apples", name: str = "region trend") -> plots.Draw:
    year = np.arange(2000, 2012)
    rmse = np.linspace(1, 2, 12)
    return plots.error_by_season(year, rmse, rmse + 1, year >= 2010, name, crop, "t/ha")


def surface(count: int, crop: str = "apples") -> plots.Draw:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (count, 2))
    return plane.plane(
        plane.Plane(
            (f"{crop}\n(°C)", "rain\n(mm)"), (1.0, -2.0), 3.0, x, rng.normal(0, 1, count), crop, "t/ha"
        )
    )


DRAWINGS: dict[str, Callable[[str], plots.Draw]] = {
    "loss": lambda name: plots.loss_curve({name: [9.0, 3.0, 2.0], "07-31": [9.0, 4.0, 3.0]}, {name: 1.9}),
    "scatter": lambda name: scatter(50, name),
    "density": lambda name: scatter(5000, name),
    "seasons": seasons,
    "skill": lambda name: plots.skill_by_cutoff(
        ["06-30", "09-30"], {name: [None, 0.3], "oranges": [-0.1, 0.2]}
    ),
    "plane": lambda name: surface(40, name),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_same_values_same_bytes_without_a_date(kind: str) -> None:
    once, again = (plots.as_svg(kind, DRAWINGS[kind]("apples")) for _ in range(2))
    assert once == again
    assert b"date" not in once.lower()


@pytest.mark.parametrize("kind", DRAWINGS)
def test_any_name_is_shown_as_it_is(kind: str) -> None:
    svg = plots.as_svg(kind, DRAWINGS[kind](HOSTILE))
    root = ElementTree.fromstring(svg)
    assert not [element for element in root.iter() if "script" in element.tag]
    if kind != "density":
        assert "<script>" not in svg.decode()
    assert kind == "loss" or any(HOSTILE in text for text in texts(svg))


@pytest.mark.parametrize("kind", DRAWINGS)
def test_no_markup_of_formulas_is_left_over(kind: str) -> None:
    assert not [text for text in texts(plots.as_svg(kind, DRAWINGS[kind]("apples"))) if "mathdefault" in text]


def test_axes_carry_units() -> None:
    shown = texts(plots.as_svg("scatter", scatter(20)))
    assert "actual apples (t/ha)" in shown
    assert "predicted apples (t/ha)" in shown
    assert "RMSE of apples (t/ha)" in texts(plots.as_svg("seasons", seasons()))
    assert "apples (t/ha)" in texts(plots.as_svg("plane", surface(20)))


def test_two_hundred_thousand_points_neither_overplot_nor_swell() -> None:
    many = plots.as_svg("many", scatter(200_000))
    assert len(many) < 60_000
    assert "region-seasons" in texts(many)
    assert many.count(b"<use") < 200
    assert len(plots.as_svg("plane", surface(200_000))) < 80_000


def test_the_plane_passes_below_and_above_its_points() -> None:
    svg = plots.as_svg("plane", surface(50)).lower()
    assert plots.BLUE.lower().encode() in svg
    assert plots.VERMILLION.lower().encode() in svg


def test_the_optimum_is_a_line() -> None:
    assert "exact optimum" in texts(
        plots.as_svg("loss", plots.loss_curve({"09-30": [3.0, 2.0]}, {"09-30": 1.9}))
    )
    assert "exact optimum" not in texts(plots.as_svg("loss", plots.loss_curve({"09-30": [3.0, 2.0]}, {})))


@pytest.mark.parametrize("losses", [[0.0, 0.0], [2.0], [1e-30, 1e-31], [5.0] * 200])
def test_strange_losses_are_drawn(losses: list[float]) -> None:
    assert plots.as_svg("loss", plots.loss_curve({"09-30": losses}, {"09-30": losses[-1]}))


def test_points_that_are_all_the_same_are_drawn() -> None:
    same = np.full(3, 7.0)
    assert plots.as_svg("same", plots.predicted_actual(same, same, "apples", None))


def test_settings_of_matplotlib_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.as_svg("loss", DRAWINGS["loss"]("apples"))
    assert dict(mpl.rcParams) == before
