"""Stores of schema 1 taken over: the newest forecast gets its record from entry 1, older ones have none."""

import io
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.columns import RECORD_COLUMNS, schema_of
from data.store import stable
from data.store.backends.base import Store
from data.store.current import make_current, make_newest, repair
from data.store.log import read_facts, read_state
from data.store.manifests import FORECASTS, to_json
from data.store.pruning import prune
from data.store.record import RECORD, read_record, record_name
from tests.stores import GATE, an_id, any_store, write

__all__ = ["any_store"]
SETTINGS = {"crops": [], "season": {"start": "10-01", "end": "07-31"}}  # it crosses New Year


def predictions(model: str) -> pa.Table:
    """What a forecast of schema 1 held, for a gap in 2019 and seasons to come: no season, chance or lead."""
    rows = [
        (region, year, "wheat", as_of, value)
        for region, value in (("b", 4.0), ("a", 5.0))
        for year, as_of in ((2019, "07-31"), (2021, "11-30"), (2022, "05-31"))
    ]
    frame = pd.DataFrame(rows, columns=["region", "year", "crop", "as_of", "predicted"])
    for level, width in ((80, 1.0), (95, 2.0)):
        frame[f"lower_{level}"] = frame["predicted"] - width
        frame[f"upper_{level}"] = frame["predicted"] + width
    frame = frame.assign(
        year=frame["year"].astype("int16"), unit="t/ha", baseline=4.5, actual=float("nan"), split="forecast",
        known_region=True, run_id=an_id(model),
    )  # fmt: skip
    return pa.Table.from_pandas(frame, preserve_index=False)


def as_file(table: pa.Table) -> bytes:
    made = io.BytesIO()
    pq.write_table(table, made)
    return made.getvalue()


def first_layout(store: Store, content: bytes, **more: Any) -> None:
    """A model that learned until 2020, an older forecast and the newest one."""
    write(store, "aa", schema=1, seasons=[1990, 2020], settings=SETTINGS)
    about: dict[str, Any] = {"schema": 1, "settings": SETTINGS, "model_run_id": an_id("aa")} | more
    for name in ("f0", "f1"):
        write(store, name, area=FORECASTS, files={"predictions.parquet": content}, **about)
    pointer = {"schema": 1, "published_at": "2021-01-01T00:00:00+00:00"}
    store.put("current.json", to_json(pointer | {"run_id": an_id("aa"), "gate": GATE}))
    store.put("forecast.json", to_json(pointer | {"run_id": an_id("f1"), "model_run_id": an_id("aa")}))


def test_the_newest_forecast_gets_its_record_from_entry_1(any_store: Store) -> None:
    first_layout(any_store, as_file(predictions("aa")))
    write(any_store, "cc")
    make_current(any_store, an_id("cc"), lambda *_: {"gate": GATE})
    (only,) = read_record(any_store)
    facts = read_facts(any_store, 1)
    assert (only.number, only.at) == (1, facts["at"])
    assert any_store.names("record") == [record_name(1, facts["at"])]
    table = pq.read_table(io.BytesIO(only.content))
    wanted = schema_of(RECORD_COLUMNS)
    assert table.schema.equals(wanted, check_metadata=True)
    found = table.to_pandas()
    keys = [("a", 2021, "11-30"), ("a", 2022, "05-31"), ("b", 2021, "11-30"), ("b", 2022, "05-31")]
    assert list(zip(found["name"], found["year"], found["as_of"], strict=True)) == keys
    assert set(found["level"]) == {"region"}
    assert set(found["season"]) == {"main"}
    leads = [(date(2021, 7, 31) - date(2020, 11, 30)).days, (date(2022, 7, 31) - date(2022, 5, 31)).days]
    assert found["lead_days"].tolist() == [*leads, *leads]
    assert found["predicted"].tolist() == [5.0, 5.0, 4.0, 4.0]
    assert found["upper_95"].tolist() == [7.0, 7.0, 6.0, 6.0]
    assert found[["mean_5", "last", "chance_below_mean_5", "percentile"]].isna().all(axis=None)


def test_it_outlives_its_forecast_and_older_ones_have_none(any_store: Store) -> None:
    first_layout(any_store, as_file(predictions("aa")))
    newer = write(any_store, "f2", area=FORECASTS, files={RECORD: b"newer"}, model_run_id=an_id("aa"))
    make_newest(any_store, newer, {})
    assert [each.number for each in read_record(any_store)] == [1, 2]
    prune(any_store, 1, 0.0)
    assert any_store.folders(FORECASTS) == [newer]
    assert [each.number for each in read_record(any_store)] == [1, 2]


def test_what_kills_kept_from_it_the_next_command_records(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_layout(any_store, as_file(predictions("aa")))
    with monkeypatch.context() as killed:
        killed.setattr(stable, "complete_record", lambda *_: None)
        repair(any_store)
    assert any_store.names("record") == []
    assert repair(any_store) == read_state(any_store)
    assert [each.number for each in read_record(any_store)] == [1]


@pytest.mark.parametrize("lacking", ["the model", "the file", "the season"])
def test_without_what_it_follows_from_there_is_no_record(any_store: Store, lacking: str) -> None:
    more: dict[str, Any] = {"settings": {}} if lacking == "the season" else {}
    first_layout(any_store, as_file(predictions("aa")), **more)
    if lacking == "the model":
        any_store.remove(f"runs/{an_id('aa')}")
        any_store.remove("current.json")
    elif lacking == "the file":
        any_store.put(f"forecasts/{an_id('f1')}/predictions.parquet", b"another")
    state = repair(any_store)
    assert state.forecast is not None
    assert "record" not in read_facts(any_store, 1)
    assert list(read_record(any_store)) == []
