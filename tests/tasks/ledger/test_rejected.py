"""Rejected rows: what they look like, and how fast they are made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.vocabulary import WEATHER, Reason
from data.errors import InputError
from tasks.ledger import rejected
from tasks.ledger.copies import CONFLICT, DUPLICATE, KEPT, resolve_duplicates
from tasks.weather import merge, rows
from tasks.weather.ingest import ingest_weather
from tasks.weather.merge import Weather
from tasks.yields.ingest import Yields, ingest_yields
from tests.tasks.weather.weather_worlds import make_settings

ROWS = 400_000
YIELD_ROWS = 200_000


def write_weather(folder: Path, bad: float, copies: int = 1, row_group: int = 1 << 18) -> None:
    """Daily weather of which a share is too hot to be true, in one or several equal files."""
    days = np.arange(ROWS, dtype=np.int32) % 10_000
    temperature = np.where(np.random.default_rng(0).random(ROWS) < bad, 9999.9, days / 1000)
    region = pa.DictionaryArray.from_arrays(
        pa.array((np.arange(ROWS) // 10_000).astype(np.int32)), pa.array([f"R{at:03d}" for at in range(40)])
    )
    date = pa.array(days).cast(pa.date32())
    table = pa.table({"region": region, "date": date, "temperature": temperature, "rainfall": temperature})
    (folder / "weather").mkdir(parents=True)
    for at in range(copies):
        pq.write_table(table, folder / f"weather/part-{at}.parquet", row_group_size=row_group)


def write_yields(folder: Path, bad: float = 0.0, copies: int = 1, alike: bool = True) -> None:
    """Yields of two crops of which a share is beyond measure, in files equal or of other regions."""
    row = np.arange(YIELD_ROWS)
    crop = pa.DictionaryArray.from_arrays(pa.array((row % 2).astype(np.int32)), pa.array(["maize", "rye"]))
    code = pa.array((row // 200).astype(np.int32))
    value = np.where(np.random.default_rng(0).random(YIELD_ROWS) < bad, 1e300, 1 + row % 7)
    (folder / "yields").mkdir(parents=True)
    for at in range(copies):
        names = [f"{'R' if alike else f'S{at}-'}{number:04d}" for number in range(YIELD_ROWS // 200)]
        region = pa.DictionaryArray.from_arrays(code, pa.array(names))
        table = pa.table({"region": region, "year": 1900 + row // 2 % 100, "crop": crop, "yield": value})
        pq.write_table(table, folder / f"yields/part-{at}.parquet")


def best_of_five(ingest: Callable[[], Weather | Yields]) -> tuple[float, int]:
    """Processor time of an ingest, the best of five, and its rejected rows."""
    taken = []
    for _ in range(5):
        begin = time.process_time()
        found = ingest()
        taken.append(time.process_time() - begin)
    return min(taken), len(found.rejected)


def cpu_s(folder: Path) -> tuple[float, int]:
    settings = make_settings(folder, max_rejected=1.0, measures={"temperature": {"range": [-60, 60]}})
    return best_of_five(lambda: ingest_weather(settings)["main"])


def yields_cpu_s(folder: Path) -> tuple[float, int]:
    settings = make_settings(folder, max_rejected=1.0)
    return best_of_five(lambda: ingest_yields(settings))


def test_rejecting_a_fifth_of_the_rows_takes_at_most_three_times_as_long(tmp_path: Path) -> None:
    write_weather(tmp_path / "good", 0.0)
    write_weather(tmp_path / "bad", 0.2)
    good_s, none = cpu_s(tmp_path / "good")
    bad_s, some = cpu_s(tmp_path / "bad")
    assert none == 0
    assert 0.19 * ROWS < some < 0.21 * ROWS
    assert bad_s < 3 * good_s + 0.05, (good_s, bad_s)


def test_a_file_that_is_there_twice_costs_microseconds_a_row(tmp_path: Path) -> None:
    """Once 16; now about 0.6, and yet far more than the 0.045 of two good files, which are only summed: files
    with copies are read twice more, and their rows sorted and compared.
    """
    write_weather(tmp_path, 0.0, copies=2)
    taken_s, copies = cpu_s(tmp_path)
    assert copies == ROWS
    assert taken_s / (2 * ROWS) < 4e-6


def test_rejected_yields_take_at_most_three_times_as_long(tmp_path: Path) -> None:
    """A fifth of them beyond measure, and a file that is there twice beside two good ones."""
    write_yields(tmp_path / "good")
    write_yields(tmp_path / "bad", 0.2)
    write_yields(tmp_path / "two", copies=2, alike=False)
    write_yields(tmp_path / "twice", copies=2)
    taken_s, lost = zip(
        *(yields_cpu_s(tmp_path / name) for name in ("good", "bad", "two", "twice")), strict=True
    )
    assert 0.19 * YIELD_ROWS < lost[1] < 0.21 * YIELD_ROWS
    assert (lost[0], *lost[2:]) == (0, 0, YIELD_ROWS)
    assert taken_s[1] < 3 * taken_s[0] + 0.05, taken_s
    assert taken_s[3] < 3 * taken_s[2] + 0.05, taken_s


def test_too_many_rejects_stop_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weather(tmp_path, 1.0, row_group=ROWS // 8)
    read = []
    sound = rows.read_rows

    def counted(*given: object) -> object:
        for batch in sound(*given):  # type: ignore[arg-type]
            read.append(batch.record.num_rows)
            yield batch

    monkeypatch.setattr(merge, "read_rows", counted)
    monkeypatch.setattr("tasks.weather.rows.BATCH_ROWS", ROWS // 16)
    monkeypatch.setattr("tasks.weather.ingest.workers", lambda: 1)
    settings = make_settings(tmp_path, measures={"temperature": {"range": [-60, 60]}})
    with pytest.raises(InputError, match=r"more than max_rejected = 0\.2"):
        ingest_weather(settings)
    assert sum(read) <= 0.2 * ROWS + ROWS // 16


def test_values_are_shown_as_they_were_found() -> None:
    found = pa.record_batch(
        {
            "region": pa.array([1.0, None, 3.5]),
            "year": pa.array([2001, None, 2003], pa.int16()),
            "month": pa.array([7, 8, None], pa.int8()),
            "rain": pa.array([float("nan"), 1e300, 0.1]),
            "note": pa.array(['say "hi"', None, "a\\b\n"]),
        }
    )
    faults = rejected.Faults([(Reason.NOT_A_NUMBER, "rain"), (Reason.DUPLICATE, None)], np.array([0, 0, 1]))
    keys = {"region": ("region",), "date": ("year", "month")}
    table = rejected.reject(
        WEATHER, "f", np.array([4, 5, 6]), found, faults, keys, {"r": "rain", "n": "note"}
    )
    shown = table.to_pylist()
    assert [row["region"] for row in shown] == ["1", None, "3.5"]
    assert [row["date"] for row in shown] == ["2001-07", "-08", "2003-00"]
    assert [row["value"] for row in shown] == ["nan", "1e+300", None]
    assert [json.loads(row["values"]) for row in shown] == [
        {"r": "nan", "n": 'say "hi"'}, {"r": 1e300, "n": None}, {"r": 0.1, "n": "a\\b\n"},
    ]  # fmt: skip
    assert [row["reason"] for row in shown] == ["not a number", "not a number", "duplicate"]


def test_copies_of_any_number() -> None:
    key = np.array([[0, 0], [0, 1], [0, 0], [0, 0], [1, 0], [1, 0], [2**40, 2**40], [0, 1]])
    value = np.array([[1.0], [5.0], [2.0], [1.0], [-0.0], [0.0], [3.0], [5.0]])
    assert resolve_duplicates(key, value).tolist() == [
        CONFLICT, KEPT, CONFLICT, DUPLICATE, KEPT, DUPLICATE, KEPT, DUPLICATE,
    ]  # fmt: skip
