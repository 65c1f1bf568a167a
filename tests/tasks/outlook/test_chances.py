"""Recent yields, chances and percentiles, each against a plain reckoning."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tasks.evaluate.calibration import calibrate
from tasks.outlook.chances import chances_of_regions, percentiles, recent_yields
from tasks.outlook.errors import Errors, errors_table
from tests.tasks.worlds import settings, world


def frame(**columns: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_the_mean_is_of_five_calendar_years_and_takes_three() -> None:
    history = frame(
        unit=["a"] * 6 + ["b"] * 3 + ["c"] * 2,
        crop=["rye"] * 11,
        year=[2000, 2001, 2002, 2003, 2004, 2005, 2001, 2002, 2004, 2003, 2005],
    )
    history["yield"] = [10.0, 1, 2, 3, 4, 5, 7, 8, 9, 1, 2]
    asked = frame(
        unit=["a", "a", "b", "c", "a", "a"], crop=["rye"] * 6, year=[2005, 2006, 2006, 2006, 2012, 2002]
    )
    found = recent_yields(asked, history)
    # 2012: the yields end in 2005, so the five years that end then; 2002 has two years before it
    expected = [(10 + 1 + 2 + 3 + 4) / 5, 3.0, 8.0, np.nan, 3.0, np.nan]
    np.testing.assert_allclose(found["mean_5"], expected)
    np.testing.assert_allclose(found["last"], [4, 5, 9, 2, 5, 1])


def test_each_crops_yields_end_when_they_end() -> None:
    history = frame(
        unit=["a"] * 6, crop=["rye"] * 3 + ["oats"] * 3, year=[1990, 1991, 1992, 2000, 2001, 2002]
    )
    history["yield"] = [1.0, 2, 3, 4, 5, 6]
    asked = frame(unit=["a", "a"], crop=["rye", "oats"], year=[2003, 2003])
    np.testing.assert_allclose(recent_yields(asked, history)["mean_5"], [2, 5])


def test_percentiles_look_back_only_and_count_ties_half() -> None:
    past = frame(unit=["a"] * 4, crop=["rye"] * 4, year=[1, 2, 3, 9], departure=[-1.0, 0.0, 1.0, 5.0])
    asked = frame(
        unit=["a", "a", "a", "b"], crop=["rye"] * 4, year=[4, 4, 2, 4], departure=[0.0, 2.0, -3.0, 0.0]
    )
    np.testing.assert_allclose(percentiles(asked, past), [50, 100, 0, np.nan])


def test_errors_are_laid_out_in_order_one_for_each_prediction() -> None:
    table = world(rows=400, missing=0.2)
    table = replace(table, crops=("c1", "c0"))
    calibration = calibrate(
        table,
        settings(features=[{"measure": n, "aggregate": "mean", "name": n} for n in table.features]),
        (1, 3),
    )
    found = errors_table(calibration, table).to_pandas()
    expected = [
        (table.region_names[region], season, crop, lead, error)
        for (lead, season), errors in calibration.errors.items()
        for region, error_T in zip(errors.region_E, errors.model_ET, strict=True)
        for crop, error in zip(table.crops, error_T, strict=True)
        if np.isfinite(error)
    ]
    assert list(found.itertuples(index=False, name=None)) == sorted(expected)
    assert set(found["lead"]) == {1, 3}


def test_a_chance_is_the_share_of_past_errors_seasons_alike() -> None:
    table = world(rows=400, crops=1, noise=3.0)
    calibration = calibrate(
        table, settings(features=[{"measure": n, "aggregate": "mean", "name": n} for n in table.features])
    )
    errors = Errors.of(calibration, table)
    assert errors.last_season == 2009
    asked = frame(unit=["r00000", "r00000", "nowhere", "r00001"], crop=["c0"] * 4, year=[2010] * 4)
    asked = asked.assign(predicted=50.0, bound=[0.0, 100.0, 50.0, 50.0])
    found = chances_of_regions(asked, errors, 10)
    seasons = len(set(errors.frame["year"]))
    assert found.tolist()[:2] == pytest.approx([0.5 / (seasons + 1), 1 - 0.5 / (seasons + 1)])
    assert np.isnan(found[2])
    assert 0.2 < found[3] < 0.8
    lower = chances_of_regions(asked.assign(bound=48.0), errors, 10)
    assert lower[3] < found[3]
    half = float(calibration.model.next_season().of(80, ["c0"], table.take([20]))[0, 0])
    ends = [chances_of_regions(asked.assign(bound=50 + sign * half), errors, 10)[3] for sign in (-1, 1)]
    assert ends[1] - ends[0] == pytest.approx(0.8, abs=0.06)
