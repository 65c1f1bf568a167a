"""Naive baselines say what their definitions say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.contracts.season_table import Floats, SeasonTable
from data.contracts.vocabulary import NAIVE_BASELINES
from tasks.evaluate.naive import naive_predictions, positions, region_trend
from tests.us_data import us_table


def _table(rows: list[tuple[str, int, float]]) -> SeasonTable:
    """One crop, one feature; rows are region, year, yield."""
    rows = sorted(rows)
    names = tuple(sorted({region for region, *_ in rows}))
    return SeasonTable(
        names,
        np.array([names.index(region) for region, *_ in rows], dtype=np.int64),
        np.array([year for _, year, _ in rows], dtype=np.int64),
        np.full(len(rows), "train"),
        ("rain",),
        np.zeros((len(rows), 1)),
        ("corn",),
        np.array([[value] for *_, value in rows], dtype=np.float64),
    )


def _one(
    train: SeasonTable, region: str, year: int, history: SeasonTable | None = None
) -> dict[str, np.float64]:
    rows = _table([(region, year, np.nan)])
    predicted = naive_predictions(train, train if history is None else history, rows)
    return {name: y_NT[0, 0] for name, y_NT in predicted.items()}


TRAIN = _table(
    [("a", year, float(year - 2000)) for year in range(2001, 2013)]
    + [("b", 2001, 10.0), ("b", 2009, 30.0), ("b", 2012, np.nan)]
)


def test_names_are_the_contract() -> None:
    assert tuple(_one(TRAIN, "a", 2013)) == tuple(NAIVE_BASELINES)


def test_means() -> None:
    a, b, unknown = (_one(TRAIN, region, 2013) for region in ("a", "b", "z"))
    everything = np.nanmean(TRAIN.y_NT)
    assert [each["training_mean"] for each in (a, b, unknown)] == pytest.approx([everything] * 3)
    assert [each["region_mean"] for each in (a, b, unknown)] == pytest.approx([6.5, 20.0, everything])


def test_last_five_are_calendar_years() -> None:
    assert _one(TRAIN, "a", 2013)["last_five_seasons"] == pytest.approx(10.0)  # 2008–2012
    assert _one(TRAIN, "b", 2013)["last_five_seasons"] == 30.0  # 2009 only: gaps aren't filled from before
    early = TRAIN.take(TRAIN.year_N < 2008)
    assert _one(early, "b", 2008)["last_five_seasons"] == 10.0  # none in 2003–2007: the region's mean
    assert _one(TRAIN, "z", 2013)["last_five_seasons"] == _one(TRAIN, "z", 2013)["training_mean"]


def test_last_five_end_with_what_was_known() -> None:
    assert _one(TRAIN, "a", 2020)["last_five_seasons"] == pytest.approx(10.0)  # a fixed split, years ahead
    assert _one(TRAIN, "a", 2008)["last_five_seasons"] == pytest.approx(5.0)  # never the season itself
    before = TRAIN.take(TRAIN.year_N < 2006)
    assert _one(TRAIN, "a", 2006, before)["last_five_seasons"] == pytest.approx(3.0)
    assert _one(TRAIN, "a", 2001)["last_five_seasons"] == 6.5


def test_order_of_history_doesn_t_matter() -> None:
    shuffled = TRAIN.take(np.random.default_rng(0).permutation(len(TRAIN)))
    assert _one(shuffled, "a", 2013) == pytest.approx(_one(TRAIN, "a", 2013))


def test_trend_is_ordinary_least_squares_from_ten_seasons_on() -> None:
    rng = np.random.default_rng(1)
    noisy = [("a", year, year * 0.5 + rng.normal()) for year in range(1990, 2002)]
    short = [("b", year, 3.0 * year) for year in range(1993, 2002)]
    train = _table(noisy + short)
    slope, intercept = np.polyfit([year - 1990 for _, year, _ in noisy], [y for *_, y in noisy], 1)
    assert _one(train, "a", 2010)["region_trend"] == pytest.approx(intercept + slope * 20)
    squares = {"a": 143.0, "b": 60.0}  # Σ (t - t̄)² of 12 and of 9 years in a row
    pooled = (squares["a"] * slope + squares["b"] * 3.0) / sum(squares.values())
    assert _one(train, "b", 2010)["region_trend"] == pytest.approx(3.0 * 1997 + pooled * 13)
    every = np.array([y for *_, y in noisy + short])
    middle = np.mean([year for _, year, _ in noisy + short])
    assert _one(train, "z", 2010)["region_trend"] == pytest.approx(every.mean() + pooled * (2010 - middle))


def test_a_crop_without_training_rows_has_no_baseline() -> None:
    train = replace(
        TRAIN, crops=("corn", "rye"), y_NT=np.column_stack([TRAIN.y_NT, np.full(len(TRAIN), np.nan)])
    )
    for y_NT in naive_predictions(train, train, train).values():
        assert np.isfinite(y_NT[:, 0]).all()
        assert np.isnan(y_NT[:, 1]).all()


def test_no_rows() -> None:
    nothing = TRAIN.take(slice(0))
    assert all(y_NT.shape == (0, 1) for y_NT in naive_predictions(TRAIN, TRAIN, nothing).values())
    assert np.isnan(naive_predictions(nothing, nothing, TRAIN)["last_five_seasons"]).all()


def test_regions_are_told_apart_by_name() -> None:
    assert positions(_table([("b", 1, 1.0), ("z", 1, 1.0)]), ("a", "b")).tolist() == [1, -1]


def test_reference_figures() -> None:
    table = us_table(first_test=2010, both_crops=True)
    train, test = table.of_split("train"), table.of_split("test")

    def pooled_mse(y_NT: Floats) -> float:
        return float(np.mean((y_NT - test.y_NT) ** 2))

    predicted = naive_predictions(train, train, test)
    assert pooled_mse(predicted["last_five_seasons"]) == pytest.approx(543.8, abs=0.1)
    assert pooled_mse(region_trend(train, test)) == pytest.approx(346.3, abs=0.1)
