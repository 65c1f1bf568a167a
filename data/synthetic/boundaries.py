"""Boundaries of a simulated world: regions that tile a country, grouped into states, with names and areas.

Regions lie along a path that winds through the country row by row, so that those next to each other in a
world, which share their weather, are neighbours on the map.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from data.contracts.season_table import Floats

STATE = "state"
_CELL = 0.4  # degrees across a region
_WEST, _SOUTH = 4.0, 44.0
_CORNER, _MIDDLE = 0.15, 0.08  # how far points move, in cells: little enough that no border crosses itself
_KM2 = (111.2 * _CELL) ** 2
_STATES = (
    "Alder", "Ash", "Aspen", "Beech", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Hornbeam", "Juniper",
    "Larch", "Linden", "Maple", "Oak", "Pine", "Poplar", "Rowan", "Spruce", "Willow", "Yew",
)  # fmt: skip


def regions_geojson(names: list[str], rng: np.random.Generator) -> str:
    """A FeatureCollection of these regions: region, name, state, area (km² of farmland), a polygon each."""
    columns = math.ceil(math.sqrt(1.5 * len(names)))
    rows = math.ceil(len(names) / columns)
    points = _points(rows, columns, rng)
    side = max(2, round(math.sqrt(columns)))  # regions across a state
    across = math.ceil(columns / side)
    numbers: dict[str, int] = {}
    features = []
    for at, region in enumerate(names):
        row, step = divmod(at, columns)
        column = step if row % 2 == 0 else columns - 1 - step
        place = row // side * across + column // side
        state = _STATES[place % len(_STATES)] + (
            f" {place // len(_STATES) + 1}" if place >= len(_STATES) else ""
        )
        numbers[state] = numbers.get(state, 0) + 1
        south = math.radians(_SOUTH + row * _CELL)
        farmed = _KM2 * math.cos(south) * rng.uniform(0.05, 0.5)
        about = {
            "region": region,
            "name": f"{state}-{numbers[state]}",
            STATE: state,
            "area": round(farmed, 1),
        }
        features.append({"type": "Feature", "properties": about, "geometry": _polygon(points, row, column)})
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, separators=(",", ":")) + "\n"


def _points(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Corners of all regions and the middles of their sides, (2 rows + 1, 2 columns + 1, 2) in degrees."""
    y, x = np.mgrid[0 : rows + 1, 0 : columns + 1].astype(np.float64)
    corners = np.stack([x, y], axis=-1)
    corners += rng.uniform(-_CORNER, _CORNER, corners.shape)
    points = np.full((2 * rows + 1, 2 * columns + 1, 2), np.nan)
    points[::2, ::2] = corners
    points[1::2, ::2] = (corners[1:] + corners[:-1]) / 2
    points[::2, 1::2] = (corners[:, 1:] + corners[:, :-1]) / 2
    for middles in (points[1::2, ::2], points[::2, 1::2]):
        middles += rng.uniform(-_MIDDLE, _MIDDLE, middles.shape)
    return np.round(points * _CELL + (_WEST, _SOUTH), 4)


def _polygon(points: Floats, row: int, column: int) -> dict[str, Any]:
    """A region's polygon, anticlockwise as RFC 7946 wants it."""
    round_it = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
    ring = [points[2 * row + down, 2 * column + along].tolist() for down, along in round_it]
    return {"type": "Polygon", "coordinates": [ring]}
