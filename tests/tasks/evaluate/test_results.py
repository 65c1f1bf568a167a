"""Intervals kept with a published model: of its own rows, absent with their reason, used as kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from data.errors import SettingsError
from tasks.evaluate.calibration import calibrate
from tasks.evaluate.predictions import predictions_of
from tasks.evaluate.results import forecast
from tasks.evaluate.stored_intervals import (
    calibrate_published,
    calibration_of,
    interval_notes,
    with_intervals,
)
from tasks.model.model import Model
from tasks.train.fit import fit_exact
from tests.tasks.worlds import settings, world


def test_a_model_keeps_the_intervals_of_its_own_rows() -> None:
    table, chosen = world(), settings()
    model = with_intervals(fit_exact(table, chosen, "09-30"), calibrate_published(table, chosen))
    again = Model.from_bytes(model.to_bytes())
    kept, fresh = calibration_of(again), calibrate(table, chosen)
    for level in (80, 95):
        ours, theirs = (each.model.of(level, again.crops, table) for each in (kept, fresh))
        np.testing.assert_array_equal(ours, theirs)
    assert np.isfinite(kept.model.of(80, again.crops, table)).all()
    assert interval_notes(again) == list(fresh.sentences())


def test_too_few_seasons_leave_nulls_and_a_sentence() -> None:
    table, chosen = world(), settings()
    few = table.take(table.year_N < 2000)
    model = with_intervals(fit_exact(few, chosen, "09-30"), calibrate_published(few, chosen))
    assert any("no 95 % interval" in note for note in interval_notes(model))
    ahead = table.take(table.year_N == 2005)
    ahead = replace(ahead, y_NT=np.full_like(ahead.y_NT, np.nan))
    found = predictions_of([forecast(model, ahead)], "a1")
    assert found.num_rows == 2 * len(ahead)
    assert found["lower_95"].null_count == found["upper_95"].null_count == found.num_rows
    assert found["lower_80"].null_count == 0
    assert set(found["split"].to_pylist()) == {"forecast"}


def test_no_end_leaves_the_valid_range_further_than_the_prediction() -> None:
    table = world()
    low, high = np.nanquantile(table.y_NT[:, 0], [0.3, 0.7])
    chosen = settings(measures={"c0": {"range": [low, high]}, "yield": {"range": [-1e9, 1e9]}})
    model = Model.from_bytes(
        with_intervals(fit_exact(table, chosen, "09-30"), calibrate_published(table, chosen)).to_bytes()
    )
    ahead = replace(table, y_NT=np.full_like(table.y_NT, np.nan))
    found = predictions_of([forecast(model, ahead)], "a1").to_pandas()
    free = found[found["crop"] == "c1"]
    np.testing.assert_allclose(free["upper_80"] - free["predicted"], free["predicted"] - free["lower_80"])
    bound = found[found["crop"] == "c0"]
    for level in (80, 95):
        assert (bound[f"lower_{level}"] >= bound["predicted"].clip(upper=low)).all()
        assert (bound[f"upper_{level}"] <= bound["predicted"].clip(lower=high)).all()
        assert (bound[f"lower_{level}"] <= bound["predicted"]).all()
        assert (bound[f"upper_{level}"] >= bound["predicted"]).all()
    assert (bound["predicted"] < low).any()
    assert (bound["lower_95"] == low).any()
    assert (bound["upper_95"] == high).any()


def test_only_unknown_yields_of_the_chosen_crops_are_forecast() -> None:
    table, chosen = world(), settings()
    model = with_intervals(fit_exact(table, chosen, "09-30"), calibrate_published(table, chosen))
    ahead = table.take(table.year_N == 2005)
    y_NT = np.full_like(ahead.y_NT, np.nan)
    y_NT[0, 0] = 1.0
    ahead = replace(ahead, y_NT=y_NT)
    found = predictions_of([forecast(model, ahead)], "a1")
    assert found.num_rows == 2 * len(ahead) - 1
    assert found["actual"].null_count == found.num_rows
    only = predictions_of([forecast(model, ahead, (model.crops[1],))], "a1")
    assert pc.unique(only["crop"]).to_pylist() == [model.crops[1]]


def test_a_model_of_before_is_to_be_trained_again() -> None:
    table, chosen = world(), settings()
    with pytest.raises(SettingsError, match="`cropyield train`"):
        calibration_of(fit_exact(table, chosen, "09-30"))
