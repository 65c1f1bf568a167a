"""A forecast on real data against what was harvested later; skipped where the data is absent."""

import json
from pathlib import Path

import pandas as pd
import pytest

from flows.cli.main import run


def test_us_seasons_are_forecast_in_july(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained up to 2021, 2022 forecast with the weather up to 31 July, against what was harvested."""
    source = shared / "us_climdiv_medium"
    yields = pd.read_parquet(source / "yields.parquet")
    yields = yields[yields["crop"].isin(["corn", "soybeans"]) & (yields["year"] >= 1960)]
    yields[yields["year"] <= 2021].to_parquet(tmp_path / "yields.parquet")
    (tmp_path / "settings.toml").write_text(f"""
weather = "{source / "weather.parquet"}"
yields = "yields.parquet"
store = "store"
first_season = 1960
as_of = ["07-31"]
season = {{ start = "04-01", end = "09-30" }}
features = [
  {{ measure = "temperature_c", aggregate = "mean", every = "month", square = true }},
  {{ measure = "rainfall_mm", aggregate = "mean", every = "month", square = true }},
]
""")
    assert run(["train", str(tmp_path / "settings.toml"), "--json"]) == 0
    capsys.readouterr()
    assert run(["forecast", str(tmp_path / "settings.toml"), "--as-of", "2022-07-31", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    frame = pd.read_parquet(tmp_path / "store/forecasts.parquet").query("year == 2022")
    assert set(frame["as_of"]) == {"07-31"}
    assert {row["as_of"] for row in result["seasons"] if row["year"] < 2022} <= {"09-30"}
    actual = yields[yields["year"] == 2022].rename(columns={"yield": "harvested"})
    scored = frame.merge(actual[["region", "year", "crop", "harvested"]])
    before = yields[yields["year"].between(2017, 2021)].groupby(["region", "crop"])["yield"].mean()
    scored = scored.join(before.rename("five"), on=["region", "crop"]).dropna(subset=["five"])
    for crop, rows in scored.groupby("crop"):
        assert len(rows) > 100
        errors = {
            name: ((rows[name] - rows["harvested"]) ** 2).mean() for name in ("predicted", "five", "baseline")
        }
        assert errors["predicted"] < min(errors["five"], errors["baseline"]), (crop, errors)
        covered = rows["harvested"].between(rows["lower_95"], rows["upper_95"]).mean()
        assert covered > 0.89, (crop, covered)  # of one season alone
        assert ((rows["upper_80"] - rows["lower_80"]) < (rows["upper_95"] - rows["lower_95"])).all()
