"""From region-seasons to what trains and back: regional baseline, climatology, scaling.

Shapes: N rows, F columns (the features, then the squares of some), P trained columns, T crops, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from data.contracts.season_table import Floats, Integers, SeasonTable, recode
from data.errors import InputError
from data.settings.expand import squared_features
from data.settings.schema import Settings
from tasks.normalise.baseline import Baseline, Climatology
from tasks.normalise.moments import Moments, compute_moments
from tasks.normalise.scaling import Scaling, fit_scaling
from tasks.normalise.squares import Squares
from tasks.normalise.threads import one_thread

_LARGEST = 1e100  # of a yield: errors, their squares and sums of these stay far from infinity


@dataclass(frozen=True, eq=False)
class Normaliser:
    """What was fitted on training rows; the same for every row it is applied to later."""

    features: tuple[str, ...]
    squares: Squares
    baseline: Baseline
    climatology: Climatology
    scaling: Scaling

    @property
    def region_names(self) -> tuple[str, ...]:
        """Regions it has seen, sorted."""
        return self.baseline.region_names

    def codes(self, table: SeasonTable) -> Integers:
        """Positions of the table's rows in `region_names`; -1 where the region is unknown."""
        return recode(table.region_N, table.region_names, self.region_names)

    def departures(self, table: SeasonTable) -> Floats:
        """Features and squares minus their climatology, in their own units, shape [N, F].

        Raises InputError where the table lacks a feature.
        """
        x_NF = self.squares.columns(feature_columns(table, self.features))
        if self.baseline.kind == "none":
            return x_NF
        return x_NF - self.climatology.of(self.codes(table))

    def yield_departures(self, table: SeasonTable) -> Floats:
        """Yields minus their baseline, in the crops' units, NaN where not grown, shape [N, T]."""
        if self.baseline.kind == "none":
            return table.y_NT
        return table.y_NT - self.baseline.predict(self.codes(table), table.year_N)

    def transform(self, table: SeasonTable) -> tuple[Floats, Floats]:
        """Inputs z_NP and targets u_NT (NaN where not grown) in scaled units."""
        u_NT = np.empty(table.y_NT.shape)
        self.scaling.targets(self.yield_departures(table), u_NT)
        return self.scaling.transform(self.departures(table)), u_NT

    def inverse(
        self, z_NP: Floats, u_NT: Floats, region_N: Integers, year_N: Integers
    ) -> tuple[Floats, Floats]:
        """Features without their squares, and yields y_NT, in raw units from scaled ones; region -1: unknown.

        Features that were left out come back as their mean departure.
        """
        x_NF = self.scaling.inverse(z_NP) + self.climatology.of(region_N)
        return x_NF[:, : len(self.features)], self.yields(u_NT, region_N, year_N)

    def yields(self, u_NT: Floats, region_N: Integers, year_N: Integers) -> Floats:
        """Yields in the crops' units from scaled departures."""
        departure_NT = u_NT * self.scaling.y_scale_T + self.scaling.y_centre_T
        return departure_NT + self.baseline.predict(region_N, year_N)

    def fold(self, weight_TP: Floats, bias_T: Floats) -> tuple[Floats, Floats, Floats]:
        """Raw-unit coefficients of a model in scaled units: y = intercept + slope · year + x · weight.

        Squares count among x, as x² itself. Returns weight_TF, intercept_RT and slope_RT, the line of
        unknown regions last ([R + 1, T]).
        """
        scaling = self.scaling
        weight_TF = np.einsum("tp,fp->tf", weight_TP, scaling.matrix_FP) * scaling.y_scale_T[:, None]
        offset_T = scaling.y_centre_T + scaling.y_scale_T * bias_T
        climatology_RF = np.vstack((self.climatology.mean_RF, self.climatology.pooled_F)) + scaling.centre_F
        intercept_RT = (
            self.baseline.intercepts() + offset_T - np.einsum("rf,tf->rt", climatology_RF, weight_TF)
        )
        slope_RT = np.vstack((self.baseline.slope_RT, self.baseline.pooled_slope_T))
        weight_TF, constant_T = self.squares.expand(weight_TF)
        return weight_TF, intercept_RT + constant_T, slope_RT


@dataclass(frozen=True, eq=False)
class Normalised:
    """Training rows in the order of region and year, to be had in scaled units piece by piece.

    `x_NF` and `y_NT` are departures in raw units; `moments` those of the scaled rows, whose squares may be
    too `delicate` to be had from the raw ones'. The objective's ridge is `ridge_T` · w `penalty_PP` wᵀ.
    """

    normaliser: Normaliser
    region_N: Integers
    year_N: Integers
    x_NF: Floats
    y_NT: Floats
    moments: Moments
    ridge_T: Floats
    penalty_PP: Floats
    delicate: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, P and T."""
        return (len(self.x_NF), self.normaliser.scaling.matrix_FP.shape[1], self.y_NT.shape[1])

    def fill(self, rows: slice, out_BC: npt.NDArray[Any]) -> None:
        """Put z into the first P columns and u into the next T, rounded to their type."""
        P = self.shape[1]
        self.normaliser.scaling.inputs(self.x_NF[rows], out_BC[:, :P])
        self.normaliser.scaling.targets(self.y_NT[rows], out_BC[:, P:])

    def scaled(self) -> tuple[Floats, Floats]:
        """z_NP and u_NT in float64, all at once."""
        N, P, T = self.shape
        rows_NC = np.empty((N, P + T))
        self.fill(slice(0, N), rows_NC)
        return rows_NC[:, :P], rows_NC[:, P:]

    def targets(self) -> Floats:
        """u_NT in float64."""
        u_NT = np.empty(self.y_NT.shape)
        self.normaliser.scaling.targets(self.y_NT, u_NT)
        return u_NT

    def next_round(self, weight_TP: Floats, settings: Settings) -> Self:
        """The rows with the baseline drawn again, through yields minus the weather's part of them.

        `weight_TP` is the model found in the round before; climatology and scaling stay.
        """
        normaliser, scaling = self.normaliser, self.normaliser.scaling
        weight_FT = scaling.matrix_FP @ weight_TP.T * scaling.y_scale_T
        weather_NT = (torch.from_numpy(self.x_NF) @ torch.from_numpy(weight_FT)).numpy()
        yields_NT = self.y_NT + normaliser.baseline.predict(self.region_N, self.year_N)
        baseline = normaliser.baseline.refit(
            self.region_N, self.year_N, yields_NT - weather_NT, settings.trend, settings.min_trend_seasons
        )
        y_NT = yields_NT - baseline.predict(self.region_N, self.year_N)
        again = replace(self, normaliser=replace(normaliser, baseline=baseline), y_NT=y_NT)
        if self.delicate:
            moments = self.moments.retarget(scaling.transform(self.x_NF), again.targets())
        else:
            raw = self.moments.retarget(self.x_NF, again.targets())
            moments = replace(raw, xy_TF=np.asarray(raw.xy_TF @ scaling.matrix_FP))
        return replace(again, moments=moments)


@one_thread()
def normalise(table: SeasonTable, settings: Settings) -> Normalised:
    """Fit a normaliser on training rows and apply it to them.

    Rows are sorted by region and year and those without any yield left out first, so that the order
    of the table changes nothing. Raises InputError where no row is left, and for values too large to be
    squared.
    """
    table = training_rows(table)
    if not len(table):
        raise InputError("no region-season with a yield is left to train on")
    baseline = Baseline.fit(table, settings.baseline, settings.trend, settings.min_trend_seasons)
    squares = Squares.fit(table.x_NF, table.features, squared_features(settings))
    x_NF, y_NT = squares.columns(table.x_NF), table.y_NT
    climatology = Climatology.fit(table.region_N, x_NF, len(table.region_names), settings.baseline)
    magnitude_F = np.zeros(x_NF.shape[1])
    if settings.baseline != "none":
        x_NF = x_NF - climatology.of(table.region_N)
        y_NT = y_NT - baseline.predict(table.region_N, table.year_N)
        magnitude_F = np.abs(climatology.mean_RF).max(axis=0)
    raw = compute_moments(x_NF, y_NT)
    _check_yields(raw, table.crops)
    seasons = settings.training.ridge_seasons
    scaling, penalty_PP, delicate = fit_scaling(
        raw, x_NF, magnitude_F, squares.names(table.features), settings.training.scaling,
        ridge=seasons * len(table.region_names) / len(table),
    )  # fmt: skip
    normaliser = Normaliser(table.features, squares, baseline, climatology, scaling)
    delicate = delicate and settings.training.scaling == "whiten"
    if delicate:
        u_NT = np.empty(y_NT.shape)
        scaling.targets(y_NT, u_NT)
        moments = compute_moments(scaling.transform(x_NF), u_NT)
    else:
        moments = raw.scaled(scaling.centre_F, scaling.matrix_FP, scaling.y_centre_T, scaling.y_scale_T)
    ridge_T = np.zeros(len(table.crops))
    if seasons:
        ridge_T = seasons * _regions(table) / np.maximum(raw.rows_T, 1)
    return Normalised(
        normaliser, table.region_N, table.year_N, x_NF, y_NT, moments, ridge_T, penalty_PP, delicate
    )


def _check_yields(moments: Moments, crops: tuple[str, ...]) -> None:
    large = [crop for crop, square in zip(crops, moments.yy_T, strict=True) if not square < _LARGEST**2]
    if large:
        raise InputError(
            f"yields of {', '.join(large)} are too large to be squared and summed; give the crop a valid "
            "range in the settings, [measures.CROP] range, or convert its unit"
        )


def _regions(table: SeasonTable) -> Integers:
    """How many regions have a yield of each crop [T]."""
    R = len(table.region_names)
    rows = [np.bincount(table.region_N[~np.isnan(y_N)], minlength=R) for y_N in table.y_NT.T]
    return np.array([np.count_nonzero(rows_R) for rows_R in rows], dtype=np.int64)


def training_rows(table: SeasonTable) -> SeasonTable:
    """Rows with a yield, sorted by region and year; regions without any are forgotten."""
    known_N = ~np.isnan(table.y_NT[:, 0]) if table.crops else np.zeros(len(table), dtype=np.bool_)
    for at in range(1, len(table.crops)):
        if known_N.all():
            break
        known_N |= ~np.isnan(table.y_NT[:, at])
    if not known_N.all():
        table = table.take(known_N)
    region_N, year_N = table.region_N, table.year_N
    behind_N = region_N[1:] < region_N[:-1]
    behind_N |= (region_N[1:] == region_N[:-1]) & (year_N[1:] < year_N[:-1])
    if behind_N.any():
        table = table.take(np.lexsort((year_N, region_N)))
    used_R = np.bincount(table.region_N, minlength=len(table.region_names)) > 0
    if used_R.all():
        return table
    code_R = np.cumsum(used_R) - 1
    names = tuple(name for name, used in zip(table.region_names, used_R, strict=True) if used)
    return type(table)(
        names, code_R[table.region_N], table.year_N, table.split_N,
        table.features, table.x_NF, table.crops, table.y_NT,
    )  # fmt: skip


def feature_columns(table: SeasonTable, features: tuple[str, ...]) -> Floats:
    """The table's features in the order asked for. Raises InputError naming those it lacks."""
    if table.features == features:
        return table.x_NF
    missing = [name for name in features if name not in table.features]
    if missing:
        raise InputError(
            f"the rows lack {len(missing)} of the model's {len(features)} features: {', '.join(missing[:5])}"
        )
    return np.asarray(table.x_NF[:, [table.features.index(name) for name in features]])
