"""Bulletins in a store: one for each forecast, shown with it, drawn by whoever comes, gone with it."""

from functools import partial
from pathlib import Path

import pytest

from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.bulletins import BULLETINS, NEWEST, bulletin_name, missing_bulletins
from data.store.current import make_newest, repair
from data.store.entries import State
from data.store.log import read_state
from data.store.manifests import FORECASTS
from data.store.pruning import prune
from tests.stores import an_id, any_store, publish, write

__all__ = ["any_store"]


def draw(store: Store, state: State) -> None:
    """What tasks.bulletins does, of forecasts that hold nothing to draw."""
    for number in missing_bulletins(store, state):
        store.create(bulletin_name(number), page(number))


def page(number: int) -> bytes:
    return f"<p>{number}</p>".encode()


def forecast(store: Store, name: str) -> int:
    """Make a forecast the newest, drawn; its entry's number."""
    run = write(store, name, area=FORECASTS, model_run_id=an_id("aa"))
    make_newest(store, run, {}, complete=partial(draw, store))
    return read_state(store).number


def undrawn(store: Store, name: str) -> int:
    make_newest(store, write(store, name, area=FORECASTS, model_run_id=an_id("aa")), {})
    return read_state(store).number


def test_each_entry_has_its_page_and_the_newest_is_at_the_top(any_store: Store) -> None:
    publish(any_store, "aa")
    numbers = [forecast(any_store, name) for name in ("f1", "f2", "f1")]
    publish(any_store, "ab")
    assert numbers == [2, 3, 4]
    assert any_store.names(BULLETINS) == [bulletin_name(number) for number in numbers]
    assert any_store.get(NEWEST) == page(4)
    assert list(missing_bulletins(any_store, read_state(any_store))) == []


def test_a_page_is_shown_together_with_its_forecast(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "aa")
    forecast(store, "f1")
    seen: list[tuple[bytes | None, bytes | None]] = []

    def watched(state: State) -> None:
        draw(store, state)
        seen.append((store.get(NEWEST), store.get("forecasts.parquet")))

    run = write(store, "f2", area=FORECASTS, model_run_id=an_id("aa"))
    make_newest(store, run, {}, complete=watched)
    old, new = ((store.get(f"{FORECASTS}/{an_id(name)}/predictions.parquet")) for name in ("f1", "f2"))
    assert seen[0] == (page(2), old)
    assert (store.get(NEWEST), store.get("forecasts.parquet")) == (page(3), new)


def test_what_a_kill_left_undrawn_is_missing_until_somebody_draws_it(any_store: Store) -> None:
    publish(any_store, "aa")
    forecast(any_store, "f1")
    undrawn(any_store, "f2")
    assert any_store.get(NEWEST) is None  # never that of another forecast
    publish(any_store, "ab")
    undrawn(any_store, "f3")
    assert list(missing_bulletins(any_store, read_state(any_store))) == [5, 3]
    repair(any_store, complete=partial(draw, any_store))
    assert any_store.names(BULLETINS) == [bulletin_name(number) for number in (2, 3, 5)]
    assert any_store.get(NEWEST) == page(5)


def test_a_page_that_cannot_be_drawn_keeps_nothing_else_from_view(any_store: Store) -> None:
    publish(any_store, "aa")
    forecast(any_store, "f1")

    def fails(_: State) -> None:
        raise ZeroDivisionError

    run = write(any_store, "f2", area=FORECASTS, model_run_id=an_id("aa"))
    with pytest.raises(ZeroDivisionError):
        make_newest(any_store, run, {}, complete=fails)
    assert any_store.get("forecasts.parquet") == any_store.get(f"{FORECASTS}/{run}/predictions.parquet")
    assert any_store.get(NEWEST) is None


def test_what_was_spoilt_at_the_top_is_mended(any_store: Store) -> None:
    publish(any_store, "aa")
    number = forecast(any_store, "f1")
    any_store.put(NEWEST, b"something else")
    repair(any_store)
    assert any_store.get(NEWEST) == page(number)


def test_prune_removes_pages_with_their_forecasts(any_store: Store) -> None:
    publish(any_store, "aa")
    for name in ("f1", "f2", "f3", "f2"):
        forecast(any_store, name)
    undrawn(any_store, "f4")
    any_store.put(f"{BULLETINS}/notes.html", b"somebody's own")
    removed = prune(any_store, 2, 0.0)
    gone = {an_id(name) for name in ("f1", "f2", "f3", "f4")} & {name.rpartition("/")[2] for name in removed}
    kept = {2: "f1", 3: "f2", 4: "f3", 5: "f2"}
    assert len(gone) == 2
    pages = [bulletin_name(number) for number, name in kept.items() if an_id(name) not in gone]
    assert any_store.names(BULLETINS) == [*pages, f"{BULLETINS}/notes.html"]


def test_a_prune_that_was_killed_before_the_pages_is_completed(any_store: Store) -> None:
    publish(any_store, "aa")
    for name in ("f1", "f2"):
        forecast(any_store, name)
    prune(any_store, 1, 0.0)
    any_store.put(bulletin_name(2), page(2))  # as if it had been killed before
    prune(any_store, 1, 0.0)
    assert any_store.names(BULLETINS) == [bulletin_name(3)]
