"""What the report says is what the data says: numbers, sizes, misses and sums."""

import numpy as np
import pyarrow.compute as pc
import pytest

from tasks.report import tables
from tests.tasks.report.reporting import report_data, settings_for, world_table

NAMES = [f"R{at:02d}" for at in range(8)]


@pytest.fixture(scope="module")
def data() -> tables.ReportData:
    return report_data(world_table(NAMES))


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
def test_residuals_are_what_the_published_coefficients_leave(baseline: str) -> None:
    table = world_table(NAMES)
    data = report_data(table, settings_for(baseline=baseline))
    model = tables.crop_model(data, "apples")
    rows = data.coefficients.filter(pc.equal(data.coefficients["crop"], "apples")).to_pylist()
    value = {(row["region"], row["term"]): row["coefficient"] for row in rows}
    expected = []
    for at in range(len(table)):
        region, actual = table.region_names[table.region_N[at]], table.y_NT[at, 0]
        if np.isnan(actual):
            continue
        says = value[region, "intercept"] + value.get((region, "year"), 0.0) * table.year_N[at]
        says += sum(value[region, name] * table.x_NF[at, f] for f, name in enumerate(table.features))
        expected.append(actual - says)
    np.testing.assert_allclose(model.residual_N, expected, atol=1e-8)
    assert set(model.terms) == set(table.features)
    assert set(model.regional) == {"intercept"} | ({"year"} if baseline == "trend" else set())


def test_a_square_is_shown_about_the_feature_s_mean() -> None:
    table = world_table(NAMES)
    features = [
        {"measure": "temperature", "aggregate": "mean", "square": True},
        {"measure": "rainfall", "aggregate": "sum"},
        {"measure": "humidity", "aggregate": "mean"},
    ]
    data = report_data(table, settings_for(features=features))
    model = tables.crop_model(data, "apples")
    plain = report_data(table, settings_for())
    # what is left of the harvests is still small, and smaller than without
    assert np.std(model.residual_N) <= np.std(tables.crop_model(plain, "apples").residual_N)
    (square,) = model.squares
    assert model.squares[square] == "temperature_mean"
    rows = {row["term"]: row for row in tables.coefficient_rows(data, "apples", model)}
    assert set(rows) == {*table.features, square}
    assert rows[square]["unit"] == "t/ha per °C²"
    q, slope = (model.coefficient_T[model.terms.index(name)] for name in (square, "temperature_mean"))
    known = data.coefficients.to_pandas().query("crop == 'apples' and term == 'temperature_mean'")
    raw = known.drop_duplicates("power").set_index("power")["coefficient"]
    mean = table.x_NF[np.isfinite(table.y_NT[:, 0]), table.features.index("temperature_mean")].mean()
    assert q == pytest.approx(raw[2])
    assert slope == pytest.approx(raw[1] + 2 * q * mean)


def test_sizes_are_the_change_of_yield_for_a_standard_deviation(data: tables.ReportData) -> None:
    model = tables.crop_model(data, "oranges")
    table = data.dataset
    observed = np.isfinite(table.y_NT[:, 1])
    at = table.features.index("rainfall_sum")
    departures = np.concatenate(
        [
            x - x.mean()
            for r in range(len(NAMES))
            if len(x := table.x_NF[observed & (table.region_N == r), at])
        ]
    )
    position = model.terms.index("rainfall_sum")
    assert model.size_T[position] == pytest.approx(model.coefficient_T[position] * departures.std())
    rows = tables.coefficient_rows(data, "oranges", model)
    assert rows[0]["share"] == 100
    assert {row["term"]: row["unit"] for row in rows}["rainfall_sum"] == "t/ha per mm"
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)


def test_misses_are_the_largest(data: tables.ReportData) -> None:
    rows = data.predictions.to_pandas()
    rows = rows[(rows["crop"] == "apples") & (rows["split"] == "test")].dropna(subset=["actual"])
    error = (rows["predicted"] - rows["actual"]).abs()
    worst = rows.loc[error.idxmax()]
    first = tables.largest_misses(data, "apples")[0]
    assert (first["region"], first["year"]) == (worst["region"], worst["year"])
    by_region = error.pow(2).groupby(rows["region"]).mean()
    assert tables.misses_by_region(data, "apples")[0]["region"] == by_region.idxmax()


def test_the_ledger_adds_up(data: tables.ReportData) -> None:
    rows = tables.ledger_rows(data.ledger)
    for at in range(2):
        count = {kind: [int(row["counts"][at].replace(",", "") or 0) for row in rows if row["kind"] == kind]
                 for kind in ("part", "reason", "sum")}  # fmt: skip
        assert sum(count["reason"]) == sum(count["part"]) == count["sum"][0] == count["sum"][1]
