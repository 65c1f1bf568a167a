"""The region-season table goes to Arrow and back unchanged."""

import numpy as np
import pyarrow as pa

from data.contracts.season_table import SeasonTable


def test_round_trip_sorts_and_keeps_unknown_yields() -> None:
    table = pa.table(
        {
            "region": ["b", "a", "a"],
            "year": pa.array([2001, 2002, 2001], pa.int16()),
            "split": ["train", "test", "train"],
            "rain": [1.0, 2.0, 3.0],
            "corn": [5.0, None, 7.0],
        }
    )
    seasons = SeasonTable.from_arrow(table, ("rain",), ("corn",))
    assert seasons.region_names == ("a", "b")
    assert seasons.region_N.tolist() == [0, 0, 1]
    assert seasons.x_NF[:, 0].tolist() == [3.0, 2.0, 1.0]
    assert np.isnan(seasons.y_NT[1, 0])
    assert len(seasons.of_split("test")) == 1
    again = SeasonTable.from_arrow(seasons.to_arrow(), ("rain",), ("corn",))
    np.testing.assert_array_equal(again.y_NT, seasons.y_NT)
    assert seasons.to_arrow()["corn"].null_count == 1


def test_the_harvest_year_as_a_feature_shares_the_column_of_the_key() -> None:
    table = pa.table(
        {"region": ["a"], "year": pa.array([2001], pa.int16()), "split": ["train"], "corn": [7.0]}
    )
    seasons = SeasonTable.from_arrow(table, ("year",), ("corn",))
    assert seasons.x_NF.tolist() == [[2001.0]]
    written = seasons.to_arrow()
    assert written.column_names == ["region", "year", "split", "corn"]
    assert written["year"].type == pa.int16()
