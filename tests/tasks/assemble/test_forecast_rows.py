"""What is forecast: region-seasons without a yield, each by the latest cut-off its weather serves."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import SettingsError
from data.settings.schema import Settings
from tasks.assemble.forecast_rows import ForecastRows, find_forecast_rows
from tasks.job.forecast_job import Trained
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import (
    CROPS,
    daily,
    make_settings,
    monthly,
    seasonal,
    write,
    yields_of,
)

SEASON = {"season": {"start": "04-01", "end": "09-30"}, "as_of": ["06-30", "07-31"]}
DAYS = ("06-30", "07-31", "09-30")
LAST = 2010


def look(settings: Settings, as_of: date | None = None, days: tuple[str, ...] = DAYS) -> ForecastRows:
    """What there is to forecast for models whose last season is 2010."""
    weather = ingest_weather(settings, as_of=as_of)["main"]
    return find_forecast_rows(
        weather, ingest_yields(settings), settings, Trained("a1", CROPS, days, LAST), CROPS, as_of
    )


def places(found: ForecastRows) -> dict[tuple[str, int], str]:
    """The cut-off of each region-season."""
    return {
        (table.region_names[region], year): day
        for day, table in found.tables.items()
        for region, year in zip(table.region_N.tolist(), table.year_N.tolist(), strict=True)
    }


def world(folder: Path, weather: pd.DataFrame, harvests: pd.DataFrame, **changes: Any) -> Settings:
    write(folder, "weather", weather, row_group_size=500)
    write(folder, "yields", harvests)
    return make_settings(folder, **(SEASON | changes))


@pytest.mark.parametrize(
    ("last", "as_of", "expected"),
    [
        ("2011-12-31", None, "09-30"),
        ("2011-12-31", date(2011, 9, 30), "09-30"),
        ("2011-12-31", date(2011, 9, 29), "07-31"),
        ("2011-12-31", date(2011, 7, 31), "07-31"),
        ("2011-12-31", date(2011, 7, 30), "06-30"),
        ("2011-12-31", date(2012, 3, 1), "09-30"),
        ("2011-08-10", None, "07-31"),
        ("2011-08-10", date(2011, 12, 31), "07-31"),
        ("2011-07-10", date(2011, 8, 31), "06-30"),
    ],
)
def test_the_latest_cut_off_that_has_come_and_is_covered_serves(
    last: str, as_of: date | None, expected: str, tmp_path: Path
) -> None:
    weather = daily(2, range(2008, 2012))
    settings = world(tmp_path, weather[weather["date"] <= last], yields_of(2, range(2008, 2011)))
    found = look(settings, as_of)
    assert places(found) == {("R00", 2011): expected, ("R01", 2011): expected}
    (table,) = found.tables.values()
    assert set(table.split_N.tolist()) == {"forecast"}
    assert np.isfinite(table.x_NF).all()
    assert np.isnan(table.y_NT).all()


def test_every_row_of_weather_is_accounted_for(tmp_path: Path) -> None:
    weather = daily(3, range(2008, 2012))
    hole = (weather["region"] == "R01") & (weather["date"] > "2011-05-15")
    weather.loc[5, "rainfall"] = -1e9
    settings = world(
        tmp_path, weather[~hole], yields_of(3, range(2008, 2011)),
        first_season=2009, measures={"rainfall": {"range": [0, 1e6]}},
    )  # fmt: skip
    found = look(settings, date(2011, 8, 10))
    assert places(found) == {("R00", 2011): "07-31", ("R02", 2011): "07-31"}
    assert (found.short, found.harvested) == (1, 6)
    season, known = 183, 132  # days of a season, and of the last one by 10 August
    assert found.ledger["weather"] == {
        "rows_in": int((~hole).sum()),
        "used": {"forecast": 2 * known},
        "rejected": {"too little of the season covered": 45},
        "out_of_scope": {
            "outside the season": int((~hole).sum()) - 3 * 3 * season - 2 * season - 45,
            "before first_season": 3 * season,
            "after the as-of day": 2 * (season - known),
            "weather with a yield": 6 * season,
        },
    }
    assert set(found.rejected["region"].to_pylist()) == {"R01"}
    assert found.rejected["date"].to_pylist()[-1] == "2011-05-15"


@pytest.mark.parametrize("resolution", ["daily", "monthly"])
def test_what_comes_after_the_day_changes_nothing(resolution: str, tmp_path: Path) -> None:
    """A leak would show: later rows are garbage, of any kind that a file can hold."""
    day = date(2011, 7, 31)
    harvests = yields_of(3, range(2008, 2011))
    if resolution == "daily":
        weather = daily(3, range(2008, 2012))
        later = weather["date"] > pd.Timestamp(day)
    else:
        weather = monthly(3, range(2008, 2012))
        later = (weather["year"] == 2011) & (weather["month"] > 7)
    plain = world(tmp_path / "plain", weather, harvests)
    spoilt = weather.copy()
    garbage = np.resize([np.nan, np.inf, -1e300, 1e6], int(later.sum()))
    for measure in ("temperature", "rainfall"):
        spoilt.loc[later, measure] = garbage
    spoilt = pd.concat([spoilt, spoilt[later]])
    first, second = look(plain, day), look(world(tmp_path / "spoilt", spoilt, harvests), day)
    assert list(first.tables) == list(second.tables) == ["07-31"]
    assert first.tables["07-31"].x_NF.tobytes() == second.tables["07-31"].x_NF.tobytes()
    assert not len(second.rejected)
    counts = [found.ledger["weather"]["out_of_scope"]["after the as-of day"] for found in (first, second)]
    assert 0 < counts[0] < counts[1] == 2 * counts[0]


def test_a_month_that_is_not_over_is_not_known(tmp_path: Path) -> None:
    settings = world(tmp_path, monthly(2, range(2008, 2012)), yields_of(2, range(2008, 2011)))
    assert set(places(look(settings, date(2011, 7, 30))).values()) == {"06-30"}
    assert set(places(look(settings, date(2011, 7, 31))).values()) == {"07-31"}


def test_seasonal_weather_is_known_when_the_season_is_over(tmp_path: Path) -> None:
    settings = world(tmp_path, seasonal(2, range(2008, 2012)), yields_of(2, range(2008, 2011)), as_of=[])
    assert not len(look(settings, date(2011, 9, 29), ("09-30",)))
    assert places(look(settings, date(2011, 9, 30), ("09-30",))) == {
        ("R00", 2011): "09-30", ("R01", 2011): "09-30",
    }  # fmt: skip


def test_a_season_that_crosses_new_year_belongs_to_the_year_it_ends_in(tmp_path: Path) -> None:
    weather = daily(2, range(2007, 2012))
    settings = world(
        tmp_path, weather[weather["date"] >= "2007-10-01"], yields_of(2, range(2008, 2011)),
        season={"start": "10-01", "end": "05-31"}, as_of=["12-31", "02-29"],
    )  # fmt: skip
    days = ("12-31", "02-29", "05-31")
    for as_of, expected in (
        (date(2010, 12, 31), "12-31"), (date(2011, 2, 27), "12-31"), (date(2011, 2, 28), "02-29"),
        (date(2011, 5, 31), "05-31"),
    ):  # fmt: skip
        assert places(look(settings, as_of, days)) == {("R00", 2011): expected, ("R01", 2011): expected}


def test_gaps_of_the_past_are_filled_and_single_crops_only_after_the_last_season(tmp_path: Path) -> None:
    harvests = yields_of(3, range(2008, 2012))
    gone = (harvests["region"] == "R00") & (harvests["year"] == 2009)
    lone = (harvests["region"] == "R01") & (harvests["year"] == 2008) & (harvests["crop"] == "apples")
    late = (harvests["region"] == "R02") & (harvests["year"] == 2011) & (harvests["crop"] == "apples")
    settings = world(tmp_path, daily(3, range(2008, 2012)), harvests[~gone & ~lone & ~late])
    found = look(settings)
    assert places(found) == {("R00", 2009): "09-30", ("R02", 2011): "09-30"}
    assert np.isnan(found.tables["09-30"].y_NT).tolist() == [[True, True], [True, False]]
    alone = find_forecast_rows(
        ingest_weather(settings)["main"],
        ingest_yields(settings),
        settings,
        Trained("a1", CROPS, DAYS, LAST),
        ("apples",),
    )
    assert set(places(alone)) == {("R00", 2009), ("R01", 2008), ("R02", 2011)}


def test_nothing_to_forecast_is_no_error(tmp_path: Path) -> None:
    settings = world(tmp_path, daily(2, range(2008, 2012)), yields_of(2, range(2008, 2012)))
    for as_of in (None, date(2011, 5, 15), date(1999, 1, 1)):
        found = look(settings, as_of)
        assert len(found) == 0
        assert found.tables == {}


@pytest.mark.parametrize(
    ("last", "as_of", "said"),
    [
        ("2011-05-15", None, r'as_of = \["05-15", "06-30", "07-31"\]'),
        ("2011-12-31", date(2011, 5, 15), r'as of 2011-05-15.*--set .as_of=\["05-15", "06-30", "07-31"\]'),
        ("2011-06-20", date(2011, 7, 10), r"up to 06-20 only .*which are for 06-30, 07-31, 09-30"),
    ],
)
def test_a_season_that_no_model_serves_says_what_to_train(
    last: str, as_of: date | None, said: str, tmp_path: Path
) -> None:
    weather = daily(2, range(2008, 2012))
    harvests = yields_of(2, range(2008, 2011))
    settings = world(tmp_path, weather[weather["date"] <= last], harvests, min_coverage=0.95)
    with pytest.raises(SettingsError, match=said) as caught:
        look(settings, as_of)
    assert "2011" in str(caught.value)
    assert "a1" in str(caught.value)


def test_the_remedy_for_a_further_season_is_of_that_season(tmp_path: Path) -> None:
    weather = daily(2, range(2008, 2012))
    harvests = yields_of(2, range(2008, 2011))
    settings = world(tmp_path, weather[weather["date"] <= "2011-05-15"], harvests, min_coverage=0.95)
    summer = Trained("a1", CROPS, DAYS, LAST, "summer")
    with pytest.raises(SettingsError) as caught:
        find_forecast_rows(ingest_weather(settings)["main"], ingest_yields(settings), settings, summer, CROPS)
    key, listed = "seasons.summer.as_of", '["05-15", "06-30", "07-31"]'
    assert f"with {key} = {listed} in the settings" in str(caught.value)
    assert f"--set '{key}={listed}'" in str(caught.value)


def test_rows_that_were_rejected_are_named_where_a_season_ends_early_for_them(tmp_path: Path) -> None:
    """Somebody typed -999 for all of June: more weather wouldn't have helped."""
    weather = daily(2, range(2008, 2012))
    weather = weather[weather["date"] <= "2011-06-30"].reset_index(drop=True)
    june = weather["date"] > "2011-05-31"
    spoilt = weather.assign(rainfall=weather["rainfall"].where(~june, -999.0))
    early = weather["date"].between("2011-04-03", "2011-04-04")  # which the season can do without
    spoilt.loc[early, "rainfall"] = -998.0
    measures = {"rainfall": {"range": [0, 500]}}
    with pytest.raises(SettingsError) as caught:
        look(world(tmp_path, spoilt, yields_of(2, range(2008, 2011)), measures=measures))
    assert "has weather up to 05-31 only" in str(caught.value)
    told = "60 rows of weather after that day were rejected (outside the valid range 60, for example "
    assert told in str(caught.value)
    assert re.search(r"rainfall = -999(\.0)?\)\): mend them, or train one for that day", str(caught.value))
    assert "-998" not in str(caught.value)


def test_the_remedy_trains_where_it_is_followed(tmp_path: Path) -> None:
    weather = daily(2, range(2008, 2012))
    weather = weather[weather["date"] <= "2011-05-15"]
    settings = world(tmp_path, weather, yields_of(2, range(2008, 2011)), as_of=["05-15", "06-30", "07-31"])
    assert set(places(look(settings)).values()) == {"05-15"}


def test_before_the_first_feature_there_is_nothing_to_train(tmp_path: Path) -> None:
    weather = daily(2, range(2008, 2012))
    late = [{"measure": "rainfall", "aggregate": "sum", "window": ["06-01", "06-30"]}]
    settings = world(
        tmp_path, weather[weather["date"] <= "2011-05-15"], yields_of(2, range(2008, 2011)), features=late
    )
    with pytest.raises(SettingsError, match="no feature is known by then: wait for more weather"):
        look(settings)


def test_holes_in_a_season_that_is_over_are_rejected_not_refused(tmp_path: Path) -> None:
    weather = daily(2, range(2008, 2012))
    hole = (weather["date"] >= "2011-04-10") & (weather["date"] < "2011-09-20")
    found = look(world(tmp_path, weather[~hole], yields_of(2, range(2008, 2011))))
    assert (len(found), found.short) == (0, 2)
    assert found.ledger["weather"]["rejected"] == {"too little of the season covered": 40}
