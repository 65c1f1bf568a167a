"""Whatever step of publishing is the last one, readers find a whole run and a repetition finds its way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each step")
def test_publishing_killed_at_each_of_its_steps(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_publishing.py")), str(tmp_path)],
        capture_output=True, text=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    # six files, each created, written in two halves, flushed, renamed, its folder flushed; and the folders
    assert tally["kills"] >= 40
    assert tally["readings"] >= tally["kills"]
