"""The US climate-division table of the shared data, as tests need it; skips where it is absent."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from data.contracts.season_table import SeasonTable
from data.settings.files import parse_settings
from data.settings.schema import Settings

CROPS = ("corn", "soybeans")
_MEASURES = ("temperature_c", "rainfall_mm")


def us_settings(**changes: object) -> Settings:
    """Defaults of the design, with monthly means of temperature and rain, April-September, and squares."""
    features = [
        {"measure": name, "aggregate": "mean", "every": "month", "square": True} for name in _MEASURES
    ]
    season = {"start": "04-01", "end": "09-30"}
    raw = {"weather": "weather", "yields": "yields", "store": "store", "season": season, "features": features}
    return parse_settings(raw | changes, "test")


@cache
def us_table(last_month: int = 9, first_test: int = 9999, both_crops: bool = False) -> SeasonTable:
    """Region-seasons from 1960 with corn or soybeans (or both), weather of April to `last_month`."""
    weather, yields = _inputs()
    known = weather[(weather.year >= 1960) & weather.month.between(4, last_month)]
    wide = known.pivot(index=["region", "year"], columns="month", values=list(_MEASURES))
    months = range(4, last_month + 1)  # the pivot's order: by measure, then by month
    features = tuple(f"{measure}_mean_{month:02d}" for measure in _MEASURES for month in months)
    wide.columns = pd.Index(features)
    harvests = yields[yields.year >= 1960].pivot(index=["region", "year"], columns="crop", values="yield")
    rows = wide.join(harvests[list(CROPS)], how="inner").dropna(subset=list(features)).reset_index()
    observed = rows[list(CROPS)].notna()
    rows = rows[observed.all(axis=1) if both_crops else observed.any(axis=1)]
    rows["split"] = ["test" if year >= first_test else "train" for year in rows.year]
    return SeasonTable.from_arrow(pa.Table.from_pandas(rows, preserve_index=False), features, CROPS)


@cache
def _inputs() -> tuple[pd.DataFrame, pd.DataFrame]:
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CROPYIELD_SHARED", beside)) / "us_climdiv_medium"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; CROPYIELD_SHARED names the folder of the shared data")
    return pd.read_parquet(folder / "weather.parquet"), pd.read_parquet(folder / "yields.parquet")
