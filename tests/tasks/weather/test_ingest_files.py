"""Whatever shape people's files have: types, names, folders, order; and files that can't be used."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError, StorageError
from data.inputs.parquet import read_batches
from data.settings.schema import Settings
from tasks.assemble.join import Assembled, assemble
from tasks.job.digest import digest_inputs, verify_inputs
from tasks.weather import ingest
from tasks.weather import rows as weather_rows
from tasks.weather.groups import load_partials, save_partials
from tasks.weather.ingest import ingest_weather
from tasks.weather.merge import Weather, aggregate_part, merge_parts
from tasks.weather.parts import partition
from tasks.yields.ingest import Yields, ingest_yields
from tests.tasks.weather.weather_worlds import CROPS, daily, make_settings, monthly, write, yields_of

YEARS = range(2001, 2009)


def run(settings: Settings) -> Assembled:
    """Both inputs, joined."""
    return assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)


def same(first: Assembled, second: Assembled) -> None:
    """The same rows, names and numbers."""
    assert first.ledger == second.ledger
    for as_of, table in first.datasets.items():
        other = second.datasets[as_of]
        assert table.region_names == other.region_names
        assert table.features == other.features
        np.testing.assert_array_equal(table.year_N, other.year_N)
        np.testing.assert_allclose(table.x_NF, other.x_NF, rtol=1e-12)
        np.testing.assert_array_equal(table.y_NT, other.y_NT)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with monthly weather and long yields."""
    write(tmp_path, "weather", monthly(3, YEARS))
    write(tmp_path, "yields", yields_of(3, YEARS))
    return tmp_path


def in_tenths(table: pa.Table, of: pa.DataType) -> pa.Table:
    """Rainfall in whole tenths, as some type."""
    at = table.schema.get_field_index("rainfall")
    tenths = pa.array((table["rainfall"].to_numpy() * 10).round().astype(np.int64))
    values = pa.array([Decimal(n) / 10 for n in tenths.to_pylist()]) if pa.types.is_decimal(of) else tenths
    if pa.types.is_dictionary(of):
        values = values.cast(pa.string())
    return table.set_column(at, "rainfall", values.cast(of))


@pytest.mark.parametrize(
    "of", [pa.int16(), pa.uint32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.large_string(),
           pa.dictionary(pa.int32(), pa.string())],
)  # fmt: skip
def test_measures_of_any_type(world: Path, of: pa.DataType) -> None:
    table = pa.Table.from_pandas(monthly(3, YEARS), preserve_index=False)
    write(world, "weather", in_tenths(table, pa.int64()))
    expected = run(make_settings(world))
    write(world, "weather", in_tenths(table, of))
    same(run(make_settings(world)), expected)


def test_decimals_are_numbers(world: Path) -> None:
    table = pa.Table.from_pandas(monthly(3, YEARS), preserve_index=False)
    write(world, "weather", in_tenths(table, pa.decimal128(9, 1)))
    found = run(make_settings(world)).datasets["12-31"].x_NF[0, 1]
    assert found == pytest.approx(sum(round(x, 1) for x in table["rainfall"].to_pylist()[:12]), abs=0.051)


def _dates(convert: Callable[[dt.date], Any], of: pa.DataType | None) -> pa.Table:
    frame = daily(2, range(2001, 2006))
    table = pa.Table.from_pandas(frame.drop(columns="date"), preserve_index=False)
    return table.append_column("date", pa.array([convert(day.date()) for day in frame["date"]], of))


@pytest.mark.parametrize(
    ("convert", "of"),
    [
        (lambda day: day, pa.date32()),
        (lambda day: day, pa.date64()),
        (lambda day: dt.datetime.combine(day, dt.time(23, 59)), pa.timestamp("ms")),
        (lambda day: dt.datetime.combine(day, dt.time(0, 0)), pa.timestamp("ns")),
        # midnight in Berlin is the day before in UTC
        (lambda day: pd.Timestamp(day, tz="Europe/Berlin"), pa.timestamp("us", "Europe/Berlin")),
        (lambda day: day.isoformat(), pa.string()),
        (lambda day: day.isoformat() + "T12:00:00+09:00", pa.string()),
        (lambda day: day.strftime("%Y%m%d"), pa.large_string()),
    ],
)
def test_dates_of_any_type(tmp_path: Path, convert: Callable[[dt.date], Any], of: pa.DataType) -> None:
    write(tmp_path, "yields", yields_of(2, range(2001, 2006)))
    write(tmp_path, "weather", daily(2, range(2001, 2006)))
    settings = make_settings(tmp_path, season={"start": "04-01", "end": "06-30"}, split={"by": "none"})
    expected = run(settings)
    write(tmp_path, "weather", _dates(convert, of))
    same(run(settings), expected)


@pytest.mark.parametrize("of", [pa.int32(), pa.float64(), pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_regions_as_integers_or_text(world: Path, of: pa.DataType) -> None:
    def renamed(frame: pd.DataFrame) -> pa.Table:
        table = pa.Table.from_pandas(frame.drop(columns="region"), preserve_index=False)
        numbers = pa.array([int(name[1:]) + 100 for name in frame["region"]])
        texts = numbers.cast(pa.string()) if pa.types.is_dictionary(of) else numbers
        return table.append_column("region", texts.cast(of))

    write(world, "weather", renamed(monthly(3, YEARS)))
    write(world, "yields", renamed(yields_of(3, YEARS)))
    assert run(make_settings(world)).datasets["12-31"].region_names == ("100", "101", "102")


def test_renamed_columns(world: Path) -> None:
    expected = run(make_settings(world))
    theirs = {"region": "Région", "year": "an", "month": "mois", "temperature": "t.max °C"}
    write(world, "weather", monthly(3, YEARS).rename(columns=theirs))
    write(world, "yields", yields_of(3, YEARS).rename(columns={"yield": "rendement", "crop": "culture"}))
    columns = {"crop": "culture", "yield": "rendement"}
    same(run(make_settings(world, weather_columns=theirs, yield_columns=columns)), expected)


def test_hive_partitions_supply_keys(world: Path) -> None:
    expected = run(make_settings(world))
    for path in (world / "weather").iterdir():
        path.unlink()
    for (region, year), rows in monthly(3, YEARS).groupby(["region", "year"]):
        write(world / "weather", f"region={region}/year={year}", rows.drop(columns=["region", "year"]))
    (world / "weather" / "_temporary").mkdir()
    (world / "weather" / "_temporary" / "half.parquet").write_bytes(b"PAR1")
    (world / "weather" / "region=R00" / ".hidden.parquet").write_bytes(b"PAR1")
    for path in (world / "yields").iterdir():
        path.unlink()
    for crop, rows in yields_of(3, YEARS).groupby("crop"):
        write(world / "yields", f"crop={crop}", rows.drop(columns="crop"))
    same(run(make_settings(world)), expected)


def test_one_file_is_an_input(world: Path) -> None:
    expected = run(make_settings(world))
    settings = make_settings(world, weather=str(world / "weather" / "part-0.parquet"))
    same(run(settings), expected)
    assert [file.name for file in digest_inputs(settings.weather)] == ["part-0.parquet"]


def test_wide_yields(world: Path) -> None:
    expected = run(make_settings(world, crops=list(CROPS)))
    long = yields_of(3, YEARS)
    wide = long.pivot(index=["region", "year"], columns="crop", values="yield").reset_index()
    for path in (world / "yields").iterdir():
        path.unlink()
    write(world, "yields", wide.rename(columns={"apples": "Äpfel"}))
    with pytest.raises(InputError, match=r'crops = \["Äpfel", "oranges"\]'):
        run(make_settings(world))
    units = dict.fromkeys(CROPS, "t/ha")
    settings = make_settings(world, crops=list(CROPS), yield_columns={"apples": "Äpfel"}, crop_units=units)
    found = run(settings)
    same(found, expected)
    assert found.crop_units == units
    wide.loc[[1, 3], "apples"] = [np.nan, -2.0]
    write(world, "yields", wide)
    dirty = run(make_settings(world, crops=list(CROPS)))
    assert dirty.ledger["yields"]["rows_in"] == len(long)
    # pandas writes NaN as null
    assert dirty.ledger["yields"]["rejected"] == {"missing value": 1, "outside the valid range": 1}
    assert [(row["row"], row["crop"], row["column"]) for row in dirty.rejected.to_pylist()] == [
        (1, "apples", "apples"), (3, "apples", "apples"),
    ]  # fmt: skip


def test_any_order_of_rows_and_files_gives_the_same(tmp_path: Path) -> None:
    frame = daily(3, range(2001, 2006))
    write(tmp_path, "yields", yields_of(3, range(2001, 2006)))
    settings = make_settings(tmp_path, split={"by": "none"})
    write(tmp_path, "weather", frame)
    expected = run(settings)
    mixed = frame.sample(frac=1, random_state=1)
    write(tmp_path, "weather", mixed[:1], mixed[1:3000], mixed[3000:], row_group_size=500)
    same(run(settings), expected)


def test_parts_may_be_summed_anywhere_in_any_order(world: Path, tmp_path: Path) -> None:
    frame = monthly(3, YEARS)
    write(world, "weather", frame[:50], pd.concat([frame[50:], frame[3:5]]), row_group_size=40)
    settings = make_settings(world)
    partials = []
    for at, part in enumerate(partition(settings)):
        save_partials([aggregate_part(settings, part)], tmp_path / f"partial{at}")
        partials += load_partials(tmp_path / f"partial{at}")
    merged = merge_parts(settings, partials[::-1])["main"]
    merged.save(tmp_path / "merged")
    ingest_yields(settings).save(tmp_path / "read")
    expected = run(settings)
    found = assemble(Weather.load(tmp_path / "merged"), Yields.load(tmp_path / "read"), settings)
    assert found.rejected.equals(expected.rejected)
    found.save(tmp_path / "assembled")
    again = Assembled.load(tmp_path / "assembled")
    assert again.ledger == expected.ledger
    assert again.crop_units == expected.crop_units
    for as_of, table in expected.datasets.items():
        np.testing.assert_array_equal(again.datasets[as_of].x_NF, table.x_NF)
        assert again.forecast_rows[as_of].features == table.features


def test_weather_of_seasons_out_of_scope_is_counted_from_the_footer(tmp_path: Path) -> None:
    old, new = daily(2, range(1990, 1992)), daily(2, range(2001, 2006))
    write(tmp_path, "weather", old.assign(temperature=np.inf), new)
    write(tmp_path, "yields", yields_of(2, range(2001, 2006)))
    settings = make_settings(
        tmp_path, first_season=2001, season={"start": "04-01", "end": "09-30"}, split={"by": "none"}
    )
    assert [part.keys_only for part in partition(settings)] == [True, False]
    found = ingest_weather(settings)["main"]
    assert found.outside == {
        "outside the season": 2 * (2 * 182 + 5 * 182 + 1), "before first_season": 2 * 2 * 183,
    }  # fmt: skip


BREAKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "not Parquet": (lambda path: path.write_text("region,date\n"), "can't be read as Parquet"),
    "empty": (lambda path: path.write_bytes(b""), "can't be read as Parquet"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-200]), "can't be read as Parquet"),
    "no rows": (lambda path: pq.write_table(pq.read_table(path)[:0], path), "has no rows"),
    "column lost": (
        lambda path: pq.write_table(pq.read_table(path).drop_columns(["rainfall"]), path),
        "column 'rainfall' is missing",
    ),
    "text elsewhere": (
        lambda path: pq.write_table(in_tenths(pq.read_table(path), pa.string()), path),
        "column 'rainfall' is of type string, but double in",
    ),
    "flags": (
        lambda path: pq.write_table(
            pq.read_table(path).drop_columns(["rainfall"]).append_column("rainfall", pa.array([True] * 96)),
            path,
        ),
        "column 'rainfall' is of type bool, expected a number",
    ),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_file_is_named(world: Path, kind: str) -> None:
    frame = monthly(2, YEARS)
    _, second, _ = write(world, "weather", frame[:96], frame[96:], monthly(3, YEARS)[-96:])
    spoil, said = BREAKS[kind]
    spoil(second)
    with pytest.raises(InputError, match=said) as raised:
        ingest_weather(make_settings(world))
    assert "part-1.parquet" in str(raised.value)
    assert raised.value.exit_code == 3


def test_a_corrupt_page_is_named(world: Path) -> None:
    (path,) = write(world, "weather", monthly(3, YEARS), compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(0).column(3).data_page_offset + 30
    data[middle : middle + 200] = os.urandom(200)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"part-0.parquet can't be read as Parquet"):
        ingest_weather(make_settings(world))


def test_an_encrypted_file_is_named(world: Path) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key_bytes: bytes, _: str) -> bytes:
            return key_bytes

    factory = encryption.CryptoFactory(lambda _: Keys())
    whole = encryption.EncryptionConfiguration(footer_key="k", uniform_encryption=True)
    secret = factory.file_encryption_properties(encryption.KmsConnectionConfig(), whole)
    table = pa.Table.from_pandas(monthly(3, YEARS), preserve_index=False)
    pq.write_table(table, world / "weather" / "part-0.parquet", encryption_properties=secret)
    with pytest.raises(InputError, match=r"part-0.parquet can't be read as Parquet: .*encrypted"):
        ingest_weather(make_settings(world))


def test_missing_inputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        digest_inputs(str(tmp_path / "weather"))
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "notes.txt").touch()
    with pytest.raises(
        InputError, match=r"no .parquet file in this folder \(1 of other kinds, such as notes.txt\)"
    ):
        ingest_weather(make_settings(tmp_path))


def test_credentials_are_never_shown() -> None:
    with pytest.raises((InputError, StorageError)) as raised:
        digest_inputs("ftp://me:secret@host/folder?key=hidden")
    assert "secret" not in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_no_column_of_time(world: Path) -> None:
    write(world, "weather", monthly(3, YEARS).drop(columns=["year", "month"]))
    with pytest.raises(InputError, match="no column 'date', nor 'year' and 'month', nor 'year'"):
        ingest_weather(make_settings(world))


def test_text_without_a_number_stops_the_run(world: Path) -> None:
    write(world, "weather", monthly(3, YEARS).assign(rainfall="wet"))
    with pytest.raises(InputError, match="column 'rainfall' is text, and none of its 288 values"):
        ingest_weather(make_settings(world, max_rejected=1.0))


def test_a_file_that_changes_while_being_read(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def slowly(*args: Any) -> Any:
        yield from read_batches(*args)
        write(world, "weather", monthly(3, YEARS, seed=5))

    monkeypatch.setattr(weather_rows, "read_batches", slowly)
    with pytest.raises(InputError, match=r"part-0.parquet changed while it was being read"):
        ingest_weather(make_settings(world))


def test_digests_notice_a_change(world: Path) -> None:
    settings = make_settings(world)
    before = digest_inputs(settings.weather)
    assert [(file.name, len(file.sha256)) for file in before] == [("part-0.parquet", 64)]
    verify_inputs(settings.weather, before)
    write(world, "weather", monthly(3, YEARS, seed=5))
    with pytest.raises(InputError, match=r"changed since the run began: part-0\.parquet"):
        verify_inputs(settings.weather, before)


def test_progress_counts_rows(world: Path) -> None:
    seen: list[tuple[int, int]] = []
    ingest.ingest_weather(make_settings(world), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (288, 288)
