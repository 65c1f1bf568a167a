"""From region-seasons to what trains and back: regional baseline, climatology, scaling.

Shapes: N rows, F features, P trained columns, T crops, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Floats, Integers, SeasonTable, recode
from data.errors import InputError
from data.settings.schema import Settings
from tasks.normalise.baseline import Baseline, Climatology
from tasks.normalise.moments import Moments, compute_moments
from tasks.normalise.scaling import Scaling, fit_scaling
from tasks.normalise.threads import one_thread


@dataclass(frozen=True, eq=False)
class Normaliser:
    """What was fitted on training rows; the same for every row it is applied to later."""

    features: tuple[str, ...]
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
        """Features minus their climatology, in the features' units, shape [N, F].

        Raises InputError where the table lacks a feature.
        """
        x_NF = feature_columns(table, self.features)
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
        """Features x_NF and yields y_NT in raw units from scaled ones; region -1 is unknown.

        Features that were left out come back as their mean departure.
        """
        x_NF = self.scaling.inverse(z_NP) + self.climatology.of(region_N)
        return x_NF, self.yields(u_NT, region_N, year_N)

    def yields(self, u_NT: Floats, region_N: Integers, year_N: Integers) -> Floats:
        """Yields in the crops' units from scaled departures."""
        departure_NT = u_NT * self.scaling.y_scale_T + self.scaling.y_centre_T
        return departure_NT + self.baseline.predict(region_N, year_N)

    def fold(self, weight_TP: Floats, bias_T: Floats) -> tuple[Floats, Floats, Floats]:
        """Raw-unit coefficients of a model in scaled units: y = intercept + slope · year + x · weight.

        Returns weight_TF, intercept_RT and slope_RT, the line of unknown regions last ([R + 1, T]).
        """
        scaling = self.scaling
        weight_TF = np.einsum("tp,fp->tf", weight_TP, scaling.matrix_FP) * scaling.y_scale_T[:, None]
        offset_T = scaling.y_centre_T + scaling.y_scale_T * bias_T
        climatology_RF = np.vstack((self.climatology.mean_RF, self.climatology.pooled_F)) + scaling.centre_F
        intercept_RT = (
            self.baseline.intercepts() + offset_T - np.einsum("rf,tf->rt", climatology_RF, weight_TF)
        )
        slope_RT = np.vstack((self.baseline.slope_RT, self.baseline.pooled_slope_T))
        return weight_TF, intercept_RT, slope_RT


@dataclass(frozen=True, eq=False)
class Normalised:
    """Training rows in the order of region and year, to be had in scaled units piece by piece.

    `x_NF` and `y_NT` are departures in raw units; `moments` those of the scaled rows.
    """

    normaliser: Normaliser
    x_NF: Floats
    y_NT: Floats
    moments: Moments

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


@one_thread()
def normalise(table: SeasonTable, settings: Settings) -> Normalised:
    """Fit a normaliser on training rows and apply it to them.

    Rows are sorted by region and year and those without any yield left out first, so that the order
    of the table changes nothing. Raises InputError where no row is left.
    """
    table = training_rows(table)
    if not len(table):
        raise InputError("no region-season with a yield is left to train on")
    baseline = Baseline.fit(
        table, settings.baseline, settings.trend_half_life, settings.trend_shrinkage,
        settings.min_trend_seasons,
    )  # fmt: skip
    climatology = Climatology.fit(table, settings.baseline)
    x_NF, y_NT = table.x_NF, table.y_NT
    magnitude_F = np.zeros(len(table.features))
    if settings.baseline != "none":
        x_NF = x_NF - climatology.of(table.region_N)
        y_NT = y_NT - baseline.predict(table.region_N, table.year_N)
        magnitude_F = np.abs(climatology.mean_RF).max(axis=0)
    raw = compute_moments(x_NF, y_NT)
    scaling, delicate = fit_scaling(
        raw, x_NF, magnitude_F, table.features, settings.training.scaling,
        keep_collinear=settings.training.weight_decay > 0 and settings.training.scaling == "standard",
    )  # fmt: skip
    normaliser = Normaliser(table.features, baseline, climatology, scaling)
    if delicate and settings.training.scaling == "whiten":
        u_NT = np.empty(y_NT.shape)
        scaling.targets(y_NT, u_NT)
        moments = compute_moments(scaling.transform(x_NF), u_NT)
    else:
        moments = raw.scaled(scaling.centre_F, scaling.matrix_FP, scaling.y_centre_T, scaling.y_scale_T)
    return Normalised(normaliser, x_NF, y_NT, moments)


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
