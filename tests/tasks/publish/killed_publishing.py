"""Publishing, killed at each step; run by test_kills.py: python killed_publishing.py FOLDER."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from data.store.backends.base import MANIFEST
from data.store.backends.local import LocalStore
from data.store.current import Written, make_current, settle_manifest
from data.store.entries import State
from data.store.manifests import RUNS, read_manifest
from tasks.publish.manifest import digests
from tasks.publish.run import write_files
from tests.stores import GATE, LONG_AGO, an_id, manifest_of
from tests.tasks.publish.kills import kill_each_step

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


def current(state: State) -> str:
    assert state.current is not None
    return state.current.run_id


if __name__ == "__main__":
    kill_each_step(Path(sys.argv[1]), publish, read, OLD, NEW, current)
