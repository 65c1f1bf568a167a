"""Two `cropyield train` at the same time into one store: both end whole, readers never see a mixture."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.prefect_home import fill
from tests.torture.command import command, end_session
from tests.torture.job import contents, read, stable

QUICK = ("--set", "training.epochs=30", "--set", "gate.excess=1")


def both(store: Path, home: Path, *second: str) -> None:
    """Run two at once, reading whenever there is something, and wait for them."""
    processes: list[subprocess.Popen[bytes]] = [
        command(store, home, *QUICK),
        command(store, home, *QUICK, *second),
    ]
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
    assert [process.returncode for process in processes] == [0, 0], log


@pytest.mark.parametrize("second", [(), ("--set", "training.seed=1")], ids=["same", "different"])
def test_two_runs_at_once(tmp_path: Path, second: tuple[str, ...]) -> None:
    if not hasattr(os, "killpg"):
        pytest.skip("ends sessions of processes")
    store, home = tmp_path / "store", tmp_path / "prefect"
    if second:  # else both make the data base
        fill(home)
    both(store, home, *second)
    runs = sorted(folder.name for folder in (store / "runs").iterdir())
    assert len(runs) == 1 + bool(second)
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
