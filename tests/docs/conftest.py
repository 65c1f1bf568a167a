"""What a reader of the documentation has: data under the names that its pages use, and a store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.cli.main import run
from tests.docs.commands import ROOT


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reader's data under the names that README uses, trained once, with two runs."""
    from data.synthetic.write import write_world

    folder = tmp_path_factory.mktemp("reader")
    write_world(folder, regions=12, years=20, resolution="monthly", seed=1)
    # the last season isn't harvested yet: there is something to forecast
    for file in (folder / "yields").iterdir():
        rows = pq.read_table(file)
        pq.write_table(rows.filter(pc.not_equal(rows["year"], 2023)), file)
    for name in ("weather", "yields"):  # the other way in which people keep them
        pq.write_table(pq.read_table(folder / name), folder / f"{name}.parquet")
    settings = str(folder / "settings.toml")
    cutoffs = ["--set", 'as_of=["07-31"]']
    assert run(["train", settings, *cutoffs, "--json"]) == 0
    assert run(["train", settings, *cutoffs, "--set", "training.epochs=90", "--json"]) == 0
    shutil.copytree(ROOT / "data", folder / "data")
    return folder


@pytest.fixture
def place(reader: Path, tmp_path: Path) -> Path:
    """A copy for one command."""
    shutil.copytree(reader, tmp_path / "here")
    return tmp_path / "here"
