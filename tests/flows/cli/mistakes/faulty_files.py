"""Files with the faults that newcomers' files have, beside settings that would fit sound ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.odd_files import YEARS, Written, monthly, write, yields_of

SETTINGS = """\
weather = "weather.parquet"
yields = "yields.parquet"
store = "store"

[measures.temp]
unit = "°C"
range = [-60, 60]

[[features]]
measure = "temp"
aggregate = "mean"

[split]
test_seasons = 3
"""


def with_yields(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Written:
    """Sound weather beside yields with a fault."""
    weather = monthly()
    return write(folder, weather, change(yields_of(weather)))


def by_year(yields: pd.DataFrame) -> pd.DataFrame:
    """A column a year, a row for each region and crop."""
    return yields.pivot(index=["region", "crop"], columns="year", values="yield")


def fahrenheit(folder: Path) -> Written:
    weather = monthly()
    weather["temp"] = (weather["temp"] * 1.8 + 32 + 35).round(1)  # a hot place
    return write(folder, weather, yields_of(weather))


def kelvin(folder: Path) -> Written:
    weather = monthly()
    weather["temp"] += 273.15
    return write(folder, weather, yields_of(weather))


def coded(folder: Path) -> Written:
    weather = monthly()
    weather.loc[weather.index % 3 == 0, "temp"] = -9999.0
    return write(folder, weather, yields_of(weather))


def split_years(folder: Path) -> Written:
    return with_yields(
        folder, lambda of: of.assign(year=[f"{year - 1}/{year % 100:02d}" for year in of["year"]])
    )


def buddhist_years(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(year=of["year"] + 543))


def text_years(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(year=of["year"].astype(str)))


def shouting_regions(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    weather["region"], yields["region"] = "area " + weather["region"], "AREA " + yields["region"]
    return write(folder, weather, yields)


def short_codes(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(region=of["region"].astype(int)))


def mixed_units(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(unit=np.where(of["year"] < 2000, "t/ha", "kg/ha")))


def unit_of_late(folder: Path) -> Written:
    """Most yields in one unit, the newest in another."""
    return with_yields(folder, lambda of: of.assign(unit=np.where(of["year"] < 2015, "t/ha", "kg/ha")))


def no_region(folder: Path) -> Written:
    weather = monthly()
    return write(folder, weather.drop(columns="region"), yields_of(weather))


def no_time(folder: Path) -> Written:
    weather = monthly()
    stamp = [f"week {n}" for n in range(len(weather))]
    return write(folder, weather.drop(columns=["year", "month"]).assign(period=stamp), yields_of(weather))


def us_dates(folder: Path) -> Written:
    weather = monthly()
    date = [f"{month:02d}/01/{year}" for year, month in zip(weather["year"], weather["month"], strict=True)]
    return write(folder, weather.drop(columns=["year", "month"]).assign(date=date), yields_of(weather))


def three_columns(folder: Path) -> Written:
    dates = pd.DataFrame({"d": pd.date_range("2000-01-01", "2001-12-31")})
    weather = pd.DataFrame({"region": "0101", "year": dates["d"].dt.year, "month": dates["d"].dt.month,
                            "day": dates["d"].dt.day, "temp": 1.0})  # fmt: skip
    return write(folder, weather, yields_of(monthly()))


def normals(folder: Path) -> Written:
    weather = monthly()
    yields = yields_of(weather)
    weather["temp"] = weather["region"].astype(float)
    return write(folder, weather[["region", "year", "month", "temp"]], yields)


def other_years(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(year=of["year"] - 100))


def many_stations(folder: Path) -> Written:
    weather = monthly()
    stations = [weather.assign(gauge=f"g{n}", temp=weather["temp"] + n) for n in range(4)]
    return write(folder, pd.concat(stations, ignore_index=True), yields_of(weather))


def tidy(folder: Path) -> Written:
    weather = monthly()[["region", "year", "month", "temp", "rain"]]
    long = weather.melt(["region", "year", "month"], var_name="variable", value_name="value")
    units = long["variable"].map({"temp": "°C", "rain": "mm"})
    return write(folder, long.assign(unit=units)[["unit", *long]], yields_of(monthly()))


def two_versions(folder: Path) -> Written:
    weather = monthly()
    both = pd.concat([weather, weather.assign(temp=weather["temp"] + 1)], ignore_index=True)
    return write(folder, both, yields_of(weather))


def only_text(folder: Path) -> Written:
    return with_yields(folder, lambda of: of.assign(**{"yield": "good"}))


def decimal_commas(folder: Path) -> Written:
    def commas(value: float) -> str:
        return f"{value:.2f}".replace(".", ",")

    return with_yields(folder, lambda of: of.assign(**{"yield": of["yield"].map(commas)}))


def column_a_year(folder: Path) -> Written:
    """Yields as a spreadsheet has them."""
    return with_yields(folder, lambda of: by_year(of).reset_index().rename(columns=str))


def column_a_year_and_flag(folder: Path) -> Written:
    """Yields as FAO's bulk files have them: Y1991, Y1991F, …; one of them is missing."""
    weather = monthly()
    wide = by_year(yields_of(weather))
    wide.iloc[0, 0] = np.nan
    columns: dict[str, pd.Series | str] = {}
    for year in wide:
        columns |= {f"Y{year}": wide[year], f"Y{year}F": "A"}
    named = pd.DataFrame(columns).reset_index().rename(columns={"region": "Area", "crop": "Item"})
    return write(folder, weather, named)


def years_in_kg(folder: Path) -> Written:
    """A column a year whose kg/ha could be years."""

    def spelt(name: object) -> str:
        return f"year {name}" if name in YEARS else str(name)

    return with_yields(
        folder, lambda of: by_year(of).mul(40).add(1700).round().reset_index().rename(columns=spelt)
    )
