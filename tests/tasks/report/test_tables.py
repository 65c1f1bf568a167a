"""What the report says is what the data says: numbers, sizes, misses and sums."""

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report import tables
from tests.tasks.report.reporting import report_data, settings_for, world_table

NAMES = [f"R{at:02d}" for at in range(8)]


@pytest.fixture(scope="module")
def data() -> tables.ReportData:
    return report_data(world_table(NAMES))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (None, "–"), (float("nan"), "–"), (float("inf"), "–"), (2036.82, "2,037"),
        (0.909446, "0.9094"), (-4.5, "−4.500"), (36613.2, "36,613"), (1.5e-7, "1.500e-07"),
        (293.1, "293.1"), (-1234567.0, "−1,234,567"),
    ],
)  # fmt: skip
def test_numbers_for_people(value: float | None, shown: str) -> None:
    assert tables.number(value) == shown


@given(st.floats(-1e12, 1e12))
def test_a_shown_number_is_the_number(value: float) -> None:
    read = float(tables.number(value).replace("−", "-").replace(",", ""))
    assert read == pytest.approx(value, rel=1e-3, abs=1e-300)


def test_percentages() -> None:
    assert tables.percent(0.2468) == "24.7\N{NO-BREAK SPACE}%"
    assert tables.percent(-0.1).startswith("−")
    assert tables.percent(None) == "–"


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


def test_the_best_baseline_is_the_least() -> None:
    assert tables.best_baseline({"baselines": {"a": 3.0, "b": None, "c": 2.0}}) == "c"
    assert tables.best_baseline({"baselines": {}}) is None
