"""Training into stores whose medium fails: one clear message, exit code 5, and a repetition succeeds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAID = {
    "disk full while publishing": "the disk is full; free some space",
    "read-only": "the file system is read-only",
    "permission denied": "permission denied; check who may write there",
    "file size limit": "the file grows beyond what is allowed",
    "vanishes before step 0 of publish": "bring it",
    "vanishes before step 90 of publish": "bring it",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each fault")
def test_every_fault_of_a_medium_is_explained_and_passes() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.media", *SAID],
        capture_output=True, text=True, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == SAID.keys()
    for fault, result in found.items():
        if "skipped" in result:
            continue
        assert result["code"] == 5, (fault, result)
        assert SAID[fault] in result["said"]
        assert "Traceback" not in result["said"]
        assert result["before"], f"{fault}: the run before is current"
        assert result["identical"], f"{fault}: a repetition ends in the same bytes"
        assert result.get("left", []) == [], f"{fault}: no pointer or manifest where the store was"
