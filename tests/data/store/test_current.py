"""How a run becomes current: never without its files, never once it has been pruned."""

from dataclasses import replace

import pytest

from data.errors import DamageError, SettingsError, StorageError
from data.store.backends.base import MANIFEST, Store
from data.store.backends.open import open_store
from data.store.current import (
    Written,
    all_finished,
    find_run,
    make_current,
    make_newest,
    require_current,
)
from data.store.entries import Action, State
from data.store.log import read_state
from data.store.manifests import FORECASTS, RUNS, load_manifest
from data.store.pruning import prune
from tests.stores import GATE, LONG_AGO, an_id, any_store, files_of, manifest_of, publish, roll_back, write

__all__ = ["any_store"]


def current(store: Store) -> str | None:
    state = read_state(store)
    return state.current.run_id[:2] if state.current else None


def written(name: str, area: str = RUNS) -> Written:
    files = files_of(an_id(name), area)
    return Written(files, manifest_of(an_id(name), files, LONG_AGO))


def test_runs_are_found_by_the_beginning_of_their_id(any_store: Store) -> None:
    with pytest.raises(SettingsError, match="no run has been published"):
        find_run(any_store, State(), "current")
    publish(any_store, "aa11", "2024-01-01T00:00:00+00:00")
    publish(any_store, "ab22", "2024-02-01T00:00:00+00:00")
    any_store.put(f"runs/{an_id('cc33')}/predictions.parquet", b"half")
    state = read_state(any_store)
    finished, faults = all_finished(any_store, state)
    assert ([each.run_id for each in finished], faults) == ([an_id("aa11"), an_id("ab22")], [])
    assert find_run(any_store, state, "ab").run_id == an_id("ab22")
    assert find_run(any_store, state, "current").run_id == an_id("ab22")
    for text in ("a", "cc", "ff", "", "../", "runs"):
        with pytest.raises(SettingsError, match=r"with an id that begins with"):
            find_run(any_store, state, text)
    any_store.remove(f"runs/{an_id('ab22')}/{MANIFEST}")
    with pytest.raises(DamageError, match="manifest is gone"):
        require_current(any_store, state)


def test_withdrawn_runs_are_remembered_until_one_is_current_again(any_store: Store) -> None:
    for name in ("aa", "bb", "cc"):
        publish(any_store, name)
    for name, withdrawn in (("bb", ["cc"]), ("aa", ["bb", "cc"]), ("cc", ["aa", "bb"])):
        assert roll_back(any_store, name).withdrawn == tuple(map(an_id, withdrawn))
    publish(any_store, "dd")
    assert read_state(any_store).withdrawn == (an_id("aa"), an_id("bb"))
    publish(any_store, "aa")
    assert read_state(any_store).withdrawn == (an_id("bb"),)


def test_what_one_entry_removes_the_next_can_not_make_current(any_store: Store) -> None:
    """`prune` between somebody's reading of the store and the entry that would have made the run current."""
    write(any_store, "aa")
    publish(any_store, "bb")
    for action, error in ((Action.ROLL_BACK, SettingsError), (Action.PUBLISH, StorageError)):
        pruned: list[list[str]] = []

        def decided(_state: State, *_: object, pruned: list[list[str]] = pruned) -> dict[str, object]:
            if not pruned:
                pruned.append(prune(open_store(any_store.uri), 1, 0.0))
            return {"gate": GATE}

        with pytest.raises(error, match="pruned meanwhile"):
            make_current(any_store, an_id("aa"), decided, action)
        assert pruned
        assert pruned[0][0] == an_id("aa")
        assert current(any_store) == "bb"
        write(any_store, "aa", "2025-01-01T00:00:00+00:00")


def test_a_rollback_keeps_prune_away(any_store: Store) -> None:
    publish(any_store, "aa")
    publish(any_store, "bb")
    roll_back(any_store, "aa")
    prune(any_store, 1, 0.0)
    assert any_store.folders("runs") == [an_id("aa")]
    assert current(any_store) == "aa"


def test_a_publisher_begins_a_new_life_of_what_was_pruned_meanwhile(any_store: Store) -> None:
    """`prune` between manifest and entry: the run is finished, and in nobody's way to go."""
    publish(any_store, "bb")
    write(any_store, "aa")
    pruned: list[list[str]] = []

    def decided(*_: object) -> dict[str, object]:
        if not pruned:
            pruned.append(prune(open_store(any_store.uri), 1, 0.0))
        return {"gate": GATE}

    state = make_current(any_store, an_id("aa"), decided, written=written("aa"))
    assert pruned[0][0] == an_id("aa")
    assert state.current is not None
    found = load_manifest(any_store, an_id("aa"))
    assert found is not None
    assert found[1] == state.current.manifest
    assert found[0]["finished_at"] > LONG_AGO
    assert len(any_store.names(f"runs/{an_id('aa')}")) == len(found[0]["files"]) + 1
    assert state.removed == {}


def test_what_a_slow_prune_takes_after_the_entry_is_restored(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(any_store, "aa")
    real = type(any_store).create

    def create(self: Store, name: str, content: bytes) -> bool:
        created = real(self, name, content)
        if name.endswith("00000001.json"):
            any_store.remove(f"runs/{run}/metrics.json")
            any_store.remove(f"runs/{run}/{MANIFEST}")
        return created

    monkeypatch.setattr(type(any_store), "create", create)
    make_current(any_store, run, lambda *_: {"gate": GATE}, written=written("aa"))
    assert any_store.get(f"runs/{run}/metrics.json") == f"{run} metrics.json".encode()
    assert any_store.get(f"runs/{run}/{MANIFEST}") is not None


def test_nobody_makes_half_a_run_current(any_store: Store) -> None:
    run = write(any_store, "aa")
    any_store.remove(f"runs/{run}/metrics.json")
    with pytest.raises(StorageError, match="pruned meanwhile"):
        make_current(any_store, run, lambda *_: {"gate": GATE})
    assert read_state(any_store) == State()


def test_a_forecast_that_is_the_newest_already_is_no_new_entry(any_store: Store) -> None:
    publish(any_store, "aa")
    run = write(any_store, "f1", area=FORECASTS)
    state = make_newest(any_store, run, {})
    assert make_newest(any_store, run, {}) == state
    newer = write(any_store, "f2", area=FORECASTS)
    later = make_newest(any_store, newer, {})
    assert list(later.ceased) == [f"forecasts/{run}"]
    again = make_newest(any_store, run, {})
    assert replace(again, ceased={}).forecast is not None
    assert list(again.ceased) == [f"forecasts/{newer}"]
