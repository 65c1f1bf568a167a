"""Publishing a forecast, killed at each step it takes on the file system, while a reader follows the pointer.

Run by test_forecast_kills.py in a process of its own: python killed_forecasting.py FOLDER. Prints the
tally as JSON.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from data.store import manifests, pointers
from data.store.local import LocalStore
from tasks.publish.manifest import put_whole
from tests.tasks.publish.killed_publishing import contents
from tests.torture.steps import KILLED, Steps


def files_of(forecast: str) -> dict[str, bytes]:
    return {name: f"{forecast} {name} ".encode() * 50 for name in ("predictions.parquet", "ledger.json")}


def publish(store: LocalStore, forecast: str) -> None:
    """What tasks.publish.forecast.publish does, without the digests of inputs."""
    facts = {"run_id": forecast, "finished_at": "then", "model_run_id": "m"}
    put_whole(store, f"{manifests.FORECASTS}/{forecast}", files_of(forecast), facts)
    pointers.point_forecast(store, forecast, "m")


def read(place: Path) -> str:
    """Follow the pointer and check every digest; the forecast that was found whole."""
    forecast = str(json.loads((place / "forecast.json").read_bytes())["run_id"])
    folder = place / "forecasts" / forecast
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert set(manifest["files"]) == set(files_of(forecast))
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"], (forecast, name)
    stable = (place / "forecasts.parquet").read_bytes()
    assert stable in [files_of(each)["predictions.parquet"] for each in ("f1", "f2")]
    return forecast


def attempt(place: Path, last: int) -> tuple[int, int]:
    """Publish in a child that is killed before step `last`, reading all the while: exit status, readings."""
    child = os.fork()
    if not child:
        Steps(("", last)).install()
        publish(LocalStore(place), "f2")
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
    publish(LocalStore(root / "before"), "f1")
    shutil.copytree(root / "before", root / "undisturbed")
    publish(LocalStore(root / "undisturbed"), "f2")
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
        pointers.repair(store)
        assert (place / "forecasts.parquet").read_bytes() == files_of(found)["predictions.parquet"]
        publish(store, "f2")
        assert contents(place) == wanted, f"step {kills}: other bytes"
        shutil.rmtree(place)
        kills += 1
    assert contents(place) == wanted
    print(json.dumps({"kills": kills, "readings": readings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
