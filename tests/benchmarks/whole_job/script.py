"""The whole job as somebody would write it by hand in an afternoon: Polars reads, scikit-learn fits.

`python script.py KIND WEATHER YIELDS OUT`, KIND one of daily, sample, us. It computes what `cropyield
train` does: the same features, a trend for each region, a regression of departures on departures,
tested on the last five seasons, then fitted on all and written out. It validates nothing, keeps no
account of rows and has no intervals, report or manifest. Prints its seconds and test errors as JSON.
"""

import json
import sys
import time

begin = time.perf_counter()

from pathlib import Path  # noqa: E402

import polars as pl  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402
from sklearn.metrics import mean_squared_error  # noqa: E402

imported = time.perf_counter()

KEY = ["region", "year"]
MONTHS = (4, 9)
TEST_SEASONS = 5
SEASONS_FOR_A_TREND = 10
CROPS = {"daily": ["apples", "oranges"], "sample": ["apples", "oranges"], "us": ["corn", "soybeans"]}
FIRST_SEASON = {"daily": 1984, "sample": 1994, "us": 1960}


def read_features(kind: str, weather: str) -> pl.DataFrame:
    """One row for each region and season."""
    rows = pl.scan_parquet(f"{weather}/*.parquet" if Path(weather).is_dir() else weather)
    if kind == "daily":
        rows = rows.with_columns(year=pl.col("date").dt.year(), month=pl.col("date").dt.month())
    rows = rows.filter(pl.col("month").is_between(*MONTHS), pl.col("year") >= FIRST_SEASON[kind])
    if kind == "us":
        each_month = [
            pl.col(measure).filter(pl.col("month") == month).mean().alias(f"{measure}_{month:02}")
            for measure in ("temperature_c", "rainfall_mm")
            for month in range(MONTHS[0], MONTHS[1] + 1)
        ]
        return rows.group_by(KEY).agg(each_month).drop_nulls().collect(engine="streaming")
    if kind == "sample":  # it has some dirt that would end in NaN
        measures = ("temperature", "rainfall", "humidity")
        rows = rows.filter(pl.col(name).is_finite() for name in measures).drop_nulls().unique([*KEY, "month"])
    return (
        rows.group_by(KEY)
        .agg(pl.col("temperature").mean(), pl.col("rainfall").sum(), pl.col("humidity").mean())
        .collect(engine="streaming")
    )


def read_yields(kind: str, yields: str) -> pl.DataFrame:
    """One row for each region, season and crop."""
    rows = pl.read_parquet(f"{yields}/*.parquet" if Path(yields).is_dir() else yields)
    rows = rows.filter(pl.col("crop").is_in(CROPS[kind]), pl.col("year") >= FIRST_SEASON[kind])
    if kind == "sample":
        rows = rows.filter(pl.col("yield").is_finite()).drop_nulls().unique([*KEY, "crop"])
    return rows.select(*KEY, "crop", "yield")


def with_departures(table: pl.DataFrame, train: pl.DataFrame, features: list[str]) -> pl.DataFrame:
    """Each region's straight line over the training seasons, and departures from it and from its weather."""
    year = pl.col("year").cast(pl.Float64)
    slope = pl.cov(year, pl.col("yield")) / year.var()
    enough = train.filter(pl.len().over("region") >= SEASONS_FOR_A_TREND)
    lines = enough.group_by("region").agg(
        slope.alias("slope"),
        (pl.col("yield").mean() - slope * year.mean()).alias("level"),
        *(pl.col(name).mean().alias(f"usual_{name}") for name in features),
    )
    return (
        table.join(lines, on="region")
        .with_columns(baseline=pl.col("level") + pl.col("slope") * pl.col("year"))
        .with_columns(
            *((pl.col(name) - pl.col(f"usual_{name}")).alias(f"departure_{name}") for name in features),
            departure=pl.col("yield") - pl.col("baseline"),
        )
    )


def main(kind: str, weather: str, yields: str, out: str) -> None:
    """Files in, files out."""
    seasons, harvests = read_features(kind, weather), read_yields(kind, yields)
    features = [name for name in seasons.columns if name not in KEY]
    inputs = [f"departure_{name}" for name in features]
    predictions, coefficients, errors = [], [], {}
    for crop in CROPS[kind]:
        table = harvests.filter(pl.col("crop") == crop).join(seasons, on=KEY).sort(KEY)
        last = int(table["year"].to_numpy().max()) - TEST_SEASONS
        is_train = pl.col("year") <= last

        # judged by what it learns from the training seasons
        judged = with_departures(table, table.filter(is_train), features)
        train = judged.filter(is_train)
        model = LinearRegression().fit(train.select(inputs).to_numpy(), train["departure"].to_numpy())
        predicted = judged["baseline"].to_numpy() + model.predict(judged.select(inputs).to_numpy())
        judged = judged.with_columns(predicted=pl.Series(predicted))
        test = judged.filter(~is_train)
        errors[crop] = mean_squared_error(test["yield"], test["predicted"])
        predictions.append(judged.select(*KEY, "crop", "predicted", "baseline", actual="yield"))

        # published with what it learns from all
        whole = with_departures(table, table, features)
        model = LinearRegression().fit(whole.select(inputs).to_numpy(), whole["departure"].to_numpy())
        weights = dict(zip(features, map(float, model.coef_), strict=True))
        lines = whole.group_by("region").agg(
            pl.col("slope", "level", *(f"usual_{n}" for n in features)).first()
        )
        constant = pl.col("level") + float(model.intercept_)
        for name, weight in weights.items():
            constant = constant - weight * pl.col(f"usual_{name}")
        regional = lines.select("region", intercept=constant, year="slope").unpivot(
            index="region", variable_name="term", value_name="coefficient"
        )
        common = pl.DataFrame({"term": list(weights), "coefficient": list(weights.values())})
        coefficients.append(
            pl.concat([regional, common], how="diagonal")
            .with_columns(crop=pl.lit(crop))
            .sort("region", "term")
        )
    Path(out).mkdir(parents=True, exist_ok=True)
    pl.concat(predictions).sort(*KEY, "crop").write_parquet(f"{out}/predictions.parquet")
    pl.concat(coefficients).write_parquet(f"{out}/coefficients.parquet")
    done = time.perf_counter()
    print(json.dumps({"imports": imported - begin, "job": done - imported, "mse": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
