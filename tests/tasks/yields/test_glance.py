"""The first glance at yields: crops and years that are there, whatever becomes of their rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.settings.schema import Settings
from tasks.yields.glance import glance


def settings(yields: Path, **more: object) -> Settings:
    base = {"weather": "w", "store": "s", "features": [{"measure": "t", "aggregate": "mean"}]}
    return Settings.model_validate(base | {"yields": str(yields)} | more)


def test_a_long_file_tells_crops_and_years_in_scope(tmp_path: Path) -> None:
    rows = {"region": ["a"] * 4, "year": [1990, 1995, 2003, 2001], "crop": ["rye", "oats", None, "rye"]}
    pd.DataFrame(rows | {"yield": [1.0, 2.0, 3.0, None]}).to_parquet(tmp_path / "yields.parquet")
    assert glance(settings(tmp_path)) == (("oats", "rye"), 1990, 2003)
    assert glance(settings(tmp_path, last_season=2002, crops=["rye"])) == (("rye",), 1990, 2001)
    with pytest.raises(ValueError, match="empty"):
        glance(settings(tmp_path, last_season=1980))


def test_years_may_be_text_and_crops_columns_under_other_names(tmp_path: Path) -> None:
    rows = {"region": ["a", "a", "b"], "harvest": ["1990", "no year", "1999"], "t/ha": [1.0, 2.0, 3.0]}
    pd.DataFrame(rows).to_parquet(tmp_path / "yields.parquet")
    columns = {"year": "harvest", "rye": "t/ha"}
    assert glance(settings(tmp_path, yield_columns=columns, crops=["rye"])) == (("rye",), 1990, 1999)
