"""National and state aggregates of US corn and soybeans, 1993-2022, by rolling origin; skips without data."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from tasks.assemble.regions import Regions
from tasks.ledger import rejected
from tasks.outlook.aggregates import Ground, aggregate, parts_of
from tasks.outlook.errors import Errors
from tasks.outlook.weights import weigh
from tasks.train.origins import predict_ahead
from tests.us_data import us_settings, us_table

FIRST = 1993


@cache
def hindcasts(last_month: int) -> pd.DataFrame:
    """Each season from 1968 by the exact fit of those before it."""
    table = us_table(last_month)
    ahead = predict_ahead(table, us_settings(), {year - 1: [year] for year in range(1968, 2023)})
    parts = []
    for (_, year), said in ahead.items():
        rows = np.flatnonzero(table.year_N == year)
        for at, crop in enumerate(table.crops):
            values = {"predicted": said.model_ET[:, at], "baseline": said.trend_ET[:, at]}
            region = np.array(table.region_names)[table.region_N[rows]]
            facts = {"region": region, "year": year, "crop": crop, "actual": table.y_NT[rows, at]}
            parts.append(pd.DataFrame(facts | values))
    frame = pd.concat(parts, ignore_index=True).dropna()
    return frame.assign(as_of="cut-off", unit="bu/acre", split="test")


def aggregates(last_month: int, areas: bool) -> pd.DataFrame:
    frame = hindcasts(last_month)
    area = np.random.default_rng(0).uniform(1, 100, len(frame)) if areas else np.nan
    harvests = frame.rename(columns={"actual": "yield"})[["region", "year", "crop", "yield"]].assign(
        area=area
    )
    names = sorted(frame["region"].unique())
    listed = pd.DataFrame({"region": names, "state": [name[:2] for name in names], "area": np.nan})
    regions = Regions(listed, len(listed), rejected.NONE)
    weights = weigh(harvests, regions, 2022)
    found = []
    for year in range(FIRST, 2023):
        before = frame[(frame["year"] < year) & (frame["year"] >= year - 25)]
        errors = before.assign(lead=1, error=before["actual"] - before["predicted"])
        past = before.assign(departure=before["predicted"] - before["baseline"])
        history = harvests[harvests["year"] < year]
        on = Ground(parts_of(["state"], regions, weights.regions), weights, history, 0.8, {})
        found.append(aggregate(frame[frame["year"] == year], Errors(errors, year - 1), past, on))
    return pd.concat(found, ignore_index=True)


@pytest.mark.parametrize("areas", [False, True])
def test_states_and_the_nation_agree_with_pandas(areas: bool) -> None:
    found, frame = aggregates(9, areas), hindcasts(9)
    weight = np.random.default_rng(0).uniform(1, 100, len(frame)) if areas else np.ones(len(frame))
    frame = frame.assign(weight=weight, state=frame["region"].str[:2], whole="all")
    frame = frame[frame["year"] >= FIRST]
    for level, column in (("state", "state"), ("all", "whole")):
        for value in ("predicted", "actual"):
            products = (frame[value] * frame["weight"]).groupby([frame[k] for k in (column, "year", "crop")])
            means = products.sum() / frame.groupby([column, "year", "crop"])["weight"].sum()
            rows = found[(found["level"] == level) & found[value].notna()]
            key = pd.MultiIndex.from_frame(rows[["name", "year", "crop"]])
            np.testing.assert_allclose(rows[value], means.reindex(key), rtol=1e-12)
    assert set(found["weights"]) == {"harvested" if areas else "equal"}


@pytest.mark.parametrize(("last_month", "corn", "soybeans"), [(9, 4.9, 4.4), (7, 5.2, 5.4)])
def test_national_intervals_cover_what_they_say_and_errors_are_small(
    last_month: int, corn: float, soybeans: float
) -> None:
    nation = aggregates(last_month, False).query("level == 'all'")
    for crop, most in (("corn", corn), ("soybeans", soybeans)):
        rows = nation[nation["crop"] == crop]
        assert len(rows) == 30
        covered = rows["actual"].between(rows["lower_80"], rows["upper_80"]).mean()
        assert 0.7 <= covered <= 0.9
        relative = (rows["predicted"] - rows["actual"]) / rows["actual"]
        assert 100 * np.sqrt((relative**2).mean()) <= most
