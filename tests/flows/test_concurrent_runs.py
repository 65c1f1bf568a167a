"""Several `cropyield train` at the same time into one store: all end whole, readers never see a mixture."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.torture.command import command, end_session
from tests.torture.job import contents, read, stable

QUICK = ("--set", "training.epochs=30", "--set", "gate.excess=1")


def at_once(store: Path, home: Path, *changes: tuple[str, ...]) -> None:
    """Run one with each of `changes` at once, reading whenever there is something, and wait for them."""
    processes: list[subprocess.Popen[bytes]] = [command(store, home, *QUICK, *change) for change in changes]
    try:
        for process in processes:
            while True:
                try:
                    process.wait(0.05)
                    break
                except subprocess.TimeoutExpired:
                    if (store / "current.json").exists():
                        read(store)
    finally:
        for process in processes:
            end_session(process)
    log = Path(f"{store}.log").read_text(encoding="utf-8")
    assert [process.returncode for process in processes] == [0] * len(changes), log


def test_two_equal_runs_and_another_at_once(tmp_path: Path) -> None:
    """In a new home, too, so that each of the three would make Prefect's data base."""
    if not hasattr(os, "killpg"):
        pytest.skip("ends sessions of processes")
    store, home = tmp_path / "store", tmp_path / "prefect"
    at_once(store, home, (), (), ("--set", "training.seed=1"))
    runs = sorted(folder.name for folder in (store / "runs").iterdir())
    assert len(runs) == 2
    current = read(store)
    assert current in runs
    found = contents(store)
    assert stable(store) == found[f"runs/{current}/predictions.parquet"]
    for run in runs:
        manifest = json.loads((store / "runs" / run / "manifest.json").read_bytes())
        present = {name.removeprefix(f"runs/{run}/") for name in found if name.startswith(f"runs/{run}/")}
        assert present == manifest["files"].keys()
        for name, facts in manifest["files"].items():
            assert found[f"runs/{run}/{name}"] == facts["sha256"]
    assert not [file for file in store.rglob("*.tmp") if ".work" not in file.parts]
