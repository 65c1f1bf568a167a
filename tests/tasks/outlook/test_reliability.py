"""Bins, Brier skill and the climatology against plain reckonings."""

import numpy as np
import pandas as pd
import pytest

from tasks.outlook.reliability import chance_metrics, usual_frequencies


def said(rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    """Chances that come true as often as they say."""
    random = np.random.default_rng(seed)
    chance = random.random(rows)
    below = random.random(rows) < chance
    return pd.DataFrame(
        {
            "crop": "rye", "year": random.integers(2000, 2020, rows), "mean_5": 10.0,
            "actual": np.where(below, 9.0, 11.0), "chance_below_mean_5": chance,
        }
    )  # fmt: skip


USUAL = pd.DataFrame({"crop": "rye", "year": range(2000, 2020), "usual": 0.5})


def test_honest_chances_are_reliable_and_skilful() -> None:
    frame = said()
    found = chance_metrics(frame, USUAL)["rye"]
    assert sum(each["rows"] for each in found["bins"]) == found["rows"] == 4000
    assert len(found["bins"]) == 10
    for each in found["bins"]:
        inside = frame[frame["chance_below_mean_5"].between(each["from"], each["to"])]
        assert each["observed"] == pytest.approx((inside["actual"] < 10).mean())
        assert each["said"] == pytest.approx(inside["chance_below_mean_5"].mean())
        assert abs(each["said"] - each["observed"]) < 0.1
        assert 0 < each["two_errors"] < 0.15
    below = frame["actual"] < 10
    assert found["brier"] == pytest.approx(((frame["chance_below_mean_5"] - below) ** 2).mean())
    assert found["brier_climatology"] == pytest.approx(0.25)
    assert found["brier_skill"] == pytest.approx(1 - found["brier"] / 0.25)
    assert found["brier_skill"] > 0.25


def test_rows_that_lack_something_do_not_count() -> None:
    frame = said(10)
    frame.loc[0, "actual"], frame.loc[1, "mean_5"], frame.loc[2, "chance_below_mean_5"] = (np.nan,) * 3
    assert chance_metrics(frame, USUAL)["rye"]["rows"] == 7


def test_no_climatology_no_skill() -> None:
    found = chance_metrics(said(), USUAL.assign(usual=np.nan))["rye"]
    assert found["brier_skill"] is None
    assert found["brier_climatology"] is None


def test_the_climatology_looks_back_only() -> None:
    yields = {2000: 3.0, 2001: 4.0, 2002: 5.0, 2003: 1.0, 2004: 9.0, 2005: 2.0}
    frame = pd.DataFrame({"region": "a", "crop": "rye", "year": list(yields), "yield": list(yields.values())})
    usual = usual_frequencies(frame).set_index("year")["usual"]
    # 2003 is below (3 + 4 + 5) / 3, 2004 isn't below, 2005 is
    assert usual.loc[:2003].isna().all()
    assert usual[2004] == 1.0
    assert usual[2005] == 0.5
    assert usual[2006] == pytest.approx(2 / 3)
