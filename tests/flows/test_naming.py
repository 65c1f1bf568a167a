"""Names of flow runs before anything has been computed."""

from __future__ import annotations

from pathlib import Path

from data.settings.files import load_settings
from flows.cli.main import run
from flows.naming import crops_ahead, crops_and_years


def test_a_training_is_named_after_the_yields(shipped: Path, tmp_path: Path) -> None:
    sample = load_settings(shipped / "sample/settings.toml", {"first_season": 2001})
    assert crops_and_years(sample) == ("apples, oranges, quinces", "2001", "2023")
    gone = sample.model_copy(update={"yields": str(tmp_path / "gone"), "crops": ("apples",)})
    assert crops_and_years(gone) == ("apples", "2001", "2023")
    bare = gone.model_copy(update={"crops": (), "first_season": None, "last_season": None})
    assert crops_and_years(bare) == ("all crops", "first", "last season")


def test_a_forecast_is_named_after_the_model(shipped: Path, tmp_path: Path) -> None:
    file = str(shipped / "sample/settings.toml")
    settings = load_settings(file, {"store": str(tmp_path / "store")})
    assert crops_ahead(settings) == "apples, oranges, quinces ahead"
    assert crops_ahead(settings.model_copy(update={"crops": ()})) == "all crops ahead"
    assert run(["train", file, "--store", str(tmp_path / "store"), "--json"]) == 0
    assert crops_ahead(settings) == "apples, oranges from 2024"
    chosen = settings.model_copy(update={"crops": ("oranges",)})
    assert crops_ahead(chosen) == "oranges from 2024"
    assert crops_ahead(chosen, "2022-07-31") == "oranges as of 2022-07-31"
