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

from data.store import base, manifests, pointers
from data.store.base import TEMPORARY
from data.store.local import LocalStore
from tasks.publish.manifest import digests
from tasks.publish.run import write_files
from tests.torture.steps import KILLED, Steps

GATE = {"outcome": "passed", "reason": "better", "checks": []}


def files_of(run: str) -> dict[str, bytes]:
    return {
        name: f"{run} {name} ".encode() * 50 for name in ("predictions.parquet", "metrics.json", "m/09-30/w")
    }


def publish(store: LocalStore, run: str) -> None:
    """What tasks.publish.run.publish does, without the steps before it."""
    files = files_of(run)
    write_files(store, run, files, manifests.read_manifest(store, run))
    if manifests.read_manifest(store, run) is None:
        facts = {"run_id": run, "finished_at": "then", "gate": GATE, "files": digests(files)}
        store.put(f"{manifests.folder(run)}/{base.MANIFEST}", manifests.to_json(facts))
    pointers.set_current(store, run, GATE)


def read(place: Path) -> str:
    """Follow the pointer and check every digest; the run that was found whole."""
    run = str(json.loads((place / "current.json").read_bytes())["run_id"])
    folder = place / "runs" / run
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"], (run, name)
    assert set(manifest["files"]) == set(files_of(run))
    stable = (place / "predictions.parquet").read_bytes()
    assert stable in (files_of("aa")["predictions.parquet"], files_of("bb")["predictions.parquet"])
    return run


def contents(place: Path) -> dict[str, bytes]:
    return {
        file.relative_to(place).as_posix(): file.read_bytes()
        for file in place.rglob("*")
        if file.is_file() and not file.name.endswith(TEMPORARY)
    }


def attempt(place: Path, last: int | None) -> tuple[int, int]:
    """Publish in a child that is killed before step `last`, reading all the while: exit status, readings."""
    child = os.fork()
    if not child:
        Steps(None if last is None else ("", last)).install()
        publish(LocalStore(place), "bb")
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
    vars(pointers)["now"] = lambda: "now"
    publish(LocalStore(root / "before"), "aa")
    shutil.copytree(root / "before", root / "undisturbed")
    publish(LocalStore(root / "undisturbed"), "bb")
    wanted = contents(root / "undisturbed")
    kills = readings = 0
    while True:
        place = root / f"killed {kills}"
        shutil.copytree(root / "before", place)
        status, read_times = attempt(place, kills)
        readings += read_times
        if status == 0:
            break
        assert status == KILLED, f"step {kills} ended with {status}"
        found = read(place)
        store = LocalStore(place)
        pointers.sync_copy(store)
        assert (place / "predictions.parquet").read_bytes() == files_of(found)["predictions.parquet"]
        # the repetition is killed as well, at another step, before one is left in peace
        attempt(place, kills // 2)
        read(place)
        publish(store, "bb")
        assert contents(place) == wanted, f"step {kills}: other bytes"
        shutil.rmtree(place)
        kills += 1
    assert contents(place) == wanted
    print(json.dumps({"kills": kills, "readings": readings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
