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
    """Sums as a table: a row per region-season, a column per word of slots and per gather and segment."""
    columns: dict[str, Any] = {"region": sums.region_C, "year": sums.year_C}
    columns |= _columns("present", sums.present_CW)
    if sums.repeated_CW is not None:
        columns |= _columns("repeated", sums.repeated_CW)
    for at, sums_CS in enumerate(sums.gathered.values()):
        columns |= _columns(f"gather{at}", sums_CS)
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def sums_about(sums: Sums) -> dict[str, Any]:
    """What `sums_from` needs beside the table."""
    return {
        "names": sums.names,
        "gathers": [asdict(gather) for gather in sums.gathered],
        "words": sums.present_CW.shape[1],
        "segments": [sums_CS.shape[1] for sums_CS in sums.gathered.values()],
        "repeats": sums.repeated_CW is not None,
    }


def sums_from(table: pa.Table, about: dict[str, Any]) -> Sums:
    """Sums from what the two functions above wrote."""

    def wide(prefix: str, count: int) -> Any:
        stacked = [table[f"{prefix}_{at}"].to_numpy() for at in range(count)]
        return np.ascontiguousarray(np.stack(stacked, axis=1))

    gathers = [Statistic(of["measure"], of["kind"], tuple(of["parameters"])) for of in about["gathers"]]
    return Sums(
        tuple(about["names"]),
        table["region"].to_numpy().copy(),
        table["year"].to_numpy().copy(),
        wide("present", about["words"]),
        wide("repeated", about["words"]) if about["repeats"] else None,
        {g: wide(f"gather{at}", about["segments"][at]) for at, g in enumerate(gathers)},
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


def _columns(prefix: str, wide_CX: Any) -> dict[str, Any]:
    return {f"{prefix}_{at}": np.ascontiguousarray(wide_CX[:, at]) for at in range(wide_CX.shape[1])}
