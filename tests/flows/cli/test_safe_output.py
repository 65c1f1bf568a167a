"""Names from data on a terminal: escape sequences and marks that turn text round are shown, not obeyed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def test_log_and_refusal_are_shown_safely(tmp_path: Path, capsys: Capture) -> None:
    """Crops stand in the log that `-v` shows, in the run's name, and in what a refused run says as JSON."""
    weather = monthly()
    yields = yields_of(weather).replace({"crop": {"maize": f"maize{HOSTILE}"}})
    places = write(tmp_path, weather, yields)
    assert run(["init", *places, "--settings", str(tmp_path / "settings.toml")]) == 0
    capsys.readouterr()
    refused = ["--set", "gate.excess=0", "--json", "-v"]
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "train", "settings.toml"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment["PREFECT_HOME"] = os.environ["PREFECT_HOME"]
    done = subprocess.run(
        [*command, *refused], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert f"maize{HOSTILE}" in json.loads(done.stdout)["units"]
    assert "test maizew\\u000a\\u001b" in done.stderr
    assert "Flow run 'maizew\\\\u000a\\\\u001b" in done.stderr, "Prefect shows it as Python would write it"
    assert not set(done.stdout + done.stderr) & set("\x1b\x07\u202e")
