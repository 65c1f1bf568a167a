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
        if not _MADE.exists():
            making = tempfile.mkdtemp(prefix=f"{_MADE.name}-", dir=_MADE.parent)
            kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
            environment = kept | {"PREFECT_HOME": making, "PYTHONPATH": str(ROOT)}
            subprocess.run([sys.executable, "-c", _MAKE], env=environment, check=True)
            Path(making).rename(_MADE)
    home.mkdir(parents=True, exist_ok=True)
    for file in ("prefect.db", f"cropyield-{metadata.version('prefect')}"):
        shutil.copy(_MADE / file, home)
    return home
