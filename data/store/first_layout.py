"""Stores of schema 1, pointers without a log: what they say, and the record of their newest forecast."""

from __future__ import annotations

import contextlib
import io
from datetime import date
from typing import Any

from data.contracts.vocabulary import MAIN
from data.errors import DamageError
from data.store.backends.base import Store
from data.store.entries import Instance, State
from data.store.manifests import (
    CURRENT,
    FORECAST,
    FORECASTS,
    PREDICTIONS,
    RUNS,
    is_id,
    load_manifest,
    parse_json,
    read_published,
)

MEND = (
    "bring it back from a copy; or `cropyield rollback` makes a run current that you name, whatever the log "
    "says (`cropyield runs` lists them)"
)


def state_before(store: Store, mending: bool) -> State:
    """What pointers without a log say. Raises DamageError, unless `mending`, where they name nothing."""
    found: dict[str, Instance | None] = {}
    withdrawn: list[str] = []
    for name, area in ((CURRENT, RUNS), (FORECAST, FORECASTS)):
        content = store.get(name)
        pointer = (parse_json(content) if content else None) or {}
        run, loaded = pointer.get("run_id"), None
        with contextlib.suppress(DamageError):
            loaded = load_manifest(store, run, area) if is_id(run) else None
        if content is not None and loaded is None and not mending:
            raise DamageError(
                f"{store.place(name)} was changed by something else than cropyield, or what it names is "
                f"gone; {MEND}"
            )
        found[area] = Instance(run, loaded[1], 1) if is_id(run) and loaded else None
        listed = pointer.get("withdrawn")
        withdrawn += filter(is_id, listed) if isinstance(listed, list) else []
    return State(current=found[RUNS], forecast=found[FORECASTS], withdrawn=tuple(withdrawn))


def facts_before(store: Store) -> dict[str, Any]:
    """What the pointer to the current run says besides."""
    content = store.get(CURRENT)
    pointer = (parse_json(content) if content else None) or {}
    return {key: pointer[key] for key in ("gate", "note", "published_at") if key in pointer}


def record_before(store: Store, forecast: str) -> bytes | None:
    """What the record holds of a forecast of schema 1: its rows after its model's last season.

    Columns that it lacks are null. None where it, its model's run or their files aren't as published.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from data.contracts.columns import OF_REGION, RECORD_COLUMNS, schema_of

    with contextlib.suppress(DamageError, KeyError, ValueError, TypeError):
        said = load_manifest(store, forecast, FORECASTS)
        learned = load_manifest(store, said[0]["model_run_id"]) if said else None
        if said is None or learned is None:
            return None
        end = said[0]["settings"]["season"]["end"]
        content = read_published(store, said[0], PREDICTIONS, FORECASTS)
        rows = pq.read_table(io.BytesIO(content))
        rows = rows.filter(pc.greater(rows["year"], learned[0]["seasons"][1]))
        days = zip(rows["year"].to_pylist(), rows["as_of"].to_pylist(), strict=True)
        known = {
            "level": pa.repeat(OF_REGION, len(rows)),
            "name": rows["region"],
            "season": pa.repeat(MAIN, len(rows)),
            "lead_days": pa.array([_days_between(year, as_of, end) for year, as_of in days], pa.int16()),
        } | {name: rows[name] for name in rows.column_names}
        schema = schema_of(RECORD_COLUMNS)
        columns = [known.get(field.name, pa.nulls(len(rows), field.type)) for field in schema]
        table = pa.table(columns, schema=schema)
        order = [(name, "ascending") for name in ("name", "year", "crop", "as_of")]
        made = io.BytesIO()
        pq.write_table(table.sort_by(order), made)
        return made.getvalue()
    return None


def _days_between(year: int, as_of: str, end: str) -> int:
    """From a cut-off to the end of the season that ends in a year; both MM-DD."""
    return (_day(year, end) - _day(year if as_of <= end else year - 1, as_of)).days


def _day(year: int, day: str) -> date:
    with contextlib.suppress(ValueError):
        return date.fromisoformat(f"{year:04d}-{day}")
    return date(year, 2, 28)  # of 02-29
