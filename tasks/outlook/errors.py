"""Errors of rolling origin that intervals and chances are calibrated on, as they are kept with a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.columns import CROP, ERROR_COLUMNS, REGION, schema_of
from data.contracts.season_table import SeasonTable
from data.settings.seasons import Cutoff
from tasks.evaluate.calibration import Calibration

_LAST = b"last_season"
ERRORS = "errors.parquet"


def evaluation_errors(cutoff: Cutoff) -> str:
    """Where a run keeps the errors of its evaluation fit at a cut-off."""
    return f"model/{cutoff.season}/{cutoff.as_of}/evaluation/{ERRORS}"


@dataclass(frozen=True, eq=False)
class Errors:
    """`frame` is laid out as contracts.ERROR_COLUMNS; `last_season` is the last one learned from."""

    frame: pd.DataFrame
    last_season: int

    @classmethod
    def of(cls, calibration: Calibration, train: SeasonTable) -> Self:
        """The errors that a calibration on some training rows was made of."""
        return cls.from_arrow(errors_table(calibration, train))

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Self:
        """What `errors_table` laid out; regions and crops become categories, of which there are few."""
        coded = [
            field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.type == pa.string() else field
            for field in table.schema
        ]
        frame = table.cast(pa.schema(coded)).unify_dictionaries().to_pandas()
        return cls(frame, int(table.schema.metadata[_LAST]))

    @classmethod
    def read(cls, source: Path | BinaryIO) -> Self:
        """The errors in a file of that layout."""
        return cls.from_arrow(pq.read_table(source, read_dictionary=[REGION.name, CROP.name]))

    def leads(self, years: pd.Series[int]) -> pd.Series[int]:
        """The lead whose errors stand for each of some years; seasons learned from count as the next."""
        known = self.frame["lead"]
        most = int(known.max()) if len(known) else 1
        return (years - self.last_season).clip(1, most)


def errors_table(calibration: Calibration, train: SeasonTable) -> pa.Table:
    """The errors that a calibration was made of, laid out as `errors.parquet`.

    Of `train`, its training rows or a table that holds them, regions and crops are taken.
    """
    leads, seasons = (sorted({key[at] for key in calibration.errors}) for at in (0, 1))
    crops = sorted(train.crops)
    at_T = [crops.index(crop) for crop in train.crops]
    # in the order of the table, so that nothing has to be sorted
    error_RSTL = np.full((len(train.region_names), len(seasons), len(crops), len(leads)), np.nan)
    for (lead, season), errors in calibration.errors.items():
        of_season_RT = error_RSTL[:, seasons.index(season), :, leads.index(lead)]
        of_season_RT[errors.region_E[:, None], at_T] = errors.model_ET
    known = np.flatnonzero(np.isfinite(error_RSTL))
    error = error_RSTL.reshape(-1)[known]
    columns = [pa.array(error)]
    for names, of in reversed(
        ((train.region_names, pa.string()), (seasons, pa.int16()), (crops, pa.string()), (leads, pa.int8()))
    ):
        known, code = np.divmod(known, max(len(names), 1))
        columns.append(pa.array(names, of).take(pa.array(code, pa.int32())))
    schema = schema_of(ERROR_COLUMNS, {_LAST.decode(): str(calibration.model.last_season)})
    return pa.Table.from_arrays([*reversed(columns[1:]), columns[0]], schema=schema)
