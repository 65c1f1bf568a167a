"""Publishing a forecast, killed at each step; run by test_kills.py: python killed_forecasting.py FOLDER."""

import hashlib
import json
import sys
from functools import partial
from pathlib import Path

from data.store.backends.local import LocalStore
from data.store.bulletins import bulletin_name, missing_bulletins
from data.store.current import Written, make_newest
from data.store.entries import State
from data.store.manifests import FORECASTS
from tasks.publish.manifest import put_whole
from tests.stores import LONG_AGO, an_id
from tests.tasks.publish.kills import kill_each_step

OLD, NEW = an_id("f1"), an_id("f2")


def files_of(forecast: str) -> dict[str, bytes]:
    return {name: f"{forecast} {name} ".encode() * 50 for name in ("predictions.parquet", "ledger.json")}


def publish(store: LocalStore, forecast: str) -> None:
    """What tasks.publish.forecast.publish does, without the digests of inputs."""
    facts = {"run_id": forecast, "finished_at": LONG_AGO, "model_run_id": an_id("aa")}
    files = files_of(forecast)
    manifest = put_whole(store, FORECASTS, files, facts)
    make_newest(store, forecast, {}, Written(files, manifest), partial(draw, store))


def draw(store: LocalStore, state: State) -> None:
    """What tasks.bulletins.complete_bulletins does, of forecasts that hold nothing to draw."""
    for number in missing_bulletins(store, state):
        store.create(bulletin_name(number), f"<p>{number}</p>".encode() * 50)


def read(place: Path) -> str:
    """Follow the pointer and check every digest; the forecast that was found whole."""
    forecast = str(json.loads((place / "forecast.json").read_bytes())["run_id"])
    below = place / "forecasts" / forecast
    manifest = json.loads((below / "manifest.json").read_bytes())
    assert set(manifest["files"]) == set(files_of(forecast))
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((below / name).read_bytes()).hexdigest() == facts["sha256"], (forecast, name)
    stable = (place / "forecasts.parquet").read_bytes()
    assert stable in [files_of(each)["predictions.parquet"] for each in (OLD, NEW)]
    # the view that was current a moment ago stays for its readers
    view = (place / ".views/current").resolve()
    shown = json.loads((view / "forecast.json").read_bytes())["run_id"]
    assert (view / "forecasts.parquet").read_bytes() == files_of(shown)["predictions.parquet"]
    if (view / "bulletin.html").exists():
        number = {OLD: 1, NEW: 2}[shown]
        assert (view / "bulletin.html").read_bytes() == f"<p>{number}</p>".encode() * 50
    return forecast


def newest(state: State) -> str:
    assert state.forecast is not None
    return state.forecast.run_id


if __name__ == "__main__":
    kill_each_step(Path(sys.argv[1]), publish, read, OLD, NEW, newest)
