"""Pruning: what stays, what goes, and that a name in a store never leads out of it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import DamageError
from data.store.backends.base import MANIFEST, Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.current import all_finished, make_newest
from data.store.log import read_facts, read_state
from data.store.manifests import BACKTESTS, FORECASTS, to_json
from data.store.pruning import prune
from data.store.record import RECORD
from tests.stores import an_id, any_store, forecast, publish, roll_back, write

__all__ = ["any_store"]
HOUR_S = 3600.0


def ids(names: list[str]) -> list[str]:
    """Short names of runs; those of the rest with their area."""
    return sorted(name.rstrip("0") for name in names)


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def test_the_newest_and_the_current_run_stay(any_store: Store) -> None:
    for number in range(1, 5):
        publish(any_store, f"a{number}", f"2024-0{number}-01T00:00:00+00:00")
    roll_back(any_store, "a1")
    assert ids(prune(any_store, 2, 0.0)) == ["a2", "a3"]
    assert ids(any_store.folders("runs")) == ["a1", "a4"]
    entry = read_facts(any_store, 6)
    assert (entry["action"], entry["keep"]) == ("prune", 2)
    assert ids(entry["removed"]) == ["runs/a2", "runs/a3"]
    assert ids(prune(any_store, 2, 0.0)) == []
    assert read_state(any_store).number == 6


def test_forecasts_and_backtests_are_thinned_out_too(any_store: Store) -> None:
    publish(any_store, "aa")
    for name in ("f1", "f2", "f3", "f4", "f1"):
        forecast(any_store, name, f"2024-0{name[1]}-01T00:00:00+00:00")
    for name in ("b1", "b2", "b3"):
        write(any_store, name, f"2024-0{name[1]}-01T00:00:00+00:00", BACKTESTS)
    assert ids(prune(any_store, 2, 0.0)) == ["backtests/b1", "forecasts/f2", "forecasts/f3"]
    assert ids(any_store.folders(FORECASTS)) == ["f1", "f4"]
    assert ids(any_store.folders(BACKTESTS)) == ["b2", "b3"]
    assert (any_store.get("forecasts.parquet") or b"").startswith(b"f1")


def test_the_run_that_the_newest_forecast_was_made_with_stays(any_store: Store) -> None:
    """Else nobody can say any more why the forecast that is shown is what it is."""
    for number, name in enumerate(("cc", "aa", "bb", "dd"), start=1):
        publish(any_store, name, f"2024-0{number}-01T00:00:00+00:00")
        if name == "aa":
            forecast(any_store, "f1")  # by the model of aa
    assert ids(prune(any_store, 1, 0.0)) == ["bb", "cc"]
    assert ids(any_store.folders("runs")) == ["aa", "dd"]
    write(any_store, "bb", "2024-03-02T00:00:00+00:00")
    assert ids(prune(any_store, 2, 0.0)) == ["bb"]
    any_store.put(f"forecasts/{an_id('f1')}/{MANIFEST}", b"{}")
    write(any_store, "bb", "2024-03-03T00:00:00+00:00")
    with pytest.raises(DamageError):
        prune(any_store, 1, 0.0)
    assert ids(any_store.folders("runs")) == ["aa", "bb", "dd"]


def test_what_was_current_until_just_now_stays_an_hour(any_store: Store) -> None:
    """`prune` after `rollback OLD` must not take OLD's follower, nor what somebody may be reading."""
    publish(any_store, "a1", hours_ago(9))
    publish(any_store, "a2", hours_ago(8))
    publish(any_store, "a3", hours_ago(0.5))
    write(any_store, "a4", hours_ago(7))
    assert ids(prune(any_store, 1, HOUR_S)) == ["a4"]
    assert ids(prune(any_store, 1, 10 * HOUR_S)) == []
    assert ids(prune(any_store, 1, 0.0)) == ["a1", "a2"]


def test_a_run_pruned_and_made_again_is_a_run(any_store: Store) -> None:
    for _ in range(3):
        publish(any_store, "aa", hours_ago(2))
        publish(any_store, "bb", hours_ago(1))
        assert ids(prune(any_store, 1, 0.0)) == ["aa"]
        assert all_finished(any_store, read_state(any_store))[0][0].run_id == an_id("bb")
    publish(any_store, "aa", hours_ago(0))
    assert read_state(any_store).removed == {}


def test_a_prune_that_was_killed_before_deleting_has_removed_all_the_same(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(any_store, "aa")
    publish(any_store, "bb")

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(any_store), "remove", killed)
        with pytest.raises(Killed):
            prune(any_store, 1, 0.0)
    state = read_state(any_store)
    assert an_id("aa") in any_store.folders("runs")
    assert [each.run_id for each in all_finished(any_store, state)[0]] == [an_id("bb")]
    prune(any_store, 1, 0.0)
    assert any_store.folders("runs") == [an_id("bb")]


def test_a_slow_prune_leaves_a_new_life_alone(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry is there, and before it deletes anything the same run is published again."""
    publish(any_store, "aa", hours_ago(5))
    publish(any_store, "bb", hours_ago(4))
    real = any_store.lock
    done: list[int] = []

    def lock():  # type: ignore[no-untyped-def]
        if read_state(any_store).removed and not done:
            done.append(1)
            publish(any_store, "aa", hours_ago(0))
        return real()

    monkeypatch.setattr(any_store, "lock", lock)
    prune(any_store, 1, 0.0)
    assert done
    state = read_state(any_store)
    assert state.current is not None
    assert state.current.run_id == an_id("aa")
    assert len(any_store.names(f"runs/{an_id('aa')}")) == 13


def test_a_rollback_before_a_prunes_entry_has_it_decide_again(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read that a3 is current and a1 may go; before it says so a1 is made current."""
    for number in (1, 2, 3):
        publish(any_store, f"a{number}", hours_ago(9 - number))
    real = any_store.lock
    locked: list[int] = []

    def lock():  # type: ignore[no-untyped-def]
        locked.append(1)
        if len(locked) == 2:  # the first is for what is derived
            roll_back(open_store(any_store.uri), "a1")
        return real()

    monkeypatch.setattr(any_store, "lock", lock)
    assert ids(prune(any_store, 1, 0.0)) == ["a2", "a3"]
    actions = [read_facts(any_store, number)["action"] for number in (4, 5)]
    assert actions == ["roll back", "prune"]
    state = read_state(any_store)
    assert state.current is not None
    assert state.current.run_id == an_id("a1")
    assert len(any_store.names(f"runs/{an_id('a1')}")) == 13


def test_names_that_lead_out_of_the_store_remove_nothing(tmp_path: Path) -> None:
    """A manifest said "run_id": "../../victim", and the folder of that name was deleted."""
    store = LocalStore(tmp_path / "store")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "dear").write_text("data")
    publish(store, "aa")
    run = write(store, "bb")
    manifest = (store.root / f"runs/{run}/{MANIFEST}").read_text()
    for name in ("../../victim", "..", "../..", str(victim), "victim"):
        store.put(
            f"runs/{run}/{MANIFEST}", manifest.replace(f'"run_id": "{run}"', f'"run_id": "{name}"').encode()
        )
        prune(store, 1, 0.0)
        assert (victim / "dear").read_text() == "data"
        assert store.get(f"runs/{an_id('aa')}/{MANIFEST}") is not None
    # a link to a folder elsewhere goes as a link
    (store.root / "runs" / an_id("cc")).symlink_to(victim)
    (victim / MANIFEST).write_bytes(to_json({"run_id": an_id("cc")}))
    prune(store, 1, 0.0)
    assert (victim / "dear").read_text() == "data"


def test_a_damaged_manifest_stays_and_keeps_nothing_else(any_store: Store) -> None:
    for number in range(1, 4):
        publish(any_store, f"a{number}", f"2024-0{number}-01T00:00:00+00:00")
    any_store.put(f"runs/{an_id('a2')}/{MANIFEST}", b"{")
    assert ids(prune(any_store, 1, 0.0)) == ["a1"]
    assert ids(any_store.folders("runs")) == ["a2", "a3"]


def test_nothing_goes_while_the_current_run_can_not_be_read(any_store: Store) -> None:
    publish(any_store, "aa")
    publish(any_store, "bb")
    any_store.put(f"runs/{an_id('bb')}/{MANIFEST}", b"{}")
    with pytest.raises(DamageError, match="cropyield rollback"):
        prune(any_store, 1, 0.0)
    assert ids(any_store.folders("runs")) == ["aa", "bb"]


def test_half_written_and_old_work_go_after_a_day(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa")
    for place in ("runs/dd", "runs/ee", "forecasts/dd", ".work/dd", ".work/ee-1234"):
        area, _, name = place.partition("/")
        run = an_id(name) if "-" not in name else name
        store.put(f"{area}/{run}/predictions.parquet", b"half")
        if name != "ee":
            for path in (tmp_path / area / run, tmp_path / area / run / "predictions.parquet"):
                os.utime(path, (1, 1))
    store.put("runs/a copy/predictions.parquet", b"somebody's")
    for path in (tmp_path / "runs/a copy", tmp_path / "runs/a copy/predictions.parquet"):
        os.utime(path, (1, 1))
    removed = prune(store, 1, 0.0)
    assert ids(removed) == [".work/dd", ".work/ee-1234", "forecasts/dd", "runs/dd"]
    assert ids(store.folders("runs")) == ["a copy", "aa", "ee"]


def test_old_work_of_the_current_run_goes_and_the_run_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    publish(store, "aa")
    store.put(f".work/{an_id('aa')}/step/file", b"left")
    for file in (tmp_path / ".work").rglob("*"):
        os.utime(file, (0, 0))
    assert ids(prune(store, 1, HOUR_S)) == [".work/aa"]
    assert store.get("predictions.parquet") is not None


def test_growth_is_bounded(any_store: Store) -> None:
    """Publications and forecasts, pruned each time: what grows is the log, by an entry for each change."""
    sizes = []
    for day in range(12):
        publish(any_store, f"a{day:x}", hours_ago(100 - day))
        forecast(any_store, f"f{day:x}", hours_ago(100 - day))
        prune(any_store, 2, 0.0)
        names = any_store.names()
        sizes.append(len([name for name in names if not name.startswith("log/")]))
    assert len(set(sizes[4:])) == 1
    assert len(any_store.get("current.json") or b"") < 1000
    entry = any_store.names("log")[-1]
    assert len(any_store.get(entry) or b"") < 2000


def sizes(store: LocalStore) -> dict[str, int]:
    """Bytes by what lies at the store's top, links counted as the files they lead to once."""
    found: dict[str, int] = {}
    seen = set()
    for file in store.root.rglob("*"):
        if file.is_file() and not file.is_symlink() and (inode := file.stat().st_ino) not in seen:
            seen.add(inode)
            top = file.relative_to(store.root).parts[0]
            found[top] = found.get(top, 0) + file.stat().st_size
    return found


def test_a_year_of_daily_forecasts_leaves_nothing_but_log_and_record(tmp_path: Path) -> None:
    """Trained every week, forecast every day, pruned every day: all but the two stays at its size."""
    store = LocalStore(tmp_path / "store")
    monthly = []
    for day in range(365):
        at = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
        if day % 7 == 0:
            publish(store, f"a{day // 7:03x}", at, files={"predictions.parquet": b"p" * 20_000})
        content = f"day {day:03d}".encode() * 100
        files = {"predictions.parquet": content * 10, "drivers.parquet": content * 50, RECORD: content}
        run = write(store, f"f{day:03x}", at, FORECASTS, files, model_run_id=an_id("aa"))
        make_newest(store, run, {})
        prune(store, 3, 0.0)
        if day % 30 == 29:
            monthly.append(sizes(store))
    rest = [sum(size for top, size in of.items() if top not in ("log", "record")) for of in monthly]
    assert max(rest) - min(rest) < 0.01 * min(rest)
    grown = {top: monthly[-1][top] - monthly[-2][top] for top in ("log", "record")}
    # a record each day, and an entry for each forecast, each prune and each week's run
    assert grown["record"] == 30 * 700
    assert grown["log"] == pytest.approx(monthly[1]["log"] - monthly[0]["log"], rel=0.1)
    assert len(store.names("record")) == 365
    assert [len(store.folders(area)) for area in ("runs", FORECASTS)] == [3, 3]
