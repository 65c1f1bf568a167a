"""Stable paths: what readers find at the top of a store agrees with its log, and nothing foreign is there."""

import json
import os
import posixpath
import shutil
from pathlib import Path

import boto3
import pytest

from data.errors import DamageError, StorageError
from data.store.backends.base import MANIFEST, Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.current import make_current, make_newest, repair
from data.store.log import read_state
from data.store.manifests import FORECASTS, RUNS, to_json
from data.store.stable import sweep_views
from tests.object_storage import Proxy
from tests.stores import (
    GATE,
    LONG_AGO,
    an_id,
    any_store,
    files_of,
    forecast,
    manifest_of,
    publish,
    roll_back,
    write,
)

__all__ = ["any_store"]


def at_top(store: Store, name: str) -> str:
    """Whose file a stable path leads to."""
    return (store.get(name) or b"nothing").decode()[:2]


def test_stable_paths_follow_run_and_forecast(any_store: Store) -> None:
    publish(any_store, "aa")
    assert any_store.get("forecasts.parquet") is None
    assert any_store.get("forecast.json") is None
    forecast(any_store, "f1")
    publish(any_store, "bb")
    forecast(any_store, "f2")
    assert (at_top(any_store, "predictions.parquet"), at_top(any_store, "forecasts.parquet")) == ("bb", "f2")
    pointer = json.loads(any_store.get("forecast.json") or b"")
    assert (pointer["run_id"], pointer["model_run_id"]) == (an_id("f2"), an_id("aa"))
    roll_back(any_store, "aa")
    assert (at_top(any_store, "predictions.parquet"), at_top(any_store, "forecasts.parquet")) == ("aa", "f2")


def test_drivers_and_aggregates_are_the_forecasts_once_there_is_one(any_store: Store) -> None:
    more = dict.fromkeys(("drivers.parquet", "aggregates.parquet"), b"aa")
    publish(any_store, "aa", files=more)
    assert at_top(any_store, "drivers.parquet") == "aa"
    run = write(any_store, "f1", area=FORECASTS, files={"drivers.parquet": b"f1"})
    make_newest(any_store, run, {})
    assert (at_top(any_store, "drivers.parquet"), at_top(any_store, "aggregates.parquet")) == ("f1", "aa")
    publish(any_store, "bb")
    assert (at_top(any_store, "drivers.parquet"), at_top(any_store, "aggregates.parquet")) == ("f1", "no")


def test_what_was_spoilt_at_the_top_is_mended_by_the_next_writer(any_store: Store) -> None:
    publish(any_store, "aa")
    forecast(any_store, "f1")
    before = {name: any_store.get(name) for name in ("current.json", "forecast.json", "predictions.parquet")}
    for name in before:
        any_store.put(name, b"something else")
    any_store.remove("forecasts.parquet")
    repair(any_store)
    assert {name: any_store.get(name) for name in before} == before
    assert at_top(any_store, "forecasts.parquet") == "f1"


def test_what_is_not_as_it_was_published_is_never_at_the_top(any_store: Store) -> None:
    publish(any_store, "aa")
    forecast(any_store, "f1")
    run = f"runs/{an_id('aa')}/predictions.parquet"
    if isinstance(any_store, LocalStore):  # in place: a file that replaces it leaves the one at the top alone
        for name in (run, "forecasts.parquet"):
            assert (any_store.root / name).stat().st_mode & 0o222 == 0
            (any_store.root / name).chmod(0o644)
            (any_store.root / name).write_bytes(b"forged")
    else:
        any_store.put(run, b"forged")
    any_store.remove(f"forecasts/{an_id('f1')}/predictions.parquet")
    any_store.put("predictions.parquet", b"spoilt")
    any_store.remove("forecasts.parquet")
    with pytest.raises(DamageError, match=r"runs/aa0.*isn't as it was published.*cropyield rollback"):
        repair(any_store, RUNS)
    with pytest.raises(DamageError, match=r"forecasts/f10.*cropyield forecast"):
        repair(any_store, FORECASTS)
    assert any_store.get("predictions.parquet") is None
    assert any_store.get("forecasts.parquet") is None
    # the one is mended though the other can't be
    write(any_store, "f1", area=FORECASTS, model_run_id=an_id("aa"))
    repair(any_store, FORECASTS)
    assert at_top(any_store, "forecasts.parquet") == "f1"
    publish(any_store, "bb")
    assert at_top(any_store, "predictions.parquet") == "bb"


def test_a_run_damaged_by_replacing_leaves_the_local_top_as_it_was(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa")
    store.put(f"runs/{an_id('aa')}/predictions.parquet", b"forged")
    repair(store, RUNS)
    assert at_top(store, "predictions.parquet") == "aa"


def test_a_manifest_that_was_changed_after_publication_vouches_for_nothing(any_store: Store) -> None:
    publish(any_store, "aa")
    forged = any_store.get(f"runs/{an_id('aa')}/manifest.json") or b""
    any_store.put(f"runs/{an_id('aa')}/manifest.json", forged.replace(b"corn", b"rice"))
    with pytest.raises(DamageError, match="isn't the one that was published"):
        repair(any_store, RUNS)
    assert any_store.get("predictions.parquet") is None


@pytest.mark.parametrize(
    ("pointer", "copy"), [("current.json", "predictions.parquet"), ("forecast.json", "forecasts.parquet")]
)
def test_a_pointer_out_of_the_store_has_nothing_copied(any_store: Store, pointer: str, copy: str) -> None:
    """A store of the first schema, whose pointer names what lies beside it, whole and foreign."""
    publish(any_store, "aa")
    forecast(any_store, "f1")
    any_store.remove("log")
    area = RUNS if pointer == "current.json" else FORECASTS
    files = files_of("outside", area)
    for name in ("../../outside", "../outside", "..", "/etc", an_id("aa") + "/../../../outside"):
        manifest = to_json(manifest_of(name, files, LONG_AGO, model_run_id=an_id("aa")))
        for file, content in {**files, MANIFEST: manifest}.items():
            put_at(any_store, f"{area}/{name}/{file}", content)
        any_store.put(pointer, to_json({"schema": 1, "run_id": name}))
        any_store.put(copy, b"as it was")
        with pytest.raises(DamageError):
            repair(any_store)
        assert any_store.get(copy) == b"as it was"


def put_at(store: Store, name: str, content: bytes) -> None:
    """Put a file where an unchecked name leads: below the store's prefix to the letter, and resolved."""
    if isinstance(store, LocalStore):
        path = Path(os.path.normpath(store.root / name))
        if path.is_relative_to(store.root.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return
    bucket, _, prefix = store.uri.removeprefix("s3://").partition("/")
    for key in {f"{prefix}/{name}", posixpath.normpath(f"{prefix}/{name}")}:
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


def test_one_rename_switches_all_local_stable_paths(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa")
    forecast(store, "f1")
    view = (tmp_path / ".views/current").resolve()
    publish(store, "bb")
    forecast(store, "f2")
    # whoever resolved the link once reads files of one publication, whatever happens meanwhile
    assert (view / "predictions.parquet").read_text().startswith("aa")
    assert (view / "forecasts.parquet").read_text().startswith("f1")
    assert json.loads((view / "current.json").read_bytes())["run_id"] == an_id("aa")
    for name in ("current.json", "forecast.json", "predictions.parquet", "forecasts.parquet"):
        assert str((tmp_path / name).readlink()) == f".views/current/{name}"
    now = (tmp_path / ".views/current").resolve()
    assert (now / "predictions.parquet").read_text().startswith("bb")


def test_a_store_copied_without_its_links_goes_on(tmp_path: Path) -> None:
    publish(LocalStore(tmp_path / "store"), "aa")
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    store = LocalStore(tmp_path / "copy")
    publish(store, "bb")
    assert at_top(store, "predictions.parquet") == "bb"
    assert (store.root / ".views/current").is_symlink()


def test_views_of_the_past_stay_for_their_readers_and_go_then(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for name in ("aa", "bb", "cc"):
        publish(store, name)
    assert sweep_views(store, 3600) == []
    gone = sweep_views(store, -1)
    assert [name[:17] for name in gone] == [".views/00000001-a", ".views/00000002-a"] or len(gone) == 2
    assert at_top(store, "predictions.parquet") == "cc"
    assert sweep_views(store, -1) == []


def test_files_of_another_file_system_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hard links across a mount below the store, or to another user's files, can't be had."""
    real = os.link

    def link(source: str, target: str) -> None:
        if ".views" in str(target):
            raise PermissionError(1, "Operation not permitted")
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    store = LocalStore(tmp_path)
    publish(store, "aa")
    assert at_top(store, "predictions.parquet") == "aa"


def test_copies_are_brought_up_to_an_entry_that_came_meanwhile(
    proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer goes on while this one copies: the copies are those of the last entry in the end."""
    monkeypatch.setattr("data.locations.filesystems.SILENCE_TIMEOUT_S", 20.0)
    store = open_store(f"s3://{bucket}/store")
    publish(store, "aa")
    write(store, "bb")
    write(store, "cc")
    done: list[int] = []

    def meanwhile(method: str, path: str) -> bool:
        if method == "PUT" and path.endswith("predictions.parquet") and "runs/" not in path and not done:
            done.append(1)
            make_current(open_store(store.uri), an_id("cc"), lambda *_: {"gate": GATE})
        return False

    proxy.fail("none")
    proxy.strikes = meanwhile
    make_current(store, an_id("bb"), lambda *_: {"gate": GATE})
    assert done
    state = read_state(store)
    assert state.current is not None
    assert at_top(store, "predictions.parquet") == state.current.run_id[:2] == "cc"
    assert json.loads(store.get("current.json") or b"")["run_id"] == an_id("cc")


@pytest.mark.parametrize("broken", ["predictions.parquet", "current.json"])
def test_a_storage_that_fails_behind_the_entry_is_mended_by_the_next_writer(
    broken: str, proxy: Proxy, bucket: str
) -> None:
    """The entry is there, copy or pointer isn't: who reads the log knows the run, and nothing is lost."""
    store = open_store(f"s3://{bucket}/store")
    publish(store, "aa")
    write(store, "bb")
    proxy.fail("500", method="PUT", path=f"/store/{broken}")
    with pytest.raises(StorageError):
        make_current(store, an_id("bb"), lambda *_: {"gate": GATE})
    current = read_state(store).current
    assert current is not None
    assert current.run_id == an_id("bb")
    assert json.loads(store.get("current.json") or b"")["run_id"] == an_id("aa")
    assert at_top(store, "predictions.parquet") == ("aa" if broken == "predictions.parquet" else "bb")
    proxy.heal()
    repair(store)
    assert json.loads(store.get("current.json") or b"")["run_id"] == an_id("bb")
    assert at_top(store, "predictions.parquet") == "bb"
