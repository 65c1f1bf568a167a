"""Why a forecast is what it is, in words: of measures that have none of their own, too."""

import json

import pandas as pd
import pytest

from tasks.outlook.why import explain


@pytest.mark.parametrize(
    ("measure", "unit", "words"),
    [
        ("tmean", "°C", "too warm in July"), ("t_max", "°C", "too warm in July"),
        ("prec", "mm", "too wet in July"), ("soil_moisture", "m³/m³", "too high soil moisture in July"),
    ],
)  # fmt: skip
def test_the_largest_part_is_told_with_its_value_and_unit(measure: str, unit: str, words: str) -> None:
    term = f"{measure}_mean_07"
    about = {
        "measure": measure, "aggregate": "mean", "days": ["07-01", "07-31"], "months": 1, "threshold": None
    }  # fmt: skip
    metadata = {
        "baseline": "trend",
        f"term:main:09-30:{term}": json.dumps(about),
        f"unit:main:{term}": unit,
    }
    row = {
        "season": "main", "as_of": "09-30", "term": term, "value": 24.1, "usual": 22.0, "departure": 2.1,
        "contribution": -0.9,
    }  # fmt: skip
    said = {
        "crop": "maize", "region": "R1", "year": 2023, "predicted": 6.5, "baseline": 7.4, "unit": "t/ha"
    }  # fmt: skip
    found = explain(said, pd.DataFrame([row]), metadata, {term: "mean of it in July"})
    assert found["sentence"] == (
        f"maize in R1, 2023: 6.50 t/ha, 0.90 t/ha below its trend, mostly {words}: "
        f"24.1 {unit} where 22.0 {unit} is usual (−0.90 t/ha)"
    )
    assert found["terms"][0]["title"] == "mean of it in July"
    assert found["baseline_of"] == "its trend"
