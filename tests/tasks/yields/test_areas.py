"""Harvested areas beside long yields."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.yields.ingest import Yields, ingest_yields
from tests.tasks.worlds import settings


def ingested(folder: Path, **columns: Any) -> Yields:
    frame = pd.DataFrame({"region": ["a", "a", "b", "c"], "year": [1, 2, 1, 1], "crop": "rye", "yield": 3.0})
    frame.assign(**columns).to_parquet(folder / "yields.parquet")
    return ingest_yields(settings(yields=str(folder / "yields.parquet")))


@pytest.mark.parametrize("area", [[1.5, -2, None, np.inf], ["1.5", "-2", "(D)", None]])
def test_an_area_that_cannot_be_read_is_unknown_and_its_yield_is_kept(area: Any, tmp_path: Path) -> None:
    found = ingested(tmp_path, area=area)
    np.testing.assert_array_equal(found.table["area"], [1.5, np.nan, np.nan, np.nan])
    assert len(found) == 4
    assert len(found.rejected) == 0
    found.save(tmp_path / "saved")
    np.testing.assert_array_equal(Yields.load(tmp_path / "saved").table["area"], found.table["area"])


def test_without_a_column_no_area_is_known(tmp_path: Path) -> None:
    assert np.isnan(ingested(tmp_path).table["area"]).all()
    assert np.isnan(ingested(tmp_path, area=pd.Timestamp("2001-01-01")).table["area"]).all()
