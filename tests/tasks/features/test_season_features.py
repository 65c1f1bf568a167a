"""Aggregates of random worlds agree with pandas to 1e-9, whatever resolution, season and order."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import SettingsError
from data.settings.schema import Settings
from tasks.features.plan import make_plan
from tasks.features.season_features import compute_features
from tasks.weather.ingest import ingest_weather
from tests.tasks.weather.weather_worlds import daily, make_settings, monthly, seasonal, write

SEASONS = [("04-01", "09-30"), ("10-01", "06-30"), ("01-01", "12-31"), ("02-15", "02-10"), ("07-01", "02-28")]
DAILY: list[dict[str, Any]] = [
    *({"measure": "temperature", "aggregate": name} for name in ("mean", "sum", "min", "max", "std")),
    {"measure": "temperature", "aggregate": "days_above", "threshold": 20},
    {"measure": "temperature", "aggregate": "days_below", "threshold": 5},
    {"measure": "temperature", "aggregate": "degree_days", "base": 10, "cap": 30},
    {"measure": "rainfall", "aggregate": "sum", "every": "month"},
    {"measure": "rainfall", "aggregate": "std", "every": "month"},
    {"measure": "year"},
]


def features_of(settings: Settings) -> pd.DataFrame:
    """Features and coverage by region and harvest year."""
    weather = ingest_weather(settings)["main"]
    plan = make_plan(settings, weather.resolution)
    specs = next(reversed(plan.cutoffs.values()))
    x_CF, coverage_C = compute_features(weather.sums, plan, specs)
    frame = pd.DataFrame(x_CF, columns=[spec.name for spec in specs])
    frame["coverage"] = coverage_C
    frame["region"] = [weather.sums.names[at] for at in weather.sums.region_C]
    frame["harvest"] = weather.sums.year_C
    return frame.set_index(["region", "harvest"])


def in_season(frame: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    """The rows of a season with their harvest year, by comparing month-day texts."""
    day = frame["date"].dt.strftime("%m-%d")
    if start <= end:
        inside, late = (day >= start) & (day <= end), np.zeros(len(frame), bool)
    else:
        inside, late = (day >= start) | (day <= end), (day >= start).to_numpy()
    return pd.DataFrame(frame.assign(harvest=frame["date"].dt.year + late)[inside])


def pandas_daily(frame: pd.DataFrame) -> pd.DataFrame:
    """The features of DAILY, computed plainly."""
    by = frame.groupby(["region", "harvest"])
    warm = frame.assign(
        above=frame["temperature"] > 20,
        below=frame["temperature"] < 5,
        degrees=(frame["temperature"] - 10).clip(0, 20),
    ).groupby(["region", "harvest"])
    found = by["temperature"].agg(["mean", "sum", "min", "max", "std"]).add_prefix("temperature_")
    found["temperature_days_above_20"] = warm["above"].sum()
    found["temperature_days_below_5"] = warm["below"].sum()
    found["temperature_degree_days_10_30"] = warm["degrees"].sum()
    for month, rows in frame.groupby(frame["date"].dt.month):
        rain = rows.groupby(["region", "harvest"])["rainfall"]
        found[f"rainfall_sum_{month:02d}"] = rain.sum()
        found[f"rainfall_std_{month:02d}"] = rain.std()
    return found


@pytest.mark.parametrize(
    ("season", "order"), [*product(SEASONS, ["region"]), (SEASONS[1], "day"), (SEASONS[0], "random")]
)
def test_daily_agrees_with_pandas(tmp_path: Path, season: tuple[str, str], order: str) -> None:
    frame = daily(3, range(1999, 2005))
    if order == "day":
        frame = frame.sort_values(["date", "region"])
    elif order == "random":
        frame = frame.sample(frac=1, random_state=0)
    write(tmp_path, "weather", frame[:2000], frame[2000:2100], frame[2100:], row_group_size=700)
    settings = make_settings(tmp_path, season={"start": season[0], "end": season[1]}, features=DAILY)
    ours = features_of(settings)
    theirs = pandas_daily(in_season(frame, *season))
    whole = ours[ours["coverage"] > 0.999]
    assert len(whole) >= 3 * 4
    assert not (set(whole.columns) - {"coverage", "year"}) - set(theirs.columns)
    for name in set(whole.columns) - {"coverage", "year"}:
        np.testing.assert_allclose(whole[name], theirs.loc[whole.index, name], rtol=1e-9, err_msg=name)
    assert (whole["year"] == whole.index.get_level_values("harvest")).all()


def test_missing_days_scale_sums_and_lower_coverage(tmp_path: Path) -> None:
    frame = daily(1, range(2001, 2002))
    rows = in_season(frame, "04-01", "09-30")
    kept = rows.drop(rows.index[[0, 17, 18, 100]])
    write(tmp_path, "weather", kept.drop(columns="harvest"))
    settings = make_settings(
        tmp_path,
        season={"start": "04-01", "end": "09-30"},
        features=[
            {"measure": "rainfall", "aggregate": "sum"},
            {"measure": "temperature", "aggregate": "mean"},
            {"measure": "rainfall", "aggregate": "sum", "window": ["04-01", "04-30"], "name": "april"},
        ],
    )
    found = features_of(settings).iloc[0]
    assert found["rainfall_sum"] == pytest.approx(kept["rainfall"].sum() * 183 / 179, rel=1e-12)
    assert found["temperature_mean"] == pytest.approx(kept["temperature"].mean(), rel=1e-12)
    april = kept[kept["date"] < "2001-05-01"]["rainfall"]
    assert found["april"] == pytest.approx(april.sum() * 30 / 27, rel=1e-12)
    assert found["coverage"] == pytest.approx(27 / 30)


@pytest.mark.parametrize("season", [("04-01", "09-30"), ("09-15", "07-31"), ("10-01", "02-28")])
def test_monthly_agrees_with_pandas(tmp_path: Path, season: tuple[str, str]) -> None:
    frame = monthly(3, range(1999, 2005))
    write(tmp_path, "weather", frame)
    aggregates = ("mean", "sum", "min", "max", "std")
    features: list[dict[str, Any]] = [{"measure": "temperature", "aggregate": name} for name in aggregates]
    features.append({"measure": "rainfall", "aggregate": "mean", "every": "month"})
    if not season[0].endswith("01"):  # a month that the season splits has no value
        features[-1]["window"] = ["10-01", "12-31"]
    bounds = {"start": season[0], "end": season[1]}
    settings = make_settings(tmp_path, season=bounds, features=features)
    ours = features_of(settings)
    first, last = (int(edge[:2]) for edge in season)
    first += not season[0].endswith("01")
    crosses = first > last
    month = frame["month"]
    inside = ((month >= first) | (month <= last)) if crosses else ((month >= first) & (month <= last))
    rows = frame.assign(harvest=frame["year"] + (crosses & (month >= first)))[inside]
    rows["days"] = pd.to_datetime(rows[["year", "month"]].assign(day=1)).dt.days_in_month
    rows["weighted"] = rows["temperature"] * rows["days"]
    by = rows.groupby(["region", "harvest"])
    whole = ours[ours["coverage"] > 0.999].index
    assert len(whole) >= 3 * 5
    theirs = by["temperature"].agg(["sum", "min", "max", "std"])
    theirs["mean"] = by["weighted"].sum() / by["days"].sum()
    for name in aggregates:
        np.testing.assert_allclose(
            ours.loc[whole, f"temperature_{name}"], theirs.loc[whole, name], rtol=1e-9, err_msg=name
        )
    if crosses:
        december = rows[rows["month"] == 12].set_index(["region", "harvest"])["rainfall"]
        np.testing.assert_allclose(ours.loc[whole, "rainfall_mean_12"], december.loc[whole], rtol=1e-12)


def test_seasonal_values_pass_through(tmp_path: Path) -> None:
    frame = seasonal(4, range(1990, 2000))
    write(tmp_path, "weather", frame)
    ours = features_of(make_settings(tmp_path)).reset_index()
    np.testing.assert_array_equal(ours["temperature_mean"], frame["temperature"])
    np.testing.assert_array_equal(ours["rainfall_sum"], frame["rainfall"])


@pytest.mark.parametrize(
    ("resolution", "feature", "season", "why"),
    [
        ("monthly", {"aggregate": "days_above", "threshold": 30}, {}, "which of|how many of its days"),
        ("season", {"aggregate": "degree_days", "base": 0, "cap": 9}, {}, "how many of its days"),
        ("monthly", {"aggregate": "mean", "window": ["07-10", "07-25"]}, {}, "no whole month"),
        ("monthly", {"aggregate": "std", "every": "month"}, {}, "only one month"),
        ("season", {"aggregate": "mean", "every": "month"}, {}, "can't be divided"),
        ("season", {"aggregate": "std"}, {}, "no spread in one value"),
        ("season", {"aggregate": "mean"}, {"as_of": ["07-31"]}, "as_of"),
    ],
)
def test_features_that_the_data_cannot_give(
    tmp_path: Path, resolution: str, feature: dict[str, Any], season: dict[str, Any], why: str
) -> None:
    settings = make_settings(tmp_path, features=[{"measure": "temperature"} | feature], **season)
    with pytest.raises(SettingsError, match=why):
        make_plan(settings, resolution)  # type: ignore[arg-type]


def test_a_cut_off_ends_windows_and_drops_what_begins_later(tmp_path: Path) -> None:
    write(tmp_path, "weather", daily(2, range(2000, 2003)))
    settings = make_settings(
        tmp_path,
        season={"start": "04-01", "end": "09-30"},
        as_of=["06-15"],
        features=[
            {"measure": "rainfall", "aggregate": "sum", "every": "month"},
            {"measure": "temperature", "aggregate": "mean", "window": ["06-01", "06-30"]},
        ],
    )
    weather = ingest_weather(settings)["main"]
    plan = make_plan(settings, weather.resolution)
    specs = plan.cutoffs["06-15"]
    assert [spec.name for spec in specs] == [
        "rainfall_sum_04", "rainfall_sum_05", "rainfall_sum_06", "temperature_mean",
    ]  # fmt: skip
    x_CF, coverage_C = compute_features(weather.sums, plan, specs)
    frame = daily(2, range(2000, 2003))
    june = frame[(frame["date"].dt.month == 6) & (frame["date"].dt.day <= 15)]
    mean = june.groupby(["region", june["date"].dt.year])["temperature"].mean()
    np.testing.assert_allclose(x_CF[:, 3], mean, rtol=1e-12)
    assert (coverage_C == 1).all()
    months = make_plan(settings, "monthly").cutoffs["06-15"]
    assert [spec.name for spec in months] == ["rainfall_sum_04", "rainfall_sum_05"]
