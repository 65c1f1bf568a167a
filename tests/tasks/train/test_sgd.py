"""Training: the textbook's losses, the optimum on every kind of table, and the same bytes again."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from data.contracts.season_table import SeasonTable
from data.errors import CropyieldError, DeviceError, SettingsError
from data.settings.schema import Training
from tasks.model.model import Model
from tasks.train.device import choose_device
from tasks.train.fit import fit_exact, fit_model
from tasks.train.sgd import train
from tests.tasks.worlds import (
    TEXTBOOK_X,
    TEXTBOOK_Y,
    first_model,
    season_table,
    settings,
    textbook,
    with_year,
    world,
)

CPU = {"device": "cpu"}


def _bytes(model: Model) -> str:
    return hashlib.sha256(b"".join(model.to_bytes().values())).hexdigest()


def test_the_textbook_s_losses() -> None:
    fit = train(
        TEXTBOOK_X[:5],
        TEXTBOOK_Y[:5],
        Training(learning_rate=1e-5, epochs=103, batch_size=5, tolerance=0, device="cpu"),
        weight=np.array([[-0.2910, -0.3450, 0.0305], [-0.6528, 0.7386, -0.5153]]),
        bias=np.array([-0.9161, -0.7779]),
        decay=False,
    )
    assert fit.losses[0] == pytest.approx(15813.8125, rel=1e-4)
    assert fit.losses[1] == pytest.approx(10762.5488, rel=1e-4)
    assert fit.losses[2] == pytest.approx(7357.4829, rel=1e-4)
    assert fit.losses[102] == pytest.approx(130.3513, rel=1e-4)


def test_default_settings_reach_the_textbook_s_optimum() -> None:
    model = fit_model(textbook(), first_model(baseline="none", training={"tolerance": 0}), "12-31")
    assert model.record["excess"] <= 1e-6
    assert np.mean((model.predict(textbook()) - TEXTBOOK_Y) ** 2) == pytest.approx(0.909446, rel=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "whiten"])
@pytest.mark.parametrize("shared", [0.0, 0.9, 0.99])
@pytest.mark.parametrize(("rows", "features"), [(60, 12), (400, 12), (9000, 12), (9000, 24)])
def test_default_settings_reach_the_optimum_however_collinear(
    rows: int, features: int, shared: float, scaling: str
) -> None:
    table = world(rows, features, missing=0.2, shared=shared)
    record = fit_model(table, settings(training={"scaling": scaling} | CPU), "12-31").record
    assert record["excess"] <= 1e-6
    assert max(record["excess_crops"].values()) <= 1e-6


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize(("features", "batch"), [(48, 32), (12, 8), (6, 1)])
def test_auto_never_diverges_on_small_batches(
    features: int, batch: int, momentum: float, nesterov: bool
) -> None:
    for epochs in (1, 20):
        given = {"batch_size": batch, "momentum": momentum, "nesterov": nesterov, "epochs": epochs}
        record = fit_model(
            world(400, features), settings(baseline="mean", training=given | CPU), "12-31"
        ).record
        assert max(record["losses"]) < 2 * record["losses"][0]
    assert record["excess"] <= 1e-4


def test_a_given_rate_works_and_one_too_large_is_refused() -> None:
    table = world(2000, 4)
    given = {"learning_rate": 0.2, "batch_size": 100, "momentum": 0.5} | CPU
    assert fit_model(table, settings(training=given), "12-31").record["excess"] <= 1e-4
    with pytest.raises(SettingsError, match="must diverge"):
        fit_model(table, settings(training={"learning_rate": 50.0} | CPU), "12-31")


def test_a_loss_that_is_not_finite_stops_training() -> None:
    # safe on the mean curvature, but not on the one batch that holds the large value
    x = np.append(np.ones(999), 1e3)[:, None]
    training = Training(learning_rate=9e-4, batch_size=2, epochs=50, device="cpu")
    with pytest.raises(CropyieldError, match=r"no longer finite in epoch \d+; lower training.learning_rate"):
        train(x, np.sin(x), training, decay=False)


def test_ridge_and_masks_are_in_the_optimum() -> None:
    table = world(500, 5, missing=0.3)
    for scaling in ("standard", "whiten"):
        given = {"ridge_seasons": 30.0, "scaling": scaling, "tolerance": 1e-12}
        chosen = settings(training=given | CPU)
        model, exact = fit_model(table, chosen, "12-31"), fit_exact(table, chosen, "12-31")
        assert model.record["excess"] <= 1e-12
        np.testing.assert_allclose(model.predict(table), exact.predict(table), atol=1e-5 * table.x_NF.std())


@given(st.integers(0, 99))
@trials(deadline=None, max_examples=12)
def test_masked_crops_train_as_they_would_alone(seed: int) -> None:
    table = world(200, 3, crops=2, missing=0.3, seed=seed)
    chosen = first_model(baseline="none", training={"precision": "float64", "tolerance": 1e-20} | CPU)
    together = fit_model(table, chosen, "12-31").predict(table)
    for crop in range(2):
        alone = SeasonTable(
            table.region_names, table.region_N, table.year_N, table.split_N,
            table.features, table.x_NF, ("c",), table.y_NT[:, crop : crop + 1],
        )  # fmt: skip
        np.testing.assert_allclose(
            fit_model(alone, chosen, "12-31").predict(table)[:, 0], together[:, crop], rtol=1e-8, atol=1e-8
        )


def test_a_rare_crop_converges_like_the_others() -> None:
    table = world(20_000, 6, crops=3)
    table.y_NT[np.random.default_rng(1).random(20_000) > 0.01, 1] = np.nan
    for batch in (4096, 512):
        record = fit_model(
            table, settings(training={"batch_size": batch, "epochs": 40} | CPU), "12-31"
        ).record
        assert record["rows_crops"]["c1"] < 300
        assert max(record["excess_crops"].values()) <= 1e-6


def test_what_a_crop_s_rows_leave_open_gets_no_weight() -> None:
    table = world(100, 3)
    # crop 1 grows where feature 2 doesn't vary
    table.x_NF[:40, 2] = 20.0
    table.y_NT[40:, 1] = np.nan
    model = fit_model(table, first_model(baseline="none"), "12-31")
    rows = [row for row in model.coefficients().to_pylist() if row["crop"] == "c1" and row["term"] == "f2"]
    assert max(abs(row["coefficient"]) for row in rows) < 1e-9
    assert model.record["excess"] <= 1e-6


@given(st.integers(0, 99), st.sampled_from(["none", "mean", "trend"]))
@trials(deadline=None, max_examples=12)
def test_rows_in_another_order_give_the_same_bytes(seed: int, baseline: str) -> None:
    table = world(200, 3, missing=0.2, seed=seed)
    order = np.random.default_rng(seed).permutation(200)
    chosen = settings(baseline=baseline, training={"epochs": 3, "batch_size": 64} | CPU)
    assert _bytes(fit_model(table, chosen, "x")) == _bytes(fit_model(table.take(order), chosen, "x"))
    wider = SeasonTable(
        ("a", *table.region_names, "z"), table.region_N + 1, table.year_N, table.split_N,
        table.features, table.x_NF, table.crops, table.y_NT,
    )  # fmt: skip
    assert _bytes(fit_model(table, chosen, "x")) == _bytes(fit_model(wider, chosen, "x"))


@given(st.integers(0, 99), st.sampled_from(["standard", "whiten"]))
@trials(deadline=None, max_examples=12)
def test_features_in_another_order_have_the_same_optimum(seed: int, scaling: str) -> None:
    table = world(150, 4, seed=seed)
    order = np.random.default_rng(seed).permutation(4)
    turned = season_table(
        table.x_NF[:, order], table.y_NT, list(table.region_N), list(table.year_N), [f"f{at}" for at in order]
    )
    exactly = {"scaling": scaling, "precision": "float64", "tolerance": 1e-20}
    chosen = settings(training=exactly | CPU)
    one, other = fit_model(table, chosen, "x"), fit_model(turned, chosen, "x")
    np.testing.assert_allclose(one.predict(table), other.predict(table), rtol=1e-8)
    assert one.record["optimum"] == pytest.approx(other.record["optimum"], rel=1e-9)


@given(st.integers(0, 99), st.floats(1e-6, 1e6), st.sampled_from(["standard", "whiten"]))
@trials(deadline=None, max_examples=12)
def test_a_scaled_feature_has_the_inverse_coefficient(seed: int, factor: float, scaling: str) -> None:
    table = world(150, 3, seed=seed)
    scaled = season_table(table.x_NF * [1, factor, 1], table.y_NT, list(table.region_N), list(table.year_N))
    exactly = {"scaling": scaling, "precision": "float64", "tolerance": 1e-16}
    chosen = settings(training=exactly | CPU)
    one, other = (fit_model(rows, chosen, "x").coefficients().to_pandas() for rows in (table, scaled))
    terms = one["term"] == "f1"
    np.testing.assert_allclose(
        one.loc[terms, "coefficient"], other.loc[terms, "coefficient"] * factor, rtol=1e-6
    )


def test_the_seed_governs_everything() -> None:
    table = world(500, 3)

    def bytes_of(seed: int) -> str:
        return _bytes(
            fit_model(table, settings(training={"seed": seed, "epochs": 2, "batch_size": 64} | CPU), "x")
        )

    torch.manual_seed(1)
    one = bytes_of(0)
    torch.manual_seed(2)
    assert bytes_of(0) == one
    assert bytes_of(1) != one


_AGAIN = """
import hashlib
from tasks.train.fit import fit_model
from tests.tasks.worlds import settings, world
table = world(8_000, 24, missing=0.1)
chosen = settings(training={"epochs": 3, "batch_size": 4_096, "device": "cpu", "scaling": "whiten"})
print(hashlib.sha256(b"".join(fit_model(table, chosen, "x").to_bytes().values())).hexdigest())
"""


def test_the_number_of_cores_changes_no_byte() -> None:
    root = Path(__file__).resolve().parents[3]
    found = set()
    for threads in ("1", "3"):
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads) | {"PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", _AGAIN],
            cwd=root,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("scaling", ["standard", "whiten"])
def test_training_ends_when_the_bound_on_its_excess_is_below_the_tolerance(scaling: str) -> None:
    table = world(3000, 4, missing=0.2, shared=0.5)
    needed = []
    for tolerance in (1e-4, 1e-8, 1e-11):
        given = {"scaling": scaling, "tolerance": tolerance, "precision": "float64"} | CPU
        record = fit_model(table, settings(training=given), "x").record
        assert record["ended"] == "tolerance"
        assert max(record["excess_crops"].values()) <= record["bound"] <= tolerance
        assert sum(record["rounds"]) == record["epochs"] == len(record["losses"])
        assert len(record["rounds"]) == 3
        needed.append(record["epochs"])
    assert needed[0] < needed[1] < needed[2] < 100
    capped = {"scaling": scaling, "tolerance": 0, "epochs": 12} | CPU
    assert fit_model(table, settings(training=capped), "x").record["rounds"] == [12, 12, 12]


def test_training_ends_where_the_arithmetic_does() -> None:
    given = {"tolerance": 1e-18, "epochs": 500} | CPU
    record = fit_model(world(3000, 4), settings(training=given), "x").record
    assert record["ended"] == "precision"
    assert 1e-18 < record["bound"] < 1e-10
    assert max(record["rounds"]) < 100


@pytest.mark.parametrize("batch", [100, 4096])
def test_both_scalings_have_one_optimum(batch: int) -> None:
    """The ridge is on z-scores in both, whatever the trained units are."""
    table = world(2000, 6, missing=0.2, shared=0.9)
    exact, trained = [], []
    for scaling in ("standard", "whiten"):
        chosen = settings(training={"scaling": scaling, "ridge_seasons": 5.0, "batch_size": batch} | CPU)
        exact.append(fit_exact(table, chosen, "x"))
        trained.append(fit_model(table, chosen, "x"))
    assert exact[0].record["optimum"] == pytest.approx(exact[1].record["optimum"], rel=1e-12)
    np.testing.assert_allclose(exact[0].predict(table), exact[1].predict(table), rtol=1e-10)
    for model in trained:
        assert model.record["excess"] <= 1e-8
        np.testing.assert_allclose(model.predict(table), exact[0].predict(table), atol=1e-3)


def test_few_rows_and_many_features_train_with_a_ridge() -> None:
    table = world(20, 40)
    record = fit_model(table, settings(training=CPU), "x").record
    assert record["ended"] == "tolerance"
    assert record["excess"] <= 1e-8


def test_a_season_of_many_rounds_changes_no_more() -> None:
    table = world(2000, 4, missing=0.2)
    few, many = (fit_exact(table, settings(rounds=rounds), "x").predict(table) for rounds in (30, 60))
    np.testing.assert_allclose(few, many, rtol=1e-8)


def test_the_record_is_plain_json_with_each_epoch_told() -> None:
    told: list[tuple[int, float]] = []
    table = with_year(world(300, 3, missing=0.2))
    model = fit_model(
        table, settings(training={"ridge_seasons": 0, "epochs": 7, "tolerance": 0} | CPU), "x",
        on_epoch=lambda *seen: told.append(seen),
    )  # fmt: skip
    assert [epoch for epoch, _ in told] == list(range(1, 3 * 7 + 1))
    assert [loss for _, loss in told] == model.record["losses"]
    assert json.loads(json.dumps(model.record, allow_nan=False)) == model.record
    residual = np.nanmean((model.predict(table) - table.y_NT) ** 2, axis=0).mean()
    assert model.record["optimum"] == pytest.approx(residual, rel=1e-3)
    assert model.record["device"] == "cpu"


def test_a_missing_device_is_told_before_training() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(DeviceError, match="cpu"):
        fit_model(world(60, 3), settings(training={"device": "cuda"}), "x")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same_optimum() -> None:
    table = world(20_000, 6, missing=0.1)
    model = fit_model(table, settings(training={"device": "cuda", "batch_size": 1024}), "x")
    assert model.record["device"] == "cuda"
    assert model.record["excess"] <= 1e-6


def test_known_weights_are_recovered_within_their_standard_errors() -> None:
    random = np.random.default_rng(5)
    x = random.normal([15, 80], [4, 30], size=(4000, 2))
    truth = np.array([[2.0, -0.1], [0.5, 0.05]])
    y = x @ truth.T + 20 + random.normal(size=(4000, 2))
    model = fit_model(season_table(x, y), first_model(baseline="none"), "x")
    error = 1 / (np.sqrt(4000) * x.std(axis=0))
    found = [row["coefficient"] for row in model.coefficients().to_pylist() if row["region"] is None]
    weights = np.array(found).reshape(2, 3)[:, 1:]
    assert (np.abs(weights - truth) < 4 * error).all()


def test_the_device_as_it_was_asked_for_leaves_no_trace() -> None:
    """`auto` and `cpu` are one run where they mean the same: its files must not tell them apart."""
    models = [
        fit_model(world(), settings(training={"epochs": 2, "device": device}), "09-30")
        for device in ("auto", choose_device("auto").type)
    ]
    assert models[0].to_bytes() == models[1].to_bytes()
