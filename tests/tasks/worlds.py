"""Tables that the tests of training share: small made-up worlds, the textbook's, and the real sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.contracts.season_table import Floats, SeasonTable
from data.settings.files import parse_settings
from data.settings.schema import Settings

TEXTBOOK_X = np.array(
    [[73, 67, 43], [91, 88, 64], [87, 134, 58], [102, 43, 37], [69, 96, 70], [74, 66, 43], [91, 87, 65],
     [88, 134, 59], [101, 44, 37], [68, 96, 71], [73, 66, 44], [92, 87, 64], [87, 135, 57], [103, 43, 36],
     [68, 97, 70]],
    dtype=np.float64,
)  # fmt: skip
TEXTBOOK_Y = np.array(
    [[56, 70], [81, 101], [119, 133], [22, 37], [103, 119], [57, 69], [80, 102], [118, 132], [21, 38],
     [104, 118], [57, 69], [82, 100], [118, 134], [20, 38], [102, 120]],
    dtype=np.float64,
)  # fmt: skip


def settings(**changes: Any) -> Settings:
    """Settings of a test: what training reads of them is given."""
    raw: dict[str, Any] = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "year"}]}
    return parse_settings(raw | changes, "test")


def first_model(training: dict[str, Any] | None = None, **changes: Any) -> Settings:
    """Settings of the first model: one trend line, one round, no ridge; plain least squares of departures."""
    plain = {"trend": [{"half_life": 10.0}], "rounds": 1, "training": {"ridge_seasons": 0} | (training or {})}
    return settings(**(plain | changes))


def squared(features: Sequence[str]) -> list[dict[str, Any]]:
    """Settings of features by their names, each with its square."""
    return [{"measure": "x", "aggregate": "mean", "name": name, "square": True} for name in features]


def season_table(
    x_NF: Any,
    y_NT: Any,
    region: Sequence[int] | None = None,
    year: Sequence[int] | None = None,
    features: Sequence[str] = (),
    crops: Sequence[str] = (),
) -> SeasonTable:
    """A table from arrays; by default every row is a region of its own."""
    x, y = np.asarray(x_NF, dtype=np.float64), np.asarray(y_NT, dtype=np.float64)
    code_N = np.arange(len(x)) if region is None else np.asarray(region, dtype=np.int64)
    return SeasonTable(
        tuple(f"r{at:05d}" for at in range(int(code_N.max(initial=0)) + 1)),
        code_N,
        np.full(len(x), 2000) if year is None else np.asarray(year, dtype=np.int64),
        np.full(len(x), "train"),
        tuple(features) or tuple(f"f{at}" for at in range(x.shape[1])),
        x,
        tuple(crops) or tuple(f"c{at}" for at in range(y.shape[1])),
        y,
    )


def textbook() -> SeasonTable:
    """The textbook's 15 rows."""
    return season_table(TEXTBOOK_X, TEXTBOOK_Y, crops=("apples", "oranges"))


def world(
    rows: int = 400,
    features: int = 3,
    crops: int = 2,
    missing: float = 0.0,
    shared: float = 0.0,
    seed: int = 0,
    noise: float = 1.0,
) -> SeasonTable:
    """Regions of 20 seasons with levels and trends; `shared` is the features' common part."""
    random = np.random.default_rng(seed)
    own = random.normal(size=(rows, features))
    x = 20 + (1 - shared) * own + shared * random.normal(size=(rows, 1))
    region, year = np.arange(rows) // 20, 1990 + np.arange(rows) % 20
    trend = random.normal(1, 0.3, size=region.max() + 1)[region] * (year - 2000)
    y = 50 + x @ random.normal(size=(features, crops)) + trend[:, None]
    y += noise * random.normal(size=y.shape)
    y[random.random(y.shape) < missing] = np.nan
    return season_table(x, y, list(region), list(year))


def normal_equations(x_NF: Floats, y_N: Floats) -> Floats:
    """Least squares with an intercept, last; by numpy on scaled columns."""
    scaled = np.column_stack(((x_NF - x_NF.mean(0)) / x_NF.std(0), np.ones(len(x_NF))))
    solution = np.linalg.lstsq(scaled, y_N, rcond=None)[0]
    weights = solution[:-1] / x_NF.std(0)
    return np.append(weights, solution[-1] - x_NF.mean(0) @ weights)


def shared(name: str) -> Path:
    """The folder of a real set; skips where it is absent."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("CROPYIELD_SHARED", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


def real_table(
    name: str, measures: Sequence[str], crops: Sequence[str], months: range | None = None, first: int = -9999
) -> SeasonTable:
    """A real set: monthly or yearly measures of `months`, beside the mean yield of each crop; skips."""
    folder = shared(name)
    weather = pd.read_parquet(folder / "weather.parquet")
    if months is not None:
        weather = weather[weather["month"].isin(list(months))]
        wide = weather.pivot(index=["region", "year"], columns="month", values=list(measures))
        pairs = wide.columns.to_flat_index()
        wide.columns = pd.Index([f"{pair[0]}_{pair[1]:02d}" for pair in pairs])
    else:
        wide = weather.set_index(["region", "year"])[list(measures)]
    features = list(wide.columns)
    yields = pd.read_parquet(folder / "yields.parquet")
    yields = yields[yields["crop"].isin(list(crops))]
    observed = yields.groupby(["region", "year", "crop"])["yield"].mean().unstack("crop")
    table = wide.join(observed, how="inner").reset_index().dropna(subset=features)
    table = table[table["year"] >= first]
    code, names = pd.factorize(table["region"], sort=True)
    return SeasonTable(
        tuple(str(region) for region in names),
        np.asarray(code, dtype=np.int64),
        table["year"].to_numpy(dtype=np.int64),
        np.full(len(table), "train"),
        tuple(features),
        table[features].to_numpy(dtype=np.float64),
        tuple(crops),
        table[list(crops)].to_numpy(dtype=np.float64),
    )


def us_table() -> SeasonTable:
    """US divisions from 1960: monthly mean temperature and rainfall, April-September; corn and soybeans."""
    return real_table(
        "us_climdiv_medium", ("temperature_c", "rainfall_mm"), ("corn", "soybeans"), range(4, 10), 1960
    )


def with_year(table: SeasonTable) -> SeasonTable:
    """The table with the harvest year as one more feature."""
    return SeasonTable(
        table.region_names, table.region_N, table.year_N, table.split_N, (*table.features, "year"),
        np.column_stack((table.x_NF, table.year_N)), table.crops, table.y_NT,
    )  # fmt: skip
