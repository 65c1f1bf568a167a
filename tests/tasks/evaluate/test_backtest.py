"""Backtests: nothing leaks from later, and the figures on real yields that the project is held to."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from data.contracts.season_table import SeasonTable
from data.errors import InputError
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.evaluate.backtest import PEEKING, backtest_season, backtest_seasons, skill_curve, summarise
from tasks.evaluate.calibration import calibrate
from tasks.evaluate.hindcast import Hindcast, from_arrow, join, to_arrow
from tasks.evaluate.metrics import Scored, evaluate
from tasks.evaluate.predictions import predictions_of
from tasks.train.fit import fit_exact, fit_model
from tests.forecasters import random_table
from tests.us_data import CROPS, us_settings, us_table

CUTOFFS = {"05-31": 5, "06-30": 6, "07-31": 7, "09-30": 9}


def _settings(**changes: Any) -> Settings:
    raw = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "rain", "aggregate": "sum"}]}
    return parse_settings(raw | {"training": {"epochs": 5}} | changes, "test")


def _bytes(made: Hindcast) -> bytes:
    """Everything that was said, but not what was harvested."""
    said = predictions_of([made], "run").drop_columns(["actual"])
    numbers = [made.naive[name] for name in sorted(made.naive)] + list(made.trend_half_width.values())
    return repr(said.to_pydict()).encode() + b"".join(values.tobytes() for values in numbers)


def _spoilt(table: SeasonTable, season: int) -> SeasonTable:
    """Garbage in every later season, and in the yields of the season itself."""
    rng = np.random.default_rng(7)
    x_NF, y_NT = table.x_NF.copy(), table.y_NT.copy()
    later_N, hidden_N = table.year_N > season, table.year_N >= season
    x_NF[later_N] = rng.normal(1e6, 1e6, size=x_NF[later_N].shape)
    observed_NT = hidden_N[:, None] & np.isfinite(y_NT)
    y_NT[observed_NT] = rng.normal(-1e6, 1e6, size=observed_NT.sum())
    return replace(table, x_NF=x_NF, y_NT=y_NT)


def hindcast_of(*given: Any, **more: Any) -> Hindcast:
    return backtest_season(*given, **more).hindcast


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("scaling", ["standard", "whiten"])
def test_nothing_later_changes_a_byte(baseline: str, scaling: str) -> None:
    table = random_table(seasons=30)
    settings = _settings(baseline=baseline, training={"epochs": 5, "scaling": scaling})
    for season in (2020, 2025):
        made = hindcast_of(table, settings, "12-31", season)
        assert _bytes(hindcast_of(_spoilt(table, season), settings, "12-31", season)) == _bytes(made)
        without = table.take(table.year_N <= season)
        assert _bytes(hindcast_of(without, settings, "12-31", season)) == _bytes(made)
    assert not np.isnan(made.half_width[95][made.crop_E == 0]).any()


def test_yields_of_test_seasons_change_no_byte_of_an_evaluation() -> None:
    table, settings = random_table(seasons=30, first_test=2025), _settings()

    def said(rows: SeasonTable) -> bytes:
        train = rows.of_split("train")
        kept = replace(rows, crops=rows.crops[:2], y_NT=rows.y_NT[:, :2])
        trained = replace(train, crops=train.crops[:2], y_NT=train.y_NT[:, :2])
        model = fit_model(trained, settings, "12-31")
        return _bytes(evaluate(model, kept, calibrate(trained, settings), "12-31"))

    spoilt = _spoilt(table, 2025)
    spoilt = replace(spoilt, x_NF=table.x_NF)  # the weather of the season predicted is known
    assert said(spoilt) == said(table)


def test_the_table_s_own_split_plays_no_part() -> None:
    table, settings = random_table(seasons=30), _settings()
    one = hindcast_of(table, settings, "12-31", 2025)
    other = hindcast_of(table.take(slice(None)), settings, "12-31", 2025)
    relabelled = replace(table, split_N=np.full(len(table), "validation"))
    assert _bytes(one) == _bytes(other) == _bytes(hindcast_of(relabelled, settings, "12-31", 2025))
    assert set(one.split_E) == {"test"}


def test_leave_one_out_peeks_and_says_so() -> None:
    table, settings = random_table(seasons=20), _settings()
    honest, peeking = (
        hindcast_of(table, settings, "12-31", 2010, leave_one_out=each) for each in (False, True)
    )
    model = fit_exact(_crops(table.take(table.year_N != 2010)), settings, "12-31")
    exact = hindcast_of(table, settings, "12-31", 2010, leave_one_out=True, fit=fit_exact)
    rows = _crops(table.take(table.year_N == 2010))
    np.testing.assert_array_equal(exact.predicted_E, model.predict(rows)[np.isfinite(rows.y_NT)])
    assert (honest.predicted_E != peeking.predicted_E).all()
    np.testing.assert_array_equal(honest.naive["last_five_seasons"], peeking.naive["last_five_seasons"])
    assert summarise([peeking], leave_one_out=True)["made"] == PEEKING
    assert summarise([honest])["made"] == "rolling origin"


def _crops(table: SeasonTable) -> SeasonTable:
    return replace(table, crops=table.crops[:2], y_NT=table.y_NT[:, :2])


def test_crops_that_can_t_be_learned_are_left_out() -> None:
    table = random_table(seasons=20)
    table.y_NT[table.year_N < 2019, 1] = np.nan
    table.y_NT[table.year_N == 2010, 0] = np.nan
    units = {"corn": "t/ha"}
    early, late = (
        hindcast_of(table, _settings(), "12-31", season, crop_units=units) for season in (2015, 2019)
    )
    assert early.crops == late.crops == ("corn",)
    assert early.crop_units == ("t/ha",)
    assert len(hindcast_of(table, _settings(), "12-31", 2010)) == 0
    with pytest.raises(InputError, match="season 2000"):
        hindcast_of(table, _settings(), "12-31", 2000)
    assert backtest_seasons(table, _settings(), 3) == (2017, 2018, 2019)
    assert backtest_seasons(table, _settings(), 50) == tuple(
        year for year in range(2001, 2020) if year != 2010
    )
    assert backtest_seasons(table.take(slice(0)), _settings(), 3) == ()
    assert backtest_seasons(table, _settings(), 0) == ()


def test_seasons_of_other_crops_add_up() -> None:
    table = random_table(seasons=20)
    table.y_NT[table.year_N < 2010, 1] = np.nan
    made = [hindcast_of(table, _settings(), "12-31", season) for season in (2009, 2014)]
    joined = join([from_arrow(to_arrow(each)) for each in made])
    assert joined.crops == ("corn", "rye")
    assert len(joined) == sum(len(each) for each in made)
    found = summarise(made)
    assert found["years"] == [2009, 2014]
    assert summarise([joined]) == found
    curve = skill_curve(made).to_pylist()
    assert [(row["crop"], row["seasons"]) for row in curve] == [(None, 2), ("corn", 2), ("rye", 1)]
    corn = found["seasons"]["main"]["as_of"]["12-31"]["splits"]["test"]["crops"]["corn"]
    assert curve[1]["skill"] == corn["skill"]
    assert corn["baselines"][curve[1]["best_baseline"]] == min(corn["baselines"].values())
    assert skill_curve([]).num_rows == 0


@cache
def _us(as_of: str) -> tuple[Hindcast, ...]:
    table = us_table(CUTOFFS[as_of])
    seasons = backtest_seasons(table, us_settings(), 10)
    assert seasons == tuple(range(2013, 2023))
    # intervals only where they are looked at
    settings = us_settings() if as_of == "09-30" else us_settings(split={"calibration_seasons": 0})
    return tuple(hindcast_of(table, settings, as_of, season) for season in seasons)


def _us_test(as_of: str) -> dict[str, Any]:
    found: dict[str, Any] = summarise(_us(as_of))["seasons"]["main"]["as_of"][as_of]["splits"]["test"][
        "crops"
    ]
    return found


@pytest.mark.parametrize(
    ("as_of", "corn", "soybeans"), [("09-30", 0.34, 0.425), ("07-31", 0.32, 0.32), ("06-30", 0.19, 0.20)]
)
def test_us_skill(as_of: str, corn: float, soybeans: float) -> None:
    test = _us_test(as_of)
    assert {crop: test[crop]["rows"] for crop in CROPS} == {"corn": 2221, "soybeans": 1957}
    for crop, least in (("corn", corn), ("soybeans", soybeans)):
        assert test[crop]["skill"] >= least
        lower, upper = test[crop]["skill_interval_95"]
        assert 0 < lower < test[crop]["skill"] < upper


def test_us_reference_figures_of_the_first_model() -> None:
    """They are of rows whose region had a harvest in the five years before."""
    monthly = [
        {"measure": m, "aggregate": "mean", "every": "month"} for m in ("temperature_c", "rainfall_mm")
    ]
    first = us_settings(
        trend=[{}],
        rounds=1,
        training={"ridge_seasons": 0},
        split={"calibration_seasons": 0},
        features=monthly,
    )
    table = us_table()
    made = join([hindcast_of(table, first, "09-30", season) for season in range(2013, 2023)])
    harvest = {
        (table.region_names[region], int(year), crop)
        for at, crop in enumerate(CROPS)
        for region, year in zip(
            *(values[np.isfinite(table.y_NT[:, at])] for values in (table.region_N, table.year_N)),
            strict=True,
        )
    }
    recent_E = np.array(
        [
            any(
                (made.region_names[region], int(year) - ago, made.crops[crop]) in harvest
                for ago in range(1, 6)
            )
            for region, year, crop in zip(made.region_E, made.year_E, made.crop_E, strict=True)
        ]
    )
    test = Scored(made.take(recent_E)).metrics({})["splits"]["test"]["crops"]
    assert {crop: test[crop]["rows"] for crop in CROPS} == {"corn": 2206, "soybeans": 1938}
    assert test["corn"]["mse"] == pytest.approx(368.9, rel=0.01)
    assert test["soybeans"]["mse"] == pytest.approx(30.2, rel=0.01)
    assert test["corn"]["baselines"]["region_trend"] == pytest.approx(494.6, abs=0.1)
    assert test["soybeans"]["baselines"]["last_five_seasons"] == pytest.approx(43.1, abs=0.05)


def test_us_intervals() -> None:
    for crop, ours in _us_test("09-30").items():
        assert 0.76 <= ours["coverage_80"] <= 0.86, crop
        assert 0.93 <= ours["coverage_95"] <= 0.98, crop
        for level in (80, 95):
            assert ours[f"interval_score_{level}"] < ours[f"trend_interval_score_{level}"], crop


def test_us_skill_grows_with_the_season() -> None:
    curve = skill_curve([each for as_of in CUTOFFS for each in _us(as_of)]).to_pylist()
    pooled = [row for row in curve if row["crop"] is None]
    assert [row["as_of"] for row in pooled] == list(CUTOFFS)
    assert pooled[0]["skill"] < pooled[2]["skill"] < pooled[3]["skill"]
    assert all(row["skill_lower_95"] < row["skill"] < row["skill_upper_95"] for row in curve)


def test_us_backtest_of_forty_tasks_fits_a_minute() -> None:
    table, settings = us_table(), us_settings()
    hindcast_of(table, settings, "09-30", 2022)  # what torch loads once
    tries = []
    for _ in range(2):
        begun = time.process_time()
        hindcast_of(table, settings, "09-30", 2022)  # the season with most to learn from
        tries.append(time.process_time() - begun)
    assert 40 * min(tries) < 2 * 60  # a minute of two cores
