"""Rolling origins that two fits share: each gets its own errors, of one pass, and a file keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.evaluate import season_errors
from tasks.evaluate.season_errors import (
    SeasonErrorsByOrigin,
    errors_of_fits,
    load_errors,
    origins_of,
    rolling_origin_errors,
    save_errors,
)
from tasks.model.fits import EVALUATED, PUBLISHED, fits_of
from tasks.train.origins import predict_ahead
from tests.forecasters import random_table

LEADS = {EVALUATED: (1, 2, 3, 4), PUBLISHED: (1, 2, 3)}


@pytest.fixture
def settings() -> Settings:
    features = [{"measure": "rain", "aggregate": "sum"}]
    raw = {"weather": "w", "yields": "y", "store": "s", "features": features}
    return parse_settings(raw | {"split": {"calibration_seasons": 8}}, "test")


@pytest.fixture
def table() -> SeasonTable:
    return random_table(seasons=20, first_test=2017)


def same(found: SeasonErrorsByOrigin, expected: SeasonErrorsByOrigin) -> None:
    assert found.keys() == expected.keys()
    for pair, each in found.items():
        np.testing.assert_array_equal(each.region_E, expected[pair].region_E)
        for name in ("model_ET", "trend_ET", "unseen_ET"):
            np.testing.assert_allclose(
                getattr(each, name), getattr(expected[pair], name), rtol=1e-9, atol=1e-9
            )


def test_each_fit_gets_what_a_pass_of_its_own_gives(table: SeasonTable, settings: Settings) -> None:
    fits = fits_of(table)
    with patch.object(season_errors, "predict_ahead", wraps=predict_ahead) as passes:
        found = errors_of_fits(fits, LEADS, settings)
    assert passes.call_count == 1
    for name, rows in fits.items():
        assert len(rows)
        same(found[name], rolling_origin_errors(rows, settings, origins_of(rows, settings, LEADS[name])))
    assert max(season for _, season in found[EVALUATED]) == 2016
    assert max(season for _, season in found[PUBLISHED]) == 2019


def test_fits_that_begin_with_other_rows_share_nothing(table: SeasonTable, settings: Settings) -> None:
    """Where regions are held out instead of seasons."""
    held = replace(table, split_N=np.where(table.region_N == 0, SplitName.TEST, SplitName.TRAIN))
    fits = fits_of(held)
    with patch.object(season_errors, "predict_ahead", wraps=predict_ahead) as passes:
        found = errors_of_fits(fits, LEADS, settings)
    assert passes.call_count == 2
    for name, rows in fits.items():
        same(found[name], rolling_origin_errors(rows, settings, origins_of(rows, settings, LEADS[name])))


def test_no_rows_have_no_errors(table: SeasonTable, settings: Settings) -> None:
    fits = {EVALUATED: table.take(slice(0)), PUBLISHED: table}
    found = errors_of_fits(fits, LEADS, settings)
    assert found[EVALUATED] == {}
    assert found[PUBLISHED]


@pytest.mark.parametrize("rows", [0, 240])
def test_a_file_keeps_them(table: SeasonTable, settings: Settings, rows: int, tmp_path: Path) -> None:
    some = table.take(slice(rows))
    errors = rolling_origin_errors(some, settings, origins_of(some, settings, (1, 2)))
    save_errors(errors, tmp_path / "kept.npz")
    kept = load_errors(tmp_path / "kept.npz")
    same(kept, errors)
    assert list(kept) == list(errors)
    assert bool(kept) == bool(rows)
