"""Manifests that parse and are odd: whatever stands in one, commands answer in words and obey nothing."""

import contextlib
import io
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import CropyieldError
from data.store.backends.local import LocalStore
from data.store.current import make_newest
from data.store.manifests import BACKTESTS, FORECASTS, RUNS, digest, to_json
from flows.cli.main import run
from tests.stores import an_id, forecast, publish, write

ALLOWED = {0, 2, 3, 5}
ODD = {RUNS: an_id("bb"), FORECASTS: an_id("f2"), BACKTESTS: an_id("b2")}
# what a terminal obeys: controls, marks that turn text round, halves of characters
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
HOSTILE = (
    "\x1b]0;own\x07", "\x9b31m", "a\x00b", "\u202etxt", "\ud800", "[/bold]", "[link=x]", "../../victim",
    "/etc/passwd", "2024-01-01\x1b10:00:00+00:00", "b" * 300, f"{an_id('aa')}/../../../victim",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(HOSTILE), inner, max_size=2),
    max_leaves=4,
)
NAME = st.sampled_from(HOSTILE) | st.text(max_size=5)
SCORE = {"rows": 9, "mse": 1.0, "rmse": 1.0, "r2": 0.5, "skill": 0.5, "baselines": {"regional_mean": 2.0}}
OF_DAY = {"splits": {"test": {"pooled": SCORE, "crops": {"corn": SCORE}}}, "excess": {"published": 0.0}}
LEDGER = {"weather": {"main": {"rows_in": 9, "used": {"train": 9}, "rejected": {}, "out_of_scope": {}}}}
SHOWABLE = {
    "metrics.json": to_json({"seasons": {"main": {"as_of": {"09-30": OF_DAY}}}}),
    "ledger.json": to_json(LEDGER),
    "model/main/09-30/weights.safetensors": b"x",
    "model/main/09-30/coefficients.parquet": b"x",
    "model/main/09-30/predict.sql": b"x",
    "model/main/09-30/model.json": to_json({"crops": ["corn"], "crop_units": ["t/ha"]}),
}  # fmt: skip


def all_of_a_manifest() -> dict[str, Any]:
    """What the manifest of a run has that commands read, besides what `tests.stores` gives each."""
    file = {"name": "w.parquet", "sha256": digest(b""), "size": 0}
    check = {"name": "skill", "crop": "corn", "outcome": "passed", "reason": "better"}
    return {
        "gate": {"outcome": "passed", "reason": "better", "checks": [check]},
        "inputs": {"weather": {"location": "weather", "files": [file]}},
        "settings": {"crops": ["corn"], "season": {"end": "09-30"}, "seasons": {"late": {"crops": ["rye"]}}},
        "models": {"main": {"as_of": ["09-30"]}},
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which nothing is odd yet: two of each kind, and the older run is current."""
    place = tmp_path_factory.mktemp("sound") / "store"
    store = LocalStore(place)
    for number, name in enumerate(("bb", "aa"), start=1):
        at = f"2024-0{number}-01T00:00:00+00:00"
        publish(store, name, at, files=SHOWABLE, **all_of_a_manifest())
    for name in ("f1", "f2"):
        forecast(store, name)
    for name in ("b1", "b2"):
        write(store, name, area=BACKTESTS)
    return place


def odd(data: st.DataObject, manifest: dict[str, Any]) -> None:
    """Change one thing anywhere in it: another value, none, another name."""
    where: Any = manifest
    while True:
        keys = range(len(where)) if isinstance(where, list) else sorted(where)
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(where[key], (dict, list)) and where[key] and data.draw(st.booleans())):
            break
        where = where[key]
    change = data.draw(st.sampled_from(["value", "value", "gone", "name"]))
    if change == "value":
        where[key] = data.draw(ANYTHING)
        return
    value = where.pop(key)
    if change == "name":
        if isinstance(where, list):
            where.append(value)
        else:
            where[data.draw(NAME)] = value


def said_by(*words: str) -> str:
    """What a command says on both streams; it ended as commands may."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        code = run(list(words))
    text = out.getvalue()
    assert code in ALLOWED, (words, code, text[-300:])
    assert not OBEYED.search(text), (words, text)
    return text


def look_everywhere(place: Path, name: str) -> None:
    """Each command that reads manifests, the one that deletes last."""
    for as_json in ([], ["--json"]):
        said_by("runs", str(place), *as_json)
        said_by("show", str(place), name, *as_json)
    for which in ("current", name):
        said_by("show", str(place), which)
        said_by("verify", str(place), which)
    said_by("prune", str(place), "--keep", "1", "--min-age", "0")
    said_by("runs", str(place))


@settings(
    max_examples=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data(), area=st.sampled_from([RUNS, RUNS, RUNS, FORECASTS, BACKTESTS]))
def test_a_manifest_changed_anywhere_is_shown_or_refused_in_a_sentence(
    data: st.DataObject, area: str, sound: Path
) -> None:
    """Of a run, forecast or backtest; the odd one is made current where that is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        place, victim = Path(folder) / "store", Path(folder) / "victim"
        shutil.copytree(sound, place, symlinks=True)
        victim.mkdir()
        (victim / "dear").write_text("data")
        store, name = LocalStore(place), ODD[area]
        file = f"{area}/{name}/manifest.json"
        manifest = json.loads(store.get(file) or b"")
        odd(data, manifest)
        store.put(file, json.dumps(manifest).encode())
        if data.draw(st.booleans()):
            if area == RUNS:
                said_by("rollback", str(place), name)
            elif area == FORECASTS:
                with contextlib.suppress(CropyieldError):
                    make_newest(store, name, {})
        look_everywhere(place, name)
        assert (victim / "dear").read_text() == "data"


def _nested(levels: int) -> Any:
    inner: Any = "core"
    for _ in range(levels):
        inner = [inner]
    return inner


# where in a run's manifest, and what stands there
SEEN = {
    "seasons of settings are a list": ("settings", "seasons", [1]),
    "seasons of settings are none": ("settings", "seasons", None),
    "a season without crops": ("settings", "seasons", {"late": {}}),
    "a season's crops are a number": ("settings", "seasons", {"late": {"crops": 5}}),
    "a season's crops are no names": ("settings", "seasons", {"late": {"crops": [{}]}}),
    "an outcome in markup": ("gate", "outcome", "[/bold]"),
    "an outcome that no file can hold": ("gate", "outcome", "\ud800"),
    "a gate with a number that is none": ("gate", "x", float("nan")),
    "a gate with an infinite number": ("gate", "x", float("inf")),
    "a file's name that no file can have": ("files", "a\ud800", {"sha256": "0" * 64, "size": 1}),
    "a file's name that is too long": ("files", "b" * 300, {"sha256": "0" * 64, "size": 1}),
    "a file below a file": ("files", "metrics.json/x", {"sha256": "0" * 64, "size": 1}),
    "a file's name that clears the screen": ("files", "\x1b[2J", {"sha256": "0" * 64, "size": 1}),
    "settings of 700 levels": ("settings", "x", _nested(700)),
    "an input's place that clears the screen": ("inputs", "\x1b[2J", {"location": "\x1b[2J", "files": []}),
}


@pytest.mark.parametrize("what", SEEN)
def test_what_was_met_once(what: str, sound: Path, tmp_path: Path) -> None:
    place = tmp_path / "store"
    shutil.copytree(sound, place, symlinks=True)
    store, file = LocalStore(place), f"runs/{ODD[RUNS]}/manifest.json"
    manifest = json.loads(store.get(file) or b"")
    part, key, value = SEEN[what]
    manifest[part][key] = value
    store.put(file, json.dumps(manifest).encode())
    said_by("verify", str(place), ODD[RUNS])
    said_by("rollback", str(place), ODD[RUNS])
    look_everywhere(place, ODD[RUNS])


def test_what_is_sound_is_shown(sound: Path) -> None:
    """Else nothing above got as far as the odd parts."""
    shown = said_by("show", str(sound))
    for word in ("corn", "skill of corn: passed, better", "not modelled: rye", "rows in"):
        assert word in shown
    assert "as it was published" in said_by("verify", str(sound))


@pytest.mark.parametrize("name", ["../../victim", "../x", "\x1b]0;own\x07", an_id("bb") + "/..", 5, None, []])
def test_a_forecast_whose_model_is_no_id_keeps_nothing_and_leads_nowhere(
    name: object, sound: Path, tmp_path: Path
) -> None:
    place, victim = tmp_path / "store", tmp_path / "victim"
    shutil.copytree(sound, place, symlinks=True)
    victim.mkdir()
    (victim / "manifest.json").write_text("data")
    store = LocalStore(place)
    write(store, "f3", area=FORECASTS, model_run_id=name)
    make_newest(store, an_id("f3"), {})
    look_everywhere(place, an_id("f3"))
    assert (victim / "manifest.json").read_text() == "data"
    assert store.folders(RUNS) == [an_id("aa")]
    assert store.folders(FORECASTS) == [an_id("f3")]
    assert (store.get("forecasts.parquet") or b"").decode().startswith("f3")
