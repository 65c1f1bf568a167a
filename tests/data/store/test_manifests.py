"""Manifests: what the layout promises, what damages them, and that names in them are never paths."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamageError
from data.store.backends.base import MANIFEST, Store
from data.store.backends.local import LocalStore
from data.store.current import all_finished
from data.store.entries import State
from data.store.manifests import (
    BACKTESTS,
    FORECASTS,
    PROMISED,
    RUNS,
    damaged,
    folder,
    lacking,
    load_manifest,
    read_manifest,
    read_published,
)
from tests.stores import an_id, any_store, files_of, manifest_of, write

__all__ = ["any_store"]
NO_IDS = [
    "",
    "aa",
    "../../victim",
    "..",
    "a" * 15,
    "a" * 17,
    "A" * 16,
    "g" * 16,
    "a" * 15 + "/",
    "a" * 16 + "\n",
]


def test_a_whole_run_has_no_faults(any_store: Store) -> None:
    for area in (RUNS, FORECASTS, BACKTESTS):
        run = write(any_store, "aa", area=area)
        manifest = read_manifest(any_store, run, area)
        assert manifest is not None
        assert damaged(any_store, manifest, area) == []
        assert read_published(any_store, manifest, "settings.toml", area) == f"{run} settings.toml".encode()


def test_damage_is_found(any_store: Store) -> None:
    run = write(any_store, "aa")
    manifest = read_manifest(any_store, run)
    assert manifest is not None
    any_store.put(f"runs/{run}/predictions.parquet", b"X")
    assert damaged(any_store, manifest) == [
        "predictions.parquet: changed since it was published (1 bytes, 36 when it was published)"
    ]
    with pytest.raises(DamageError, match="isn't as it was published"):
        read_published(any_store, manifest, "predictions.parquet")
    any_store.remove(f"runs/{run}/predictions.parquet")
    assert damaged(any_store, manifest) == ["predictions.parquet: missing"]
    with pytest.raises(DamageError, match="is gone"):
        read_published(any_store, manifest, "predictions.parquet")
    with pytest.raises(DamageError, match="isn't listed"):
        read_published(any_store, manifest, "model.pickle")


@pytest.mark.parametrize("area", [RUNS, FORECASTS, BACKTESTS])
def test_a_manifest_that_lacks_what_the_layout_promises_is_a_fault(area: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    run = write(store, "aa", area=area)
    names = [*PROMISED[area], *(["model/09-30/weights.safetensors"] if area == RUNS else [])]
    for name in names:
        files = {key: content for key, content in files_of(run, area).items() if key != name}
        manifest = manifest_of(run, files, "2024-01-01T00:00:00+00:00")
        assert lacking(manifest, area) == [name]
        assert damaged(store, manifest, area) == [f"{name}: not listed in manifest.json"]
    assert len(lacking({"files": {}}, RUNS)) == len(PROMISED[RUNS]) + 4


@pytest.mark.parametrize("run", NO_IDS)
def test_what_is_no_id_names_no_folder(run: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for read in (lambda: folder(run), lambda: read_manifest(store, run), lambda: load_manifest(store, run)):
        with pytest.raises(DamageError, match="is no id"):
            read()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../b", "a//b", "./a", "a/.", "", "a\\..\\b", MANIFEST, "a\0b"]
)
def test_a_file_that_leads_out_of_its_folder_damages_the_manifest(name: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "x").write_text("foreign")
    run = write(store, "aa")
    files = files_of(run) | {name: b"foreign"}
    store.put(f"runs/{run}/{MANIFEST}", json.dumps(manifest_of(run, files, "2024-01-01T00:00Z")).encode())
    with pytest.raises(DamageError, match="is no manifest"):
        read_manifest(store, run)


def test_a_copy_made_by_hand_is_no_run(any_store: Store) -> None:
    run = write(any_store, "aa")
    for other in ("aa copy", f"{run}.bak", an_id("bb")):
        for name in any_store.names(f"runs/{run}"):
            any_store.put(name.replace(run, other, 1), any_store.get(name) or b"")
    finished, faults = all_finished(any_store, State())
    assert [each.run_id for each in finished] == [run]
    assert len(faults) == 1
    assert "is that of another one" in faults[0]
    with pytest.raises(DamageError, match="is that of another one"):
        read_manifest(any_store, an_id("bb"))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_a_manifest_changed_anywhere_is_damage_or_still_one(data: st.DataObject) -> None:
    """Field by field: what is read is a manifest whose every part has its shape, or there is one sentence."""
    run = an_id("aa")
    manifest: Any = manifest_of(run, files_of(run), "2024-01-01T00:00:00+00:00")
    where: Any = manifest
    while True:
        key = data.draw(st.sampled_from(sorted(where)))
        if isinstance(where[key], dict) and where[key] and data.draw(st.booleans()):
            where = where[key]
            continue
        break
    change = data.draw(st.sampled_from(["value", "gone", "name"]))
    if change == "value":
        where[key] = data.draw(ANYTHING)
    else:
        value = where.pop(key)
        if change == "name":
            where[data.draw(st.text())] = value
    store = _One(f"runs/{run}/{MANIFEST}", json.dumps(manifest).encode())
    try:
        found = read_manifest(store, run)
    except DamageError:
        return
    assert found is not None
    assert found["run_id"] == run
    assert lacking(found) is not None
    assert all(len(facts["sha256"]) == 64 and ".." not in name for name, facts in found["files"].items())
    assert isinstance(found["gate"]["outcome"], str)
    assert all(isinstance(season, int) for season in found["seasons"])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_damage(content: bytes) -> None:
    run = an_id("aa")
    with pytest.raises(DamageError):
        read_manifest(_One(f"runs/{run}/{MANIFEST}", content), run)


class _One(LocalStore):
    """A store of one file, in memory."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(Path("nowhere"))
        self.name, self.content = name, content

    def get(self, name: str) -> bytes | None:
        return self.content if name == self.name else None
