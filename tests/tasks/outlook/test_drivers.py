"""Contributions add up to the prediction, on made-up worlds and on the real tables."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.contracts.season_table import SeasonTable
from tasks.outlook.drivers import contributions, drivers_of, most_similar, past_seasons
from tasks.train.fit import fit_exact
from tests.tasks.worlds import real_table, settings, textbook, us_table, world


def squared(table: SeasonTable, **changes: Any) -> Any:
    features = [
        {"measure": name, "aggregate": "mean", "name": name, "square": True} for name in table.features
    ]
    return fit_exact(table, settings(features=features, **changes), "12-31")


TABLES = {
    "made up": world,
    "US": us_table,
    "FAO": lambda: real_table(
        "fao_country", ("temperature_c", "rainfall_mm", "pesticides_tonnes"), ("Maize", "Potatoes", "Wheat")
    ),
    "Minnesota": lambda: real_table(
        "minnesota_barley", ("temperature_f", "rainfall_in"), ("Manchuria", "Velvet"), range(5, 8)
    ),
    "textbook": textbook,
}


@pytest.mark.parametrize("baseline", ["none", "mean", "trend"])
@pytest.mark.parametrize("name", list(TABLES))
def test_baseline_and_contributions_add_up_to_the_prediction(name: str, baseline: str) -> None:
    table = TABLES[name]()
    model = squared(table, baseline=baseline)
    frame = drivers_of(model, table).to_pandas()
    key = ["region", "year", "crop"]
    total = frame.groupby(key, sort=True)["contribution"].agg(math.fsum)
    rows, crops = np.divmod(np.arange(len(table) * len(model.crops)), len(model.crops))
    said = pd.DataFrame(
        {
            "region": np.array(table.region_names)[table.region_N[rows]],
            "year": table.year_N[rows],
            "crop": np.array(model.crops)[crops],
            "predicted": model.predict(table)[rows, crops],
            "baseline": model.baseline_of(table)[rows, crops],
        }
    ).set_index(key)
    off = said["baseline"] + total - said["predicted"]
    assert len(off) == len(rows)
    assert off.abs().max() <= 1e-9
    constant = frame[frame["term"] == "constant"]
    assert constant[["value", "usual", "departure"]].isna().all(axis=None)
    spread = constant.groupby("crop")["contribution"].agg(lambda each: each.max() - each.min())
    assert (spread <= 1e-9 * said["predicted"].abs().groupby("crop").max()).all()
    known = frame[frame["term"] != "constant"]
    np.testing.assert_allclose(known["departure"], known["value"] - known["usual"])


def test_a_feature_and_its_square_are_one_term() -> None:
    table = world(features=2, crops=1)
    model = squared(table)
    found = contributions(model, table)
    assert found.features == table.features
    coefficients = model.coefficients().to_pandas().query("region == 'r00003'").set_index(["term", "power"])
    weight = coefficients["coefficient"]
    rows = table.take(table.region_N == 3)
    x, usual = rows.x_NF[:, 0], contributions(model, rows).usual_NF[:, 0]
    square = (x**2).mean()
    expected = weight["f0", 1] * (x - usual) + weight["f0", 2] * (x**2 - square)
    np.testing.assert_allclose(
        contributions(model, rows).feature_NFT[:, 0, 0], expected, rtol=1e-6, atol=1e-9
    )


def test_rows_asked_for_come_sorted() -> None:
    table = world(rows=60, crops=2)
    asked = pd.DataFrame({"region": ["r00002", "r00000"], "year": [1995, 1990], "crop": ["c1", "c0"]})
    frame = drivers_of(squared(table), table, asked).to_pandas()
    assert frame[["region", "year", "crop"]].drop_duplicates().to_numpy().tolist() == [
        ["r00000", 1990, "c0"], ["r00002", 1995, "c1"],
    ]  # fmt: skip
    assert frame["term"].tolist() == ["f0", "f1", "f2", "constant"] * 2


def test_the_most_similar_seasons_are_the_nearest_by_contributions() -> None:
    table = world(rows=100, crops=1)
    model = squared(table)
    past = past_seasons(model, table, "r00001", "c0", 2005)
    assert past["year"].tolist() == list(range(1990, 2005))
    now = {name: float(past[name][7]) + 1e-6 for name in table.features}
    found = most_similar(now, past)
    assert len(found) == 3
    assert found["year"].iloc[0] == 1997
    everything = ((past[list(now)] - pd.Series(now)) ** 2).sum(axis=1) ** 0.5
    np.testing.assert_allclose(found["distance"], np.sort(everything)[:3])
    assert past["actual"].to_numpy() == pytest.approx(
        table.y_NT[(table.region_N == 1) & (table.year_N < 2005), 0]
    )
