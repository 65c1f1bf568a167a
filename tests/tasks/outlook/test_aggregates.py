"""Aggregates against pandas, levels against their parts, cut-offs, weights and shares."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.assemble.regions import Regions
from tasks.ledger import rejected
from tasks.outlook.aggregates import Ground, aggregate, choose_cutoffs, parts_of, weighted_means
from tasks.outlook.errors import Errors
from tasks.outlook.weights import Weights, weigh

STATES = {"a1": "A", "a2": "A", "b1": "B", "b2": "B", "b3": "B", "x": None}
YEARS = range(1990, 2021)


def listed(area: float | None = None, **columns: Any) -> Regions:
    frame = pd.DataFrame({"region": list(STATES), "state": list(STATES.values()), "name": None})
    frame = frame.assign(country="C", area=np.nan if area is None else area, geometry=None, **columns)
    return Regions(frame, len(frame), rejected.NONE)


def harvests(area: bool = True, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.MultiIndex.from_product(
        [list(STATES), YEARS, ["rye"]], names=["region", "year", "crop"]
    ).to_frame(index=False)
    frame["yield"] = random.normal(50, 5, len(frame))
    frame["area"] = random.uniform(1, 100, len(frame)) if area else np.nan
    return frame


def ground(
    of: pd.DataFrame, regions: Regions | None, levels: tuple[str, ...] = ("state", "country"), **changes: Any
) -> Ground:
    facts: dict[str, Any] = {"min_share": 0.8, "ranges": {"rye": (0.0, np.inf)}} | changes
    weights = weigh(of, regions, 2022)
    return Ground(parts_of(levels, regions, weights.regions), weights, of.drop(columns="area"), **facts)


def long(weights: Weights) -> pd.DataFrame:
    """Weights as region, year, crop, weight."""
    index = pd.MultiIndex.from_product([weights.crops, weights.years, weights.regions])
    frame = pd.Series(weights.weight_TYR.ravel(), index.set_names(["crop", "year", "region"]))
    return frame.rename("weight").dropna().reset_index()


def errors(of: pd.DataFrame, seed: int = 1) -> Errors:
    random = np.random.default_rng(seed)
    rows = of[of["year"] > 1995][["region", "year", "crop"]]
    shared = pd.Series(random.normal(0, 2, 100), range(1950, 2050))
    parts = [
        rows.assign(
            lead=lead, error=lead * (random.normal(0, 4, len(rows)) + shared[rows["year"]].to_numpy())
        )
        for lead in (1, 2)
    ]
    return Errors(pd.concat(parts, ignore_index=True), 2020)


def said(of: pd.DataFrame, year: int, split: str, as_of: str = "09-30", seed: int = 2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"region": list(STATES), "year": year, "crop": "rye", "as_of": as_of})
    frame = frame.merge(of[["region", "year", "crop", "yield"]], how="left").rename(
        columns={"yield": "actual"}
    )
    frame = frame.assign(unit="t/ha", split=split, predicted=random.normal(50, 5, len(frame)))
    return frame.assign(baseline=frame["predicted"] - random.normal(0, 1, len(frame)))


def past(of: pd.DataFrame) -> pd.DataFrame:
    rows = of[["region", "year", "crop"]]
    return rows.assign(departure=np.random.default_rng(3).normal(0, 2, len(rows)))


def row(found: pd.DataFrame, level: str, name: str | None) -> pd.Series:
    named = found["name"].isna() if name is None else found["name"] == name
    (only,) = found[(found["level"] == level) & named].to_dict("records")
    return pd.Series(only)


def test_means_production_and_share_agree_with_pandas() -> None:
    of = harvests()
    found = aggregate(said(of, 2020, "test"), errors(of), past(of), ground(of, listed()))
    frame = said(of, 2020, "test").merge(of, on=["region", "year", "crop"])
    frame["state"] = frame["region"].map(STATES)
    for state in ("A", "B", None):
        inside = frame[frame["state"].isna() if state is None else frame["state"] == state]
        one = row(found, "state", state)
        assert one["predicted"] == pytest.approx(np.average(inside["predicted"], weights=inside["area"]))
        assert one["actual"] == pytest.approx(np.average(inside["yield"], weights=inside["area"]))
        assert one["baseline"] == pytest.approx(np.average(inside["baseline"], weights=inside["area"]))
        assert one["area"] == pytest.approx(inside["area"].sum())
        assert one["production"] == pytest.approx((inside["predicted"] * inside["area"]).sum())
        assert (one["share"], one["regions"], one["weights"]) == (1.0, len(inside), "harvested")
    whole = row(found, "all", "all")
    assert whole["predicted"] == pytest.approx(np.average(frame["predicted"], weights=frame["area"]))
    assert row(found, "country", "C")["predicted"] == whole["predicted"]


def test_levels_agree_whatever_is_missing() -> None:
    of = harvests()
    rows = said(of, 2020, "test")
    rows.loc[rows["region"].isin(["a1", "b2"]), "actual"] = np.nan
    on = ground(of, listed())
    kept = rows[rows["actual"].notna()].drop(columns="unit")
    means = weighted_means(
        kept, ["predicted", "actual"], ["year", "crop", "as_of", "split"], on
    ).reset_index()
    means = means.join(on.parts.units, on="unit")
    top = means[means["level"] == "all"].iloc[0]
    for level in ("state", "country"):
        parts = means[means["level"] == level]
        for value in ("predicted", "actual"):
            assert np.average(parts[value], weights=parts["known"]) == pytest.approx(top[value], abs=1e-9)
        assert parts["known"].sum() == pytest.approx(top["known"])
        assert parts["whole"].sum() == pytest.approx(top["whole"])


def test_below_min_share_figures_are_null_and_the_share_is_told() -> None:
    of = harvests(area=False)
    rows = said(of, 2020, "test")
    rows.loc[rows["region"] == "a1", "actual"] = np.nan
    found = aggregate(rows, errors(of), past(of), ground(of, listed()))
    short, full = row(found, "state", "A"), row(found, "state", "B")
    assert short["share"] == 0.5
    empty = ["predicted", "actual", "baseline", "production", "lower_80", "upper_95", "percentile"]
    assert short[empty].isna().all()
    assert pd.isna(short["chance_below_mean_5"])
    assert full[["predicted", "actual", "lower_80", "upper_95", "chance_below_mean_5"]].notna().all()
    assert full[["area", "production"]].isna().all()
    assert full["weights"] == "equal"


def test_weights_fall_back_from_own_area_to_recent_ones_to_the_regions_to_equal() -> None:
    of = harvests()
    of.loc[of["year"] >= 2019, "area"] = np.nan
    frame = long(weigh(of, listed(7.0), 2022)).set_index(["region", "year"])["weight"]
    areas = of.set_index(["region", "year"])["area"]
    assert frame["a1", 2018] == areas["a1", 2018]
    assert frame["a1", 2019] == pytest.approx(areas["a1"].loc[2014:2018].mean())
    assert frame["a1", 2022] == pytest.approx(frame["a1", 2019])
    without = of.assign(area=np.nan)
    by_regions, equal = weigh(without, listed(7.0), 2020), weigh(without, listed(), 2020)
    assert (by_regions.kinds["rye"], set(long(by_regions)["weight"])) == ("regions", {7.0})
    assert (equal.kinds["rye"], set(long(equal)["weight"])) == ("equal", {1.0})


def test_a_region_that_gave_a_crop_up_is_no_part_of_the_whole() -> None:
    of = harvests(area=False)
    of = of[(of["region"] != "b3") | (of["year"] < 2000)]
    frame = long(weigh(of, None, 2015))
    assert frame[frame["region"] == "b3"]["year"].max() == 2008
    assert frame[frame["region"] == "b2"]["year"].max() == 2020


def test_intervals_come_from_the_aggregates_own_errors() -> None:
    of = harvests()
    on, known = ground(of, listed()), errors(of)
    found = aggregate(said(of, 2021, "forecast"), known, past(of), on)
    weighed = known.frame[known.frame["lead"] == 1].merge(long(on.weights))
    weighed["part"] = weighed["error"] * weighed["weight"]
    sums = weighed.groupby("year")[["part", "weight"]].sum()
    own = sums["part"] / sums["weight"]
    sizes = np.sort(own.abs())
    one = row(found, "all", "all")
    for level in (80, 95):
        half = sizes[int(np.ceil(level / 100 * (len(sizes) + 1))) - 1]
        assert one[f"upper_{level}"] - one["predicted"] == pytest.approx(half)
        assert one["predicted"] - one[f"lower_{level}"] == pytest.approx(half)
    below = (own < one["mean_5"] - one["predicted"]).sum()
    expected = (below + 0.5) / (len(own) + 1)  # the season to come counts half
    assert one["chance_below_mean_5"] == pytest.approx(expected)
    wider = row(aggregate(said(of, 2022, "forecast"), known, past(of), on), "all", "all")
    assert wider["upper_80"] - wider["predicted"] > one["upper_80"] - one["predicted"]


def test_ends_stay_in_the_crops_range() -> None:
    of = harvests()
    on = ground(of, listed(), ranges={"rye": (49.9, 50.1)})
    found = aggregate(said(of, 2021, "forecast"), errors(of), past(of), on)
    assert (found["lower_95"] >= np.minimum(49.9, found["predicted"])).all()
    assert (found["upper_95"] <= np.maximum(50.1, found["predicted"])).all()


def test_one_cutoff_serves_all_aggregates_of_a_crop_and_year() -> None:
    of = harvests(area=False)
    on = ground(of, None, ())
    early, late = (said(of, 2021, "forecast", day) for day in ("06-30", "07-31"))
    few = late[late["region"].isin(["a1", "a2", "b1", "b2"])]
    most = late[late["region"] != "x"]
    order = ["06-30", "07-31"]
    assert set(choose_cutoffs(pd.concat([early, few]), on, order)["as_of"]) == {"06-30"}
    assert set(choose_cutoffs(pd.concat([early, most]), on, order)["as_of"]) == {"07-31"}
    assert len(choose_cutoffs(pd.concat([early, most]), on, order)) == 5
    least = early[early["region"].isin(["a1", "a2", "b1"])]
    assert set(choose_cutoffs(pd.concat([least, few]), on, order)["as_of"]) == {"07-31"}
    tested = pd.concat([said(of, 2020, "test", day) for day in order])
    assert len(choose_cutoffs(tested, on, order)) == 12


def test_unknown_regions_weigh_nothing_and_unlisted_ones_are_a_part_without_a_name() -> None:
    of = harvests(area=False)
    regions = listed()
    regions = Regions(regions.table[regions.table["region"] != "b3"], 5, rejected.NONE)
    rows = said(of, 2021, "forecast")
    stranger = rows.head(1).assign(region="elsewhere", predicted=1e6)
    found = aggregate(pd.concat([rows, stranger]), errors(of), past(of), ground(of, regions))
    assert row(found, "state", None)["regions"] == 2
    assert row(found, "all", "all")["regions"] == 6
    assert row(found, "all", "all")["predicted"] < 100


def test_without_any_yield_nothing_weighs() -> None:
    of = harvests().head(0)
    on = ground(of, listed())
    rows = said(harvests(), 2021, "forecast")
    assert len(choose_cutoffs(rows, on, ["09-30"])) == 0
    assert len(aggregate(rows, errors(harvests()), past(harvests()), on)) == 0
