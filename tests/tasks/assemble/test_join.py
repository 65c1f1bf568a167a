"""The join, the splits, the crops that are too small, and the account of it all; real data included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import CropyieldError, InputError
from tasks.assemble.join import Assembled, assemble
from tasks.ledger.account import check_ledger, ledger_table
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import daily, make_settings, monthly, write, yields_of

YEARS = range(2001, 2011)


def run(folder: Path, **changes: Any) -> Assembled:
    """Both inputs of a folder, joined."""
    settings = make_settings(folder, **changes)
    return assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Monthly weather of three regions and a year more than the yields have."""
    write(tmp_path, "weather", monthly(3, range(2001, 2012)))
    write(tmp_path, "yields", yields_of(3, YEARS))
    return tmp_path


def test_the_last_seasons_test_and_those_before_validate(world: Path) -> None:
    table = run(world, split={"test_seasons": 3, "validation_seasons": 2}).datasets["12-31"]
    for name, years in {
        "train": range(2001, 2006),
        "validation": (2006, 2007),
        "test": (2008, 2009, 2010),
    }.items():
        assert set(table.of_split(name).year_N.tolist()) == set(years)
    assert table.features == ("temperature_mean", "rainfall_sum")
    assert (np.diff(table.region_N * 10_000 + table.year_N) > 0).all()


def test_weather_without_a_yield_waits_for_the_forecast(world: Path) -> None:
    found = run(world)
    ahead = found.forecast_rows["12-31"]
    assert ahead.year_N.tolist() == [2011] * 3
    assert set(ahead.split_N.tolist()) == {"forecast"}
    assert np.isnan(ahead.y_NT).all()
    assert found.ledger["weather"]["out_of_scope"] == {"weather without a yield": 36}


def test_an_unfinished_season_rejects_nothing_and_serves_its_cut_off(tmp_path: Path) -> None:
    frame = daily(2, range(2001, 2012))
    write(tmp_path, "weather", frame[frame["date"] <= "2011-07-31"])
    write(tmp_path, "yields", yields_of(2, YEARS))
    found = run(tmp_path, season={"start": "04-01", "end": "09-30"}, as_of=["07-31"])
    assert not len(found.rejected)
    assert list(found.datasets) == ["07-31", "09-30"]
    assert len(found.datasets["07-31"]) == len(found.datasets["09-30"]) == 20
    assert found.forecast_rows["07-31"].year_N.tolist() == [2011, 2011]
    assert len(found.forecast_rows["09-30"]) == 0


def test_low_coverage_rejects_the_season_and_leaves_its_yields_without_weather(world: Path) -> None:
    frame = monthly(3, range(2001, 2012))
    hole = (frame["region"] == "R01") & (frame["year"] == 2004) & (frame["month"] > 9)
    write(world, "weather", frame[~hole])
    found = run(world)
    assert found.ledger["weather"]["rejected"] == {"too little of the season covered": 9}
    assert found.ledger["yields"]["out_of_scope"] == {"yield without weather": 2}
    assert {(row["region"], row["date"][:4]) for row in found.rejected.to_pylist()} == {("R01", "2004")}
    assert found.rejected["value"].null_count == 9


def test_a_crop_with_too_few_rows_is_left_out(world: Path) -> None:
    frame = yields_of(3, YEARS)
    few = pd.DataFrame(
        {"region": "R00", "year": [2001, 2002, 2003], "crop": "quinces", "yield": 1.0, "unit": "t/ha"}
    )
    write(world, "yields", pd.concat([few, frame]))
    found = run(world)
    assert found.crops == ("apples", "oranges")
    assert found.ledger["yields"]["rejected"] == {"too few rows for this crop": 3}
    assert found.rejected["row"].to_pylist() == [0, 1, 2]
    assert found.rejected["values"].to_pylist() == ['{"yield": 1.0}'] * 3
    with pytest.raises(InputError, match=r"fewer than the 4 training rows that these .*: quinces 3"):
        run(world, crops=["quinces"], split={"by": "none"})


def test_with_a_ridge_a_crop_may_have_fewer_rows_than_features(world: Path) -> None:
    frame = yields_of(3, YEARS)
    few = pd.DataFrame(
        {"region": "R00", "year": range(2001, 2007), "crop": "rye", "yield": 1.0, "unit": "t/ha"}
    )
    write(world, "yields", pd.concat([few, frame]))
    months = {"features": [{"measure": "rainfall", "aggregate": "sum", "every": "month", "square": True}]}
    assert "rye" in run(world, split={"by": "none"}, **months).crops
    without = run(world, split={"by": "none"}, training={"ridge_seasons": 0}, **months)
    assert "rye" not in without.crops
    assert without.ledger["yields"]["rejected"] == {"too few rows for this crop": 6}


def test_weather_left_with_no_crop_has_no_yield(world: Path) -> None:
    frame = yields_of(3, YEARS)
    only = frame["region"] == "R02"
    frame.loc[only, "crop"] = "quinces"
    write(world, "yields", frame[~only | (frame["year"] < 2004)].drop_duplicates(["region", "year", "crop"]))
    found = run(world)
    assert "R02" not in found.datasets["12-31"].region_names
    assert found.ledger["yields"]["rejected"] == {"too few rows for this crop": 3}
    assert set(found.forecast_rows["12-31"].region_names) == {"R00", "R01", "R02"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": {"test_seasons": 10}}, "split.test_seasons = 10"),
        ({"last_season": 2000}, "none of 0 sound yields"),
        ({"crops": ["aples"]}, "no row of 'aples'; the crops there are apples, oranges"),
        ({"crop_units": {"apples": "kg"}}, "apples has more than one unit: 't/ha' .*'kg'"),
    ],
)
def test_what_stops_a_run(world: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(world, **changes)


def test_mixed_units_stop_the_run(world: Path) -> None:
    frame = yields_of(3, YEARS)
    frame.loc[7, "unit"] = "kg/ha"
    write(world, "yields", frame)
    with pytest.raises(
        InputError, match=r"more than one unit: 't/ha' \(part-0.parquet row \d+\), 'kg/ha' \(part-0"
    ):
        run(world)


def test_regions_that_do_not_match_are_shown(world: Path) -> None:
    frame = yields_of(3, YEARS)
    frame["region"] = frame["region"].str.lower()
    write(world, "yields", frame)
    with pytest.raises(InputError, match=r"regions such as 'r00', 'r01', 'r02'.*regions such as 'R00'"):
        run(world)


def test_own_ranges_of_crops(world: Path) -> None:
    frame = yields_of(3, YEARS)
    frame.loc[0, "yield"] = -1.0  # apples
    frame.loc[3, "yield"] = -1.0  # oranges
    frame.loc[5, "yield"] = 0.0  # a failure counts
    write(world, "yields", frame)
    found = run(world, measures={"apples": {"range": [-5, 50]}})
    assert found.rejected["row"].to_pylist() == [3]


def test_a_ledger_that_does_not_balance_is_a_bug(world: Path) -> None:
    ledger = run(world).ledger
    assert ledger_table(ledger)[-1] == ("rows in", "", [396, 60])
    ledger["yields"]["used"]["train"] += 1
    with pytest.raises(CropyieldError, match="bug: the ledger of yields"):
        check_ledger(ledger)


US = {
    "season": {"start": "04-01", "end": "09-30"},
    "first_season": 1960,
    "crops": ["corn", "soybeans"],
    "weather_columns": {"temperature": "temperature_c", "rainfall": "rainfall_mm"},
    "features": [
        {"measure": measure, "aggregate": "mean", "every": "month"} for measure in ("temperature", "rainfall")
    ],
    "split": {"test_seasons": 13},
}


def real(shared: Path, name: str, **changes: Any) -> Assembled:
    """One of the real data sets."""
    folder = shared / name
    inputs = {what: str(folder / f"{what}.parquet") for what in ("weather", "yields")}
    return run(folder, **(inputs | changes))


def test_us_climate_divisions(shared: Path) -> None:
    found = real(shared, "us_climdiv_medium", **US)
    table = found.datasets["09-30"]
    weather = pd.read_parquet(shared / "us_climdiv_medium" / "weather.parquet")
    yields = pd.read_parquet(shared / "us_climdiv_medium" / "yields.parquet")
    observed = yields[(yields["year"] >= 1960) & yields["crop"].isin(["corn", "soybeans"])]
    known = weather[(weather["year"] >= 1960) & weather["month"].between(4, 9)]
    keys = observed[["region", "year"]].drop_duplicates().merge(known[["region", "year"]].drop_duplicates())
    assert len(table) == len(keys)
    assert found.ledger["weather"]["rows_in"] == len(weather)
    assert (
        found.ledger["weather"]["out_of_scope"]["outside the season"]
        == (~weather["month"].between(4, 9)).sum()
    )
    wide = known.pivot(index=["region", "year"], columns="month", values="rainfall_mm")
    index = pd.MultiIndex.from_arrays([[table.region_names[at] for at in table.region_N], table.year_N])
    np.testing.assert_allclose(table.x_NF[:, 6:], wide.loc[index].to_numpy(), rtol=1e-12)
    assert set(table.of_split("test").year_N.tolist()) == set(range(2010, 2023))
    assert found.crop_units == {"corn": "bu/acre", "soybeans": "bu/acre"}


def test_fao_countries(shared: Path) -> None:
    found = real(
        shared,
        "fao_country",
        weather_columns={"temperature": "temperature_c", "rainfall": "rainfall_mm"},
    )
    assert len(found.crops) == 10
    assert found.ledger["yields"] == {
        "rows_in": 13130, "used": {"train": 13130 - found.ledger["yields"]["used"]["test"],
                                   "test": found.ledger["yields"]["used"]["test"]},
        "rejected": {}, "out_of_scope": {},
    }  # fmt: skip


def test_minnesota_barley(shared: Path) -> None:
    found = real(
        shared,
        "minnesota_barley",
        crops=["Manchuria"],
        first_season=1927,
        max_rejected=0.9,
        season={"start": "04-01", "end": "07-31"},
        weather_columns={"temperature": "temperature_f", "rainfall": "rainfall_in"},
        split={"test_seasons": 2},
    )
    yields = pd.read_parquet(shared / "minnesota_barley" / "yields.parquet")
    mine = yields[(yields["crop"] == "Manchuria") & (yields["year"] >= 1927)]
    single = mine.groupby(["region", "year"])["yield"].nunique() == 1
    rejected = found.ledger["yields"]["rejected"]
    assert rejected.get("duplicate", 0) == mine.duplicated(["region", "year", "yield"]).sum()
    distinct = mine.drop_duplicates(["region", "year", "yield"])
    assert rejected.get("conflicting duplicate", 0) == len(distinct) - single.sum()
