"""Errors of seasons predicted from earlier ones, by rolling origin: what intervals are calibrated on.

Shapes: N rows of a SeasonTable, E rows of one season, M rows of all, T crops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable
from data.settings.schema import Settings
from tasks.train.origins import predict_ahead


@dataclass(frozen=True, eq=False)
class SeasonErrors:
    """Actual minus predicted [E, T] of one season predicted from earlier ones, in the crops' units.

    By the model, by the naive regional trend, and by the model as if it had not seen the regions; NaN
    where there is no prediction or no harvest. `region_E` are positions in the table's `region_names`.
    """

    region_E: Integers
    model_ET: Floats
    trend_ET: Floats
    unseen_ET: Floats


_ERRORS = ("region_E", "model_ET", "trend_ET", "unseen_ET")
# by origin, the last season that was learned from, and predicted season
SeasonErrorsByOrigin = Mapping[tuple[int, int], SeasonErrors]


def origins_of(train: SeasonTable, settings: Settings, leads: Iterable[int]) -> dict[int, list[int]]:
    """What each origin is asked for: the last `calibration_seasons`, from each lead before them."""
    years = [int(year) for year in np.unique(train.year_N)]
    wanted = years[1:][-settings.split.calibration_seasons :] if settings.split.calibration_seasons else []
    asked: dict[int, list[int]] = {}
    for season in wanted:
        for lead in sorted({1, *leads}):
            if season - lead >= years[0]:
                asked.setdefault(season - lead, []).append(season)
    return dict(sorted(asked.items()))


def rolling_origin_errors(
    train: SeasonTable, settings: Settings, asked: Mapping[int, Collection[int]]
) -> dict[tuple[int, int], SeasonErrors]:
    """The errors of some seasons predicted from those up to and with an origin, by (origin, season).

    `asked` names the seasons for each origin; all of them together cost little more than one.
    """
    found = {}
    for (origin, season), ahead in predict_ahead(train, settings, asked).items():
        rows_E = train.year_N == season
        y_ET = train.y_NT[rows_E]
        found[origin, season] = SeasonErrors(
            train.region_N[rows_E], y_ET - ahead.model_ET, y_ET - ahead.trend_ET, y_ET - ahead.unseen_ET
        )
    return found


def errors_of_fits(
    fits: Mapping[str, SeasonTable], leads: Mapping[str, Iterable[int]], settings: Settings
) -> dict[str, SeasonErrorsByOrigin]:
    """The rolling origins of several fits by name, each computed once where fits begin with the same rows.

    The rows of each are among those of the largest.
    """
    asked = {name: origins_of(rows, settings, leads[name]) for name, rows in fits.items()}
    whole = max(fits.values(), key=len)
    if not all(_begins(rows, whole) for rows in fits.values()):
        return {name: rolling_origin_errors(rows, settings, asked[name]) for name, rows in fits.items()}
    together: dict[int, set[int]] = {}
    for of_fit in asked.values():
        for origin, seasons in of_fit.items():
            together.setdefault(origin, set()).update(seasons)
    errors = rolling_origin_errors(whole, settings, together)
    return {
        name: {
            (origin, season): errors[origin, season]
            for origin, seasons in of_fit.items()
            for season in seasons
        }
        for name, of_fit in asked.items()
    }


def _begins(rows: SeasonTable, whole: SeasonTable) -> bool:
    """Whether some of a table's rows are all of them up to a season."""
    return not len(rows) or len(rows) == int(np.count_nonzero(whole.year_N <= rows.year_N.max()))


def save_errors(errors: SeasonErrorsByOrigin, file: Path) -> None:
    """Keep errors for a later step."""
    counts = [len(each.region_E) for each in errors.values()]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(each, name) for each in errors.values()]) if counts else np.empty(0)
        for name in _ERRORS
    }
    np.savez(file, pairs=np.array(list(errors), np.int64).reshape(-1, 2), counts=counts, **arrays)


def load_errors(file: Path) -> SeasonErrorsByOrigin:
    """What `save_errors` kept."""
    with np.load(file, allow_pickle=False) as kept:
        pairs, ends = kept["pairs"].tolist(), np.cumsum(kept["counts"]).astype(np.int64)
        parts = [np.split(kept[name], ends[:-1]) for name in _ERRORS]
    return {(origin, season): SeasonErrors(*of) for (origin, season), *of in zip(pairs, *parts, strict=False)}
