"""The publication log: one order of changes, whoever writes at once, whatever answers are lost."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamageError, StorageError
from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.current import make_current, repair
from data.store.entries import Action, Draft, State, entry_as_json, parse_entry
from data.store.log import append, entry_name, known_withdrawn, read_facts, read_state
from data.store.manifests import digest, is_id, to_json
from tests.object_storage import Proxy
from tests.stores import GATE, an_id, any_store, forecast, publish, roll_back, write

__all__ = ["any_store"]


def entries(store: Store) -> list[dict[str, Any]]:
    names = store.names("log")
    assert names == [entry_name(number + 1) for number in range(len(names))]
    return [json.loads(store.get(name) or b"") for name in names]


def test_each_change_is_an_entry_that_says_what_was_done(any_store: Store) -> None:
    assert read_state(any_store) == State()
    publish(any_store, "aa")
    publish(any_store, "bb")
    forecast(any_store, "f1")
    roll_back(any_store, "aa")
    found = entries(any_store)
    assert [entry["action"] for entry in found] == ["publish", "publish", "forecast", "roll back"]
    assert [entry["run_id"][:2] for entry in found] == ["aa", "bb", "f1", "aa"]
    assert [entry["number"] for entry in found] == [1, 2, 3, 4]
    assert found[1]["gate"] == GATE
    assert len({entry["nonce"] for entry in found}) == 4
    assert sorted(entry["at"] for entry in found) == [entry["at"] for entry in found]
    state = found[-1]["state"]
    assert state["withdrawn"] == [an_id("bb")]
    assert state["current"] == {
        "run_id": an_id("aa"), "entry": 4,
        "manifest": digest(any_store.get(f"runs/{an_id('aa')}/manifest.json") or b""),
    }  # fmt: skip
    assert list(state["ceased"]) == [f"runs/{an_id('bb')}"]
    assert read_state(any_store).forecast is not None
    pointer = json.loads(any_store.get("current.json") or b"")
    assert (pointer["number"], pointer["run_id"], pointer["withdrawn"]) == (4, an_id("aa"), [an_id("bb")])


def test_what_changes_nothing_is_no_entry(any_store: Store) -> None:
    publish(any_store, "aa")
    make_current(any_store, an_id("aa"), lambda *_: None)
    repair(any_store)
    assert len(entries(any_store)) == 1


def test_of_many_who_write_at_once_each_gets_a_number(any_store: Store) -> None:
    runs = [write(any_store, f"a{number}") for number in range(8)]
    failures: list[BaseException] = []

    def run(name: str) -> None:
        store = open_store(any_store.uri)  # of its own, as another process has it
        try:
            make_current(store, name, lambda *_: {"gate": GATE})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = entries(any_store)
    assert sorted(entry["run_id"] for entry in found) == runs
    last = read_state(any_store)
    assert last.current is not None
    assert last.current.run_id == found[-1]["run_id"]
    assert any_store.get("predictions.parquet") == f"{last.current.run_id} predictions.parquet".encode()


def test_whoever_loses_decides_again_on_what_the_winner_left(any_store: Store) -> None:
    """A rollback between another publisher's reading and its writing is not lost."""
    publish(any_store, "aa")
    publish(any_store, "bb")
    write(any_store, "cc")
    seen: list[State] = []

    def decided(state: State, *_: object) -> dict[str, Any]:
        if not seen:
            roll_back(open_store(any_store.uri), "aa")
        seen.append(state)
        return {"gate": GATE}

    make_current(any_store, an_id("cc"), decided)
    assert [state.current and state.current.run_id[:2] for state in seen] == ["bb", "aa"]
    assert read_state(any_store).withdrawn == (an_id("bb"),)


def test_a_reader_goes_upward_from_the_number_in_current_json(any_store: Store) -> None:
    publish(any_store, "aa")
    behind = any_store.get("current.json") or b""
    publish(any_store, "bb")
    publish(any_store, "cc")
    _overwrite(any_store, "current.json", behind)  # as a kill before deriving leaves it
    state = read_state(any_store)
    assert state.number == 3
    repair(any_store)
    assert json.loads(any_store.get("current.json") or b"")["number"] == 3
    for content in (None, b"{", b'{"number": 99999999}', b'{"number": "3"}', b'{"number": -1}'):
        _overwrite(any_store, "current.json", content)
        assert read_state(any_store) == state
    repair(any_store)
    assert json.loads(any_store.get("current.json") or b"")["number"] == 3


def _overwrite(store: Store, name: str, content: bytes | None) -> None:
    if content is None:
        store.remove(name)
    else:
        store.put(name, content)


def test_a_damaged_last_entry_is_said_and_a_rollback_goes_on_behind_it(any_store: Store) -> None:
    publish(any_store, "aa")
    publish(any_store, "bb")
    any_store.put(entry_name(2), b"{}")
    with pytest.raises(DamageError, match=r"00000002.json.*cropyield rollback"):
        read_state(any_store)
    with pytest.raises(DamageError):
        publish(any_store, "cc")
    assert read_state(any_store, mending=True).current is None
    assert roll_back(any_store, "aa").number == 3
    state = read_state(any_store)
    assert state.current is not None
    assert (state.current.run_id, state.number) == (an_id("aa"), 3)


def test_a_rollback_behind_a_damaged_entry_keeps_what_that_had_withdrawn(any_store: Store) -> None:
    publish(any_store, "aa")
    publish(any_store, "bb")
    publish(any_store, "cc")
    roll_back(any_store, "bb")
    any_store.put(entry_name(4), b"{}")
    assert known_withdrawn(any_store, 4) == (an_id("bb"), an_id("cc"))
    assert roll_back(any_store, "bb").withdrawn == (an_id("cc"),)
    any_store.put(entry_name(5), b"{}")
    # what was current then is rolled back from, too
    assert roll_back(any_store, "aa").withdrawn == (an_id("bb"), an_id("cc"))
    any_store.put(entry_name(6), b"{}")
    any_store.remove("current.json")
    assert known_withdrawn(any_store, 6) is None
    assert roll_back(any_store, "aa").withdrawn == ()  # as the last entry that can be read, the third


def test_a_log_that_is_gone_is_said(any_store: Store) -> None:
    publish(any_store, "aa")
    any_store.remove("log")
    with pytest.raises(DamageError, match="log is gone"):
        read_state(any_store)
    roll_back(any_store, "aa")  # what was derived from it is taken over
    assert [entry["action"] for entry in entries(any_store)] == ["take over", "roll back"]


def test_clocks_that_disagree_do_not_turn_the_log_around(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(["2030-01-01T00:00:00+00:00", "2020-01-01T00:00:00+01:00"])
    publish(any_store, "aa")
    with monkeypatch.context() as clock:
        clock.setattr("data.store.log.now", lambda: next(times))
        write(any_store, "bb")
        for at in ("2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00+00:00"):
            before = read_state(any_store)
            after = append(any_store, Draft(Action.PRUNE, {}, before), before)
            assert after is not None
            assert after.at == at


@pytest.mark.parametrize("lost", ["stored, then 500", "stored, then hang up"])
def test_an_answer_that_was_lost_is_no_second_publication(
    lost: str, proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a PUT that was stored but answered 500, and is told that the entry exists."""
    monkeypatch.setattr("data.locations.filesystems.ATTEMPTS", 3)
    store = open_store(f"s3://{bucket}/store")
    publish(store, "aa")
    write(store, "bb")
    proxy.fail(lost, times=1, method="PUT", path="/log/00000002")
    state = make_current(store, an_id("bb"), lambda *_: {"gate": GATE})
    assert (state.number, len(entries(store))) == (2, 2)


def test_an_entry_that_arrived_counts_though_every_answer_was_lost(proxy: Proxy, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/store")
    publish(store, "aa")
    write(store, "bb")
    proxy.fail("stored, then hang up", method="PUT", path="/log/00000002")
    assert make_current(store, an_id("bb"), lambda *_: {"gate": GATE}).number == 2


def test_a_storage_that_ignores_the_condition_is_refused(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(self: Store, name: str, content: bytes) -> bool:
        self.put(name, content)
        return True

    monkeypatch.setattr(type(any_store), "create", careless)
    write(any_store, "aa")
    with pytest.raises(StorageError, match="conditional writes") as caught:
        make_current(any_store, an_id("aa"), lambda *_: {})
    assert caught.value.exit_code == 5
    assert any_store.names("log") == []


def test_a_file_system_without_hard_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    store = LocalStore(tmp_path)
    write(store, "aa")
    with pytest.raises(StorageError, match="knows no hard links") as caught:
        make_current(store, an_id("aa"), lambda *_: {})
    assert caught.value.exit_code == 5


def first_schema(store: Store, *, withdrawn: list[str]) -> None:
    """What cropyield 0.1 left: pointers and copies, and no log."""
    for name in ("aa", "bb"):
        write(store, name, schema=1)
    write(store, "f1", area="forecasts", schema=1)
    pointer = {"schema": 1, "published_at": "2025-01-01T00:00:00+00:00"}
    more = {"gate": GATE, "note": "gate passed"} | ({"withdrawn": withdrawn} if withdrawn else {})
    store.put("current.json", to_json(pointer | {"run_id": an_id("bb")} | more))
    store.put("forecast.json", to_json(pointer | {"run_id": an_id("f1"), "model_run_id": an_id("bb")}))
    store.put("predictions.parquet", b"bb")
    store.put("forecasts.parquet", b"f1")


def test_a_store_of_the_first_schema_is_taken_over_by_who_writes(any_store: Store) -> None:
    first_schema(any_store, withdrawn=[an_id("aa")])
    before = {name: any_store.get(name) for name in any_store.names()}
    state = read_state(any_store)
    assert (state.number, state.withdrawn) == (0, (an_id("aa"),))
    assert {name: any_store.get(name) for name in any_store.names()} == before  # reading changes nothing
    write(any_store, "cc")
    make_current(any_store, an_id("cc"), lambda *_: {"gate": GATE})
    first, second = entries(any_store)
    assert (first["action"], first["gate"]) == ("take over", GATE)
    assert first["state"]["current"]["run_id"] == an_id("bb")
    assert first["state"]["forecast"]["run_id"] == an_id("f1")
    assert first["state"]["withdrawn"] == second["state"]["withdrawn"] == [an_id("aa")]
    assert second["state"]["current"]["run_id"] == an_id("cc")
    assert (any_store.get("forecasts.parquet") or b"").startswith(an_id("f1").encode())


def test_repair_alone_takes_over_as_well(any_store: Store) -> None:
    first_schema(any_store, withdrawn=[])
    assert repair(any_store).number == 1
    pointer = json.loads(any_store.get("current.json") or b"")
    assert (pointer["published_at"], pointer["note"]) == ("2025-01-01T00:00:00+00:00", "gate passed")


@pytest.mark.parametrize("content", [b"{", b'{"run_id": 5}', b'{"run_id": "../../outside"}'])
def test_a_damaged_pointer_of_the_first_schema_is_mended_by_a_rollback(
    content: bytes, any_store: Store
) -> None:
    first_schema(any_store, withdrawn=[])
    any_store.put("current.json", content)
    with pytest.raises(DamageError, match="cropyield rollback"):
        read_state(any_store)
    assert roll_back(any_store, "aa").current is not None
    assert (any_store.get("predictions.parquet") or b"").startswith(an_id("aa").encode())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("../../victim"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_an_entry_changed_anywhere_is_none_or_keeps_its_shape(data: st.DataObject) -> None:
    """Field by field: a hostile log can't make anything but ids and digests out of its entries."""
    number = 7
    sound = parse_entry(_entry(lambda entry: entry), number)
    assert sound is not None

    def change(entry: Any) -> Any:
        where = entry
        while True:
            key = data.draw(st.sampled_from(sorted(where)))
            if isinstance(where[key], dict) and where[key] and data.draw(st.booleans()):
                where = where[key]
                continue
            break
        where[key] = data.draw(ANYTHING)
        return entry

    found = parse_entry(_entry(change), number)
    if found is None:
        return
    named = [each.run_id for each in (found.current, found.forecast) if each]
    assert all(map(is_id, [*named, *found.withdrawn]))
    assert found.number == number
    for place in (*found.ceased, *found.removed):
        area, _, run = place.partition("/")
        assert area in ("runs", "forecasts", "backtests")
        assert is_id(run)


def _entry(change: Callable[[Any], Any]) -> bytes:
    state = State()
    state = replace(
        state, withdrawn=(an_id("cc"),), ceased={f"runs/{an_id('cc')}": state.at},
        removed={f"forecasts/{an_id('f1')}": "0" * 64},
    )  # fmt: skip
    entry = json.loads(entry_as_json(Draft(Action.PRUNE, {"run_id": "x"}, state), 7, state.at, "nonce"))
    instance = {"run_id": an_id("aa"), "manifest": "1" * 64, "entry": 3}
    entry["state"] |= {"current": instance, "forecast": dict(instance)}
    return to_json(change(entry))


def test_facts_of_no_entry_are_empty(any_store: Store) -> None:
    assert read_facts(any_store, 5) == {}
