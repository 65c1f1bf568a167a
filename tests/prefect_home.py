"""Prefect's home with its data base made: to make one takes ten seconds of CPU, to copy it none."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_MADE = Path(tempfile.gettempdir()) / f"cropyield-tests-{os.getuid()}-prefect-{metadata.version('prefect')}"
_FILES = ("prefect.db", f"cropyield-{metadata.version('prefect')}")
_MAKE = """
import os, sqlite3
from flows.server.environment import prepare_environment
prepare_environment(debug=False)
from flows.server.embedded import EMBEDDED
EMBEDDED.start()
EMBEDDED.wait()
EMBEDDED.stop()
with sqlite3.connect(os.environ["PREFECT_HOME"] + "/prefect.db") as database:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""


def fill(home: Path) -> Path:
    """Make a folder the home of a Prefect that has run before; whoever asks first on a machine has it run."""
    with Path(f"{_MADE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((_MADE / file).exists() for file in _FILES):  # or cleaned away
            shutil.rmtree(_MADE, ignore_errors=True)
            _make()
    home.mkdir(parents=True, exist_ok=True)
    for file in _FILES:
        shutil.copy(_MADE / file, home)
    return home


def _make() -> None:
    with tempfile.TemporaryDirectory(prefix=f"{_MADE.name}-", dir=_MADE.parent) as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = kept | {"PREFECT_HOME": f"{folder}/home", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", _MAKE], env=environment, check=True)
        Path(folder, "home").rename(_MADE)
