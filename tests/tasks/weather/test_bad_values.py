"""Values that no calendar, no text and no arithmetic can hold: rejected rows, each with its reason."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.vocabulary import Reason
from data.settings.schema import Measure
from tasks.assemble.join import assemble
from tasks.ledger.account import check_ledger
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields
from tests.tasks.weather.weather_worlds import (
    CROPS,
    daily,
    make_settings,
    monthly,
    seasonal,
    write,
    yields_of,
)

YEARS = range(2001, 2007)


def world(folder: Path, frame: pd.DataFrame | None = None, **replaced: pa.Array) -> Any:
    """Sound weather, daily or as given, and yields but for some columns of the weather; the settings."""
    table = pa.Table.from_pandas(daily(2, YEARS) if frame is None else frame, preserve_index=False)
    for name, column in replaced.items():
        table = table.set_column(table.schema.names.index(name), name, column)
    folder.joinpath("weather").mkdir()
    pq.write_table(table, folder / "weather/part-0.parquet")
    write(folder, "yields", yields_of(2, YEARS))
    return make_settings(folder, max_rejected=0.5, min_coverage=0.5)


def ranged(settings: Any, known: list[float] | None, measure: str) -> Any:
    """The settings, where a range is given with one that the measure may have."""
    if known is None:
        return settings
    return settings.model_copy(update={"measures": {measure: Measure(range=(known[0], known[1]))}})


def yields_with(value: float | str) -> pd.DataFrame:
    """Sound yields but for one; all of them texts where that is one."""
    frame = yields_of(2, YEARS)
    if isinstance(value, str):
        frame["yield"] = frame["yield"].astype(str)
    frame.loc[4, "yield"] = value
    return frame


def rejects(settings: Any) -> list[dict[str, Any]]:
    found = assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
    check_ledger(found.ledger)
    rows: list[dict[str, Any]] = found.rejected.to_pylist()
    assert all(isinstance(json.loads(row["values"]), dict) for row in rows)
    return rows


def damaged(texts: list[str], at: int) -> pa.Array:
    """Texts of which one is no UTF-8."""
    raw = pa.array([b"\xff\xfe" if number == at else text.encode() for number, text in enumerate(texts)])
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


def with_bad(column: pa.Array, at: int, value: Any) -> pa.Array:
    plain = column.to_pylist()
    plain[at] = value
    return pa.array(plain, column.type)


@pytest.mark.parametrize("known", [None, [-1e308, 1e308]], ids=["no range", "wide range"])
@pytest.mark.parametrize(
    "value", [1e308, -1e308, 1e300, 1.01e150, float("nan"), float("inf"), "1e200", "-1e200"]
)
def test_numbers_beyond_measure_are_no_numbers(
    tmp_path: Path, value: float | str, known: list[float] | None
) -> None:
    """Always: also where the settings' range would let them pass, and where they are written as text."""
    rain = pa.array(daily(2, YEARS)["rainfall"])
    rain = rain.cast(pa.string()) if isinstance(value, str) else rain
    settings = ranged(world(tmp_path, rainfall=with_bad(rain, 7, value)), known, "rainfall")
    (row,) = rejects(settings)
    assert (row["row"], row["column"], row["reason"]) == (7, "rainfall", "not a number")
    assert row["value"] == value or float(row["value"]) == value or value != value


@pytest.mark.parametrize("value", [1e150, -1e150, "1e150"])
def test_the_largest_number_is_sound(tmp_path: Path, value: float | str) -> None:
    rain = pa.array(daily(2, YEARS)["rainfall"])
    rain = rain.cast(pa.string()) if isinstance(value, str) else rain
    assert not rejects(world(tmp_path, rainfall=with_bad(rain, 7, value)))


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


@pytest.mark.parametrize("known", [None, [-1e308, 1e308]], ids=["no range", "wide range"])
@pytest.mark.parametrize("value", [1e308, 1e300, 1.01e150, "1e200"])
def test_yields_beyond_measure_are_no_numbers(
    tmp_path: Path, value: float | str, known: list[float] | None
) -> None:
    settings = ranged(world(tmp_path), known, "yield")
    write(tmp_path, "yields", yields_with(value))
    (row,) = rejects(settings)
    assert (row["input"], row["row"], row["reason"]) == ("yields", 4, str(Reason.NOT_A_NUMBER))
    assert row["crop"] in CROPS


def test_the_largest_yield_is_sound(tmp_path: Path) -> None:
    settings = world(tmp_path)
    write(tmp_path, "yields", yields_with(1e150))
    assert not rejects(settings)


@pytest.mark.parametrize(
    ("column", "reason"), [("region", "missing key"), ("crop", "missing key"), ("yield", "not a number")]
)
def test_texts_of_yields_that_are_no_utf8(tmp_path: Path, column: str, reason: str) -> None:
    settings = world(tmp_path)
    table = pa.Table.from_pandas(yields_of(2, YEARS), preserve_index=False)
    texts = damaged([str(value) for value in table[column].to_pylist()], 4)
    write(tmp_path, "yields", table.set_column(table.schema.names.index(column), column, texts))
    (row,) = rejects(settings)
    assert (row["input"], row["row"], row["column"], row["reason"]) == ("yields", 4, column, reason)
    assert row["value"] == "\ufffd\ufffd"


def test_a_unit_that_is_no_utf8_is_none(tmp_path: Path) -> None:
    """The yield is as good as one without a unit, and no unit is in doubt for it."""
    settings = world(tmp_path)
    table = pa.Table.from_pandas(yields_of(2, YEARS), preserve_index=False)
    texts = damaged(table["unit"].to_pylist(), 4)
    write(tmp_path, "yields", table.set_column(table.schema.names.index("unit"), "unit", texts))
    assert ingest_yields(settings).units == dict.fromkeys(CROPS, "t/ha")
    assert not rejects(settings)


@pytest.mark.parametrize("of", [pa.int64(), pa.float64(), pa.string()], ids=str)
@pytest.mark.parametrize(
    ("column", "value"),
    [("year", 0), ("year", 10_000), ("year", -1), ("month", 13), ("month", 0), ("month", -1)],
)
def test_months_outside_the_calendar_are_missing_keys(
    tmp_path: Path, column: str, value: int, of: pa.DataType
) -> None:
    frame = monthly(2, YEARS)
    times = with_bad(pa.array(frame[column]).cast(pa.int64()), 5, value).cast(of)
    found = rejects(world(tmp_path, frame, **{column: times}))
    assert [(row["row"], row["column"], row["reason"]) for row in found] == [(5, column, "missing key")]
    assert float(found[0]["value"]) == value


@pytest.mark.parametrize("value", [0, 10_000, 2**62])
def test_years_of_seasonal_weather_outside_the_calendar_are_missing_keys(tmp_path: Path, value: int) -> None:
    frame = seasonal(2, YEARS)
    years = with_bad(pa.array(frame["year"]).cast(pa.int64()), 5, value)
    found = rejects(world(tmp_path, frame, year=years))
    row = next(row for row in found if row["input"] == "weather")
    assert (row["row"], row["column"], row["reason"]) == (5, "year", "missing key")


def test_years_outside_the_calendar_are_missing_keys(tmp_path: Path) -> None:
    settings = world(tmp_path)
    frame = yields_of(2, YEARS)
    frame["year"] = frame["year"].astype("int64")
    frame.loc[[1, 2, 3], "year"] = [0, 10_000, 2**62]
    write(tmp_path, "yields", frame)
    assert [(row["row"], row["reason"]) for row in rejects(settings)] == [
        (1, "missing key"), (2, "missing key"), (3, "missing key"),
    ]  # fmt: skip
