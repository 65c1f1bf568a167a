"""Weather and yields as strangers keep them: one world of known shape, written in many ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

REGIONS = tuple(f"{number:04d}" for number in range(101, 113))
YEARS = range(1991, 2021)
Written = tuple[str, str]


def monthly(southern: bool = False) -> pd.DataFrame:
    """region, year, month, temp, rain, hum."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        [(region, year, month) for region in REGIONS for year in YEARS for month in range(1, 13)],
        columns=["region", "year", "month"],
    )
    warm = -np.cos((frame["month"] - 0.5 + (6 if southern else 0)) / 12 * 2 * np.pi)
    frame["temp"] = (11 + 12 * warm + rng.normal(0, 1.5, len(frame))).round(2)
    frame["rain"] = rng.gamma(4, 20, len(frame)).round(1)
    frame["hum"] = np.clip(60 + rng.normal(0, 10, len(frame)), 5, 100).round(1)
    return frame


def yields_of(weather: pd.DataFrame) -> pd.DataFrame:
    """region, year, crop, yield: wheat and maize, from April to September's weather."""
    rng = np.random.default_rng(6)
    summer = weather[weather["month"].between(4, 9)].groupby(["region", "year"], as_index=False)
    means = summer[["temp", "rain"]].mean()
    parts = []
    for crop, level in (("wheat", 4.0), ("maize", 7.0)):
        value = level + 0.04 * (means["year"] - 1991) - 0.1 * (means["temp"] - 18)
        value += 0.01 * (means["rain"] - 80) + rng.normal(0, 0.2, len(means))
        parts.append(means[["region", "year"]].assign(crop=crop, **{"yield": value.clip(0.1).round(3)}))
    return pd.concat(parts, ignore_index=True)


def write(folder: Path, weather: pd.DataFrame | pa.Table, yields: pd.DataFrame | pa.Table) -> Written:
    """Two files; their places."""
    folder.mkdir(parents=True, exist_ok=True)
    places = []
    for name, table in (("weather", weather), ("yields", yields)):
        made = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
        pq.write_table(made, folder / f"{name}.parquet")
        places.append(str(folder / f"{name}.parquet"))
    return places[0], places[1]


def german(folder: Path) -> Written:
    """Other language and case, umlauts, units in brackets."""
    weather = monthly()
    return write(
        folder,
        weather.rename(
            columns={"region": "Landkreis", "year": "Jahr", "month": "Monat", "temp": "Temperatur (°C)",
                     "rain": "Niederschlag [mm]", "hum": "Luftfeuchtigkeit (%)"}
        ),
        yields_of(weather).rename(
            columns={"region": "LANDKREIS", "year": "Erntejahr", "crop": "Fruchtart",
                     "yield": "Ertrag (t/ha)"}
        ),
    )  # fmt: skip


def spanish_wide(folder: Path) -> Written:
    """Wide yields, a crop a column with its unit."""
    weather = monthly()
    wide = yields_of(weather).pivot(index=["region", "year"], columns="crop", values="yield").reset_index()
    return write(
        folder,
        weather.rename(columns={"region": "municipio", "year": "año", "month": "mes",
                                "temp": "temperatura_media", "rain": "precipitación_mm", "hum": "humedad"}),
        wide.rename(columns={"region": "Municipio", "year": "Año", "wheat": "rendimiento_trigo_t_ha",
                             "maize": "rendimiento_maiz_t_ha"}),
    )  # fmt: skip


def integer_regions(folder: Path) -> Written:
    """Regions as integers on one side and as floats on the other, beside ids and coordinates."""
    weather = monthly()
    yields = yields_of(weather)
    weather = weather.assign(
        region=weather["region"].astype(int), lat=45.0, lon=9.5, station_elev=12.0, id=range(len(weather))
    )
    yields = yields.assign(region=yields["region"].astype(float), id=range(len(yields)), n_fields=3)
    return write(
        folder, weather.rename(columns={"region": "FIPS"}), yields.rename(columns={"region": "county_fips"})
    )


def text_everything(folder: Path) -> Written:
    """Every column is text."""
    weather = monthly()
    return write(folder, weather.astype(str), yields_of(weather).astype(str))


def indexed_and_nullable(folder: Path) -> Written:
    """A pandas index kept as a column, nullable integers, dictionaries of text."""
    weather = monthly().sample(frac=1, random_state=1)
    yields = yields_of(weather)
    yields = yields.astype({"year": "Int32", "crop": "category", "region": "category"})
    weather = weather.astype({"region": "category", "year": "Int16", "month": "Int8"})
    return write(folder, weather, yields.sample(frac=0.9, random_state=2))


def daily(folder: Path, southern: bool = False) -> Written:
    """Timestamps, several temperatures, a file a region in hive folders."""
    months = monthly(southern)
    rng = np.random.default_rng(7)
    dates = pd.date_range(f"{YEARS[0]}-01-01", f"{YEARS[-1]}-12-31", freq="D")
    at = pd.MultiIndex.from_arrays([dates.year, dates.month], names=["year", "month"])
    for region, of_region in list(months.groupby("region"))[:5]:
        by_month = of_region.set_index(["year", "month"])["temp"]
        temp = by_month.reindex(at).to_numpy() + rng.normal(0, 2, len(dates))
        table = pd.DataFrame({"Date": dates, "tmean": temp, "tmax": temp + rng.gamma(5, 1.5, len(dates)),
                              "prcp_mm": rng.gamma(0.3, 9, len(dates))})  # fmt: skip
        part = folder / "weather" / f"station={region}"
        part.mkdir(parents=True)
        table.to_parquet(part / "part-0.parquet")
    yields = yields_of(months)
    (folder / "yields").mkdir(parents=True)
    yields[yields["region"].isin(REGIONS[:5])].to_parquet(folder / "yields" / "all.parquet")
    return str(folder / "weather"), str(folder / "yields")


def southern(folder: Path) -> Written:
    """Warm from October to March."""
    return write(folder, monthly(southern=True), yields_of(monthly(southern=True)))


def single_crop(folder: Path) -> Written:
    """One column of yields and no name of a crop."""
    weather = monthly()
    yields = yields_of(weather)
    return write(folder, weather, yields[yields["crop"] == "wheat"].drop(columns="crop"))


def two_units(folder: Path) -> Written:
    """Crops of different units; another crop in two of them; sentinels and an extreme in the weather."""
    weather = monthly()
    yields = yields_of(weather)
    yields["Unit"] = np.where(yields["crop"] == "wheat", "t/ha", "bu/acre")
    barley = yields[yields["crop"] == "wheat"].assign(crop="barley")
    barley["Unit"] = np.where(barley["year"] < 2000, "t/ha", "kg/ha")
    weather.loc[weather.index[::97], "rain"] = -9999.0
    weather.loc[weather.index[5], "rain"] = 711.0
    return write(folder, weather, pd.concat([yields, barley]))


def one_table(folder: Path) -> Written:
    """Weather and yields of a season in one wide table."""
    weather = monthly()
    seasons = weather.groupby(["region", "year"], as_index=False)[["temp", "rain", "hum"]].mean()
    wide = yields_of(weather).pivot(index=["region", "year"], columns="crop", values="yield").reset_index()
    wide = wide.rename(columns={"wheat": "wheat_yield", "maize": "maize_yield"})
    folder.mkdir(parents=True, exist_ok=True)
    seasons.merge(wide, on=["region", "year"]).to_parquet(folder / "table.parquet")
    return str(folder / "table.parquet"), str(folder / "table.parquet")


def month_dates(folder: Path) -> Written:
    """Monthly values under the first day of the month."""
    weather = monthly()
    yields = yields_of(weather)
    date = pd.to_datetime(weather[["year", "month"]].assign(day=1))
    return write(folder, weather.drop(columns=["year", "month"]).assign(date=date), yields)


def dates_beside_months(folder: Path) -> Written:
    """Year and month, and a date that is the first of the month."""
    weather = monthly()
    date = pd.to_datetime(weather[["year", "month"]].assign(day=1))
    return write(folder, weather.assign(date=date), yields_of(weather))


def growing_months(folder: Path) -> Written:
    """Only the months October to April."""
    weather = monthly(southern=True)
    return write(folder, weather[~weather["month"].between(5, 9)], yields_of(weather))


def few_seasons(folder: Path) -> Written:
    """Three harvest years."""
    weather = monthly()
    return write(folder, weather[weather["year"] < 1994], yields_of(weather))


def gaps(folder: Path) -> Written:
    """One measure is mostly missing, another now and then; a tenth of the yields are exact copies."""
    weather = monthly()
    rng = np.random.default_rng(8)
    weather.loc[rng.random(len(weather)) < 0.5, "hum"] = np.nan
    weather.loc[rng.random(len(weather)) < 0.02, "rain"] = np.nan
    yields = yields_of(weather)
    return write(folder, weather, pd.concat([yields, yields.sample(frac=0.1, random_state=3)]))


def almost_same_names(folder: Path) -> Written:
    """Some regions are written differently in the yields."""
    weather = monthly()
    yields = yields_of(weather)
    weather["region"] = "Area " + weather["region"]
    yields["region"] = ["AREA " + r if r < "0104" else "Area " + r for r in yields["region"]]
    return write(folder, weather, yields)


LAYOUTS: dict[str, Callable[[Path], Written]] = {
    layout.__name__: layout
    for layout in (
        german, spanish_wide, integer_regions, text_everything, indexed_and_nullable, daily, southern,
        single_crop, two_units, one_table, month_dates, dates_beside_months, growing_months, few_seasons,
        gaps, almost_same_names,
    )
}  # fmt: skip
