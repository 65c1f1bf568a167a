"""The figures that the design states for real data, and least squares by numpy on the other sets."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.contracts.season_table import SeasonTable
from tasks.evaluate.naive import naive_predictions
from tasks.normalise.baseline import PLAIN_SEASONS, PLAIN_TREND, Baseline
from tasks.train.fit import fit_exact, fit_model
from tasks.train.origins import predict_ahead
from tests.tasks.worlds import (
    first_model,
    normal_equations,
    real_table,
    settings,
    shared,
    squared,
    us_table,
    with_year,
)

PLAIN: dict[str, Any] = {"trend": [{"half_life": float("inf"), "shrinkage": 0.0}]}


def _both(table: SeasonTable) -> SeasonTable:
    return table.take(~np.isnan(table.y_NT).any(axis=1))


def test_us_weather_only_and_with_year() -> None:
    table = _both(us_table())
    for rows, expected in ((table, 2036.82), (with_year(table), 536.84)):
        model = fit_model(rows.take(rows.year_N < 2010), first_model(baseline="none"), "09-30")
        test = rows.take(rows.year_N >= 2010)
        assert model.record["excess"] <= 1e-6
        assert np.mean((model.predict(test) - test.y_NT) ** 2) == pytest.approx(expected, rel=1e-4)


def test_us_departures_from_the_plain_trend() -> None:
    table = _both(us_table())
    train, test = table.take(table.year_N < 2010), table.take(table.year_N >= 2010)
    trend = Baseline.fit(train, "trend", [PLAIN_TREND], PLAIN_SEASONS)
    alone = trend.predict(test.region_N, test.year_N)
    assert np.mean((alone - test.y_NT) ** 2) == pytest.approx(346.3, rel=1e-3)
    model = fit_model(train, first_model(**PLAIN), "09-30")
    assert model.record["excess"] <= 1e-6
    assert np.mean((model.predict(test) - test.y_NT) ** 2) == pytest.approx(293.1, rel=1e-3)


@pytest.mark.parametrize(
    ("baseline", "corn", "soybeans"),
    [(PLAIN, 433.0, 39.3), ({}, 368.9, 30.2)],
)
def test_us_rolling_origin(baseline: dict[str, Any], corn: float, soybeans: float) -> None:
    table = us_table()
    squares: list[list[float]] = [[], []]
    for year in range(2013, 2023):
        past, now = table.take(table.year_N < year), table.take(table.year_N == year)
        predicted = fit_exact(past, first_model(**baseline), "09-30").predict(now)
        for crop in range(2):
            # rows with the crop and with every naive baseline: grown in the last five calendar years
            recent = past.take((past.year_N >= year - 5) & ~np.isnan(past.y_NT[:, crop])).region_N
            rows = np.isin(now.region_N, recent) & ~np.isnan(now.y_NT[:, crop])
            squares[crop] += ((predicted - now.y_NT)[rows, crop] ** 2).tolist()
    assert [len(crop) for crop in squares] == [2206, 1938]
    assert np.mean(squares[0]) == pytest.approx(corn, rel=1e-2)
    assert np.mean(squares[1]) == pytest.approx(soybeans, rel=1e-2)


def test_us_wheat_season_by_season() -> None:
    """The defaults and squares: weather of March to August, 1998-2007, against the best naive baseline."""
    table = real_table("us_climdiv_medium", ("temperature_c", "rainfall_mm"), ("wheat",), range(3, 9), 1960)
    chosen = settings(features=squared(table.features))
    asked = {year - 1: [year] for year in range(1998, 2008)}
    found = predict_ahead(table, chosen, asked)
    error: list[Any] = []
    naive: dict[str, Any] = {}
    for (origin, season), ahead in found.items():
        past, now = table.take(table.year_N <= origin), table.take(table.year_N == season)
        error.append(ahead.model_ET - now.y_NT)
        for name, y_NT in naive_predictions(past, past, now).items():
            naive.setdefault(name, []).append(y_NT - now.y_NT)
    best = min(np.mean(np.vstack(each) ** 2) for each in naive.values())
    assert 1 - np.mean(np.vstack(error) ** 2) / best >= 0.10


def test_us_maize_seven_seasons_ahead() -> None:
    """CY-Bench's sample: trained up to 2011, tested on 2012-2018; RMSE over the tested rows' mean yield."""
    weather = pd.read_parquet(shared("cybench_us_maize") / "weather.parquet")
    measures = [name for name in weather.columns if name not in ("region", "year")]
    table = real_table("cybench_us_maize", measures, ("maize",))
    train, test = table.take(table.year_N < 2012), table.take(table.year_N >= 2012)
    assert (len(train), len(test)) == (7170, 4137)
    for chosen, nrmse in (
        (first_model(), 0.180),
        (first_model(features=squared(measures)), 0.175),
        (settings(features=squared(measures)), 0.178),
    ):
        model = fit_model(train, chosen, "12-31")
        error_N = (model.predict(test) - test.y_NT)[:, 0]
        assert np.sqrt(np.mean(error_N**2)) / test.y_NT.mean() == pytest.approx(nrmse, abs=6e-4)


def test_fao_and_minnesota_against_numpy() -> None:
    fao = real_table("fao_country", ("temperature_c", "rainfall_mm", "pesticides_tonnes"), ("Maize",))
    barley = real_table(
        "minnesota_barley", ("temperature_f", "rainfall_in"), ("Velvet",), range(4, 8)
    )  # sites and seasons: few rows, many features
    for table in (fao, barley):
        model = fit_model(table, first_model(baseline="none"), "12-31")
        rows = table.take(~np.isnan(table.y_NT[:, 0]))
        line = normal_equations(rows.x_NF, rows.y_NT[:, 0])
        expected = np.mean((rows.x_NF @ line[:-1] + line[-1] - rows.y_NT[:, 0]) ** 2)
        assert model.record["excess"] <= 1e-6
        assert np.mean((model.predict(rows) - rows.y_NT) ** 2) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
def test_default_settings_reach_the_optimum_on_every_real_set(baseline: str) -> None:
    crops = ("Maize", "Potatoes", "Rice, paddy", "Wheat", "Cassava", "Yams")
    tables = [
        us_table(),
        real_table("fao_country", ("temperature_c", "rainfall_mm", "pesticides_tonnes"), crops),
        real_table(
            "minnesota_barley", ("temperature_f", "temperature_max_f", "rainfall_in"),
            ("Velvet", "Peatland", "Glabron"), range(4, 8),
        ),
    ]  # fmt: skip
    for table in tables:
        record = fit_model(table, settings(baseline=baseline), "12-31").record
        assert record["excess"] <= 1e-4
        assert max(record["excess_crops"].values()) <= 1e-4
