"""How tables are written: the same values come back, and only what repeats has a dictionary."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.parquet import write_table


def test_floats_have_no_dictionary_and_all_values_come_back() -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "region": pa.array(rng.choice(["north", "südwest", ""], 5000)),
            "year": pa.array(rng.integers(1990, 2020, 5000), pa.int16()),
            "predicted": rng.normal(size=5000),
            "actual": pa.array([None if value < 0 else value for value in rng.normal(size=5000)]),
        }
    )
    sink = io.BytesIO()
    write_table(table, sink)
    assert pq.read_table(io.BytesIO(sink.getvalue())).equals(table)
    group = pq.ParquetFile(io.BytesIO(sink.getvalue())).metadata.row_group(0)
    columns = [group.column(at) for at in range(4)]
    assert [column.has_dictionary_page for column in columns] == [True, True, False, False]


def test_a_table_of_floats_alone_and_one_without_rows_are_written() -> None:
    for table in (pa.table({"x": [1.5, 2.5]}), pa.table({"x": pa.array([], pa.string())})):
        sink = io.BytesIO()
        write_table(table, sink)
        assert pq.read_table(io.BytesIO(sink.getvalue())).equals(table)
