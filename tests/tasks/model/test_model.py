"""A fitted model: predictions, raw coefficients and files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from data.contracts.columns import COEFFICIENTS, INTERCEPT, schema_of
from data.contracts.season_table import Floats, SeasonTable
from data.errors import InputError
from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model
from tasks.train.fit import fit_exact, fit_model
from tests.tasks.worlds import season_table, settings, squared, with_year, world


def _by_coefficients(model: Model, table: SeasonTable) -> Floats:
    """Predictions of the table of coefficients alone."""
    value = {
        (row["region"], row["crop"], row["term"], row["power"]): row["coefficient"]
        for row in model.coefficients().to_pylist()
    }
    terms = {(term, power) for _, _, term, power in value}
    predicted = np.empty((len(table), len(model.crops)))
    for row in range(len(table)):
        name = table.region_names[table.region_N[row]]
        region = name if name in model.region_names else None
        known = {INTERCEPT: 1.0, "year": table.year_N[row]} | dict(
            zip(table.features, table.x_NF[row], strict=True)
        )
        for at, crop in enumerate(model.crops):
            predicted[row, at] = sum(
                value[region, crop, term, power] * known[term] ** power for term, power in terms
            )
    return predicted


def _renamed(table: SeasonTable, names: tuple[str, ...]) -> SeasonTable:
    return SeasonTable(
        names, table.region_N, table.year_N, table.split_N, table.features, table.x_NF, table.crops,
        table.y_NT,
    )  # fmt: skip


@given(
    st.sampled_from(["none", "mean", "trend"]),
    st.sampled_from(["standard", "whiten"]),
    st.booleans(),
    st.integers(0, 99),
)
@trials(deadline=None, max_examples=40)
def test_coefficients_predict_the_same(baseline: str, scaling: str, year: bool, seed: int) -> None:
    table = world(100, 3, missing=0.2, seed=seed)
    table = with_year(table) if year else table
    chosen = settings(baseline=baseline, training={"scaling": scaling}, features=squared(("f0", "f2")))
    model = fit_exact(table, chosen, "12-31")
    asked = _renamed(table, ("r00000", "r00001", "r00002", "s", "t"))
    predicted = model.predict(asked)
    np.testing.assert_allclose(_by_coefficients(model, asked), predicted, rtol=1e-9, atol=1e-8)
    assert model.known(asked).tolist() == (table.region_N < 3).tolist()


def test_coefficients_follow_the_contract() -> None:
    model = fit_exact(world(100, 2), settings(baseline="trend"), "12-31")
    table = model.coefficients()
    assert table.schema.equals(schema_of(COEFFICIENTS), check_metadata=True)
    assert table.num_rows == (5 + 1) * 2 * (2 + 2)
    assert table["term"].to_pylist()[:4] == [INTERCEPT, "year", "f0", "f1"]
    assert table["region"].null_count == 2 * 4
    assert table["power"].to_pylist()[:4] == [0, 1, 1, 1]
    with_square = fit_exact(world(100, 2), settings(features=squared(("f1",))), "12-31").coefficients()
    assert with_square["term"].to_pylist()[:5] == [INTERCEPT, "year", "f0", "f1", "f1"]
    assert with_square["power"].to_pylist()[:5] == [0, 1, 1, 1, 2]
    none = fit_exact(world(100, 2), settings(baseline="none"), "12-31").coefficients()
    assert "year" not in none["term"].to_pylist()


def test_regions_may_be_coded_otherwise_and_features_reordered() -> None:
    table = world(100, 3)
    model = fit_exact(table, settings(), "12-31")
    expected = model.predict(table)
    other = SeasonTable(
        ("a", *table.region_names, "z"), table.region_N + 1, table.year_N, table.split_N,
        ("more", "f2", "f0", "f1"), np.column_stack((np.zeros(100), table.x_NF[:, [2, 0, 1]])),
        ("crop",), np.full((100, 1), np.nan),
    )  # fmt: skip
    np.testing.assert_array_equal(model.predict(other), expected)
    assert model.known(other).all()
    np.testing.assert_array_equal(model.baseline_of(other), model.baseline_of(table))
    with pytest.raises(InputError, match="f2"):
        model.predict(season_table(table.x_NF[:, :2], table.y_NT))


def test_baseline_of_leaves_the_weather_out() -> None:
    table = world(100, 3)
    model = fit_exact(table, settings(baseline="none"), "12-31")
    np.testing.assert_allclose(model.baseline_of(table), np.tile(table.y_NT.mean(axis=0), (100, 1)))
    model = fit_exact(table, settings(baseline="mean"), "12-31")
    means = [table.y_NT[table.region_N == region].mean(axis=0) for region in range(5)]
    np.testing.assert_allclose(model.baseline_of(table), np.array(means)[table.region_N])


def test_a_crop_without_rows_has_no_prediction() -> None:
    table = world(100, 3)
    table.y_NT[:, 1] = np.nan
    model = Model.from_bytes(fit_model(table, settings(), "12-31").to_bytes())
    predicted = model.predict(table)
    assert np.isfinite(predicted[:, 0]).all()
    assert np.isnan(predicted[:, 1]).all()
    assert model.record["excess_crops"] == {"c0": pytest.approx(0, abs=1e-6), "c1": None}


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("scaling", ["standard", "whiten"])
def test_files_bring_the_model_back(tmp_path: Path, baseline: str, scaling: str) -> None:
    table = world(100, 3, missing=0.1)
    training = {"scaling": scaling, "epochs": 5, "tolerance": 0}
    squares = {"features": squared(("f1",))} if baseline == "trend" else {}
    model = fit_model(
        table, settings(baseline=baseline, training=training, **squares), "06-30",
        crop_units=("t/ha", None), feature_units=("°C", "mm", ""),
    )  # fmt: skip
    model.to_files(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} == {WEIGHTS_FILE, FACTS_FILE}
    again = Model.from_files(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    assert again.to_bytes() == model.to_bytes()
    assert again.coefficients().equals(model.coefficients())
    assert (again.as_of, again.crop_units, again.feature_units) == ("06-30", ("t/ha", None), ("°C", "mm", ""))
    assert again.record == model.record
    facts = json.loads((tmp_path / "model" / FACTS_FILE).read_text(encoding="utf-8"))
    assert facts["record"]["rounds"] == ([5] if baseline == "none" else [5, 5, 5])


def test_files_that_are_no_model_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        Model.from_files(tmp_path)
    files = fit_exact(world(100, 3), settings(), "12-31").to_bytes()
    for name, spoilt in ((WEIGHTS_FILE, b"no"), (FACTS_FILE, b"{"), (FACTS_FILE, b"{}")):
        with pytest.raises(InputError, match="no model of this program"):
            Model.from_bytes(files | {name: spoilt})
    with pytest.raises(InputError, match="schema 99"):
        Model.from_bytes(files | {FACTS_FILE: files[FACTS_FILE].replace(b'"schema": 2', b'"schema": 99')})
