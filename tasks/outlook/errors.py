"""Errors of rolling origin that intervals and chances are calibrated on, as they are kept with a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import ERROR_COLUMNS, schema_of
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
        parts = [np.zeros((0, 5))]
        for (lead, season), errors in calibration.errors.items():
            row_E, crop_E = np.nonzero(np.isfinite(errors.model_ET))
            facts = np.tile([float(season), float(lead)], (len(row_E), 1))
            region_E, error_E = errors.region_E[row_E], errors.model_ET[row_E, crop_E]
            parts.append(np.column_stack((region_E, crop_E, facts, error_E)))
        region_L, crop_L, year_L, lead_L, error_L = np.concatenate(parts).T
        crops = np.array(train.crops, object)[crop_L.astype(np.int64)]
        order = np.lexsort((lead_L, crops.astype(str), year_L, region_L))
        columns = {
            "region": np.array(train.region_names, object)[region_L[order].astype(np.int64)],
            "year": year_L[order].astype(np.int64),
            "crop": crops[order],
            "lead": lead_L[order].astype(np.int64),
            "error": error_L[order],
        }
        return cls(pd.DataFrame(columns), calibration.model.last_season)

    def to_arrow(self) -> pa.Table:
        """As laid out in `errors.parquet`."""
        schema = schema_of(ERROR_COLUMNS, {_LAST.decode(): str(self.last_season)})
        return pa.Table.from_pandas(self.frame, schema, preserve_index=False).replace_schema_metadata(
            schema.metadata
        )

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Self:
        """What `to_arrow` laid out."""
        return cls(table.to_pandas(), int(table.schema.metadata[_LAST]))

    def leads(self, years: pd.Series[int]) -> pd.Series[int]:
        """The lead whose errors stand for each of some years; seasons learned from count as the next."""
        known = self.frame["lead"]
        most = int(known.max()) if len(known) else 1
        return (years - self.last_season).clip(1, most)
