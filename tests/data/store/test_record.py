"""The record of forecasts: one file for each entry, whoever is killed when, and none that a prune takes."""

from pathlib import Path

import pytest

from data.store import stable
from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.current import make_newest, repair
from data.store.log import entry_name, read_facts, read_state
from data.store.manifests import FORECASTS, digest
from data.store.pruning import prune
from data.store.record import (
    RECORD,
    WEIGHTS,
    lost_record,
    read_record,
    read_weights,
    record_faults,
    record_name,
)
from tests.stores import an_id, any_store, publish, write

__all__ = ["any_store"]
AREAS = b"the same each week"


def forecast(store: Store, name: str) -> None:
    files = {RECORD: said(name), WEIGHTS: AREAS}
    run = write(store, name, area=FORECASTS, files=files, model_run_id=an_id("aa"))
    make_newest(store, run, {"note": "a forecast"})


def said(name: str) -> bytes:
    return f"what {name} said".encode()


def recorded(store: Store) -> list[bytes]:
    return [each.content for each in read_record(store)]


def test_every_forecast_entry_has_one_file(any_store: Store) -> None:
    store = any_store
    publish(store, "aa")
    forecast(store, "b1")
    forecast(store, "b2")
    publish(store, "ac")
    forecast(store, "b1")  # the newest again: another entry, the same words
    assert recorded(store) == [said("b1"), said("b2"), said("b1")]
    number = read_state(store).number
    facts = read_facts(store, number)
    assert facts["record"] == digest(said("b1"))
    assert store.get(record_name(number, facts["at"])) == said("b1")
    assert facts["weights"] == digest(AREAS)
    assert read_weights(store, facts["weights"]) == AREAS
    assert store.names("record/weights") == [f"record/weights/{digest(AREAS)}.parquet"]
    before = store.names("record")
    repair(store)
    assert store.names("record") == before


def test_what_kills_kept_from_the_record_the_next_command_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "aa")
    forecast(store, "b1")
    with monkeypatch.context() as killed:
        killed.setattr(stable, "complete_record", lambda *_: None)
        forecast(store, "b2")
        forecast(store, "b3")
    assert recorded(store) == [said("b1")]
    repair(store)
    assert recorded(store) == [said("b1"), said("b2"), said("b3")]


def test_a_prune_records_first_and_takes_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "aa")
    with monkeypatch.context() as killed:
        killed.setattr(stable, "complete_record", lambda *_: None)
        for name in ("b1", "b2", "b3"):
            forecast(store, name)
    assert recorded(store) == []
    removed = prune(store, 1, 0.0)
    assert f"{FORECASTS}/{an_id('b1')}" in removed
    assert recorded(store) == [said("b1"), said("b2"), said("b3")]


def test_a_changed_record_is_not_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "aa")
    forecast(store, "b1")
    for name in store.names("record"):
        store.put(name, b"something else")
    assert recorded(store) == []
    assert read_weights(store, digest(AREAS)) is None
    assert read_weights(store, "../../elsewhere") is None


def test_what_is_lost_of_record_and_log_is_told(any_store: Store) -> None:
    store = any_store
    publish(store, "aa")
    for name in ("b1", "b2", "b3"):
        forecast(store, name)
    state = read_state(store)
    assert record_faults(store, state) == lost_record(store, {2, 3, 4}) == []
    names = [record_name(number, str(read_facts(store, number)["at"])) for number in (2, 3)]
    store.put(names[0], b"something else")
    store.remove(entry_name(3))
    assert recorded(store) == [said("b3")]
    assert lost_record(store, {each.number for each in read_record(store)}) == names
    assert record_faults(store, state) == [
        f"{names[0]}: changed since the forecast was issued",
        f"{entry_name(3)}: missing, or no entry of the log",
    ]
    # the forecast still holds what will be recorded, unless it was pruned
    store.remove(names[0])
    assert len(record_faults(store, state)) == 1
    store.remove(f"{FORECASTS}/{an_id('b1')}")
    assert record_faults(store, state)[0] == f"{names[0]}: missing"
