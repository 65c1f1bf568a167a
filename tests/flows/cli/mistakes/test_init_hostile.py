"""Hostile values and files before `cropyield init`: settings or a reason, never an unexpected error."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.main import run

Capture = pytest.CaptureFixture[str]


def late_days(here: Path) -> None:
    """Dates in place of year and month, one of them beyond the year 9999."""
    table = pq.read_table(here / "weather.parquet")
    months = zip(table["year"].to_pylist(), table["month"].to_pylist(), strict=True)
    texts = pa.array([f"{year}-{month:02d}-01" for year, month in months])
    days = texts.cast(pa.date32()).cast(pa.int32()).to_pylist()
    days[7] = 2**31 - 1
    date = pa.array(days, pa.int32()).cast(pa.date32())
    pq.write_table(
        table.drop_columns(["year", "month"]).append_column("date", date), here / "weather.parquet"
    )


def late_years(here: Path) -> None:
    _spoil(here / "weather.parquet", "year", 10_000)
    _spoil(here / "yields.parquet", "year", 2**62)


def huge_numbers(here: Path) -> None:
    _spoil(here / "weather.parquet", "rain", 1e300)
    _spoil(here / "yields.parquet", "yield", 1e300)


def broken_texts(here: Path) -> None:
    for name, column in (("weather", "region"), ("yields", "region"), ("yields", "crop")):
        _spoil(here / f"{name}.parquet", column, b"\xff\xfe")


def broken_footer(here: Path) -> None:
    """The footer's first byte, which says what follows."""
    file = here / "weather.parquet"
    content = bytearray(file.read_bytes())
    content[-8 - int.from_bytes(content[-8:-4], "little")] ^= 0xFF
    file.write_bytes(content)


def _spoil(file: Path, column: str, value: float | bytes) -> None:
    """Put a value into the eighth row of a column."""
    table = pq.read_table(file)
    found = table[column].to_pylist()
    found[7] = value
    if isinstance(value, bytes):
        raw = pa.array([each if isinstance(each, bytes) else each.encode() for each in found])
        spoilt = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    else:
        spoilt = pa.array(found)
    pq.write_table(table.set_column(table.schema.names.index(column), column, spoilt), file)


@pytest.mark.parametrize("make", [late_days, late_years, huge_numbers, broken_texts, broken_footer])
def test_init_writes_settings_or_says_why_not(
    make: Callable[[Path], None], here: Path, capsys: Capture
) -> None:
    make(here)
    code = run(["init", "weather.parquet", "yields.parquet", "--settings", "new.toml"])
    said = capsys.readouterr()
    assert code in (0, 3), said.err
    assert (here / "new.toml").exists() == (code == 0)


def test_a_pipe_is_no_place_for_settings(here: Path, capsys: Capture) -> None:
    os.mkfifo(here / "pipe")
    assert run(["init", "weather.parquet", "yields.parquet", "--settings", "pipe", "--force"]) == 2
    assert "pipe is a pipe or a device" in capsys.readouterr().err
