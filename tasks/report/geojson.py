"""`forecast.geojson`: a forecast's rows with the boundaries of their regions, for maps in other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tasks.report.charts.boundaries import geometry, read_boundaries
from tasks.report.charts.chart import records

GEOJSON = "forecast.geojson"
_VERTICES = 400_000
"""Of all boundaries together: some ten megabytes at the very most."""


def forecast_geojson(
    forecast: pd.DataFrame,
    geometries: Mapping[str, Mapping[str, Any] | None],
    names: Mapping[str, str | None],
) -> bytes:
    """A FeatureCollection with a feature for each row of a forecast, in the rows' order.

    `forecast` has the columns of predictions.parquet, which become properties beside the region's `name`,
    null where `names` has none; a region without a boundary has a null geometry and is listed in the member
    `regions_without_boundary`.
    """
    boundaries = read_boundaries({name: geometries.get(name) for name in set(forecast["region"])}, _VERTICES)
    shapes = {
        region: None if boundaries is None else geometry(boundaries, region)
        for region in sorted(set(forecast["region"]))
    }
    features = [
        {
            "type": "Feature",
            "geometry": shapes[row["region"]],
            "properties": {"name": names.get(row["region"]), **row},
        }
        for row in records(forecast, None)
    ]
    collection = {
        "type": "FeatureCollection",
        "regions_without_boundary": [region for region, shape in shapes.items() if shape is None],
        "features": features,
    }
    return json.dumps(collection, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
