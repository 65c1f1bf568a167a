"""A share of `make torture`: the real job killed and refused at steps of every kind, read all along."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each kill")
def test_readers_see_whole_runs_and_repetitions_end_in_the_same_bytes() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--some", "--json"],
        capture_output=True, text=True, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert tally["kills"] >= 12
    assert tally["faults"] >= 5
    assert tally["readings"] >= 10 * tally["kills"]
    assert tally["identical"] >= 8
