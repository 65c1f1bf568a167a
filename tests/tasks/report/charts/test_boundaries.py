"""Boundaries keep what they share, wind as d3 wants, and open in other programs."""

import io
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.charts.boundaries import geometry, read_boundaries
from tasks.report.geojson import forecast_geojson
from tests.tasks.report.bulletins import squares

ATLAS = Path(__file__).parents[3] / "npm/node_modules/us-atlas/states-10m.json"


def atlas(file: Path, name: str) -> dict[str, dict[str, Any]]:
    """GeoJSON geometries of a TopoJSON file by name."""
    if not file.exists():
        pytest.skip("us-atlas is not installed (`make vega` fetches it)")
    topology = json.loads(file.read_text(encoding="utf-8"))
    scale, origin = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + origin for arc in topology["arcs"]]

    def ring(numbers: list[int]) -> list[list[float]]:
        parts = [arcs[at] if at >= 0 else arcs[~at][::-1] for at in numbers]
        joined = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        return [[float(x), float(y)] for x, y in joined]

    found = {}
    for shape in topology["objects"][name]["geometries"]:
        polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
        coordinates = [[ring(numbers) for numbers in polygon] for polygon in polygons]
        found[shape["properties"]["name"]] = {"type": "MultiPolygon", "coordinates": coordinates}
    return found


def area(ring: list[list[float]]) -> float:
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def edges(shape: Mapping[str, Any]) -> set[tuple[tuple[float, float], tuple[float, float]]]:
    found = set()
    for polygon in shape["coordinates"]:
        for ring in polygon:
            points = [tuple(point) for point in ring]
            found |= {(min(a, b), max(a, b)) for a, b in pairwise(points)}
    return found


@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_exteriors_run_clockwise_and_holes_the_other_way_however_they_came(turned: list[bool]) -> None:
    outer = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0], [0.0, 0.0]]
    hole = [[4.0, 4.0], [6.0, 4.0], [6.0, 6.0], [4.0, 6.0], [4.0, 4.0]]
    rings = [ring[::-1] if back else ring for ring, back in zip((outer, hole), turned, strict=False)]
    found = read_boundaries({"a": {"type": "Polygon", "coordinates": rings}}, 1000)
    assert found is not None
    shape = geometry(found, "a")
    assert shape is not None
    ((first, second),) = shape["coordinates"]
    assert area(first) == pytest.approx(-100, rel=1e-3)
    assert area(second) == pytest.approx(4, rel=1e-2)


def test_neighbours_share_their_border_however_coarse_the_grid() -> None:
    states = atlas(ATLAS, "states")
    for most in (10**6, 6000, 1500):
        found = read_boundaries(states, most)
        assert found is not None
        assert found.vertices <= most or found.step > 1
        shapes = {name: geometry(found, name) for name in states}
        others = [edges(shape) for name, shape in shapes.items() if name != "Iowa" and shape]
        iowa = shapes["Iowa"]
        assert iowa is not None
        # no coast: nothing gapes and nothing overlaps where every edge is a neighbour's too
        assert edges(iowa) <= set().union(*others)


def test_the_smallest_region_stays_visible() -> None:
    shapes = squares(["big"]) | {
        "dot": {"type": "Polygon", "coordinates": [[[3.0, 40.0], [3.001, 40.0], [3.0, 40.001], [3.0, 40.0]]]}
    }
    shapes["far"] = squares(["far"], 1)["far"] | {"coordinates": [[[60, 0], [61, 0], [61, 1], [60, 0]]]}
    found = read_boundaries(shapes, 10, cells=256)
    assert found is not None
    assert set(found.polygons) == {"big", "dot", "far"}


@pytest.mark.parametrize(
    "shape",
    [None, {"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": []},
     {"type": "GeometryCollection", "geometries": []},
     {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}],
)  # fmt: skip
def test_regions_without_area_have_no_boundary(shape: dict[str, Any] | None) -> None:
    assert read_boundaries({"a": shape}, 100) is None
    found = read_boundaries(squares(["b"]) | {"a": shape or {}}, 100)
    assert found is not None
    assert set(found.polygons) == {"b"}


def test_a_forecast_opens_in_geopandas() -> None:
    geopandas = pytest.importorskip("geopandas", reason="geopandas is not installed (extra: test)")
    names = ["a", "</script>", "大阪府", "nowhere"]
    forecast = pd.DataFrame(
        {
            "region": names,
            "year": 2026,
            "predicted": [1 / 3, 2.0, 3.0, 4.0],
            "lower_80": [None, 1.0, 2.0, 3.0],
        }
    )
    content = forecast_geojson(forecast, squares(names[:3]), {names[0]: "Alpha"})
    table = geopandas.read_file(io.BytesIO(content))
    assert table["predicted"].tolist() == forecast["predicted"].tolist()
    assert table["region"].tolist() == names
    assert table["name"].fillna("unnamed").tolist() == ["Alpha", "unnamed", "unnamed", "unnamed"]
    assert table.geometry[:3].is_valid.all()
    assert table.geometry.isna().tolist() == [False, False, False, True]
    assert json.loads(content)["regions_without_boundary"] == ["nowhere"]
    assert table.geometry[:3].bounds["maxx"].to_numpy() == pytest.approx([1, 2, 3], abs=1e-3)
