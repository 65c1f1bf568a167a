"""Entries of the publication log: what each did and what holds after it, to JSON and back.

    {"schema", "number", "nonce", "at", "action", "run_id", "gate", …, "state": {"current", "forecast", …}}

An entry holds the whole state, so that the last one is all a reader needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from data.contracts.vocabulary import SCHEMA_VERSION
from data.store.manifests import BACKTESTS, FORECASTS, RUNS, is_digest, is_id, parse_json, seconds, to_json


class Action(StrEnum):
    """What an entry did."""

    TAKE_OVER = "take over"  # of a store that has pointers and no log
    PUBLISH = "publish"
    ROLL_BACK = "roll back"
    FORECAST = "forecast"
    PRUNE = "prune"


@dataclass(frozen=True)
class Instance:
    """A run or forecast as it was finished once: its id, its manifest's SHA-256, the entry that named it."""

    run_id: str
    manifest: str
    entry: int


@dataclass(frozen=True)
class State:
    """What holds after an entry; number 0: there is no log yet.

    `ceased` maps the folder of what was current, or the newest forecast, to when it ceased to be that;
    `removed` maps a folder that was pruned to the SHA-256 of the manifest that it then had.
    """

    number: int = 0
    at: str = "1970-01-01T00:00:00+00:00"
    current: Instance | None = None
    forecast: Instance | None = None
    withdrawn: tuple[str, ...] = ()
    ceased: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)

    def is_removed(self, place: str, manifest: str) -> bool:
        """Whether a run, forecast or backtest as it lies there has been pruned, if not yet deleted."""
        return self.removed.get(place) == manifest


@dataclass(frozen=True)
class Draft:
    """An entry to be: what it does, the facts about it, and what then holds."""

    action: Action
    facts: Mapping[str, Any]
    state: State


def entry_as_json(draft: Draft, number: int, at: str, nonce: str) -> bytes:
    """The content of an entry's file."""
    return to_json(
        {
            **draft.facts,
            "schema": SCHEMA_VERSION, "number": number, "nonce": nonce, "at": at, "action": str(draft.action),
            "state": _state_as_json(draft.state),
        }
    )  # fmt: skip


def parse_entry(content: bytes, number: int) -> State | None:
    """The state that an entry holds; None where any part of it isn't of its shape."""
    entry = parse_json(content)
    return _state_of(entry, number) if entry else None


def _state_as_json(state: State) -> dict[str, Any]:
    def instance(found: Instance | None) -> dict[str, Any] | None:
        return vars(found) if found else None

    return {
        "current": instance(state.current),
        "forecast": instance(state.forecast),
        "withdrawn": list(state.withdrawn),
        "ceased": dict(state.ceased),
        "removed": dict(state.removed),
    }


def _state_of(entry: Mapping[str, Any], number: int) -> State | None:
    state, at = entry.get("state"), entry.get("at")
    if entry.get("number") != number or not isinstance(at, str) or seconds(at) is None:
        return None
    if not isinstance(state, dict) or entry.get("action") not in list(Action):
        return None
    current, newest = (_instance_of(state.get(key), number) for key in ("current", "forecast"))
    withdrawn, ceased, removed = (state.get(key) for key in ("withdrawn", "ceased", "removed"))
    sound = (
        (current is not None or state.get("current") is None)
        and (newest is not None or state.get("forecast") is None)
        and isinstance(withdrawn, list)
        and all(map(is_id, withdrawn))
        and isinstance(ceased, dict)
        and all(
            _is_place(place) and isinstance(time, str) and seconds(time) is not None
            for place, time in ceased.items()
        )
        and isinstance(removed, dict)
        and all(_is_place(place) and is_digest(manifest) for place, manifest in removed.items())
    )
    if not sound:
        return None
    return State(number, at, current, newest, tuple(withdrawn or ()), ceased or {}, removed or {})


def _instance_of(found: Any, number: int) -> Instance | None:
    if not isinstance(found, dict):
        return None
    run, manifest, entry = (found.get(key) for key in ("run_id", "manifest", "entry"))
    if is_id(run) and is_digest(manifest) and type(entry) is int and 0 < entry <= number:
        return Instance(run, manifest, entry)
    return None


def _is_place(text: str) -> bool:
    area, _, run = text.partition("/")
    return area in (RUNS, FORECASTS, BACKTESTS) and is_id(run)
