"""Names from data on a terminal: escape sequences and marks that turn text round are shown, not obeyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.settings.files import load_settings
from flows.cli.app import Output, emit
from flows.cli.main import run
from flows.cli.terminal import tables
from tests.odd_files import monthly, write, yields_of

HOSTILE = 'w\n\x1b]0;own\x07heat\u202e"'
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("as_json", [False, True])
def test_results_are_shown_safely(as_json: bool, capsys: Capture) -> None:
    result: dict[str, Any] = {"server": HOSTILE, "removed": [HOSTILE], "warnings": [], "automations": []}
    emit(Output(json=as_json), result, lambda: tables.alerts(result))
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\u202e")
    assert "\\u001b" in said
    if as_json:
        assert json.loads(said)["server"] == HOSTILE


def test_messages_are_shown_safely(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('"a\\u001b[31m" = 1\nweather = "w"\nyields = "y"\nstore = "s"\n')
    assert run(["train", str(file)]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "a\\u001b[31m" in said or "a\\x1b[31m" in said


def test_data_cannot_write_settings(tmp_path: Path, capsys: Capture) -> None:
    """A unit with a line break once made live settings out of a comment."""
    weather = monthly()
    yields = yields_of(weather)
    yields["unit"] = 't/ha\nrunner = "dask"\nrunner_address = "tcp://evil:1"\n#'
    barley = yields[yields["crop"] == "wheat"].assign(crop=HOSTILE)
    places = write(tmp_path, weather.rename(columns={"temp": 'te"mp\n[x]'}), pd.concat([yields, barley]))
    file = tmp_path / "settings.toml"
    assert run(["init", *places, "--settings", str(file)]) == 0
    said = capsys.readouterr()
    assert not set(said.out + said.err) & set("\x1b\x07\u202e")
    settings = load_settings(file)
    assert settings.runner == "threads"
    assert settings.runner_address is None
    assert HOSTILE in settings.crops
    assert not set(file.read_text()) & set("\x1b\x07\u202e")
