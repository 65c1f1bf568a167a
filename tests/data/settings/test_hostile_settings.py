"""Settings files that are too deep, too long, or no files."""

import os
from pathlib import Path

import pytest

from data.errors import SettingsError
from data.settings.files import dump_settings, load_settings, parse_settings
from data.settings.overrides import parse_change

SOUND = 'weather = "w"\nyields = "y"\nstore = "s"\n[[features]]\nmeasure = "rain"\naggregate = "sum"\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_rejected = " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("first_season = " + "9" * 5000, "4300 digits"),
        ("first_season = " + "9" * 400, "first_season"),
        ("first_season = 0", "1 or more"),
        ('runner_address = "a\\u0000b"', "runner_address"),
    ],
)
def test_what_no_settings_are_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"{line}\n{SOUND}")
    with pytest.raises(SettingsError, match=said):
        load_settings(file)


@pytest.mark.parametrize(("text", "said"), [("a=" + "[" * 3000, "too deep"), ("a=" + "1" * 5000, "digits")])
def test_changes_are_bounded_too(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_change(text)


def test_a_pipe_is_no_settings_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.toml")
    with pytest.raises(SettingsError, match="is no file"):
        load_settings(tmp_path / "settings.toml")
    with pytest.raises(SettingsError, match="NUL"):
        load_settings("a\0b")


@pytest.mark.parametrize("name", ["a\x1b[31m", "[x]", 'a"b', "a\\x1b", "a.b", "\u202e", "", "ü\n"])
def test_settings_with_any_name_are_written_and_read_back(tmp_path: Path, name: str) -> None:
    raw = {
        "weather": f"/{name}".replace("\n", ""), "yields": "/y", "store": "/s",
        "crops": [name], "crop_units": {name: name},
        "measures": {name: {"unit": name, "range": [float("-inf"), 1e20]}}, "weather_columns": {name: name},
        "features": [{"measure": name, "aggregate": "sum"}, {"measure": "year"}],
    }  # fmt: skip
    settings = parse_settings(raw, "test")
    (tmp_path / "settings.toml").write_text(dump_settings(settings), encoding="utf-8")
    assert load_settings(tmp_path / "settings.toml") == settings
