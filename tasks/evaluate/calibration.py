"""Calibration of prediction intervals by rolling origin over the training seasons.

Shapes: K seasons, E rows of one season, T crops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import LEVELS
from data.settings.expand import fewest_rows
from data.settings.schema import Settings
from tasks.evaluate.conformal import Widths, WidthsByLead, fit_widths, seasons_needed
from tasks.evaluate.season_errors import (
    SeasonErrors,
    SeasonErrorsByOrigin,
    origins_of,
    rolling_origin_errors,
)

_AT_ONCE = 2  # leads; more would hold more memory than they save time


@dataclass(frozen=True)
class Calibration:
    """Half the width of the prediction intervals around a model, and around the naive regional trend.

    `absent` maps (level, crop) to a sentence why there is no interval for the next season. `seasons`
    counts, for each crop, the seasons that were predicted from those before them. `valid` are the smallest
    and the largest yield of each crop that can be true. `errors` are those that the widths are made of, by
    (lead, season).
    """

    seasons: Mapping[str, int]
    model: WidthsByLead
    trend: WidthsByLead
    absent: Mapping[tuple[int, str], str]
    valid: Mapping[str, tuple[float, float]]
    errors: SeasonErrorsByOrigin = field(default_factory=dict)

    def sentences(self) -> tuple[str, ...]:
        """Why intervals are missing, a sentence for each; empty when none is."""
        return tuple(self.absent.values())


def calibrate(
    train: SeasonTable,
    settings: Settings,
    leads: Iterable[int] = (1,),
    errors: SeasonErrorsByOrigin | None = None,
) -> Calibration:
    """Intervals for a model that is trained on `train`, by rolling origin within it, for each of some leads.

    Each of the last `calibration_seasons` seasons of `train` is predicted by a model of the seasons up
    to `lead` years before it (1: all seasons before it); see `conformal.fit_widths` for what becomes of
    the errors. Regions that the model has not seen get the widths of errors made without knowing the
    region. Nothing but `train` is looked at. `errors` are those of its origins where they are known already.
    """
    years = np.unique(train.year_N)
    if errors is None:
        errors = rolling_origin_errors(train, settings, origins_of(train, settings, leads))
    by_lead = {
        lead: {season: found for (origin, season), found in errors.items() if season - origin == lead}
        for lead in sorted({1, *leads})
    }
    kept = {(lead, season): found for lead, of in by_lead.items() for season, found in of.items()}
    widths_of = partial(_widths, train, settings.min_trend_seasons)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        widths = dict(zip(by_lead, pool.map(widths_of, by_lead.values()), strict=True))
    model = {lead: around for lead, (around, _) in widths.items()}
    trend = {lead: around for lead, (_, around) in widths.items()}
    seasons = {
        crop: sum(
            bool(np.isfinite(each.model_ET[:, at]).any()) for (lead, _), each in kept.items() if lead == 1
        )
        for at, crop in enumerate(train.crops)
    }
    possible_T = [_predictable(train, at, settings) for at in range(len(train.crops))]
    absent = {
        (level, crop): _why_absent(crop, level, seasons[crop], possible, settings)
        for crop, possible in zip(train.crops, possible_T, strict=True)
        for level in LEVELS
        if (level, crop) not in model[1].factor
    }
    last = int(years[-1]) if len(years) else 0
    valid = {crop: settings.yield_range(crop) for crop in train.crops}
    return Calibration(seasons, WidthsByLead(last, model), WidthsByLead(last, trend), absent, valid, kept)


def leads_to(train: SeasonTable, rows: SeasonTable) -> tuple[int, ...]:
    """How many years after the last training season the seasons of some rows are; those that are after."""
    if not len(train):
        return ()
    return tuple(int(lead) for lead in np.unique(rows.year_N - train.year_N.max()) if lead > 0)


def _widths(
    train: SeasonTable, own_seasons: int, by_season: Mapping[int, SeasonErrors]
) -> tuple[Widths, Widths]:
    """Widths around the model and around the naive trend."""
    names, crops, errors = train.region_names, train.crops, list(by_season.values())
    region_KE = [each.region_E for each in errors]
    model = fit_widths(names, crops, region_KE, [each.model_ET for each in errors], own_seasons)
    trend = fit_widths(names, crops, region_KE, [each.trend_ET for each in errors], own_seasons)
    # all regions count as one here, the one that nothing is known of
    nowhere_KE = [np.zeros_like(region_E) for region_E in region_KE]
    unseen = fit_widths(("",), crops, nowhere_KE, [each.unseen_ET for each in errors], own_seasons)
    return replace(model, unseen=unseen.unseen), trend


def learnable(train: SeasonTable, settings: Settings) -> list[int]:
    """Positions of the crops with rows enough for a model."""
    rows_T = np.isfinite(train.y_NT).sum(axis=0)
    return [int(at) for at in np.flatnonzero(rows_T >= fewest_rows(settings, train.features))]


def of_crops(table: SeasonTable, at_T: list[int]) -> SeasonTable:
    """The table with some of its crops."""
    if len(at_T) == len(table.crops):
        return table
    return replace(table, crops=tuple(table.crops[at] for at in at_T), y_NT=table.y_NT[:, at_T])


def _predictable(train: SeasonTable, crop: int, settings: Settings) -> list[int]:
    """How many `calibration_seasons` reach back to each season that can be predicted, the newest first."""
    years, year_N = np.unique(train.year_N), train.year_N[np.isfinite(train.y_NT[:, crop])]
    fewest = fewest_rows(settings, train.features)  # a model takes some rows of seasons before
    return [int((years >= year).sum()) for year in np.unique(year_N)[::-1] if (year_N < year).sum() >= fewest]


def _why_absent(crop: str, level: int, seasons: int, possible: list[int], settings: Settings) -> str:
    """Why a crop has no interval: `seasons` were predicted; `possible` are the settings that reach others."""
    needed, allowed = seasons_needed(level), settings.split.calibration_seasons
    remedy = ""
    if len(possible) < needed:
        seasons = max(seasons, len(possible))  # no setting makes them more
    elif allowed < possible[needed - 1]:
        remedy = f"; split.calibration_seasons is {allowed}, set it to {possible[needed - 1]} or more"
    return (
        f"{crop}: no {level} % interval, which takes {needed} training seasons that can be predicted "
        f"from those before them; there are {seasons}{remedy}"
    )
