"""The sample with its last season under way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.cli.main import run
from tests.flows.cli.forecasts.under_way import rewrite


@pytest.fixture(scope="module")
def under_way(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as it was in August 2023, trained with a cut-off in June."""
    folder = tmp_path_factory.mktemp("under-way") / "sample"
    shutil.copytree(shipped / "sample", folder)
    rewrite(folder / "yields", lambda rows, _: rows[rows["year"] != 2023])
    rewrite(folder / "weather", lambda rows, _: rows[~((rows["year"] == 2023) & (rows["month"] > 7))])
    command = ["train", str(folder / "settings.toml"), "--store", str(folder / "store"), "--json"]
    assert run([*command, "--set", 'as_of=["06-30"]']) == 0
    return folder
