"""A publication killed at each step it takes on the file system, while a reader follows the pointer.

For scripts that a test runs in a process of its own: it forks a child for each step, so they import nothing
that starts threads.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.store.backends.base import TEMPORARY
from data.store.backends.local import LocalStore
from data.store.current import repair
from data.store.entries import State
from tests.torture.steps import KILLED, Steps

Publish = Callable[[LocalStore, str], None]
Read = Callable[[Path], str]


def killed_at_each_step(script: str, folder: Path) -> dict[str, int]:
    """The tally of a script of this folder, run in a process of its own."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(folder)],
        capture_output=True, text=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tally: dict[str, int] = json.loads(done.stdout)
    return tally


def kill_each_step(
    root: Path, publish: Publish, read: Read, old: str, new: str, said: Callable[[State], str]
) -> None:
    """Publish `new` over `old`, killed before each step in turn, repaired and repeated; print the tally.

    `read` follows the pointer and returns what it found whole; `said` is the same by the log.
    """
    publish(LocalStore(root / "before"), old)
    shutil.copytree(root / "before", root / "undisturbed", symlinks=True)
    publish(LocalStore(root / "undisturbed"), new)
    wanted = contents(root / "undisturbed")
    kills = readings = 0
    while True:
        place = root / f"killed {kills}"
        shutil.copytree(root / "before", place, symlinks=True)
        status, times = _attempt(lambda store: publish(store, new), read, place, kills)
        readings += times
        if status == 0:
            break
        assert status == KILLED, f"step {kills} ended with {status}"
        read(place)
        store = LocalStore(place)
        state = repair(store)
        assert read(place) == said(state)
        # the repetition is killed as well, at another step, before one is left in peace
        _attempt(lambda store: publish(store, new), read, place, kills // 2)
        read(place)
        publish(store, new)
        assert contents(place) == wanted, f"step {kills}: other bytes"
        shutil.rmtree(place)
        kills += 1
    assert contents(place) == wanted
    print(json.dumps({"kills": kills, "readings": readings}))


def _attempt(publish: Callable[[LocalStore], None], read: Read, place: Path, last: int) -> tuple[int, int]:
    """Publish in a child that is killed before step `last`, reading all the while: exit status, readings."""
    child = os.fork()
    if not child:
        Steps(("", last)).install()
        publish(LocalStore(place))
        os._exit(0)
    readings = 0
    while True:
        read(place)
        readings += 1
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), readings
        time.sleep(0)


def contents(place: Path) -> dict[str, Any]:
    """What is in a store for its readers, but times and nonces."""
    found: dict[str, Any] = {}
    for file in place.rglob("*"):
        name = file.relative_to(place).as_posix()
        if not file.is_file() or TEMPORARY in name or name.startswith((".views/", ".lock")):
            continue
        content = file.read_bytes()
        is_said = name.startswith("log/") or name in ("current.json", "forecast.json")
        found[name] = _timeless(json.loads(content)) if is_said else content
    return found


def _timeless(value: Any) -> Any:
    """JSON without nonces and times."""
    if not isinstance(value, dict):
        return value
    dropped = ("nonce", "at", "published_at")
    return {
        key: sorted(inner) if key == "ceased" else _timeless(inner)
        for key, inner in value.items()
        if key not in dropped
    }
