"""The history: the pointer is followed and repaired, ids follow content, pruning spares what counts."""

import os
from pathlib import Path

import pytest

from data.errors import SettingsError, StorageError
from data.settings.schema import Settings
from data.store.local import LocalStore
from data.store.manifests import damaged, finished_runs, to_json
from data.store.pointers import find_run, point_forecast, read_current, repair, set_current, sync_copy
from data.store.pruning import prune
from tasks.job.identity import run_id, run_settings
from tasks.publish.manifest import digests, put_whole
from tasks.publish.run import write_files

GATE = {"outcome": "passed"}


def publish(store: LocalStore, run: str, predictions: bytes, finished_at: str = "2024") -> None:
    files = {"predictions.parquet": predictions}
    write_files(store, run, files, None)
    facts = {"run_id": run, "finished_at": finished_at, "gate": GATE, "files": digests(files)}
    store.put(f"runs/{run}/manifest.json", to_json(facts))


def test_pointer_and_stable_predictions_agree(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa", b"A")
    publish(store, "bb", b"B")
    set_current(store, "aa", GATE)
    assert store.get("predictions.parquet") == b"A"
    set_current(store, "bb", GATE, "because")
    assert store.get("predictions.parquet") == b"B"
    store.put("predictions.parquet", b"A")  # a slower publisher came in between
    sync_copy(store)
    assert store.get("predictions.parquet") == b"B"
    assert (read_current(store) or {})["note"] == "because"


def forecast(store: LocalStore, name: str, predictions: bytes, area: str = "forecasts") -> None:
    facts = {"run_id": name, "finished_at": name, "model_run_id": "aa"}
    put_whole(store, f"{area}/{name}", {"predictions.parquet": predictions}, facts)


def test_the_newest_forecast_has_a_pair_of_its_own(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa", b"A")
    set_current(store, "aa", GATE)
    forecast(store, "f1", b"F1")
    forecast(store, "f2", b"F2")
    point_forecast(store, "f1", "aa")
    assert store.get("forecasts.parquet") == b"F1"
    point_forecast(store, "f2", "aa")
    assert (store.get("forecasts.parquet"), store.get("predictions.parquet")) == (b"F2", b"A")
    for name in ("forecasts.parquet", "predictions.parquet"):
        store.put(name, b"something else")
    repair(store)
    assert (store.get("forecasts.parquet"), store.get("predictions.parquet")) == (b"F2", b"A")
    # the one is mended even where the other can't be
    store.put("forecasts.parquet", b"something else")
    store.remove("runs/aa/predictions.parquet")
    with pytest.raises(StorageError, match=r"names runs/aa.*`cropyield rollback`"):
        repair(store)
    assert store.get("forecasts.parquet") == b"F2"
    store.remove("forecasts/f2")
    with pytest.raises(StorageError, match="names runs/aa"):
        repair(store)
    publish(store, "aa", b"A")
    with pytest.raises(StorageError, match=r"names forecasts/f2.*`cropyield forecast`"):
        repair(store)


def test_prune_thins_out_forecasts_and_backtests_too(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa", b"A")
    set_current(store, "aa", GATE)
    for name in ("f1", "f2", "f3", "f4"):
        forecast(store, name, name.encode())
    for name in ("b1", "b2", "b3"):
        forecast(store, name, b"", "backtests")
    point_forecast(store, "f1", "aa")
    for area in ("forecasts", "backtests"):
        store.put(f"{area}/fresh/predictions.parquet", b"half")
        store.put(f"{area}/old/predictions.parquet", b"half")
        for path in (tmp_path / area / "old", tmp_path / area / "old/predictions.parquet"):
            os.utime(path, (1, 1))
    removed = prune(store, 2)
    assert sorted(removed) == [
        "backtests/b1", "backtests/old", "forecasts/f2", "forecasts/f3", "forecasts/old",
    ]  # fmt: skip
    assert store.folders("forecasts") == ["f1", "f4", "fresh"]
    assert store.folders("backtests") == ["b2", "b3", "fresh"]
    assert store.get("forecasts.parquet") == b"f1"


def test_runs_without_a_manifest_do_not_exist(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa11", b"A", "2024-01")
    publish(store, "ab22", b"B", "2024-02")
    store.put("runs/cc33/predictions.parquet", b"half")
    assert [m["run_id"] for m in finished_runs(store)] == ["aa11", "ab22"]
    assert find_run(store, "ab")["run_id"] == "ab22"
    for text in ("a", "cc", "zz", ""):
        with pytest.raises(SettingsError):
            find_run(store, text)
    with pytest.raises(StorageError, match=r"current.json is gone.*cropyield rollback"):
        find_run(store, "current")
    with pytest.raises(SettingsError, match="no run has been published"):
        find_run(LocalStore(tmp_path / "another"), "current")


def test_damage_is_found(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa", b"A")
    assert damaged(store, find_run(store, "aa")) == []
    store.put("runs/aa/predictions.parquet", b"X")
    assert "differ" in damaged(store, find_run(store, "aa"))[0]
    store.remove("runs/aa/predictions.parquet")
    assert "missing" in damaged(store, find_run(store, "aa"))[0]
    store.put("current.json", b"{")
    with pytest.raises(StorageError, match="cropyield rollback"):
        read_current(store)


def test_prune_spares_current_and_fresh(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in range(4):
        publish(store, f"r{number}", b"x", f"2024-0{number + 1}")
    set_current(store, "r0", GATE)
    store.put("runs/fresh/predictions.parquet", b"half")
    store.put("runs/old/predictions.parquet", b"half")
    for path in (tmp_path / "runs/old", tmp_path / "runs/old/predictions.parquet"):
        os.utime(path, (1, 1))
    assert sorted(prune(store, 2)) == ["r1", "r2", "runs/old"]
    assert store.folders("runs") == ["fresh", "r0", "r3"]


def test_run_id_follows_content_not_place() -> None:
    def settings(**change: object) -> Settings:
        base = {
            "weather": "w",
            "yields": "y",
            "store": "s",
            "features": [{"measure": "t", "aggregate": "mean"}],
        }
        return Settings.model_validate(base | change)

    inputs = {"weather": [{"name": "a.parquet", "sha256": "1"}], "yields": []}
    base = run_id(settings(), inputs)
    assert len(base) == 16
    assert run_id(settings(weather="elsewhere", store="t", runner="dask", gate={"excess": 1}), inputs) == base
    assert run_id(settings(training={"device": "cpu"}), inputs) == run_id(settings(), inputs)
    assert run_id(settings(training={"seed": 1}), inputs) != base
    assert run_id(settings(), {"weather": [{"name": "a.parquet", "sha256": "2"}], "yields": []}) != base
    assert run_id(settings(), inputs, "backtest") != base


def test_the_order_of_tables_in_the_settings_leaves_no_trace() -> None:
    base = {"weather": "w", "yields": "y", "store": "s", "features": [{"measure": "t", "aggregate": "mean"}]}
    tables: dict[str, dict[str, object]] = {
        "measures": {"t": {"unit": "K"}, "rain": {"unit": "mm"}},
        "crop_units": {"b": "t/ha", "a": "t/ha"},
        "weather_columns": {"t": "tas", "region": "id"},
        "yield_columns": {"year": "harvest", "crop": "c"},
    }
    turned = {name: dict(reversed(table.items())) for name, table in tables.items()}
    one, other = (Settings.model_validate(base | each) for each in (tables, turned))
    assert run_id(one, {}) == run_id(other, {})
    assert run_settings(one) == run_settings(other)


def test_old_work_of_the_current_run_goes_and_the_run_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa", b"A")
    set_current(store, "aa", GATE)
    store.put(".work/aa/step/file", b"left")
    for file in tmp_path.rglob("*"):
        os.utime(file, (0, 0))
    assert prune(store, 1) == [".work/aa"]
    assert read_current(store) is not None
    assert store.get("runs/aa/predictions.parquet") == b"A"
