"""Damaged Parquet, and what is no file at all: refused with a sentence, whatever byte is wrong."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.inputs.footers import groups_of, read_tail
from data.inputs.listing import list_files
from data.inputs.parquet import read_batches, read_footers, require
from data.settings.files import parse_settings
from tasks.yields.ingest import ingest_yields
from tests.torture.hostile_files import mutate, write_world


def weather(rows: int = 60) -> pa.Table:
    days = np.arange(rows, dtype=np.int32)
    return pa.table(
        {
            "region": pa.array([f"R{at % 3}" for at in range(rows)]),
            "date": pa.array(days).cast(pa.date32()),
            "temperature": days / 7,
        }
    )


def written(folder: Path, **options: object) -> Path:
    place = folder / "weather.parquet"
    pq.write_table(weather(), place, compression="none", **options)
    return place


def read(place: Path) -> pa.Table:
    (footer,) = read_footers(str(place))
    groups = range(len(footer.groups))
    columns = ["region", "date", "temperature"]
    require(str(place), footer, {name: (name, ("text", "time", "number")) for name in columns}, "columns")
    batches = list(read_batches(str(place), place.name, columns, groups, {}, 1000))
    for batch in batches:
        batch.validate()
        batch["region"].dictionary_decode()
    return pa.Table.from_batches(batches)


def test_footers_say_what_the_library_says(tmp_path: Path) -> None:
    place = written(tmp_path, row_group_size=25)
    with pa.OSFile(str(place)) as source:
        groups = groups_of(read_tail(source))
    metadata = pq.read_metadata(place)
    assert len(groups) == metadata.num_row_groups == 3
    for at, group in enumerate(groups):
        for number in range(metadata.num_columns):
            known = metadata.row_group(at).column(number)
            chunk = group[known.path_in_schema]
            assert chunk.size == known.total_compressed_size
            assert chunk.nulls == known.statistics.null_count
            if known.path_in_schema == "temperature":
                assert (chunk.low, chunk.high) == (known.statistics.min, known.statistics.max)


@pytest.mark.parametrize("value", [0x00, 0x15, 0x7F, 0xFF])
def test_a_wrong_byte_in_the_footer_ends_no_process(tmp_path: Path, value: int) -> None:
    place = written(tmp_path, row_group_size=30)
    sound = place.read_bytes()
    footer = int.from_bytes(sound[-8:-4], "little") + 8
    refused = 0
    for at in range(len(sound) - footer, len(sound)):
        damaged = bytearray(sound)
        damaged[at] = value
        place.write_bytes(damaged)
        try:
            read(place)
        except InputError:
            refused += 1
    assert refused > footer / 10


def test_positions_beyond_a_dictionary_are_damage(tmp_path: Path) -> None:
    place = written(tmp_path, use_dictionary=["region"])
    sound = place.read_bytes()
    said = []
    for at in range(4, len(sound) // 2):
        damaged = bytearray(sound)
        damaged[at : at + 2] = b"\xff\xff"
        place.write_bytes(damaged)
        try:
            read(place)
        except InputError as error:
            said.append(str(error))
    assert any("dictionary" in text.lower() for text in said)


def test_page_checksums_are_verified(tmp_path: Path) -> None:
    place = written(tmp_path, write_page_checksum=True, use_dictionary=False)
    sound = place.read_bytes()
    at = sound.index(np.float64(30 / 7).tobytes())
    place.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
    with pytest.raises(InputError, match=r"corrupt.*CRC"):
        read(place)


def test_row_counts_must_agree(tmp_path: Path) -> None:
    place = written(tmp_path)
    sound = place.read_bytes()
    footer = len(sound) - int.from_bytes(sound[-8:-4], "little") - 8
    at = sound.index(bytes([0x16, 120]), footer)  # the file's number of rows, 60 in zigzag
    place.write_bytes(sound[:at] + bytes([0x16, 118]) + sound[at + 2 :])
    with pytest.raises(InputError, match="59 rows"):
        read_footers(str(place))


def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for place in (tmp_path / "pipe.parquet", tmp_path / "socket", Path("/dev/null"), tmp_path):
            with pytest.raises(InputError, match="neither a file nor a folder"):
                list_files(str(place))


def test_pages_with_fewer_rows_than_the_footer_says_are_damage(tmp_path: Path) -> None:
    """Made by changed bytes; the library reads no row and says nothing."""
    raw = write_world(tmp_path, 1797, clean=True)
    mutate(tmp_path, 1797)
    with pytest.raises(InputError, match="rows fewer than its footer speaks of"):
        ingest_yields(parse_settings(raw, "test"))
