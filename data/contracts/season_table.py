"""The region-season table in memory: one row per region and season, as arrays.

Shapes: N rows, F features, T crops, R regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.columns import REGION, SEASON_YEAR, SPLIT

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SeasonTable:
    """Features and yields of region-seasons, sorted by region and year.

    `region_N` holds positions in `region_names` (R distinct names, sorted); a yield that is not
    known is NaN in `y_NT`; `split_N` holds the names of `contracts.SplitName`.
    """

    region_names: tuple[str, ...]
    region_N: Integers
    year_N: Integers
    split_N: npt.NDArray[np.str_]
    features: tuple[str, ...]
    x_NF: Floats
    crops: tuple[str, ...]
    y_NT: Floats

    def __len__(self) -> int:
        return len(self.year_N)

    def take(self, rows: Any) -> Self:
        """The table of some rows (mask, slice or positions), itself where it is all; regions keep theirs."""
        if getattr(rows, "dtype", None) == np.bool_:
            if rows.all():
                return self
            rows = np.flatnonzero(rows)  # once, not for every array
        return type(self)(
            self.region_names, self.region_N[rows], self.year_N[rows], self.split_N[rows],
            self.features, self.x_NF[rows], self.crops, self.y_NT[rows],
        )  # fmt: skip

    def of_split(self, *names: str) -> Self:
        """The rows of some splits."""
        return self.take(np.isin(self.split_N, names))

    @classmethod
    def from_arrow(cls, table: pa.Table, features: tuple[str, ...], crops: tuple[str, ...]) -> Self:
        """From a table laid out as `dataset.parquet`; rows are sorted by region and year."""
        table = table.sort_by([(REGION.name, "ascending"), (SEASON_YEAR.name, "ascending")])
        coded = table[REGION.name].combine_chunks().dictionary_encode()  # in order of appearance: sorted
        return cls(
            tuple(coded.dictionary.to_pylist()),
            coded.indices.to_numpy(zero_copy_only=False).astype(np.int64),
            table[SEASON_YEAR.name].to_numpy().astype(np.int64),
            texts(table[SPLIT.name]),
            features,
            _columns(table, features),
            crops,
            _columns(table, crops),
        )

    def to_arrow(self) -> pa.Table:
        """As laid out in `dataset.parquet`; unknown yields become null."""
        names = pa.DictionaryArray.from_arrays(
            pa.array(self.region_N, pa.int32()), pa.array(self.region_names)
        )
        values = {name: pa.array(self.x_NF[:, at], pa.float64()) for at, name in enumerate(self.features)}
        yields = {
            name: pa.array(self.y_NT[:, at], pa.float64(), from_pandas=True)
            for at, name in enumerate(self.crops)
        }
        columns = {
            REGION.name: names.cast(REGION.type),
            SEASON_YEAR.name: pa.array(self.year_N, SEASON_YEAR.type),
            SPLIT.name: pa.array(self.split_N, SPLIT.type),
        }
        # the harvest year may be a feature too; its column is there already
        others = [name for name in (*values, *yields) if name not in columns]
        return pa.table(values | yields | columns).select([*columns, *others])


def recode(code_X: Integers, names: Sequence[str], wanted: Sequence[str]) -> Integers:
    """Positions in `names` (-1: none) as positions in `wanted`, -1 for names that aren't among them."""
    if names == wanted:
        return code_X
    position = {name: at for at, name in enumerate(wanted)}
    return np.array([*(position.get(name, -1) for name in names), -1], np.int64)[code_X]


def texts(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    """A column of few texts, without nulls, as an array."""
    coded = column.combine_chunks().dictionary_encode()
    names = np.array(coded.dictionary.to_pylist(), np.str_)
    found: npt.NDArray[np.str_] = names[coded.indices.to_numpy()]
    return found


def _columns(table: pa.Table, names: tuple[str, ...]) -> Floats:
    wide = np.empty((table.num_rows, len(names)), dtype=np.float64)
    for at, name in enumerate(names):
        wide[:, at] = table[name].to_numpy()
    return wide
