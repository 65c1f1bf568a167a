"""Calibration of prediction intervals by rolling origin over the training seasons.

Shapes: N rows of a SeasonTable, E rows of one season, T crops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable
from data.contracts.vocabulary import LEVELS
from data.settings.expand import fewest_rows
from data.settings.schema import Settings
from tasks.evaluate.conformal import Widths, WidthsByLead, fit_widths, seasons_needed
from tasks.train.origins import predict_ahead


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
    errors: Mapping[tuple[int, int], SeasonErrors] = field(default_factory=dict)

    def sentences(self) -> tuple[str, ...]:
        """Why intervals are missing, a sentence for each; empty when none is."""
        return tuple(self.absent.values())


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


def calibrate(train: SeasonTable, settings: Settings, leads: Iterable[int] = (1,)) -> Calibration:
    """Intervals for a model that is trained on `train`, by rolling origin within it, for each of some leads.

    Each of the last `calibration_seasons` seasons of `train` is predicted by a model of the seasons up
    to `lead` years before it (1: all seasons before it); see `conformal.fit_widths` for what becomes of
    the errors. Regions that the model has not seen get the widths of errors made without knowing the
    region. Nothing but `train` is looked at.
    """
    years = np.unique(train.year_N)
    wanted = [int(year) for year in years[1:]]
    wanted = wanted[max(0, len(wanted) - settings.split.calibration_seasons) :]
    leads = sorted({1, *leads})
    # one fit of an origin serves all the seasons that are asked of it
    asked = {season - lead: [season - lead + each for each in leads] for season in wanted for lead in leads}
    asked = {origin: seasons for origin, seasons in asked.items() if origin >= years[0]}
    ahead = rolling_origin_errors(train, settings, asked)
    model, trend = {}, {}
    for lead in leads:
        errors = [ahead[season - lead, season] for season in wanted if season - lead in asked]
        model[lead], trend[lead] = _widths(train, errors, settings.min_trend_seasons)
        if lead == 1:
            seasons = {
                crop: sum(bool(np.isfinite(each.model_ET[:, at]).any()) for each in errors)
                for at, crop in enumerate(train.crops)
            }
    kept = {
        (lead, season): ahead[season - lead, season]
        for lead in leads
        for season in wanted
        if season - lead in asked
    }
    harvests_T = [len(np.unique(train.year_N[np.isfinite(y_N)])) for y_N in train.y_NT.T]
    absent = {
        (level, crop): _why_absent(crop, level, seasons[crop], harvests - 1, settings)
        for crop, harvests in zip(train.crops, harvests_T, strict=True)
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


def _widths(train: SeasonTable, errors: list[SeasonErrors], own_seasons: int) -> tuple[Widths, Widths]:
    """Widths around the model and around the naive trend."""
    names, crops = train.region_names, train.crops
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


def _why_absent(crop: str, level: int, seasons: int, possible: int, settings: Settings) -> str:
    """Why a crop has no interval, of `seasons` that were predicted and `possible` ones at the very most."""
    needed, allowed = seasons_needed(level), settings.split.calibration_seasons
    remedy = ""
    if allowed < needed <= possible:
        remedy = f"; split.calibration_seasons is {allowed}, set it to {needed} or more"
    elif allowed < needed:
        seasons = max(seasons, possible)  # no setting makes them more
    return (
        f"{crop}: no {level} % interval, which takes {needed} training seasons that can be predicted "
        f"from those before them; there are {seasons}{remedy}"
    )
