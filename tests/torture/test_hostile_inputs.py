"""A share of the fuzzers of inputs and settings; `make torture` has them all."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_hostile_inputs_hurt_nobody() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.torture.inputs", "--some"], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
