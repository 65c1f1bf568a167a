"""What `make run` says while it installs, with a Python that only pretends to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PRETENDS = """#!/bin/sh
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"-m pip"*) echo "pip was asked: $*"; echo "Downloading torch (900 MB)" ;;
esac
"""


def test_make_says_what_it_installs_before_and_while_it_does(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(_PRETENDS)
    python.chmod(0o755)
    command = ["make", f"PYTHON={python}", ".venv/.run"]
    # as a command of its own, whatever make runs this test
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
    lines = made.stdout.splitlines()
    assert lines[0].startswith("Making .venv")
    assert lines[1].startswith("Installing torch, Prefect")
    assert "minutes" in lines[1]
    assert "-m pip install" in lines[2]
    assert not {"-q", "--quiet"} & set(lines[2].split())
    assert lines[3] == "Downloading torch (900 MB)"  # pip's own words reach the terminal
    again = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
    assert "Installing" not in again.stdout
