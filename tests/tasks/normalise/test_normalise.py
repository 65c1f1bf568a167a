"""Normalisation: sums, scaling and the way back, against plain numpy."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from data.contracts.season_table import SeasonTable
from data.errors import InputError
from tasks.normalise.moments import compute_moments, triangle
from tasks.normalise.normalise import normalise
from tasks.train.fit import fit_exact
from tests.tasks.worlds import first_model, season_table, settings, world

Kind = Literal["none", "mean", "trend"]
Scale = Literal["standard", "whiten"]
baselines = st.sampled_from(["none", "mean", "trend"])
scalings = st.sampled_from(["standard", "whiten"])
worlds = st.builds(
    world,
    rows=st.integers(60, 300),
    features=st.integers(1, 5),
    missing=st.sampled_from([0.0, 0.3]),
    shared=st.sampled_from([0.0, 0.9]),
    seed=st.integers(0, 1000),
)


@given(worlds, baselines, scalings)
@trials(deadline=None, max_examples=40)
def test_transform_and_inverse(table: SeasonTable, baseline: Kind, scaling: Scale) -> None:
    normaliser = normalise(table, settings(baseline=baseline, training={"scaling": scaling})).normaliser
    z_NP, u_NT = normaliser.transform(table)
    x_NF, y_NT = normaliser.inverse(z_NP, u_NT, normaliser.codes(table), table.year_N)
    np.testing.assert_allclose(x_NF, table.x_NF, rtol=1e-10)
    np.testing.assert_allclose(y_NT, table.y_NT, rtol=1e-10)


@given(worlds, baselines, scalings, st.integers(0, 99))
@trials(deadline=None, max_examples=40)
def test_folding_predicts_the_same_in_raw_units(
    table: SeasonTable, baseline: Kind, scaling: Scale, seed: int
) -> None:
    normaliser = normalise(table, settings(baseline=baseline, training={"scaling": scaling})).normaliser
    random = np.random.default_rng(seed)
    z_NP, _ = normaliser.transform(table)
    weight_TP, bias_T = random.normal(size=(2, z_NP.shape[1])), random.normal(size=2)
    code_N = normaliser.codes(table)
    expected = normaliser.yields(z_NP @ weight_TP.T + bias_T, code_N, table.year_N)
    weight_TF, intercept_RT, slope_RT = normaliser.fold(weight_TP, bias_T)
    folded = intercept_RT[code_N] + slope_RT[code_N] * table.year_N[:, None] + table.x_NF @ weight_TF.T
    np.testing.assert_allclose(folded, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@given(worlds, scalings)
@trials(deadline=None, max_examples=40)
def test_scaled_rows_have_unit_deviation(table: SeasonTable, scaling: Scale) -> None:
    data = normalise(table, first_model(baseline="mean", training={"scaling": scaling}))
    z_NP, u_NT = data.scaled()
    np.testing.assert_allclose(z_NP.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z_NP.std(axis=0), 1, rtol=1e-9)
    if scaling == "whiten":
        np.testing.assert_allclose(z_NP.T @ z_NP / len(z_NP), np.eye(z_NP.shape[1]), atol=1e-9)
    np.testing.assert_allclose(np.nanstd(u_NT, axis=0), 1, rtol=1e-9)
    again = compute_moments(z_NP, u_NT)
    for name in ("rows_T", "x_TF", "y_T", "xx_TFF", "xy_TF", "yy_T", "all_xx_FF"):
        np.testing.assert_allclose(getattr(data.moments, name), getattr(again, name), atol=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 100, 60_000])
def test_moments_of_many_rows_with_large_offsets(rows: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal([2000, 1e8, -273], [10, 1, 1e-3], size=(rows, 3))
    y = random.normal([1e6, 3], size=(rows, 2))
    y[random.random(y.shape) < 0.3] = np.nan
    found = compute_moments(x, y)
    for crop in range(2):
        own = ~np.isnan(y[:, crop])
        if not own.any():
            continue
        centred = x[own] - x[own].mean(axis=0)
        np.testing.assert_allclose(found.x_TF[crop], x[own].mean(axis=0), rtol=1e-14)
        unit = x.std(axis=0) + 1e-30
        squares = centred.T @ centred / own.sum() / np.outer(unit, unit)
        np.testing.assert_allclose(found.xx_TFF[crop] / np.outer(unit, unit), squares, atol=1e-9)
        assert found.yy_T[crop] == pytest.approx(y[own, crop].var(), rel=1e-9, abs=1e-12)
        products = centred.T @ (y[own, crop] - y[own, crop].mean()) / own.sum() / unit
        np.testing.assert_allclose(found.xy_TF[crop] / unit, products, atol=1e-9)


def test_triangle_keeps_what_squares_lose() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(5000, 1))
    x = np.column_stack((x, x + 1e-9 * random.normal(size=(5000, 1))))
    root = triangle(x, x.mean(axis=0), np.ones(2))
    assert np.linalg.svd(root)[1][-1] == pytest.approx(np.linalg.svd(x - x.mean(axis=0))[1][-1], rel=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "whiten"])
@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
def test_constant_and_collinear_features_are_left_out_and_named(baseline: Kind, scaling: Scale) -> None:
    table = world(200, 3)
    x = table.x_NF
    wide = np.column_stack((x[:, 0], np.full(200, 280.7), x[:, 1], x[:, 0] * 3 - x[:, 1] + 1e3, x[:, 2]))
    names = ("a", "same", "b", "a_and_b", "c")
    data = normalise(
        season_table(wide, table.y_NT, list(table.region_N), list(table.year_N), names),
        first_model(baseline=baseline, training={"scaling": scaling}),
    )
    assert data.normaliser.scaling.constant == ("same",)
    assert data.normaliser.scaling.collinear == ("a_and_b",)
    z_NP, _ = data.scaled()
    assert z_NP.shape == (200, 3)
    assert np.isfinite(z_NP).all()
    plain = normalise(table, first_model(baseline=baseline, training={"scaling": scaling}))
    np.testing.assert_allclose(np.abs(z_NP), np.abs(plain.scaled()[0]), atol=1e-8)


def test_features_that_never_depart_are_constant() -> None:
    table = world(200, 2)
    soil = np.random.default_rng(0).normal(1000, 300, size=10)[table.region_N]
    wide = season_table(
        np.column_stack((table.x_NF, soil)), table.y_NT, list(table.region_N), list(table.year_N)
    )
    assert normalise(wide, settings(baseline="trend")).normaliser.scaling.constant == ("f2",)
    assert normalise(wide, settings(baseline="none")).normaliser.scaling.constant == ()


def test_nearly_collinear_features_stay() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 1))
    wide = np.column_stack((x, x + 1e-8 * random.normal(size=x.shape)))
    for scaling in ("standard", "whiten"):
        data = normalise(season_table(wide, x), first_model(baseline="none", training={"scaling": scaling}))
        assert data.normaliser.scaling.collinear == ()


def test_features_with_hardly_anything_of_their_own_are_named() -> None:
    """Mean, largest and least temperature, the first their mean to nine digits: what a daily file offers."""
    table, random = world(400, 3), np.random.default_rng(0)
    highest, lowest = table.x_NF[:, 0] + 5, table.x_NF[:, 1] - 5
    mean = (highest + lowest) / 2 + 6e-9 * random.normal(size=400)
    wide = season_table(
        np.column_stack((highest, lowest, mean)), table.y_NT, list(table.region_N), list(table.year_N),
        ("highest", "lowest", "mean"),
    )  # fmt: skip
    for scaling in ("standard", "whiten"):
        model = fit_exact(wide, settings(training={"scaling": scaling}), "12-31")
        assert model.scaling.redundant == ("mean",)
        assert model.scaling.collinear == ()
        (note,) = model.feature_notes()
        assert note.endswith(": mean")
        # the ridge shares the weight out
        rows = model.coefficients().to_pylist()
        assert max(abs(row["coefficient"]) for row in rows if row["power"] == 1 and row["term"] != "year") < 3
    assert fit_exact(table, settings(), "12-31").feature_notes() == []


def test_nothing_but_constants_still_has_something_to_train() -> None:
    data = normalise(season_table(np.ones((5, 2)), np.arange(5.0)[:, None]), settings(baseline="none"))
    z_NP, _ = data.scaled()
    assert data.normaliser.scaling.constant == ("f0", "f1")
    assert not z_NP.any()


def test_rows_without_yields_and_their_regions_are_forgotten() -> None:
    table = world(200, 2)
    table.y_NT[20:40] = np.nan
    data = normalise(table, settings())
    assert len(data.x_NF) == 180
    assert "r00001" not in data.normaliser.region_names
    assert (data.normaliser.codes(table)[20:40] == -1).all()


def test_no_rows_and_missing_features_are_told() -> None:
    table = world(60, 3)
    with pytest.raises(InputError, match="no region-season"):
        normalise(table.take(slice(0, 0)), settings())
    normaliser = normalise(table, settings()).normaliser
    fewer = season_table(table.x_NF[:, :2], table.y_NT)
    with pytest.raises(InputError, match=r"lack 1 of the model's 3 features: f2"):
        normaliser.departures(fewer)


def test_the_number_of_threads_of_the_machine_changes_no_bit() -> None:
    """Products in BLAS round by their number of threads; workers of a cluster have another one than here."""
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    N = 40_000
    rng = np.random.default_rng(0)
    x_NF = rng.normal([300.0, 50.0, 7.0, 1.0], [10.0, 20.0, 3.0, 1.0], (N, 4))
    regions, years = np.divmod(np.arange(N), 50)
    table = season_table(x_NF, rng.gamma(3.0, 2.0, (N, 2)), regions.tolist(), (1970 + years).tolist())

    def normalised(threads: int) -> list[bytes]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with limits(threads):
                data = normalise(table, settings(training={"scaling": "whiten"}))
        finally:
            torch.set_num_threads(before)
        made = data.normaliser
        return [
            made.baseline.intercepts().tobytes(), made.scaling.matrix_FP.tobytes(),
            data.moments.xx_TFF.tobytes(), data.x_NF.tobytes(), data.y_NT.tobytes(),
        ]  # fmt: skip

    assert normalised(1) == normalised(3)


@pytest.mark.parametrize("large", [1e110, 1e149])
def test_yields_too_large_to_be_squared_are_named(large: float) -> None:
    table = world(missing=0.0)
    y_NT = table.y_NT.copy()
    y_NT[3, 1] = large
    spoilt = SeasonTable(
        table.region_names, table.region_N, table.year_N, table.split_N, table.features, table.x_NF,
        table.crops, y_NT,
    )  # fmt: skip
    with pytest.raises(InputError, match=f"yields of {table.crops[1]} are too large to be squared"):
        normalise(spoilt, settings())
