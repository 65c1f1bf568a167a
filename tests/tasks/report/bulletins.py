"""Made-up bulletins for tests: regions with a trend and a season, larger units as means of their regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.season_table import Integers
from tasks.report.bulletin import Bulletin

YEAR = 2026
TERMS = tuple(
    f"{measure}_{month:02d}" for measure in ("temperature_mean", "rainfall_sum") for month in range(4, 10)
)


def squares(names: Sequence[str], across: int = 8) -> dict[str, dict[str, Any]]:
    """A boundary of one degree squared for each region, side by side."""
    found = {}
    for at, name in enumerate(names):
        x, y = float(at % across), 40.0 + at // across
        ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
        found[name] = {"type": "Polygon", "coordinates": [ring]}
    return found


def made_up_bulletin(
    names: Sequence[str],
    geometries: Mapping[str, Mapping[str, Any]] | None = None,
    groups: Sequence[str] | None = None,
    crops: Sequence[str] = ("corn", "soybeans"),
    years: int = 40,
    **changes: Any,
) -> Bulletin:
    """A bulletin of these regions; `groups` are their larger units, level `state`."""
    rng = np.random.default_rng(3)
    seasons = np.arange(YEAR - years, YEAR)
    groups = list(groups or [f"G{at % 3}" for at in range(len(names))])
    parts = [_of_crop(crop, list(names), groups, seasons, rng) for crop in crops]
    gate = {"name": "against_baseline", "crop": "corn", "outcome": "passed", "reason": "MSE 1, trend 2"}
    given: dict[str, Any] = {
        "number": 17,
        "issued_on": "2026-08-01",
        "forecast_id": "fedcba9876543210",
        "run_id": "0123456789abcdef",
        "regions": pd.DataFrame(
            {"region": list(names), "name": [f"{name} county" for name in names], "group": groups}
        ),
        "geometries": geometries or {},
        "titles": {term: term.replace("_", " ") for term in TERMS},
        "gate": {"outcome": "passed", "checks": [gate]},
        "missing": ("3 regions without weather",),
    }
    tables = {key: pd.concat([part[key] for part in parts], ignore_index=True) for key in parts[0]}
    return Bulletin(**(given | tables | changes))


def _of_crop(
    crop: str, names: list[str], groups: list[str], seasons: Integers, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """The tables of one crop, by the bulletin's name for each."""
    R, Y, T = len(names), len(seasons), len(TERMS)
    level_R = rng.uniform(5, 12, R)
    yield_RY = level_R[:, None] + 0.08 * (seasons - seasons[0]) + rng.normal(0, 0.8, (R, Y))
    yield_RY[rng.random((R, Y)) < 0.03] = np.nan
    contribution_RT = rng.normal(0, 0.2, (R, T))
    predicted_R = level_R + 0.08 * Y + contribution_RT.sum(axis=1)
    forecasts = pd.DataFrame(
        {
            "region": names, "year": YEAR, "crop": crop, "season": "main", "as_of": "07-31", "unit": "t/ha",
            "predicted": predicted_R, "lower_80": predicted_R - 1, "upper_80": predicted_R + 1,
            "mean_5": np.nanmean(yield_RY[:, -5:], axis=1), "last": yield_RY[:, -1],
            "chance_below_mean_5": rng.uniform(0, 1, R), "percentile": rng.uniform(0, 100, R),
            "weather_until": "2026-07-31",
        }
    )  # fmt: skip
    drivers = pd.DataFrame(
        {
            "region": np.repeat(np.array(names, object), T), "year": YEAR, "crop": crop,
            "term": np.tile(TERMS, R), "contribution": contribution_RT.ravel(),
            "value": rng.normal(20, 5, R * T), "usual": rng.normal(20, 1, R * T),
        }
    )  # fmt: skip
    yields = pd.DataFrame(
        {
            "region": np.repeat(np.array(names, object), Y), "year": np.tile(seasons, R), "crop": crop,
            "yield": yield_RY.ravel(),
        }
    ).dropna()  # fmt: skip
    figures = ["predicted", "mean_5", "last", "lower_80", "upper_80", "chance_below_mean_5", "percentile"]
    means = forecasts.groupby(np.array(groups))[figures].mean().rename_axis("name").reset_index()
    whole = forecasts[figures].mean().to_frame().T.assign(name="all")
    aggregates = pd.concat([whole.assign(level="all"), means.assign(level="state")], ignore_index=True)
    said = float(predicted_R.mean())
    past = seasons[-12:]
    hindcast = said + rng.normal(0, 0.4, len(past))
    previous = pd.DataFrame(
        {"level": ["all"], "name": ["all"], "crop": crop, "year": YEAR, "predicted": said - 0.1}
    )
    issued = pd.DataFrame(
        {
            "day": ["2026-06-01", "2026-07-01", "2026-08-01"], "crop": crop, "year": YEAR,
            "predicted": [said - 0.3, said - 0.1, said], "lower_80": said - 0.8, "upper_80": said + 0.8,
        }
    )  # fmt: skip
    record = pd.DataFrame(
        {
            "crop": crop, "year": past, "predicted": hindcast, "lower_80": hindcast - 0.5,
            "upper_80": hindcast + 0.5, "actual": hindcast + rng.normal(0, 0.4, len(past)),
            "kind": ["hindcast"] * (len(past) - 2) + ["issued"] * 2,
        }
    )  # fmt: skip
    return {
        "forecasts": forecasts,
        "aggregates": aggregates.assign(year=YEAR, crop=crop, unit="t/ha", production=np.nan, share=1.0),
        "drivers": drivers,
        "yields": yields,
        "units": _of_units(yields, dict(zip(names, groups, strict=True))).assign(crop=crop),
        "issued": issued,
        "record": record,
        "previous": previous.assign(predicted=said - 0.1),
    }


def _of_units(yields: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Means over regions of each year: of every group, and of all."""
    parts = [
        yields.groupby([yields["region"].map(labels), "year"])["yield"].mean().rename_axis(["name", "year"])
        for labels in (groups, dict.fromkeys(groups, "all"))
    ]
    levels = ("state", "all")
    return pd.concat(
        [part.reset_index().assign(level=level) for part, level in zip(parts, levels, strict=True)],
        ignore_index=True,
    )
