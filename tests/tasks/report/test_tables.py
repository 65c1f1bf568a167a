"""What the report says is what the data says: numbers, sizes, misses and sums."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.contracts.wording import number, percent
from tasks.report import response, tables
from tasks.report.page import charts_of
from tests.tasks.report.reporting import report_data, settings_for, world_table

NAMES = [f"R{at:02d}" for at in range(8)]


@pytest.fixture(scope="module")
def data() -> tables.ReportData:
    return report_data(world_table(NAMES))


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
def test_residuals_are_what_the_published_coefficients_leave(baseline: str) -> None:
    table = world_table(NAMES)
    data = report_data(table, settings_for(baseline=baseline))
    model = response.crop_model(data, "apples")
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


def test_a_square_is_part_of_its_feature_s_term() -> None:
    table = world_table(NAMES)
    features = [
        {"measure": "temperature", "aggregate": "mean", "square": True},
        {"measure": "rainfall", "aggregate": "sum"},
        {"measure": "humidity", "aggregate": "mean"},
    ]
    data = report_data(table, settings_for(features=features))
    model = response.crop_model(data, "apples")
    plain = response.crop_model(report_data(table, settings_for()), "apples")
    # what is left of the harvests is still small, and smaller than without
    assert np.std(model.residual_N) <= np.std(plain.residual_N)
    assert set(model.terms) == set(table.features)
    squared = np.array([name == "temperature_mean" for name in model.terms])
    assert (model.square_T[~squared] == 0).all()
    known = data.coefficients.to_pandas().query("crop == 'apples' and term == 'temperature_mean'")
    raw = known.drop_duplicates("power").set_index("power")["coefficient"]
    assert model.square_T[squared] == pytest.approx(raw[2])
    assert model.linear_T[squared] == pytest.approx(raw[1])


def test_sizes_are_the_change_of_yield_for_a_standard_deviation(data: tables.ReportData) -> None:
    model = response.crop_model(data, "oranges")
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
    assert model.size_T[position] == pytest.approx(model.linear_T[position] * departures.std())
    rows = response.coefficient_rows(data, "oranges", model)
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
    assert tables.region_rows(data, "apples")[0]["region"] == by_region.idxmax()


def test_the_ledger_adds_up(data: tables.ReportData) -> None:
    regions = {"rows_in": 1204, "used": {"matched": 1200}, "rejected": {"missing key": 1},
               "out_of_scope": {"region without weather and yields": 3}}  # fmt: skip
    rows = tables.ledger_rows({**data.ledger, "regions": regions})
    assert [row["counts"][2] for row in rows if row["title"] in ("matched", "rows in")] == ["1,200", "1,204"]
    for at in range(3):
        count = {kind: [int(row["counts"][at].replace(",", "") or 0) for row in rows if row["kind"] == kind]
                 for kind in ("part", "reason", "sum")}  # fmt: skip
        assert sum(count["reason"]) == sum(count["part"]) == count["sum"][0] == count["sum"][1]


def test_squares_are_drawn_as_responses_and_leave_the_same_residuals(data: tables.ReportData) -> None:
    plain = response.crop_model(data, "apples")
    rows = data.coefficients.to_pandas()
    square = rows[rows["term"] == "rainfall_sum"].assign(power=2, coefficient=-1e-4)
    table = pa.Table.from_pandas(pd.concat([rows, square]), preserve_index=False)
    curved = replace(data, coefficients=table)
    model = response.crop_model(curved, "apples")
    at = model.terms.index("rainfall_sum")
    assert (model.linear_T[at], model.square_T[at]) == (plain.linear_T[at], -1e-4)
    np.testing.assert_allclose(
        plain.residual_N - model.residual_N, -1e-4 * model.raw_NT[:, at] ** 2, atol=1e-8
    )
    shown = {row["term"]: row["coefficient"] for row in response.coefficient_rows(curved, "apples", model)}
    assert shown["rainfall_sum"].endswith("− 0.0001000 x²")
    drawn = charts_of(curved, {crop: response.crop_model(curved, crop) for crop in data.headline["crops"]})
    assert set(drawn["responses-apples"].tables["responses-apples"]["feature"]) == {"rainfall, mm"}


def test_the_bias_is_called_out_where_its_interval_leaves_out_zero(data: tables.ReportData) -> None:
    rows = data.scored("apples")
    low, high = tables.bias_interval(rows) or (0.0, 0.0)
    bias = (rows["predicted"] - rows["actual"]).mean()
    assert low < bias < high
    shifted = tables.bias_interval(rows.assign(predicted=rows["predicted"] + 2))
    assert shifted == pytest.approx((low + 2, high + 2))
    assert tables.bias_interval(rows[rows["year"] > rows["year"].max() - 2]) is None


@pytest.mark.parametrize(
    ("skill", "interval", "verdict"),
    [(0.2, [0.1, 0.3], "gain"), (0.2, [-0.1, 0.3], "open"), (-0.2, [-0.3, -0.1], "loss"),
     (-0.2, None, "loss"), (None, None, "open")],
)  # fmt: skip
def test_an_interval_that_includes_zero_is_no_gain(
    data: tables.ReportData, skill: float | None, interval: list[float] | None, verdict: str
) -> None:
    figures = data.headline["crops"]["apples"] | {"skill": skill, "skill_interval_95": interval}
    part = {"excess": {}, "splits": {"test": {"rows": 1, "pooled": {}, "crops": {"apples": figures}}}}
    (card,) = tables.cards(replace(data, metrics={"as_of": {"09-30": part}}))
    assert card["verdict"] == verdict


def test_what_the_gate_looks_at_stands_in_a_row_for_each_crop(data: tables.ReportData) -> None:
    found_breaks = {"breaks": {"apples": {"factor": 9.8, "year": 2001}}}
    broken = replace(data, metrics={**data.metrics, **found_breaks})
    apples, oranges = tables.checks(broken)
    splits = data.metrics["as_of"]["09-30"]["splits"]
    for row in (apples, oranges):
        found = splits["test"]["crops"][row["crop"]]
        assert row["skill"] == percent(found["skill"])
        assert row["test"] == number(found["r2"], 3)
        assert row["training"] == number(splits["train"]["crops"][row["crop"]]["r2"], 3)
    assert (apples["break"], oranges["break"]) == ("× 9.80 from 2001 on", "none")
