"""Files of the ingest step: sums of weather as Arrow tables, the layout as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.features.aggregates import Statistic
from tasks.features.season_sums import Sums
from tasks.weather.parts import Layout, Part


def sums_table(sums: Sums) -> pa.Table:
    """Sums as a table: a row per region-season, a column of lists for slots and for each statistic."""
    lists: dict[str, Any] = {"present": sums.present_CW, "repeated": sums.repeated_CW}
    lists |= {f"gather{at}": sums_CS for at, sums_CS in enumerate(sums.gathered.values())}
    columns: dict[str, Any] = {"region": sums.region_C, "year": sums.year_C} | {
        name: pa.FixedSizeListArray.from_arrays(np.ravel(wide_CX), wide_CX.shape[1])
        for name, wide_CX in lists.items()
        if wide_CX is not None
    }
    return pa.table(columns)


def sums_about(sums: Sums) -> dict[str, Any]:
    """What `sums_from` needs beside the table."""
    return {"names": sums.names, "gathers": [asdict(gather) for gather in sums.gathered]}


def sums_from(table: pa.Table, about: dict[str, Any]) -> Sums:
    """Sums from what the two functions above wrote."""

    def wide(name: str) -> Any:
        lists = table[name].combine_chunks()
        return lists.flatten().to_numpy().reshape(len(table), lists.type.list_size).copy()

    gathers = [Statistic(of["measure"], of["kind"], tuple(of["parameters"])) for of in about["gathers"]]
    return Sums(
        tuple(about["names"]),
        table["region"].to_numpy().copy(),
        table["year"].to_numpy().copy(),
        wide("present"),
        wide("repeated") if "repeated" in table.column_names else None,
        {gather: wide(f"gather{at}") for at, gather in enumerate(gathers)},
    )


def part_from(about: dict[str, Any]) -> Part:
    """A part of the weather from its JSON."""
    layout = about["layout"]
    return Part(
        **(
            about
            | {
                "row_groups": tuple(about["row_groups"]),
                "folders": tuple((name, value) for name, value in about["folders"]),
                "layout": Layout(
                    layout["resolution"],
                    layout["region"],
                    tuple(layout["times"]),
                    tuple((key, source) for key, source in layout["measures"]),
                ),
            }
        )
    )
