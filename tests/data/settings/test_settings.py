"""Settings: what is refused, how it is explained, and that a file written is the file read."""

import math
from pathlib import Path
from typing import Any

import pytest

from data.errors import SettingsError
from data.settings.files import dump_settings, load_settings, parse_settings
from data.settings.overrides import parse_change
from data.settings.schema import Settings

SMALLEST: dict[str, Any] = {
    "weather": "w",
    "yields": "y",
    "store": "s",
    "features": [{"measure": "rain", "aggregate": "sum"}],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weathr": 1}, "unknown key 'weathr'; did you mean 'weather'?"),
        ({"training": {"epoch": 3}}, "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ({"features": [{"measure": "x", "agregate": "mean"}]}, "did you mean 'aggregate'?"),
        ({"features": [{"measure": "x"}]}, "needs an aggregate"),
        ({"features": [{"measure": "x", "aggregate": "days_above"}]}, "threshold belongs to days_above"),
        ({"features": [{"measure": "x", "aggregate": "degree_days", "base": 30, "cap": 10}]}, "base < cap"),
        ({"features": []}, "features"),
        ({"season": {"start": "02-30"}}, "no day of the calendar"),
        ({"training": {"momentum": 1.0}}, "training.momentum"),
        ({"training": {"nesterov": True}}, "nesterov needs a momentum"),
        ({"training": {"learning_rate": -1}}, "training.learning_rate"),
        ({"first_season": 2000, "last_season": 1990}, "first_season 2000 is after last_season 1990"),
        ({"crops": ["a", "a"]}, "names one twice"),
        ({"measures": {"rain": {"range": [3, 1]}}}, "ends before it starts"),
        ({"training": {"learning_rate": "fast"}}, "must be 'auto' or a number (found 'fast')"),
        ({"training": {"device": "gpu"}}, "must be one of these: auto, cpu"),
        ({"as_of": "07-31"}, 'must be a list in brackets, as in ["06-30", "07-31"]'),
        ({"crop_units": "t/ha"}, "is a section"),
        ({"season": "summer"}, "write [season] on a line of its own; its keys: start, end"),
        ({"features": {"measure": "x", "aggregate": "sum"}}, "write [[features]], in two brackets"),
        ({"features": [{"measure": "x", "aggregate": "sum", "window": ["07-01"]}]}, "needs 2 or more values"),
        ({"features": [{"measure": "x", "aggregate": "avg"}]}, "must be one of mean, sum"),
        ({"max_rejected": 20}, "max_rejected: must be 1 or less (found 20)"),
        ({"zzz": 1}, "the keys and sections are weather, yields"),
        ({"trend_half_life": 5.0}, "trend_half_life is no longer a setting; write half_life under [[trend]]"),
        ({"trend_shrinkage": 0.0}, "write shrinkage under [[trend]]"),
        ({"training": {"weight_decay": 0.1}}, "write training.ridge_seasons"),
        ({"training": {"patience": 3}}, "write training.tolerance"),
        ({"trend": {"half_life": 5.0}}, "write [[trend]], in two brackets"),
        ({"trend": []}, "trend"),
        ({"trend": [{"half_live": 5.0}]}, "did you mean 'half_life'?"),
        ({"trend": [{"shrinkage": -1.0}]}, "trend.0.shrinkage: must be 0 or more"),
        ({"rounds": 0}, "rounds: must be 1 or more"),
        ({"training": {"ridge_seasons": math.inf}}, "training.ridge_seasons: must be a finite number"),
        ({"features": [{"measure": "year", "square": True}]}, "the feature 'year' takes no square"),
    ],
)
def test_bad_settings_are_explained(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(SMALLEST | change, "file.toml")
    assert message in str(caught.value)
    assert "file.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_key_is_named() -> None:
    with pytest.raises(SettingsError, match="'store' is missing"):
        parse_settings({key: value for key, value in SMALLEST.items() if key != "store"}, "x")


def test_written_settings_read_back_the_same(tmp_path: Path) -> None:
    settings = parse_settings(
        SMALLEST
        | {
            "weather": "/w",
            "yields": "s3://b/y",
            "store": "/s",
            "trend": [{"half_life": math.inf, "shrinkage": math.inf}],
            "as_of": ["06-30"],
        },
        "x",
    )
    file = tmp_path / "again.toml"
    file.write_text(dump_settings(settings))
    assert load_settings(file) == settings


def test_infinity_survives_json() -> None:
    settings = parse_settings(SMALLEST | {"trend": [{"half_life": math.inf}, {"shrinkage": math.inf}]}, "x")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_locations_are_seen_from_the_file_and_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    file = tmp_path / "there" / "s.toml"
    file.write_text(dump_settings(parse_settings(SMALLEST, "x")))
    monkeypatch.chdir(tmp_path / "here")
    settings = load_settings(file, {"store": "mine", "yields": "s3://bucket/y"})
    assert settings.weather == str(tmp_path / "there" / "w")
    assert settings.store == str(tmp_path / "here" / "mine")
    assert settings.yields == "s3://bucket/y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=5", ("training.epochs", 5)),
        ("baseline=mean", ("baseline", "mean")),
        ('crops=["corn"]', ("crops", ["corn"])),
        ("trend.0.half_life=inf", ("trend.0.half_life", math.inf)),
    ],
)
def test_changes_are_toml_or_plain_text(text: str, expected: tuple[str, Any]) -> None:
    assert parse_change(text) == expected


def test_changes_reach_nested_tables(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(dump_settings(parse_settings(SMALLEST, "x")))
    changed = load_settings(
        file, {"training.epochs": 7, "features.0.aggregate": "mean", "measures.rain.unit": "mm"}
    )
    assert changed.training.epochs == 7
    assert changed.features[0].aggregate == "mean"
    assert changed.measures["rain"].unit == "mm"
    for wrong in ("features.9.aggregate", "baseline.x", "features.x"):
        with pytest.raises(SettingsError, match="--set"):
            load_settings(file, {wrong: 1})


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe"])
def test_unreadable_files_are_explained(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"s\.toml"):
        load_settings(file)
    with pytest.raises(SettingsError, match="no such settings file"):
        load_settings(tmp_path / "none.toml")
