"""Whatever step of publishing a forecast is the last one, readers find a whole one and a repeat mends it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each step")
def test_forecasts_killed_at_each_step_of_publishing(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_forecasting.py")), str(tmp_path)],
        capture_output=True, text=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    # five files, each created, written in two halves, flushed, renamed, its folder flushed
    assert tally["kills"] >= 30
    assert tally["readings"] >= tally["kills"]
