"""Small random weather and yields for tests, and what pandas makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.settings.files import parse_settings
from data.settings.schema import Settings

MEASURES = ("temperature", "rainfall")
CROPS = ("apples", "oranges")


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Settings for the files that `write` puts into a folder."""
    raw: dict[str, Any] = {
        "weather": str(folder / "weather"),
        "yields": str(folder / "yields"),
        "store": str(folder / "store"),
        "features": [
            {"measure": "temperature", "aggregate": "mean"},
            {"measure": "rainfall", "aggregate": "sum"},
        ],
        "split": {"test_seasons": 1},
    }
    return parse_settings(raw | changes, "test")


def daily(regions: int, years: range, seed: int = 0) -> pd.DataFrame:
    """Every day of some calendar years."""
    days = pd.date_range(f"{years[0]}-01-01", f"{years[-1]}-12-31", freq="D")
    return _filled(pd.DataFrame({"date": days}), regions, seed)


def monthly(regions: int, years: range, seed: int = 0) -> pd.DataFrame:
    """Every month of some calendar years."""
    months = pd.MultiIndex.from_product([years, range(1, 13)], names=["year", "month"]).to_frame(index=False)
    return _filled(months, regions, seed)


def seasonal(regions: int, years: range, seed: int = 0) -> pd.DataFrame:
    """A row per region and season."""
    return _filled(pd.DataFrame({"year": list(years)}), regions, seed)


def yields_of(regions: int, years: range, seed: int = 1) -> pd.DataFrame:
    """Long yields of both crops everywhere."""
    index = pd.MultiIndex.from_product(
        [[f"R{at:02d}" for at in range(regions)], years, CROPS], names=["region", "year", "crop"]
    )
    frame = index.to_frame(index=False)
    frame["yield"] = np.random.default_rng(seed).uniform(1, 9, len(frame)).round(3)
    frame["unit"] = "t/ha"
    return frame


def write(folder: Path, name: str, *frames: pd.DataFrame | pa.Table, **options: Any) -> list[Path]:
    """Write frames as the files of an input."""
    paths = []
    for at, frame in enumerate(frames):
        table = frame
        if isinstance(frame, pd.DataFrame):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if "date" in frame and frame["date"].dtype.kind == "M":
                place = table.schema.get_field_index("date")
                table = table.set_column(place, "date", table["date"].cast(pa.date32()))
        path = folder / name / f"part-{at}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, **options)
        paths.append(path)
    return paths


def _filled(times: pd.DataFrame, regions: int, seed: int) -> pd.DataFrame:
    names = pd.DataFrame({"region": [f"R{at:02d}" for at in range(regions)]})
    frame = names.merge(times, how="cross")
    rng = np.random.default_rng(seed)
    frame["temperature"] = rng.normal(15, 8, len(frame))
    frame["rainfall"] = rng.gamma(0.5, 6, len(frame))
    return frame
