"""The scoreboard on made-up worlds: peers solve what they claim, nothing leaks from what is predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from data.contracts.season_table import SeasonTable
from tests.benchmarks.field.__main__ import MODELS, OURS, lost_seasons, predictions, scores_of, skill_table
from tests.benchmarks.field.peers import PEERS
from tests.benchmarks.field.trials import TRIALS, Fold, Trial, held_out, holdout
from tests.tasks.worlds import settings, squared, world

SETTINGS = settings(features=squared(("f0", "f1", "f2")), training={"ridge_seasons": 0})


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other turn seconds into minutes where other tests run beside this one."""
    with threadpool_limits(1):
        yield


def _folds(table: SeasonTable) -> dict[str, Fold]:
    return {
        "rolling origin": held_out(table, SETTINGS, 2008),
        "leave one season out": held_out(table, SETTINGS, 2000, others=True),
        "one holdout": holdout(table, SETTINGS, (2007, 2008, 2009)),
    }


def test_ridge_on_departures_is_the_last_round_of_our_own_model() -> None:
    """On many rows both are the same least squares; what differs is the ridge that leave-one-out chooses."""
    for protocol, fold in _folds(world(rows=2000, missing=0.1)).items():
        ours_NT = fold.model.predict(fold.rows)
        np.testing.assert_allclose(PEERS["ridge, departures"](fold), ours_NT, atol=0.05, err_msg=protocol)


def test_boosting_finds_a_step_that_no_line_can() -> None:
    table = world(rows=2000, crops=1, noise=0.1)
    step_N = np.where(table.x_NF[:, 0] > 20.5, 20.0, 0.0)
    table = replace(table, y_NT=50 + step_N[:, None])
    scores = scores_of(predictions([held_out(table, SETTINGS, 2008)])).iloc[0]
    for peer in ("boosting, departures", "boosting, raw"):
        assert scores[f"skill {peer}"] > 0.8
        assert scores[f"skill {peer}"] > scores[f"skill {OURS}"] > 0.2
    assert scores["skill ridge, raw"] < 0.7


def test_raw_peers_know_the_year_and_the_region_s_past() -> None:
    """Yields of level and trend alone: past yields tell both, weather nothing."""
    table = world(rows=2000, crops=1)
    level_N = 10.0 * table.region_N + 1.0 * (table.year_N - 1990)
    table = replace(table, y_NT=level_N[:, None])
    fold = held_out(table, SETTINGS, 2008)
    assert np.abs(PEERS["ridge, raw"](fold) - fold.rows.y_NT).max() < 2
    assert np.abs(PEERS["boosting, raw"](fold) - fold.rows.y_NT).mean() < 20


def test_peers_are_scored_on_our_rows_and_learn_nothing_from_what_they_predict() -> None:
    table = world(missing=0.2)
    for protocol, fold in _folds(table).items():
        predicted = set(fold.rows.year_N.tolist())
        assert not predicted & set(fold.train.year_N.tolist())
        assert fold.history.year_N.max() < min(predicted)
        if protocol != "leave one season out":
            assert fold.train.year_N.max() < min(predicted)
        hidden_N = (
            table.year_N >= min(predicted) if protocol != "leave one season out" else table.year_N == 2000
        )
        y_NT = np.where(hidden_N[:, None] & np.isfinite(table.y_NT), -1e6, table.y_NT)
        spoilt = _folds(replace(table, y_NT=y_NT))[protocol]
        one, other = (
            predictions([each]).drop(columns=["actual", "inside_80", "inside_95"]) for each in (fold, spoilt)
        )
        pd.testing.assert_frame_equal(one, other)


def test_entries_that_are_not_ours_are_refused() -> None:
    fold = held_out(world(), SETTINGS, 2008)
    with pytest.raises(AssertionError, match="peers' rows"):
        predictions([replace(fold, rows=fold.rows.take(slice(1, None)))])


def test_figures_follow_from_the_entries() -> None:
    random = np.random.default_rng(5)
    rows = 60
    entries = pd.DataFrame({"crop": ["corn"] * rows, "year": np.arange(rows) % 3 + 2000})
    entries["actual"] = random.normal(10, 2, rows)
    names: list[Any] = ["training_mean", "region_mean", "last_five_seasons", "region_trend", *MODELS]
    for at, name in enumerate(names):
        entries[name] = entries["actual"] + random.normal(0, 1 + at / 10, rows)
    entries["inside_80"], entries["inside_95"] = 1.0, np.nan
    (found,) = scores_of(entries).to_dict("records")
    mse = {name: float(np.mean((entries[name] - entries["actual"]) ** 2)) for name in names}
    best = min(names[:4], key=lambda name: mse[name])
    assert found["best"] == best
    assert found[f"skill {OURS}"] == pytest.approx(1 - mse[OURS] / mse[best])
    assert found[f"nrmse {OURS}"] == pytest.approx(mse[OURS] ** 0.5 / entries["actual"].mean())
    trial = Trial("made up", "", "rolling origin", (2000, 2001, 2002), {})
    shown = skill_table(pd.DataFrame([found | {"trial": trial.name, "protocol": trial.protocol}]))
    assert "100%, –" in shown
    (lost,) = lost_seasons(trial, entries.assign(cropyield=lambda each: each["last_five_seasons"] + 9))
    assert lost == "made up, corn 3 of 3 (2000, 2001, 2002)"


def test_trials_are_well_formed() -> None:
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)
    for trial in TRIALS:
        if trial.is_there:
            assert trial.settings.split.calibration_seasons == 25
            assert all(feature.square for feature in trial.settings.features)
