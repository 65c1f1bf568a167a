"""What tests of forecasts do to the sample whose last season is under way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli.main import run

Capture = pytest.CaptureFixture[str]


def rewrite(folder: Path, change: Any) -> None:
    for file in sorted(folder.iterdir()):
        change(pd.read_parquet(file), file).to_parquet(file)


def forecast(folder: Path, capture: Capture, *more: str, code: int = 0) -> Any:
    """Run it; what it prints as JSON, or its complaint."""
    command = ["forecast", str(folder / "settings.toml"), "--store", str(folder / "store"), "--json", *more]
    capture.readouterr()
    assert run(command) == code
    said = capture.readouterr()
    assert "Traceback" not in said.err
    return said.err if code else json.loads(said.out)


def copy_of(under_way: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(under_way, tmp_path / "copy"))
