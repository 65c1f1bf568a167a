"""The exported model predicts what the model predicts, in every tool and under every name."""

import sqlite3
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from data.contracts.columns import INTERCEPT
from data.contracts.season_table import Floats, SeasonTable
from data.errors import InputError
from data.settings.schema import Settings
from tasks.model.model import Model
from tasks.model.sql import predict_sql
from tasks.train.fit import fit_exact, fit_model

NASTY_REGIONS = ("'; DROP TABLE features; --", 'say "hi"', "back\\slash", "two\nlines", "Ä-ö 東", "0101", "")
NASTY_FEATURES = ('a "quoted" name', "it's", "sum(rain); --", "select")
TOOLS = ("duckdb", "sqlite")


def world(
    regions: tuple[str, ...], features: tuple[str, ...], years: int = 12, crops: tuple[str, ...] = ("a", "b")
) -> SeasonTable:
    """A season of each region and year with a trend, weather and noise; `year` is the harvest year."""
    draw = np.random.default_rng(7)
    names = tuple(sorted(regions))
    R, N = len(names), len(names) * years
    region_N, year_N = np.repeat(np.arange(R), years), np.tile(np.arange(2000, 2000 + years), R)
    x_NF = draw.normal(20, 5, (N, len(features)))
    if "year" in features:
        x_NF[:, features.index("year")] = year_N
    level_RT = draw.normal(50, 10, (R, len(crops)))
    y_NT = level_RT[region_N] + 0.7 * (year_N[:, None] - 2000)
    y_NT = y_NT + x_NF @ draw.normal(0, 1, (len(features), len(crops))) + draw.normal(0, 1, (N, len(crops)))
    return SeasonTable(names, region_N, year_N, np.full(N, "train"), features, x_NF, crops, y_NT)


def settings(**change: Any) -> Settings:
    base = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "t", "aggregate": "mean"}]}
    return Settings.model_validate(base | change)


def squares(*features: str) -> list[dict[str, Any]]:
    """Settings of features by their names, each with its square; a measure of no unit can have any name."""
    return [{"measure": "t", "aggregate": "mean", "name": name, "square": True} for name in features]


def with_strangers(table: SeasonTable) -> SeasonTable:
    """The same rows, every third in a region that nobody has seen."""
    region_N = table.region_N.copy()
    region_N[::3] += len(table.region_names)
    return SeasonTable(
        (*table.region_names, *(f"~{name}" for name in table.region_names)),
        region_N, table.year_N, table.split_N, table.features, table.x_NF, table.crops, table.y_NT,
    )  # fmt: skip


def features_of(table: SeasonTable) -> pd.DataFrame:
    frame = pd.DataFrame(table.x_NF, columns=list(table.features))
    frame["region"] = pd.Series([table.region_names[at] for at in table.region_N], dtype=object)
    frame["year"] = table.year_N
    return frame


def ask(tool: str, sql: str, features: pd.DataFrame) -> pd.DataFrame:
    if tool == "duckdb":
        with duckdb.connect() as data_base:
            data_base.register("given", features)
            data_base.execute("CREATE TABLE features AS SELECT * FROM given")
            return data_base.execute(sql).df()
    lite = sqlite3.connect(":memory:")
    try:
        features.to_sql("features", lite, index=False)
        return pd.read_sql_query(sql, lite)
    finally:
        lite.close()


def expected(model: Model, table: SeasonTable) -> pd.DataFrame:
    """Model.predict, laid out and sorted as the SQL's result."""
    N, T = len(table), len(model.crops)
    frame = pd.DataFrame(
        {
            "region": np.repeat(np.array(table.region_names, dtype=object)[table.region_N], T),
            "year": np.repeat(table.year_N, T),
            "crop": list(model.crops) * N,
            "predicted": model.predict(table).reshape(-1),
            "known_region": np.repeat(model.known(table), T),
        }
    )
    return frame.sort_values(["region", "year", "crop"], kind="stable").reset_index(drop=True)


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame, relative: float = 1e-12) -> None:
    assert list(found.columns) == ["region", "year", "crop", "predicted", "known_region"]
    for key in ("region", "year", "crop"):
        assert found[key].tolist() == wanted[key].tolist()
    assert found["known_region"].astype(bool).tolist() == wanted["known_region"].tolist()
    # of the yields' size: a prediction near zero is a difference of large numbers in any order
    size = np.abs(wanted["predicted"]).max()
    np.testing.assert_allclose(found["predicted"], wanted["predicted"], rtol=relative, atol=relative * size)


def by_coefficients(model: Model, table: SeasonTable) -> Floats:
    """y_NT from the long table of coefficients alone."""
    long = model.coefficients().to_pandas()
    rows = features_of(table).assign(**{INTERCEPT: 1.0})
    known = set(long["region"].dropna())
    y_NT = np.zeros((len(table), len(model.crops)))
    for at, crop in enumerate(model.crops):
        of_crop = long[long["crop"] == crop]
        of_crop = of_crop.set_index(["term", "power"])
        own = {region: rest["coefficient"] for region, rest in of_crop.groupby("region")}
        pooled = of_crop[of_crop["region"].isna()]["coefficient"]
        for n, row in enumerate(rows.to_dict("records")):
            line = own[row["region"]] if row["region"] in known else pooled
            y_NT[n, at] = sum(value * row[term] ** power for (term, power), value in line.items())
    return y_NT


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("features", [("rain", "heat"), ("rain", "year")])
def test_every_baseline(tool: str, baseline: str, features: tuple[str, ...]) -> None:
    table = world(("alpha", "beta", "gamma"), features)
    model = fit_exact(table, settings(baseline=baseline, features=squares("rain")), "09-30")
    asked = with_strangers(table)
    assert_same(ask(tool, predict_sql(model), features_of(asked)), expected(model, asked))


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
def test_the_table_of_coefficients_predicts_the_same(baseline: str) -> None:
    table = world(("alpha", "beta", "gamma"), ("rain", "heat"))
    model = fit_exact(table, settings(baseline=baseline), "09-30")
    asked = with_strangers(table)
    np.testing.assert_allclose(by_coefficients(model, asked), model.predict(asked), rtol=1e-12)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_model_trained_by_sgd_and_read_back(tool: str) -> None:
    table = world(("alpha", "beta"), ("rain", "heat"))
    trained = fit_model(table, settings(training={"epochs": 5, "device": "cpu"}), "07-31")
    model = Model.from_bytes(trained.to_bytes())
    assert predict_sql(model) == predict_sql(trained)
    assert_same(ask(tool, predict_sql(model), features_of(table)), expected(model, table))


@pytest.mark.parametrize("tool", TOOLS)
def test_names_are_only_names(tool: str) -> None:
    table = world(NASTY_REGIONS, NASTY_FEATURES, crops=("corn'; --", 'the "other"'))
    model = fit_exact(table, settings(), "09-30")
    asked = with_strangers(table)
    assert_same(ask(tool, predict_sql(model), features_of(asked)), expected(model, asked))


@pytest.mark.parametrize("tool", TOOLS)
def test_thousands_of_regions(tool: str) -> None:
    table = world(tuple(f"r{number:05d}" for number in range(3000)), ("rain", "heat"), years=2)
    model = fit_exact(table, settings(), "09-30")
    asked = with_strangers(table)
    assert_same(ask(tool, predict_sql(model), features_of(asked)), expected(model, asked))


@pytest.mark.parametrize("tool", TOOLS)
def test_more_features_than_an_expression_is_deep(tool: str) -> None:
    table = world(("alpha", "beta"), tuple(f"f{number}" for number in range(1200)))
    model = fit_exact(table, settings(training={"ridge_seasons": 1.0}), "09-30")
    assert_same(ask(tool, predict_sql(model), features_of(table)), expected(model, table), 1e-9)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_unknown_stays_unknown(tool: str) -> None:
    table = world(("alpha", "beta"), ("rain", "heat"), crops=("a", "never"))
    table.y_NT[:, 1] = np.nan
    model = fit_exact(table, settings(), "09-30")
    features = features_of(table)
    features.loc[features.index[0], "rain"] = None
    found = ask(tool, predict_sql(model), features)
    assert found.loc[found["crop"] == "never", "predicted"].isna().all()
    observed = found[found["crop"] == "a"]["predicted"]
    assert observed.isna().tolist() == [True] + [False] * (len(observed) - 1)


@pytest.mark.parametrize("tool", TOOLS)
def test_regions_that_are_numbers_in_the_features(tool: str) -> None:
    table = world(("101", "7"), ("rain", "heat"))
    model = fit_exact(table, settings(), "09-30")
    features = features_of(table).assign(region=lambda frame: frame["region"].astype(int))
    assert_same(ask(tool, predict_sql(model), features), expected(model, table))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_feature_is_an_error_not_a_string(tool: str) -> None:
    """SQLite reads a quoted name that no column has as a string, unless it is qualified."""
    table = world(("alpha", "beta"), ("rain", "heat"))
    sql = predict_sql(fit_exact(table, settings(), "09-30"))
    with pytest.raises((duckdb.Error, pd.errors.DatabaseError), match="heat"):
        ask(tool, sql, features_of(table).drop(columns="heat"))


@pytest.mark.parametrize("features", [("rain", "Rain"), ("rain", "REGION"), ("rain", "Year"), ("a\0b", "c")])
def test_names_that_sql_cannot_hold(features: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="name"):
        predict_sql(fit_exact(world(("alpha", "beta"), features), settings(), "09-30"))


def test_equal_models_give_equal_text() -> None:
    table = world(("alpha", "beta"), ("rain", "heat"))
    first, second = (predict_sql(fit_exact(table, settings(), "09-30")) for _ in range(2))
    assert first == second
