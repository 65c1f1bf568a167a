"""Publishing, killed at each step it takes on the file system, while a reader follows the pointer.

Run by test_publish_kills.py in a process of its own: python killed_publishing.py FOLDER. It forks a
child for each step, so it imports nothing that starts threads. Prints the tally as JSON.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from data.store.backends.base import MANIFEST, TEMPORARY
from data.store.backends.local import LocalStore
from data.store.current import Written, make_current, repair, settle_manifest
from data.store.manifests import RUNS, read_manifest
from tasks.publish.manifest import digests
from tasks.publish.run import write_files
from tests.stores import GATE, LONG_AGO, an_id, manifest_of
from tests.torture.steps import KILLED, Steps

OLD, NEW = an_id("aa"), an_id("bb")


def files_of(run: str) -> dict[str, bytes]:
    return {
        name: f"{run} {name} ".encode() * 50 for name in ("predictions.parquet", "metrics.json", "m/09-30/w")
    }


def publish(store: LocalStore, run: str) -> None:
    """What tasks.publish.run.publish does, without the steps before it."""
    files = files_of(run)
    write_files(store, run, files, read_manifest(store, run))
    manifest = manifest_of(run, files, LONG_AGO)
    assert manifest["files"] == digests(files)
    if read_manifest(store, run) is None:
        settle_manifest(store, RUNS, manifest)

    def decided(state: Any, instance: Any) -> Any:
        current = state.current
        return None if current and current.manifest == instance.manifest else {"gate": GATE}

    make_current(store, run, decided, written=Written(files, manifest))


def read(place: Path) -> str:
    """Resolve the link once, then follow the pointer and check every digest; the run that was found whole."""
    view = (place / ".views/current").resolve()
    run = str(json.loads((view / "current.json").read_bytes())["run_id"])
    assert (view / "predictions.parquet").read_bytes() == files_of(run)["predictions.parquet"]
    below = place / "runs" / run
    manifest = json.loads((below / MANIFEST).read_bytes())
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((below / name).read_bytes()).hexdigest() == facts["sha256"], (run, name)
    assert set(manifest["files"]) == set(files_of(run))
    stable = (place / "predictions.parquet").read_bytes()
    assert stable in [files_of(each)["predictions.parquet"] for each in (OLD, NEW)]
    return run


def contents(place: Path) -> dict[str, Any]:
    """What is in a store for its readers, but times and nonces."""
    found: dict[str, Any] = {}
    for file in place.rglob("*"):
        name = file.relative_to(place).as_posix()
        if not file.is_file() or TEMPORARY in name or name.startswith((".views/", ".lock")):
            continue
        content = file.read_bytes()
        is_said = name.startswith("log/") or name in ("current.json", "forecast.json")
        found[name] = timeless(json.loads(content)) if is_said else content
    return found


def timeless(value: Any) -> Any:
    """JSON without nonces and times."""
    if not isinstance(value, dict):
        return value
    dropped = ("nonce", "at", "published_at")
    return {
        key: sorted(inner) if key == "ceased" else timeless(inner)
        for key, inner in value.items()
        if key not in dropped
    }


def attempt(place: Path, last: int | None) -> tuple[int, int]:
    """Publish in a child that is killed before step `last`, reading all the while: exit status, readings."""
    child = os.fork()
    if not child:
        Steps(None if last is None else ("", last)).install()
        publish(LocalStore(place), NEW)
        os._exit(0)
    readings = 0
    while True:
        read(place)
        readings += 1
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), readings
        time.sleep(0)


def main(root: Path) -> None:
    publish(LocalStore(root / "before"), OLD)
    shutil.copytree(root / "before", root / "undisturbed", symlinks=True)
    publish(LocalStore(root / "undisturbed"), NEW)
    wanted = contents(root / "undisturbed")
    kills = readings = 0
    while True:
        place = root / f"killed {kills}"
        shutil.copytree(root / "before", place, symlinks=True)
        status, read_times = attempt(place, kills)
        readings += read_times
        if status == 0:
            break
        assert status == KILLED, f"step {kills} ended with {status}"
        read(place)
        store = LocalStore(place)
        state = repair(store)
        assert state.current is not None
        assert read(place) == state.current.run_id
        # the repetition is killed as well, at another step, before one is left in peace
        attempt(place, kills // 2)
        read(place)
        publish(store, NEW)
        assert contents(place) == wanted, f"step {kills}: other bytes"
        shutil.rmtree(place)
        kills += 1
    assert contents(place) == wanted
    print(json.dumps({"kills": kills, "readings": readings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
