"""The work of `cropyield train` by hand: Polars reads and scores, NumPy and scikit-learn fit, a page shows.

`python -m tests.benchmarks.whole_job.peer KIND WEATHER YIELDS OUT`, KIND one of daily, sample, us. The same
features, baselines and fits as the settings of these cases ask for, intervals from rolling origins of 25
seasons for either fit, naive forecasts and scores, a report with the same charts, the same tables as Parquet.
No validation beyond what the sample's dirt needs, no account of rows, no resume, no store. Prints its seconds
and test errors as JSON.
"""

import json
import sys
import time

begin = time.perf_counter()

from collections.abc import Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from tests.benchmarks.whole_job.peer.model import (  # noqa: E402
    LEVELS,
    Array,
    Calibration,
    Fit,
    Grid,
    Widths,
    calibrate,
    fit,
    origins,
)
from tests.benchmarks.whole_job.peer.page import write_page  # noqa: E402
from tests.benchmarks.whole_job.peer.scores import NAIVE, evaluation, metrics, naive_predictions  # noqa: E402

imported = time.perf_counter()

KEY = ["region", "year"]
APRIL, SEPTEMBER, DAYS = 4, 9, 183
TEST_SEASONS, CALIBRATION_SEASONS, LEADS = 5, 25, (1, 2, 3)
CROPS = {"daily": ["apples", "oranges"], "sample": ["apples", "oranges"], "us": ["corn", "soybeans"]}
FIRST_SEASON = {"daily": 1984, "sample": 1994, "us": 1960}
LAST_SEASON = 2023
RANGES = {"temperature": (-60, 60), "rainfall": (0, 3000), "humidity": (0, 100)}
US_MEASURES = ("temperature_c", "rainfall_mm")


def read_features(kind: str, weather: str) -> pl.DataFrame:
    """One row for each region and season of which enough is known, sorted."""
    rows = pl.scan_parquet(f"{weather}/*.parquet" if Path(weather).is_dir() else weather)
    if kind == "daily":
        rows = rows.with_columns(year=pl.col("date").dt.year(), month=pl.col("date").dt.month())
    rows = rows.filter(
        pl.col("month").is_between(APRIL, SEPTEMBER),
        pl.col("year").is_between(FIRST_SEASON[kind], LAST_SEASON),
    )
    if kind == "us":
        monthly = [
            pl.col(measure).filter(pl.col("month") == month).mean().alias(f"{measure[:4]}_{month:02}")
            for measure in US_MEASURES
            for month in range(APRIL, SEPTEMBER + 1)
        ]
        return rows.group_by(KEY).agg(monthly).drop_nulls().collect(engine="streaming").sort(KEY)
    if kind == "daily":
        means = [pl.col("temperature").mean(), pl.col("rainfall").sum(), pl.col("humidity").mean()]
        found = rows.group_by(KEY).agg(*means, days=pl.len())
    else:
        days = pl.date(pl.col("year"), pl.col("month"), 1).dt.days_in_month()
        rows = sound(rows, [*KEY, "month"], RANGES).with_columns(days=days)
        temperature, humidity = (
            (pl.col(name) * pl.col("days")).sum() / pl.col("days").sum()
            for name in ("temperature", "humidity")
        )
        found = rows.group_by(KEY).agg(temperature, pl.col("rainfall").sum(), humidity, pl.col("days").sum())
    enough = found.filter(pl.col("days") >= 0.9 * DAYS).drop("days")
    return enough.collect(engine="streaming").sort(KEY)


def sound(rows: pl.LazyFrame, key: list[str], ranges: Mapping[str, tuple[float, float]]) -> pl.LazyFrame:
    """Without the sample's dirt: what is missing or out of range, copies, rows that contradict each other."""
    good = [pl.col(name).is_finite() & pl.col(name).is_between(*ends) for name, ends in ranges.items()]
    return (
        rows.filter(pl.all_horizontal(*good, pl.col(key).is_not_null()))
        .unique()
        .filter(pl.len().over(key) == 1)
    )


def read_yields(kind: str, yields: str) -> pl.DataFrame:
    """One row for each region, season and crop, with its unit."""
    rows = pl.scan_parquet(f"{yields}/*.parquet" if Path(yields).is_dir() else yields)
    rows = rows.filter(pl.col("crop").is_in(CROPS[kind]), pl.col("year") >= FIRST_SEASON[kind])
    if kind == "sample":
        rows = sound(rows, [*KEY, "crop"], {"yield": (0, np.inf)})
    return rows.select(*KEY, "crop", "yield", "unit").collect()


def lay_out(table: pl.DataFrame, features: list[str], crops: list[str]) -> tuple[Grid, Array, Array]:
    """Regions by years as arrays; with each row's place among them."""
    first, last = (int(table["year"].to_numpy().min()), int(table["year"].to_numpy().max()))
    region = table["region"].rle_id().to_numpy()
    at = table["year"].to_numpy().astype(np.int64) - first
    shape = (int(region[-1]) + 1, last - first + 1)
    x_RYF = np.full((*shape, len(features)), np.nan)
    y_TRY = np.full((len(crops), *shape), np.nan)
    x_RYF[region, at] = table.select(features).to_numpy()
    y_TRY[:, region, at] = table.select(crops).cast(pl.Float64).to_numpy().T
    return Grid(first, x_RYF, y_TRY), region, at


def with_intervals(
    table: pl.DataFrame, of: dict[int, tuple[Widths, Widths]], region: Array, lead: Array
) -> pl.DataFrame:
    """The predictions of one crop with the ends of their intervals, and those around the trend."""
    ends: dict[str, Array] = {}
    for which, prefix, middle in ((0, "", "predicted"), (1, "trend_", "region_trend")):
        if middle not in table.columns:
            continue
        for level in LEVELS:
            half = np.full(len(table), np.nan)
            for least in sorted(of):
                found = of[least][which]
                if level in found.factor:
                    known = found.scale_R * found.factor[level]
                    alone = found.unseen.get(level, np.nan) if which == 0 else np.nan
                    rows = (lead >= least) | (least == min(of))
                    half[rows] = np.append(known, alone)[region[rows]]
            said = table[middle].to_numpy()
            ends[f"{prefix}lower_{level}"] = np.maximum(said - half, np.minimum(0.0, said))
            ends[f"{prefix}upper_{level}"] = said + half
    return table.with_columns(**{name: pl.Series(values, nan_to_null=True) for name, values in ends.items()})


def coefficients(of: Fit, regions: pl.Series, crops: list[str], features: list[str]) -> pl.DataFrame:
    """The model in raw units: intercept at year 0, slope of the trend, weight of each feature."""
    usual_RF = np.vstack((of.mean_RF, of.pooled_F))
    tables = []
    for crop, found in zip(crops, of.crops, strict=True):
        if found is None:
            continue
        values = {
            "intercept": found.level - found.slope * of.origin + found.bias - usual_RF @ found.weight_F,
            "year": found.slope,
        } | dict(zip(features, map(float, found.weight_F), strict=True))
        seen = np.append(of.seen_R, True)
        wide = pl.DataFrame({"region": pl.concat([regions, pl.Series([None], dtype=pl.String)])})
        wide = wide.with_columns(**{name: pl.lit(value) if isinstance(value, float) else pl.Series(value)
                                    for name, value in values.items()}).filter(pl.Series(seen))  # fmt: skip
        long = wide.unpivot(index="region", variable_name="term", value_name="coefficient")
        tables.append(long.with_columns(crop=pl.lit(crop)))
    power = pl.when(pl.col("term") == "intercept").then(0).otherwise(1).cast(pl.Int8).alias("power")
    return (
        pl.concat(tables)
        .select("region", "crop", "term", power, "coefficient")
        .sort("region", "crop", nulls_last=True)
    )


def errors_table(found: Calibration, regions: pl.Series, crops: list[str]) -> pl.DataFrame:
    """The errors that the intervals are made of, a row for each."""
    parts = [
        pl.DataFrame({"region": regions, "error": error_R}).select(
            "region",
            pl.lit(season, pl.Int16).alias("year"),
            pl.lit(crops[at]).alias("crop"),
            pl.lit(lead, pl.Int8).alias("lead"),
            "error",
        )
        for (at, season, lead), error_R in found.errors.items()
    ]
    return pl.concat(parts).filter(pl.col("error").is_not_nan()).sort("region", "year", "crop", "lead")


def main(kind: str, weather: str, yields: str, out: str) -> dict[str, float]:
    """Files in, files out; the test errors of each crop."""
    crops = CROPS[kind]
    seasons, harvests = read_features(kind, weather), read_yields(kind, yields)
    features = [name for name in seasons.columns if name not in KEY]
    units = dict(harvests.select("crop", "unit").unique(keep="any").iter_rows())
    wide = harvests.pivot("crop", index=KEY, values="yield").select(*KEY, *crops)
    table = seasons.join(wide, on=KEY, how="inner").sort(KEY)
    ahead = seasons.join(wide, on=KEY, how="anti").sort(KEY)
    last_all = int(table["year"].to_numpy().max())
    last = int(np.unique(table["year"].to_numpy())[-TEST_SEASONS - 1])
    table = table.with_columns(
        split=pl.when(pl.col("year") <= last).then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    grid, region, at = lay_out(table, features, crops)
    regions = table["region"].unique(maintain_order=True)

    # a fit of the seasons up to a year serves whoever asks for it: both models, and the origins of either
    leads = tuple(range(1, last_all - last + 1))
    asked = {last, last_all}
    asked |= origins(grid, last, leads, CALIBRATION_SEASONS) | origins(
        grid, last_all, LEADS, CALIBRATION_SEASONS
    )
    fits = {origin: fit(grid, origin) for origin in sorted(asked)}
    around = {
        last: calibrate(grid, fits, last, leads, CALIBRATION_SEASONS),
        last_all: calibrate(grid, fits, last_all, LEADS, CALIBRATION_SEASONS),
    }

    naive = naive_predictions(grid, last, fits[last])
    year = table["year"].to_numpy().astype(np.int64)
    known_region = fits[last].seen_R
    position = pl.DataFrame({"region": regions, "at": np.arange(len(regions))})
    later = ahead.join(position, on="region", how="left")["at"].fill_null(-1).to_numpy()
    x_NF, later_NF = table.select(features).to_numpy(), ahead.select(features).to_numpy()
    year_later = ahead["year"].to_numpy().astype(np.int64)
    parts, forecasts = [], []
    for crop_at, crop in enumerate(crops):
        rows = np.flatnonzero(table[crop].is_not_null().to_numpy())
        place = np.where(known_region, np.arange(len(known_region)), -1)[region[rows]]
        said = table[rows].select(
            *KEY, pl.lit(crop).alias("crop"), pl.lit(units[crop]).alias("unit"), "split",
            pl.col(crop).alias("actual"),
            predicted=fits[last].predict(crop_at, place, year[rows], x_NF[rows]),
            baseline=fits[last].baseline(crop_at, place, year[rows]),
            known_region=place >= 0,
            **{name: naive[name][crop_at, region[rows], at[rows]] for name in NAIVE},
        )  # fmt: skip
        parts.append(with_intervals(said, around[last].widths_T[crop_at], region[rows], year[rows] - last))
        said = ahead.select(
            *KEY, pl.lit(crop).alias("crop"), pl.lit(units[crop]).alias("unit"),
            pl.lit("forecast").alias("split"), pl.lit(None, pl.Float64).alias("actual"),
            predicted=fits[last_all].predict(crop_at, later, year_later, later_NF),
            baseline=fits[last_all].baseline(crop_at, later, year_later),
            known_region=later >= 0,
        )  # fmt: skip
        forecasts.append(
            with_intervals(said, around[last_all].widths_T[crop_at], later, year_later - last_all)
        )
    entries = pl.concat(parts)
    scores = evaluation(entries)
    told = metrics(entries, scores)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    shown = [name for name in forecasts[0].columns if not name.startswith("trend_")]
    predictions = pl.concat([entries.select(shown), *(each.select(shown) for each in forecasts)])
    predictions.sort(*KEY, "crop").write_parquet(folder / "predictions.parquet")
    scores.write_parquet(folder / "evaluation.parquet")
    table.write_parquet(folder / "dataset.parquet")
    models = {"published": last_all, "evaluation": last}
    weights = {name: coefficients(fits[origin], regions, crops, features) for name, origin in models.items()}
    for name, origin in models.items():
        weights[name].write_parquet(folder / f"coefficients-{name}.parquet")
        errors_table(around[origin], regions, crops).write_parquet(folder / f"errors-{name}.parquet")
    (folder / "metrics.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    write_page(folder / "report.html", table, entries, scores, told, weights["published"], features, units)
    return {crop: told["test"][crop]["mse"] for crop in crops}


def run(arguments: list[str]) -> dict[str, Any]:
    """The job with its seconds."""
    started = time.perf_counter()
    errors = main(*arguments)
    return {"imports": imported - begin, "job": time.perf_counter() - started, "mse": errors}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1:])))
