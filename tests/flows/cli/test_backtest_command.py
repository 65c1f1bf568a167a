"""`cropyield backtest` on the sample, through the embedded server: mapped hindcasts, published as a whole."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli.main import run


def backtest(settings: Path, store: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """Run it; what it prints as JSON."""
    command = ["backtest", str(settings), "--store", str(store), "--seasons", "3", "--json", *more]
    assert run(command) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_each_season_is_predicted_at_each_cutoff(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, store = shipped / "sample/settings.toml", tmp_path / "store"
    result = backtest(settings, store, capsys, "--as-of", "06-30")
    assert result["seasons"] == [2021, 2022, 2023]
    assert [row["as_of"] for row in result["skill"]] == ["06-30"] * 3 + ["09-30"] * 3
    full = {row["crop"]: row for row in result["skill"] if row["as_of"] == "09-30"}
    early = {row["crop"]: row for row in result["skill"] if row["as_of"] == "06-30"}
    for crop in ("apples", "oranges"):
        assert full[crop]["skill"] > early[crop]["skill"]
    folder = store / "backtests" / result["run_id"]
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"]
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert set(predictions["year"]) == {2021, 2022, 2023}
    assert not (store / "current.json").exists()
    assert run(["compare", str(store), result["run_id"], result["run_id"][:8]]) == 2
    assert f"{result['run_id']} is a backtest" in capsys.readouterr().err
    again = backtest(settings, tmp_path / "other", capsys, "--as-of", "06-30")
    assert again["run_id"] == result["run_id"]
    twin = tmp_path / "other/backtests" / again["run_id"]
    assert all((twin / name).read_bytes() == (folder / name).read_bytes() for name in manifest["files"])


def test_leave_one_out_is_labelled_as_peeking(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = backtest(shipped / "sample/settings.toml", tmp_path / "store", capsys, "--leave-one-out")
    assert "peeks at later years" in result["made"]


@pytest.mark.parametrize(
    ("option", "value"), [("--seasons", "0"), ("--as-of", "13-45"), ("--as-of", "12-31")]
)
def test_what_can_not_be_asked_is_refused_before_anything_starts(
    option: str, value: str, shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = str(shipped / "sample/settings.toml")
    assert run(["backtest", settings, "--store", str(tmp_path / "store"), option, value]) == 2
    assert value in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
