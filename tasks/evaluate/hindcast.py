"""Hindcasts: predictions, intervals and naive forecasts beside what was harvested.

Shapes: N rows of a SeasonTable, T crops, E entries (a row and a crop).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.season_table import Flags, Floats, Integers, SeasonTable, recode, texts
from data.contracts.vocabulary import LEVELS, MAIN, SplitName
from tasks.evaluate.calibration import Calibration
from tasks.evaluate.conformal import WidthsByLead
from tasks.model.forecaster import Forecaster

_BY_KEY = ("naive", "half_width", "trend_half_width")
_FACTS = "hindcast"


@dataclass(frozen=True, eq=False)
class Hindcast:
    """Predictions of one model and cut-off, or of several that were made alike (a backtest).

    `region_E` and `crop_E` are positions in the names. `actual_E` is NaN where the harvest is not
    known. `naive` holds each naive baseline's predictions; `half_width` by level (80, 95) half the
    width of the model's interval, `trend_half_width` that of the interval made the same way around
    the naive `region_trend`; NaN where there is none. `least_E` and `most_E` bound the yields that can be
    true. Yields are in the crop's unit.
    """

    as_of: str
    region_names: tuple[str, ...]
    crops: tuple[str, ...]
    crop_units: tuple[str | None, ...]
    region_E: Integers
    year_E: Integers
    crop_E: Integers
    split_E: npt.NDArray[np.str_]
    known_E: Flags
    actual_E: Floats
    predicted_E: Floats
    baseline_E: Floats
    naive: Mapping[str, Floats]
    half_width: Mapping[int, Floats]
    trend_half_width: Mapping[int, Floats]
    least_E: Floats
    most_E: Floats
    season: str = MAIN

    def __len__(self) -> int:
        return len(self.year_E)

    def take(self, entries: Any) -> Self:
        """The hindcast of some entries (mask or positions), itself where it is all."""
        if getattr(entries, "dtype", None) == np.bool_ and entries.all():
            return self
        chosen: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                chosen[field.name] = value[entries]
            elif isinstance(value, Mapping):
                chosen[field.name] = {key: values[entries] for key, values in value.items()}
        return replace(self, **chosen)

    def interval(self, level: int) -> tuple[Floats, Floats]:
        """Ends of the model's intervals; none leaves the valid range further than the prediction does."""
        return self._ends(self.predicted_E, self.half_width[level])

    def trend_interval(self, level: int) -> tuple[Floats, Floats]:
        """The same around the naive `region_trend`."""
        return self._ends(self.naive["region_trend"], self.trend_half_width[level])

    def _ends(self, middle_E: Floats, half_E: Floats) -> tuple[Floats, Floats]:
        lower_E = np.maximum(middle_E - half_E, np.minimum(self.least_E, middle_E))
        return lower_E, np.minimum(middle_E + half_E, np.maximum(self.most_E, middle_E))

    def harvested(self, *splits: str) -> Self:
        """The entries whose harvest is known, of some splits (default: of all)."""
        known_E = np.isfinite(self.actual_E)
        return self.take(known_E & np.isin(self.split_E, splits) if splits else known_E)


def hindcast(
    model: Forecaster,
    table: SeasonTable,
    calibration: Calibration,
    as_of: str,
    naive: Mapping[str, Floats] | None = None,
    split: str | None = None,
) -> Hindcast:
    """What a model says of the rows of `table`: an entry for each crop harvested, and each crop to forecast.

    `naive` are baselines shaped [N, T] over `table.crops`; `split` replaces the table's own.
    """
    split_N = table.split_N if split is None else np.full(len(table), split)
    at_T = [table.crops.index(crop) if crop in table.crops else -1 for crop in model.crops]
    actual_NT = _columns(table.y_NT, at_T)
    asked_NT = np.isfinite(actual_NT) | (split_N == SplitName.FORECAST)[:, None]
    row_E, crop_E = np.nonzero(asked_NT)
    valid_T2 = np.array([calibration.valid[crop] for crop in model.crops]).reshape(-1, 2)

    def widths(of: WidthsByLead) -> dict[int, Floats]:
        return {level: of.of(level, model.crops, table)[row_E, crop_E] for level in LEVELS}

    return Hindcast(
        as_of=as_of,
        region_names=table.region_names,
        crops=model.crops,
        crop_units=tuple(model.crop_units),
        region_E=table.region_N[row_E],
        year_E=table.year_N[row_E],
        crop_E=crop_E,
        split_E=split_N[row_E],
        known_E=model.known(table)[row_E],
        actual_E=actual_NT[row_E, crop_E],
        predicted_E=model.predict(table)[row_E, crop_E],
        baseline_E=model.baseline_of(table)[row_E, crop_E],
        naive={name: _columns(y_NT, at_T)[row_E, crop_E] for name, y_NT in (naive or {}).items()},
        half_width=widths(calibration.model),
        trend_half_width=widths(calibration.trend),
        least_E=valid_T2[crop_E, 0],
        most_E=valid_T2[crop_E, 1],
    )


def join(hindcasts: Sequence[Hindcast]) -> Hindcast:
    """Hindcasts of one cut-off, made alike (the seasons of a backtest), as one; at least one.

    Raises ValueError when they are of several cut-offs.
    """
    made = {(each.season, each.as_of) for each in hindcasts}
    if len(made) != 1:
        raise ValueError(f"hindcasts of one cut-off can be joined, found {sorted(made)}")
    season, as_of = made.pop()
    units = {crop: unit for each in hindcasts for crop, unit in zip(each.crops, each.crop_units, strict=True)}
    regions = tuple(sorted({name for each in hindcasts for name in each.region_names}))
    crops = tuple(units)
    parts = [
        replace(
            each,
            region_E=recode(each.region_E, each.region_names, regions),
            crop_E=recode(each.crop_E, each.crops, crops),
        )
        for each in hindcasts
    ]
    joined: dict[str, Any] = {
        "season": season,
        "as_of": as_of,
        "region_names": regions,
        "crops": crops,
        "crop_units": tuple(units.values()),
    }
    for field in fields(Hindcast):
        values = [getattr(part, field.name) for part in parts]
        if field.name in _BY_KEY:
            joined[field.name] = {key: np.concatenate([value[key] for value in values]) for key in values[0]}
        elif field.name not in joined:
            joined[field.name] = np.concatenate(values)
    return Hindcast(**joined)


def to_arrow(each: Hindcast) -> pa.Table:
    """A hindcast in full, for `from_arrow`; not a published layout."""
    columns: dict[str, pa.Array] = {
        "region_E": named(each.region_E, each.region_names),
        "crop_E": named(each.crop_E, each.crops),
        "split_E": pa.array(each.split_E, pa.string()),
    }
    for field in fields(each):
        value = getattr(each, field.name)
        if field.name in _BY_KEY:
            columns |= {f"{field.name}:{key}": pa.array(values) for key, values in value.items()}
        elif isinstance(value, np.ndarray):
            columns.setdefault(field.name, pa.array(value))
    facts = {"season": each.season, "as_of": each.as_of, "crops": each.crops, "crop_units": each.crop_units}
    return pa.table(columns).replace_schema_metadata({_FACTS: json.dumps(facts)})


def from_arrow(table: pa.Table) -> Hindcast:
    """The hindcast that `to_arrow` laid out; of its regions those with an entry."""
    facts = json.loads(table.schema.metadata[_FACTS.encode()])
    crops = tuple(facts["crops"])
    regions = tuple(sorted(pc.unique(table["region_E"]).to_pylist()))
    values: dict[str, Any] = {
        "region_E": _positions(table["region_E"], regions),
        "crop_E": _positions(table["crop_E"], crops),
        "split_E": texts(table["split_E"]),
    }
    for name in table.column_names:
        field, _, key = name.partition(":")
        if key:
            column = table[name].to_numpy()
            values.setdefault(field, {})[int(key) if key.isdecimal() else key] = column
        elif name not in values:
            values[name] = table[name].to_numpy()
    values |= {name: values.get(name, {}) for name in _BY_KEY}
    return Hindcast(
        season=facts["season"],
        as_of=facts["as_of"],
        region_names=regions,
        crops=crops,
        crop_units=tuple(facts["crop_units"]),
        **values,
    )


def _positions(column: pa.ChunkedArray, names: tuple[str, ...]) -> Integers:
    return np.asarray(pc.index_in(column, pa.array(names, pa.string())).to_numpy().astype(np.int64))


def named(position_E: Integers, names: Sequence[str | None]) -> pa.Array:
    """The names at some positions, as texts."""
    return pa.DictionaryArray.from_arrays(
        pa.array(position_E, pa.int32()), pa.array(names, pa.string())
    ).cast(pa.string())


def _columns(y_NT: Floats, at_T: list[int]) -> Floats:
    """The columns at some positions; NaN for -1."""
    padded = np.concatenate([y_NT, np.full((len(y_NT), 1), np.nan)], axis=1)
    return padded[:, at_T]
