"""Rolling origins in one pass: what each origin's own exact fit predicts, of known regions and of others."""

from dataclasses import replace

import numpy as np
import pytest

from data.contracts.season_table import SeasonTable
from data.settings.schema import Settings
from tasks.evaluate.naive import region_trend
from tasks.train.fit import fit_exact
from tasks.train.origins import predict_ahead
from tests.tasks.worlds import first_model, real_table, settings, squared, us_table, world


def _gappy() -> SeasonTable:
    """Regions that come late, leave early or pause; crops that miss some; a constant feature; a lone row."""
    random = np.random.default_rng(3)
    table = world(400, 4, crops=3, missing=0.3, seed=2)
    table.x_NF[:, 3] = random.normal(1000, 300, size=20)[table.region_N]
    kept_N = random.random(400) < 0.85
    kept_N &= (table.region_N != 4) | (table.year_N >= 2003)
    kept_N &= (table.region_N != 5) | (table.year_N < 1997)
    kept_N &= (table.region_N != 6) | (table.year_N == 2000)
    table.y_NT[(table.region_N == 7) & (table.year_N > 1992), 2] = np.nan
    return table.take(kept_N)


def _agrees(table: SeasonTable, chosen: Settings, origins: list[int], ahead: tuple[int, ...]) -> None:
    found = predict_ahead(table, chosen, {origin: [origin + lead for lead in ahead] for origin in origins})
    assert set(found) == {(origin, origin + lead) for origin in origins for lead in ahead}
    for (origin, season), predicted in found.items():
        past, now = table.take(table.year_N <= origin), table.take(table.year_N == season)
        model = fit_exact(past, chosen, "x")
        nowhere = replace(now, region_names=("",), region_N=np.zeros_like(now.region_N))
        size = 1e-11 * np.nanstd(table.y_NT, axis=0)
        for ours, theirs in (
            (predicted.model_ET, model.predict(now)),
            (predicted.unseen_ET, model.predict(nowhere)),
            (predicted.trend_ET, region_trend(past, now)),
        ):
            assert (np.abs(ours - theirs) <= size).all()


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("rounds", [1, 3])
def test_every_origin_is_its_own_exact_fit(baseline: str, ridge: float, rounds: int) -> None:
    chosen = settings(
        baseline=baseline, rounds=rounds, min_trend_seasons=5, features=squared(("f0", "f2")),
        training={"ridge_seasons": ridge},
    )  # fmt: skip
    _agrees(_gappy(), chosen, [1999, 2000, 2004, 2008], (1, 3))


@pytest.mark.parametrize("half_life", [0.05, 1.0, float("inf")])
@pytest.mark.parametrize("shrinkage", [0.0, 1.0, float("inf")])
def test_lines_of_every_kind(half_life: float, shrinkage: float) -> None:
    lines = [
        {"half_life": half_life, "shrinkage": shrinkage, "slope_half_life": 7.0},
        {"half_life": half_life},
    ]
    _agrees(_gappy(), settings(trend=lines, min_trend_seasons=4), [2000, 2005], (1,))


def test_real_yields() -> None:
    table = us_table()
    _agrees(table, settings(features=squared(table.features)), [1970, 2012], (1, 2))
    _agrees(table, first_model(), [2012], (1,))
    fao = real_table("fao_country", ("temperature_c", "rainfall_mm", "pesticides_tonnes"), ("Maize", "Yams"))
    _agrees(fao, settings(features=squared(fao.features)), [2000, 2012], (1,))


def test_a_crop_with_too_few_rows_is_not_predicted_and_no_season_after_the_last() -> None:
    table = world(100, 3)
    table.y_NT[table.year_N < 2005, 1] = np.nan
    found = predict_ahead(table, settings(), {2004: [2005], 2005: [2006], 2009: [2010]})
    assert np.isnan(found[2004, 2005].model_ET[:, 1]).all()
    assert np.isfinite(found[2004, 2005].model_ET[:, 0]).all()
    assert np.isfinite(found[2005, 2006].model_ET).all()
    assert found[2009, 2010].model_ET.shape == (0, 2)
    assert predict_ahead(table, settings(), {}) == {}


def test_what_comes_later_changes_no_byte() -> None:
    table, spoilt = world(200, 3), world(200, 3)
    spoilt.x_NF[spoilt.year_N > 2003] = 1e9
    spoilt.y_NT[spoilt.year_N > 2002] = -1e9
    one, other = (predict_ahead(rows, settings(), {2000: [2001], 2002: [2003]}) for rows in (table, spoilt))
    for key in one:
        assert one[key].model_ET.tobytes() == other[key].model_ET.tobytes()
