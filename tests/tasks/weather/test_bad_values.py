"""Values that no calendar, no text and no arithmetic can hold: rejected rows, each with its reason."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.vocabulary import Reason
from tasks.assemble.join import assemble
from tasks.ledger.account import check_ledger
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import CROPS, daily, make_settings, write, yields_of

YEARS = range(2001, 2007)


def world(folder: Path, **replaced: pa.Array) -> Any:
    """Sound weather and yields but for some columns of the weather; the settings."""
    table = pa.Table.from_pandas(daily(2, YEARS), preserve_index=False)
    for name, column in replaced.items():
        table = table.set_column(table.schema.names.index(name), name, column)
    folder.joinpath("weather").mkdir()
    pq.write_table(table, folder / "weather/part-0.parquet")
    write(folder, "yields", yields_of(2, YEARS))
    return make_settings(folder, max_rejected=0.5, min_coverage=0.5)


def rejects(settings: Any) -> list[dict[str, Any]]:
    found = assemble(ingest_weather(settings), ingest_yields(settings), settings)
    check_ledger(found.ledger)
    rows: list[dict[str, Any]] = found.rejected.to_pylist()
    assert all(isinstance(json.loads(row["values"]), dict) for row in rows)
    return rows


def with_bad(column: pa.Array, at: int, value: Any) -> pa.Array:
    plain = column.to_pylist()
    plain[at] = value
    return pa.array(plain, column.type)


@pytest.mark.parametrize("value", [1e308, -1e308, 1e300, 1.01e150, float("nan"), float("inf")])
def test_numbers_beyond_measure_are_no_numbers(tmp_path: Path, value: float) -> None:
    rain = pa.array(daily(2, YEARS)["rainfall"])
    (row,) = rejects(world(tmp_path, rainfall=with_bad(rain, 7, value)))
    assert (row["row"], row["column"], row["reason"]) == (7, "rainfall", "not a number")
    assert float(row["value"]) == value or value != value


@pytest.mark.parametrize(
    "of", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("us", "Europe/Rome")]
)
@pytest.mark.parametrize("day", [-719163, 2932897, -(2**31), 2**31 - 1])
def test_days_outside_the_calendar_are_missing_keys(tmp_path: Path, of: pa.DataType, day: int) -> None:
    days = [(value.date() - datetime.date(1970, 1, 1)).days for value in daily(2, YEARS)["date"]]
    days[5] = day
    per_day = {"date32[day]": 1, "date64[ms]": 86_400_000, "timestamp[s]": 86_400}.get(
        str(of), 86_400_000_000
    )
    ticks = np.array(days, dtype=object) * per_day
    if abs(ticks[5]) >= 2**63:
        ticks[5] = 2**63 - 1
    date = pa.array(ticks.tolist(), pa.int32() if per_day == 1 else pa.int64()).cast(of)
    found = rejects(world(tmp_path, date=date))
    assert [(row["row"], row["column"], row["reason"]) for row in found] == [(5, "date", "missing key")]


def test_texts_that_are_no_utf8(tmp_path: Path) -> None:
    """One damaged byte: in a name a missing key, in a measure not a number."""
    frame = daily(2, YEARS)

    def damaged(texts: list[str], at: int) -> pa.Array:
        raw = pa.array([b"\xff\xfe" if number == at else text.encode() for number, text in enumerate(texts)])
        return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())

    settings = world(
        tmp_path,
        region=damaged(frame["region"].tolist(), 3),
        temperature=damaged([str(value) for value in frame["temperature"]], 9),
    )
    found = [(row["row"], row["column"], row["reason"], row["value"]) for row in rejects(settings)]
    assert found == [
        (3, "region", "missing key", "\ufffd\ufffd"),
        (9, "temperature", "not a number", "\ufffd\ufffd"),
    ]


@pytest.mark.parametrize("value", [1e308, 1e300])
def test_yields_beyond_measure_are_no_numbers(tmp_path: Path, value: float) -> None:
    settings = world(tmp_path)
    frame = yields_of(2, YEARS)
    frame.loc[4, "yield"] = value
    write(tmp_path, "yields", frame)
    (row,) = rejects(settings)
    assert (row["input"], row["row"], row["reason"]) == ("yields", 4, str(Reason.NOT_A_NUMBER))
    assert row["crop"] in CROPS


def test_years_outside_the_calendar_are_missing_keys(tmp_path: Path) -> None:
    settings = world(tmp_path)
    frame = yields_of(2, YEARS)
    frame["year"] = frame["year"].astype("int64")
    frame.loc[[1, 2, 3], "year"] = [0, 10_000, 2**62]
    write(tmp_path, "yields", frame)
    assert [(row["row"], row["reason"]) for row in rejects(settings)] == [
        (1, "missing key"), (2, "missing key"), (3, "missing key"),
    ]  # fmt: skip
