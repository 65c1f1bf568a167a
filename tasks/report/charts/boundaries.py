"""Boundaries of regions: from GeoJSON to rings on one grid, on to TopoJSON for maps and GeoJSON for files.

Every vertex moves to the nearest point of one grid, so that neighbours keep the border they share: the grid
is as fine as its budget of vertices allows. Rings are wound as d3 wants them, exteriors clockwise seen from
above (RFC 7946 asks for the opposite, and readers accept either).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats, Integers

Polygon = tuple[Integers, ...]
"""Closed rings of grid points (V, 2): the exterior, then holes."""

_FINEST = 1 << 16  # cells across the wider side: about 600 m where a map spans 40 degrees
_COARSEST = 1 << 8
_ALONE = 4  # points of the least ring: three corners, the first again


@dataclass(frozen=True, eq=False)
class Boundaries:
    """Polygons of regions on a grid: degrees = origin + step * point."""

    polygons: Mapping[str, tuple[Polygon, ...]]
    origin: tuple[float, float]
    step: float

    @property
    def vertices(self) -> int:
        """Points of all rings."""
        return sum(len(ring) for parts in self.polygons.values() for rings in parts for ring in rings)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, south, east and north in degrees."""
        rings = [ring for parts in self.polygons.values() for rings in parts for ring in rings]
        low = np.min([ring.min(axis=0) for ring in rings], axis=0) * self.step + self.origin
        high = np.max([ring.max(axis=0) for ring in rings], axis=0) * self.step + self.origin
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @functools.cached_property
    def topology(self) -> dict[str, Any]:
        """TopoJSON with the object `regions`, each ring an arc of differences: a third of GeoJSON's size."""
        arcs: list[list[list[int]]] = []
        features = []
        for region, parts in self.polygons.items():
            numbers = []
            for rings in parts:
                numbers.append([[len(arcs) + at] for at in range(len(rings))])
                arcs += [np.diff(ring, axis=0, prepend=0).tolist() for ring in rings]
            features.append({"type": "MultiPolygon", "properties": {"region": region}, "arcs": numbers})
        return {
            "type": "Topology",
            "transform": {"scale": [self.step] * 2, "translate": list(self.origin)},
            "objects": {"regions": {"type": "GeometryCollection", "geometries": features}},
            "arcs": arcs,
        }


def geometries_of(regions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """GeoJSON geometries by region, from a table with columns region and geometry (text or null)."""
    told = regions.dropna(subset=["geometry"])
    return {str(name): json.loads(text) for name, text in zip(told["region"], told["geometry"], strict=True)}


def read_boundaries(
    geometries: Mapping[str, Mapping[str, Any] | None], most: int, cells: int = _FINEST
) -> Boundaries | None:
    """Boundaries from GeoJSON geometries (longitude, latitude) with at most about `most` vertices.

    The grid has at most `cells` across its wider side.

    Regions whose geometry is absent, empty or no polygon are left out; None where no region has one.
    """
    rings_of = {region: list(_polygons(shape)) for region, shape in sorted(geometries.items()) if shape}
    flat = [ring for parts in rings_of.values() for rings in parts for ring in rings]
    if not flat:
        return None
    every = np.concatenate(flat)
    origin, high = every.min(axis=0), every.max(axis=0)
    across = float((high - origin).max()) or 1.0
    while True:
        step = across / cells
        found = {region: _on_grid(parts, origin, step) for region, parts in rings_of.items()}
        result = Boundaries(
            {region: parts for region, parts in found.items() if parts},
            (float(origin[0]), float(origin[1])),
            step,
        )
        if result.vertices <= most or cells <= _COARSEST:
            return result
        cells //= 2


def _polygons(shape: Mapping[str, Any]) -> Iterable[list[Floats]]:
    """Rings of each polygon of a GeoJSON geometry; lines and points have none."""
    kind = shape.get("type")
    if kind == "GeometryCollection":
        for part in shape.get("geometries", ()):
            yield from _polygons(part)
        return
    parts: Any = shape.get("coordinates") or () if kind in ("Polygon", "MultiPolygon") else ()
    for rings in [parts] if kind == "Polygon" else parts:
        found = [np.asarray([point[:2] for point in ring], dtype=np.float64) for ring in rings]
        found = [ring for ring in found if len(ring) >= _ALONE]
        if found:
            yield found


def _on_grid(parts: Sequence[Sequence[Floats]], origin: Floats, step: float) -> tuple[Polygon, ...]:
    """Polygons moved to the grid; what vanishes there goes, but the region's largest part stays visible."""
    kept: list[Polygon] = []
    for rings in parts:
        snapped = [_ring(ring, origin, step, exterior=at == 0) for at, ring in enumerate(rings)]
        if snapped[0] is not None:
            kept.append(tuple(ring for ring in snapped if ring is not None))
    if not kept and parts:
        largest = max((rings[0] for rings in parts), key=lambda ring: abs(_area(ring)))
        west, south = np.floor((largest.min(axis=0) - origin) / step).astype(np.int64)
        square = [(west, south), (west, south + 1), (west + 1, south + 1), (west + 1, south), (west, south)]
        kept.append((np.array(square, dtype=np.int64),))
    return tuple(kept)


def _ring(ring: Floats, origin: Floats, step: float, exterior: bool) -> Integers | None:
    """A ring on the grid without repeated points, closed and wound; None where nothing of it is left."""
    points = np.rint((ring - origin) / step).astype(np.int64)
    moved = np.any(points[1:] != points[:-1], axis=1)
    points = points[np.concatenate(([True], moved))]
    if np.any(points[0] != points[-1]):
        points = np.concatenate((points, points[:1]))
    area = _area(points.astype(np.float64))
    if len(points) < _ALONE or area == 0:
        return None
    return points if (area < 0) == exterior else points[::-1]


def _area(ring: Floats) -> float:
    """Signed area of a closed ring: positive where it runs anticlockwise."""
    x, y = (ring - ring[0]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def geometry(boundaries: Boundaries, region: str) -> dict[str, Any] | None:
    """A region's boundary as a GeoJSON MultiPolygon in degrees; None where it has none."""
    parts = boundaries.polygons.get(region)
    if parts is None:
        return None
    digits = max(0, int(np.ceil(-np.log10(boundaries.step))) + 1)
    degrees = [
        [np.round(ring * boundaries.step + boundaries.origin, digits).tolist() for ring in rings]
        for rings in parts
    ]
    return {"type": "MultiPolygon", "coordinates": degrees}
