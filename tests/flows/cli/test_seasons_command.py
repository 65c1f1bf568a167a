"""Two crops of different seasons in one run: trained, forecast, backtested, exported, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.cli.main import run
from tests.tasks.weather.weather_worlds import monthly, write

Capture = pytest.CaptureFixture[str]
SETTINGS = """
weather = "weather"
yields = "yields"
store = "store"
regions = "regions.geojson"
as_of = ["08-31"]

[season]
start = "06-01"
end = "10-31"

[seasons.rabi]
start = "11-01"
end = "04-30"
crops = ["wheat"]
as_of = ["12-31", "01-31"]

[[features]]
measure = "temperature"
aggregate = "mean"

[[features]]
measure = "rainfall"
aggregate = "sum"

[aggregate]
levels = ["state"]

[split]
test_seasons = 3

[training]
epochs = 60

[gate]
excess = 1.0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rice that the rain of June to October decides, wheat that the warmth of November to April does."""
    folder = tmp_path_factory.mktemp("india")
    weather = monthly(8, range(1995, 2021), seed=5)
    summer = weather[weather["month"].between(6, 10)].groupby(["region", "year"])["rainfall"].sum()
    cold = weather.assign(year=weather["year"] + (weather["month"] >= 11))
    cold = cold[~cold["month"].between(5, 10)]
    winter = cold.groupby(["region", "year"])["temperature"].mean()
    noise = np.random.default_rng(1)
    frames = []
    for crop, signal in (("rice", summer / 4), ("wheat", 10 + winter / 3)):
        frame = signal.rename("yield").reset_index().assign(crop=crop)
        frame["yield"] += 3 + 0.05 * (frame["year"] - 1995) + noise.normal(0, 0.3, len(frame))
        frames.append(
            frame[frame["year"].between(1995 if crop == "rice" else 1996, 2019 if crop == "rice" else 2020)]
        )
    write(folder, "weather", weather)
    # known by its wheat alone, which nobody measured any weather for
    frames.append(frames[1][frames[1]["region"] == "R00"].assign(region="hills"))
    write(folder, "yields", pd.concat(frames))
    write_regions(
        folder / "regions.geojson", {f"R{at:02d}": "north" if at < 5 else "south" for at in range(8)}
    )
    (folder / "settings.toml").write_text(SETTINGS)
    assert run(["train", str(folder / "settings.toml")]) == 0
    return folder


def write_regions(file: Path, states: dict[str, str]) -> None:
    listed = states | {"hills": "north", "nowhere": "south"}
    features = [
        {"type": "Feature", "properties": {"region": region, "state": state}, "geometry": None}
        for region, state in listed.items()
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def current(place: Path) -> Path:
    return next((place / "store/runs").iterdir())


def test_each_season_has_its_models_and_files(place: Path) -> None:
    folder = current(place)
    found = sorted(file.parent.relative_to(folder).as_posix() for file in folder.rglob("predict.sql"))
    models = [f"model/{of}" for of in ("main/08-31", "main/10-31", "rabi/01-31", "rabi/04-30", "rabi/12-31")]
    assert found == sorted([*models, *(f"{model}/evaluation" for model in models)])
    for name in ("dataset.parquet", "dataset-rabi.parquet", "report.html", "report-rabi.html"):
        assert (folder / name).is_file()
    assert "wheat" in pd.read_parquet(folder / "dataset-rabi.parquet")
    assert "wheat" not in pd.read_parquet(folder / "dataset.parquet")
    assert "rice (season main): report.html" in (folder / "report-rabi.html").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())["seasons"]
    assert list(metrics["rabi"]["as_of"]) == ["12-31", "01-31", "04-30"]
    for season, crop, day in (("main", "rice", "10-31"), ("rabi", "wheat", "04-30")):
        assert set(metrics[season]["as_of"][day]["splits"]["test"]["crops"]) == {crop}
        assert metrics[season]["as_of"][day]["splits"]["test"]["crops"][crop]["skill"] > 0.3
    evaluation = pd.read_parquet(folder / "evaluation.parquet")
    assert set(evaluation["season"]) == {"main", "rabi"}
    ledger = json.loads((folder / "ledger.json").read_text())
    assert {name: set(of) for name, of in ledger.items()} == {
        name: {"main", "rabi"} for name in ("weather", "yields", "regions")
    }


def test_predictions_name_their_season_and_follow_its_calendar(place: Path) -> None:
    frame = pd.read_parquet(place / "store/predictions.parquet")
    assert list(frame.columns[:5]) == ["region", "year", "crop", "season", "as_of"]
    assert set(zip(frame["crop"], frame["season"], strict=True)) == {("rice", "main"), ("wheat", "rabi")}
    assert frame.sort_values(["region", "year", "crop"], kind="stable").index.is_monotonic_increasing
    one = frame[(frame["region"] == "R00") & (frame["crop"] == "wheat") & (frame["year"] == 2010)]
    assert one["as_of"].tolist() == ["12-31", "01-31", "04-30"]
    ahead = frame[frame["split"] == "forecast"]
    assert set(zip(ahead["crop"], ahead["year"], strict=True)) == {
        ("rice", 2020), ("wheat", 2021)
    }  # fmt: skip
    assert set(ahead[ahead["crop"] == "wheat"]["as_of"]) == {"12-31"}  # its season is two months old


def test_show_and_export(place: Path, tmp_path: Path, capsys: Capture) -> None:
    store = str(place / "store")
    assert run(["show", store]) == 0
    said = capsys.readouterr().out
    for shown in ("rabi 04-30", "weather, rabi", "sound of wheat"):
        assert shown in said
    assert "pooled" not in said  # each season has one crop
    choices: list[tuple[list[str], str, str]] = [
        ([], "main", "10-31"),
        (["--season", "rabi"], "rabi", "04-30"),
    ]
    for words, season, day in choices:
        file = str(tmp_path / f"{season}.onnx")
        assert run(["export", store, "--onnx", file, "--json", *words]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["season"], result["as_of"]) == (season, day)
    assert run(["export", store, "--onnx", file, "--season", "zaid"]) == 2
    assert "main, rabi" in capsys.readouterr().err


def test_forecast(place: Path, capsys: Capture) -> None:
    assert run(["forecast", str(place / "settings.toml"), "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    found = [(row["year"], row["crop"], row["season"], row["as_of"]) for row in result["seasons"]]
    assert found == [(2020, "rice", "main", "10-31"), (2021, "wheat", "rabi", "12-31")]
    # on a day before the winter's first cut-off the other season is forecast all the same
    assert run(["forecast", str(place / "settings.toml"), "--as-of", "2020-11-30", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {row["crop"] for row in result["seasons"]} == {"rice"}
    assert list(json.loads((Path(result["places"]["forecast"]) / "ledger.json").read_text())["regions"]) == [
        "main"
    ]
    assert any("season rabi" in note and "12-31" in note for note in result["notes"])
    changed = ["--set", "seasons.rabi.start=12-01"]
    assert run(["forecast", str(place / "settings.toml"), *changed]) == 2
    assert "seasons.rabi.start" in capsys.readouterr().err


def test_backtest(place: Path, capsys: Capture) -> None:
    command = ["backtest", str(place / "settings.toml"), "--seasons", "2", "--as-of", "02-28", "--json"]
    assert run(command) == 0
    result = json.loads(capsys.readouterr().out)
    found = [(row["season"], row["as_of"]) for row in result["skill"] if row["crop"] is not None]
    assert found == [
        ("main", "08-31"), ("main", "10-31"),
        ("rabi", "12-31"), ("rabi", "01-31"), ("rabi", "02-28"), ("rabi", "04-30"),
    ]  # fmt: skip
    metrics = json.loads((Path(result["places"]["backtest"]) / "metrics.json").read_text())
    assert set(metrics["seasons"]) == {"main", "rabi"}
    assert metrics["years"] == [2018, 2019, 2020]
    assert run([*command[:-2], "05-15"]) == 2
    assert "05-15 is outside the season 06-01 to 10-31, 11-01 to 04-30" in capsys.readouterr().err


def test_outlook_of_both_seasons(place: Path, tmp_path: Path, capsys: Capture) -> None:
    store, settings = str(place / "store"), str(place / "settings.toml")
    folder = current(place)
    predictions = pd.read_parquet(folder / "predictions.parquet")
    drivers = pd.read_parquet(folder / "drivers.parquet")
    key = ["region", "year", "crop", "season", "as_of"]
    added = drivers.groupby(key)["contribution"].sum().rename("added").reset_index()
    both = predictions[predictions["split"] != "train"].merge(added, on=key)
    assert set(both["season"]) == {"main", "rabi"}
    np.testing.assert_allclose(both["baseline"] + both["added"], both["predicted"], atol=1e-9)
    aggregates = pd.read_parquet(folder / "aggregates.parquet")
    assert set(zip(aggregates["crop"], aggregates["season"], strict=True)) == {
        ("rice", "main"), ("wheat", "rabi"),
    }  # fmt: skip
    ordered = aggregates.assign(level=aggregates["level"] == "all")  # the smallest first
    assert ordered[["level", "name", "year", "crop"]].apply(tuple, axis=1).is_monotonic_increasing

    assert run(["forecast", settings, "--as-of", "2020-11-30", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)["run_id"]
    assert run(["forecast", settings, "--json"]) == 0
    after = json.loads(capsys.readouterr().out)["run_id"]
    record = pd.read_parquet(place / f"store/forecasts/{after}/record.parquet")
    assert set(zip(record["crop"], record["season"], record["lead_days"], strict=True)) == {
        ("rice", "main", 0), ("wheat", "rabi", 120),
    }  # fmt: skip
    assert run(["compare", store, before, after, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert {row["crop"] for row in compared["regions"]} == {"rice"}
    assert run(["compare", store, after, after, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert {row["crop"] for row in compared["regions"]} == {"rice", "wheat"}
    assert {row["difference"] for row in compared["regions"]} == {0}
    assert run(["show", store, "--why", "R00", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["why"]
    assert [(each["crop"], each["season"], each["as_of"]) for each in told] == [
        ("rice", "main", "10-31"), ("wheat", "rabi", "12-31"),
    ]  # fmt: skip
    for each, months in zip(told, ("from 06-01 to 10-31", "from 11-01 to 12-31"), strict=True):
        weather = [term["words"] for term in each["terms"] if term["words"]]
        assert len(weather) == 2
        assert all(words.endswith(months) for words in weather)
    file = tmp_path / "dataset.csv"
    assert run(["export", store, "--csv", "dataset", str(file), "--season", "rabi"]) == 0
    assert "wheat" in pd.read_csv(file)


def test_regions_of_both_seasons(place: Path, capsys: Capture) -> None:
    """A region that grows one season's crop only has data in the other season's account, too."""
    assert run(["forecast", str(place / "settings.toml"), "--json"]) == 0
    forecast = Path(json.loads(capsys.readouterr().out)["places"]["forecast"])
    for folder in (current(place), forecast):
        entries = json.loads((folder / "ledger.json").read_text())["regions"]
        assert set(entries) == {"main", "rabi"}
        for entry in entries.values():
            assert entry["used"] == {"matched": 9}
            assert entry["without_data"] == {"count": 1, "names": ["nowhere"]}
            assert entry["not_in_file"] == {"count": 0, "names": []}
        found = pd.read_parquet(folder / "aggregates.parquet")
        units = set(zip(found["level"], found["name"], found["season"], strict=True))
        assert units == {
            (level, name, season)
            for level, name in (("state", "north"), ("state", "south"), ("all", "all"))
            for season in ("main", "rabi")
        }
    said = pd.read_parquet(forecast / "predictions.parquet")
    states = said["region"].map(lambda region: "north" if region < "R05" else "south")
    means = said.groupby([states, said["crop"]])["predicted"].mean()
    by_state = found[found["level"] == "state"].set_index(["name", "crop"])["predicted"]
    assert len(by_state) == 4
    np.testing.assert_allclose(by_state, means[by_state.index], atol=1e-9)
