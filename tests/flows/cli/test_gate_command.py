"""The gate on whole runs: what is unsound is kept and not published, even where nothing is published yet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.store.backends.local import LocalStore
from data.store.failed_runs import newest_failed_runs
from data.synthetic.write import synth
from flows.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gate") / "world"
    synth(str(place), regions=12, years=24, resolution="season", seed=4)
    return place


def changed(world: Path, place: Path, change: Callable[[pd.DataFrame, list[int]], None]) -> list[str]:
    """The command that trains on a copy of the world with other yields; `change` gets its harvest years."""
    shutil.copytree(world, place)
    for file in (place / "yields").rglob("*.parquet"):
        frame = pd.read_parquet(file)
        change(frame, years_of(world))
        frame.to_parquet(file, index=False)
    return ["train", str(place / "settings.toml"), "--set", "training.epochs=60", "--set", "gate.excess=1"]


def years_of(world: Path) -> list[int]:
    return sorted(pd.read_parquet(world / "yields")["year"].unique().tolist())


def another_unit(first: int, last: int | None = None) -> Callable[[pd.DataFrame, list[int]], None]:
    def change(frame: pd.DataFrame, years: list[int]) -> None:
        frame.loc[frame["year"].isin(years[first:last]), "yield"] *= 15.93  # t/ha to bushels per acre

    return change


@pytest.mark.parametrize("first", [12, -1])
def test_a_change_of_unit_publishes_nothing(first: int, world: Path, tmp_path: Path, capsys: Capture) -> None:
    place = tmp_path / "world"
    command = changed(world, place, another_unit(first))
    assert run(command) == 4
    said = capsys.readouterr().err
    assert "sound" in said
    assert f"from {years_of(world)[first]} on yields are" in said
    assert "change of unit" in said
    assert "--accept" in said
    store = place / "store"
    assert not (store / "current.json").exists()
    assert not (store / "predictions.parquet").exists()
    (kept,) = (store / "runs").iterdir()
    assert (kept / "manifest.json").exists()
    assert "most likely in another unit" in (kept / "report.html").read_text()
    (end,) = newest_failed_runs(LocalStore(store), 2)
    assert end["state"] == "Failed"
    assert run([*command, "--json"]) == 4
    result = json.loads(capsys.readouterr().out)
    broken = [check for check in result["gate"]["checks"] if check["name"] == "sound"]
    assert {check["outcome"] for check in broken} == {"failed"}
    assert {check["crop"] for check in broken} == set(result["units"])


def test_one_region_in_another_unit_is_named(world: Path, tmp_path: Path, capsys: Capture) -> None:
    """The gate looks at the median region; 50 tonnes a hectare in one place went through in silence."""

    def in_quintals(frame: pd.DataFrame, years: list[int]) -> None:
        frame.loc[(frame["year"] == years[-1]) & (frame["region"] == "R0004"), "yield"] *= 15.93

    place = tmp_path / "world"
    command = changed(world, place, in_quintals)
    assert run([*command, "--accept", "a look at what is said"]) == 0
    said = capsys.readouterr().out
    assert "warning: apples: yields far from the mean of their region's five seasons before" in said
    assert f"R0004 in {years_of(world)[-1]} (" in said
    assert said.count("R0004 in") == len(set(pd.read_parquet(place / "yields")["crop"]))
    (kept,) = (place / "store/runs").iterdir()
    assert f"R0004 in {years_of(world)[-1]} (" in (kept / "report.html").read_text()
    assert run([*command, "--json"]) == 0
    assert any("R0004 in" in note for note in json.loads(capsys.readouterr().out)["notes"])


def test_accepting_publishes_it_and_a_repetition_leaves_it_so(
    world: Path, tmp_path: Path, capsys: Capture
) -> None:
    place = tmp_path / "world"
    command = changed(world, place, another_unit(12))
    assert run(command) == 4
    assert run([*command, "--accept", "a new unit, we know"]) == 0
    assert "accepted: a new unit, we know" in capsys.readouterr().out
    assert (place / "store/predictions.parquet").exists()
    assert run(command) == 0
    assert "nothing new" in capsys.readouterr().out


def test_a_season_of_failed_harvests_is_used_in_full(world: Path, tmp_path: Path, capsys: Capture) -> None:
    def nothing_harvested(frame: pd.DataFrame, years: list[int]) -> None:
        frame.loc[frame["year"] == years[12], "yield"] = 0.0

    place = tmp_path / "world"
    command = changed(world, place, nothing_harvested)
    # the trend after such a season is poor, which is another matter
    assert run([*command, "--set", "gate.against_baseline=9", "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert not any(result["metrics"]["seasons"]["main"]["breaks"].values())
    dataset = pd.read_parquet(place / "store/runs" / result["run_id"] / "dataset.parquet")
    crops = list(result["units"])
    of_season = dataset.loc[dataset["year"] == years_of(world)[12], crops]
    yields = pd.read_parquet(place / "yields")
    assert int((of_season == 0).sum().sum()) == int((yields["year"] == years_of(world)[12]).sum())
