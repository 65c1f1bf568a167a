"""The published reference figures on real data, through the whole job; skipped where the data is absent."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.settings.files import dump_settings
from data.settings.schema import Settings
from flows.cli.main import run

MONTHS = {"season": {"start": "04-01", "end": "09-30"}}
EXACT = {"precision": "float64", "ridge_seasons": 0}


def train(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Run the job in a folder; its metrics for the full season."""
    made = Settings.model_validate(settings | {"store": str(folder / "store")})
    (folder / "settings.toml").write_text(dump_settings(made))
    # weather alone does worse than a trend, so the gate would refuse it
    accept = ("--accept", "the figures are what is asked for")
    assert run(["train", str(folder / "settings.toml"), *accept, "--json"]) == 0
    pointer = json.loads((folder / "store/current.json").read_text())
    metrics = json.loads((folder / "store/runs" / pointer["run_id"] / "metrics.json").read_text())
    found: dict[str, Any] = metrics["seasons"]["main"]["as_of"][
        settings.get("season", {}).get("end", "12-31")
    ]
    assert found["excess"]["evaluation"] <= 1e-6
    return found


@pytest.fixture(scope="module")
def both_crops(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings for US corn and soybeans, inputs filtered to the region-years with both."""
    folder = tmp_path_factory.mktemp("us")
    yields = pd.read_parquet(shared / "us_climdiv_medium/yields.parquet")
    yields = yields[yields["crop"].isin(["corn", "soybeans"]) & (yields["year"] >= 1960)]
    both = yields.groupby(["region", "year"])["crop"].transform("nunique") == 2
    yields[both].to_parquet(folder / "yields.parquet")
    return MONTHS | {
        "weather": str(shared / "us_climdiv_medium/weather.parquet"),
        "yields": str(folder / "yields.parquet"),
        "first_season": 1960,
        "trend": [{"half_life": "inf", "shrinkage": 0.0}],
        "rounds": 1,
        "weather_columns": {"temperature": "temperature_c", "rainfall": "rainfall_mm"},
        "measures": {"temperature": {"unit": "°C"}, "rainfall": {"unit": "mm"}},
        "features": [
            {"measure": measure, "aggregate": "mean", "every": "month"}
            for measure in ("temperature", "rainfall")
        ],
        "split": {"test_seasons": 13},
        "training": EXACT,
    }


@pytest.mark.parametrize(
    ("change", "expected", "tolerance"),
    [
        ({"baseline": "none"}, 2036.82, 1e-3),
        ({"baseline": "none", "year": True}, 536.84, 1e-3),
        ({"baseline": "trend"}, 293.1, 5e-3),
    ],
)
def test_us_corn_and_soybeans(
    both_crops: dict[str, Any], change: dict[str, Any], expected: float, tolerance: float, tmp_path: Path
) -> None:
    features = both_crops["features"] + ([{"measure": "year"}] if change.pop("year", False) else [])
    found = train(tmp_path, both_crops | change | {"features": features})
    assert found["splits"]["test"]["pooled"]["mse"] == pytest.approx(expected, rel=tolerance)


def least_squares_mse(frame: pd.DataFrame, features: list[str], test_seasons: int) -> float:
    """Test MSE of numpy's exact least squares, trained on the seasons before."""
    years = np.unique(frame["year"])
    test = frame["year"].isin(years[len(years) - test_seasons :]).to_numpy()
    x = np.column_stack([np.ones(len(frame)), frame[features]])
    weights, *_ = np.linalg.lstsq(x[~test], frame["yield"].to_numpy(dtype=float)[~test], rcond=None)
    return float(np.mean((x[test] @ weights - frame["yield"].to_numpy()[test]) ** 2))


def test_fao_maize_agrees_with_numpy(shared: Path, tmp_path: Path) -> None:
    weather = pd.read_parquet(shared / "fao_country/weather.parquet")
    yields = pd.read_parquet(shared / "fao_country/yields.parquet")
    joined = yields[yields["crop"] == "Maize"].merge(weather, on=["region", "year"])
    columns = ["temperature_c", "rainfall_mm", "pesticides_tonnes"]
    found = train(
        tmp_path,
        {
            "weather": str(shared / "fao_country/weather.parquet"),
            "yields": str(shared / "fao_country/yields.parquet"),
            "crops": ["Maize"],
            "baseline": "none",
            "features": [{"measure": name, "aggregate": "mean"} for name in columns],
            "training": EXACT,
        },
    )
    expected = least_squares_mse(joined, columns, 5)
    assert found["splits"]["test"]["crops"]["Maize"]["mse"] == pytest.approx(expected, rel=1e-3)


def test_minnesota_barley_agrees_with_numpy(shared: Path, tmp_path: Path) -> None:
    weather = pd.read_parquet(shared / "minnesota_barley/weather.parquet")
    yields = pd.read_parquet(shared / "minnesota_barley/yields.parquet")
    recent = yields[yields["year"].between(1927, 1936)]
    trials = recent.groupby(["crop", "region", "year"]).size().groupby("crop")
    # a variety tried once a site and year everywhere, the one with most rows
    crop = trials.size()[trials.max() == 1].sort_values(kind="stable").index[-1]
    season = weather[weather["month"].between(4, 7)].groupby(["region", "year"])
    seasons = season[["rainfall_in"]].sum().reset_index()
    joined = yields[yields["crop"] == crop].merge(seasons, on=["region", "year"])
    found = train(
        tmp_path,
        {
            "weather": str(shared / "minnesota_barley/weather.parquet"),
            "yields": str(shared / "minnesota_barley/yields.parquet"),
            "crops": [crop],
            "first_season": 1927,
            "baseline": "none",
            "season": {"start": "04-01", "end": "07-31"},
            "features": [{"measure": "rainfall_in", "aggregate": "sum"}],
            "split": {"test_seasons": 2},
            "training": EXACT,
        },
    )
    expected = least_squares_mse(joined, ["rainfall_in"], 2)
    assert found["splits"]["test"]["crops"][crop]["mse"] == pytest.approx(expected, rel=1e-3)
