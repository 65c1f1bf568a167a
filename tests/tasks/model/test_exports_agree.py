"""One model, kept and exported four ways, predicts the same: its files, coefficients, SQL and ONNX."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from data.contracts.season_table import Floats, SeasonTable
from data.errors import InputError, SettingsError, StorageError
from data.store.backends.local import LocalStore
from flows.cli.main import run
from tasks.model.model import Model
from tasks.model.onnx import onnx_model
from tasks.model.published import load_model
from tasks.model.sql import predict_sql
from tasks.train.fit import fit_exact, fit_model
from tests.stores import an_id, write
from tests.tasks.model.test_sql import (
    NASTY_FEATURES,
    NASTY_REGIONS,
    TOOLS,
    ask,
    by_coefficients,
    features_of,
    settings,
    squares,
    with_strangers,
    world,
)

REGIONS = ("'; DROP TABLE x; --", "<script>alert(1)</script>", *NASTY_REGIONS)


def by_onnx(content: bytes, table: SeasonTable) -> tuple[Floats, Any]:
    """y_NT and the known regions, of an ONNX file."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    region_N = np.array([table.region_names[at] for at in table.region_N], dtype=object)
    feed: dict[str, Any] = {"region": region_N, "year": table.year_N}
    feed |= {name: table.x_NF[:, at] for at, name in enumerate(table.features) if name != "year"}
    predicted_NT, known_N = session.run(["predicted", "known_region"], feed)
    return predicted_NT, known_N


def by_sql(tool: str, model: Model, table: SeasonTable) -> Floats:
    """y_NT by the model's SELECT; of rows in the order of region and year."""
    found = ask(tool, predict_sql(model), features_of(table))
    wide = found.pivot(index=["region", "year"], columns="crop", values="predicted")[list(model.crops)]
    rows = [(table.region_names[at], year) for at, year in zip(table.region_N, table.year_N, strict=True)]
    return np.asarray(wide.loc[rows].to_numpy())


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("features", [("rain", "heat"), ("rain", "year"), ("year",), NASTY_FEATURES])
def test_all_four_predict_the_same(baseline: str, features: tuple[str, ...]) -> None:
    table = world(REGIONS, features, crops=("corn", "<b>rye</b>"))
    asked = with_strangers(table)
    chosen = settings(baseline=baseline, training={"device": "cpu"}, features=squares(features[0]))
    if features[0] == "year":
        chosen = settings(baseline=baseline, training={"device": "cpu"})
    trained = fit_model(table, chosen, "09-30", crop_units=("t/ha", "bu/acre"))
    model = Model.from_bytes(trained.to_bytes())
    wanted = model.predict(asked)
    np.testing.assert_array_equal(wanted, trained.predict(asked))
    assert np.abs(wanted).min() > 1e-3  # so that a relative error means something
    predicted_NT, known_N = by_onnx(onnx_model(model), asked)
    assert predicted_NT.dtype == np.float64
    found = {tool: by_sql(tool, model, asked) for tool in TOOLS}
    found |= {"onnx": predicted_NT, "coefficients": by_coefficients(model, asked)}
    for way, y_NT in found.items():
        np.testing.assert_allclose(y_NT, wanted, rtol=1e-9, err_msg=way)
    assert known_N.tolist() == model.known(asked).tolist()
    assert 0 < known_N.sum() < len(asked)


def test_a_trend_over_two_thousand_years_keeps_its_digits() -> None:
    """Intercept and slope · year are some thousand times what is left of them."""
    table = world(("alpha", "beta"), ("rain", "heat"))
    table.y_NT[:] = 1e-2 * table.y_NT + 50.0 * (table.year_N[:, None] - 2005.5)
    model = fit_exact(table, settings(trend=[{"shrinkage": 0.0}]), "09-30")
    predicted_NT, _ = by_onnx(onnx_model(model), table)
    np.testing.assert_allclose(predicted_NT, model.predict(table), rtol=1e-9)


def test_the_file_says_what_it_predicts_and_takes() -> None:
    table = world(("alpha", "beta"), ("rain", "heat"), crops=("corn", "Ä"))
    model = fit_exact(table, settings(), "07-31", ("t/ha", None), ("mm", "°C"))
    content = onnx_model(model)
    assert onnx_model(Model.from_bytes(model.to_bytes())) == content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["crop"]) == ["corn", "Ä"]
    assert json.loads(about["unit"]) == ["t/ha", None]
    assert json.loads(about["feature_units"]) == {"rain": "mm", "heat": "°C"}
    assert about["as_of"] == "07-31"
    inputs = {each.name: each.type.removeprefix("tensor") for each in session.get_inputs()}
    assert inputs == {"region": "(string)", "year": "(int64)", "rain": "(double)", "heat": "(double)"}
    assert [each.shape for each in session.get_outputs()] == [["N", 2], ["N"]]


def test_what_is_missing_stays_missing() -> None:
    table = world(("alpha", "beta"), ("rain", "heat"), crops=("corn", "never"))
    table.y_NT[:, 1] = np.nan
    model = fit_exact(table, settings(), "09-30")
    table.x_NF[0, 0] = np.nan
    predicted_NT, _ = by_onnx(onnx_model(model), table)
    assert np.isnan(predicted_NT[:, 1]).all()
    assert np.isnan(predicted_NT[:, 0]).tolist() == [True] + [False] * (len(table) - 1)


@pytest.mark.parametrize("name", ["predicted", "known_region", "region", "cropyield/code"])
def test_names_that_the_graph_needs_are_refused(name: str) -> None:
    model = fit_exact(world(("alpha", "beta"), ("rain", name)), settings(), "09-30")
    with pytest.raises(InputError, match="give it another one"):
        onnx_model(model)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SettingsError, match=r"cropyield\[onnx\]"):
        onnx_model(fit_exact(world(("alpha", "beta"), ("rain",)), settings(), "09-30"))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store whose only run has models for two days."""
    store = LocalStore(tmp_path / "store")
    files = {
        f"model/main/{day}/{name}": content
        for day in ("07-31", "09-30")
        for name, content in fit_exact(world(("alpha", "beta"), ("rain", "heat")), settings(), day)
        .to_bytes()
        .items()
    }
    write(store, "a1", files=files, models={"main": {"as_of": ["07-31", "09-30"]}})
    return store


def test_the_command_writes_a_model_of_the_store(
    store: LocalStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = world(("alpha", "beta"), ("rain", "heat"))
    (tmp_path / "out").mkdir()
    for more, day in (((), "09-30"), (("--as-of", "07-31"), "07-31")):
        file = tmp_path / "out" / f"{day}.onnx"
        assert run(["export", str(store.root), "a1", "--onnx", str(file), "--json", *more]) == 0
        assert json.loads(capsys.readouterr().out)["as_of"] == day
        predicted_NT, _ = by_onnx(file.read_bytes(), table)
        np.testing.assert_allclose(
            predicted_NT, load_model(store, an_id("a1"), "main", day).predict(table), rtol=1e-9
        )
    assert run(["export", str(store.root), "a1", "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert "region, year, rain, heat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a1", "--as-of", "06-30"], 2, "no model for 06-30; it has 07-31, 09-30"),
        (["ff"], 2, "no finished run"),
        ([], 2, "no run has been published"),
    ],
)
def test_what_can_not_be_exported(
    words: list[str],
    code: int,
    said: str,
    store: LocalStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", str(store.root), *words, "--onnx", str(tmp_path / "m.onnx")]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


def test_a_model_that_is_gone_is_named(store: LocalStore) -> None:
    store.remove(f"runs/{an_id('a1')}/model/main/09-30/weights.safetensors")
    with pytest.raises(StorageError, match=r"09-30/weights\.safetensors is gone"):
        load_model(store, an_id("a1"), "main", "09-30")
