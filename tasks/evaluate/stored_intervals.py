"""Prediction intervals kept with a model, and the predictions that they go around."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import LEVELS
from data.errors import SettingsError
from data.settings.schema import Settings
from tasks.evaluate.calibration import Calibration, calibrate
from tasks.evaluate.conformal import NO_WIDTHS, WidthsByLead
from tasks.evaluate.season_errors import SeasonErrorsByOrigin
from tasks.model.model import Model

# seasons ahead that a published model keeps intervals for: yields may come in years late
LEADS_KEPT = (1, 2, 3)


def calibrate_published(
    train: SeasonTable, settings: Settings, errors: SeasonErrorsByOrigin | None = None
) -> Calibration:
    """Intervals for a model that is published, for as many seasons ahead as it may be used."""
    return calibrate(train, settings, LEADS_KEPT, errors)


def with_intervals(model: Model, found: Calibration) -> Model:
    """The model with intervals calibrated on its own training rows, kept in its record."""
    valid = {crop: [_or_none(end) for end in ends] for crop, ends in found.valid.items()}
    kept = intervals(found) | {"widths": found.model.as_json(), "valid": valid}
    return replace(model, record=model.record | {"intervals": kept})


def calibration_of(model: Model) -> Calibration:
    """The half-widths that `with_intervals` kept; why any is missing stays in the record's notes."""
    kept = model.record.get("intervals")
    if kept is None or "widths" not in kept:
        raise SettingsError(
            "the model was trained by a version of cropyield that kept no intervals with it; train it again "
            "with `cropyield train`"
        )
    valid = {
        crop: (-math.inf if least is None else least, math.inf if most is None else most)
        for crop, (least, most) in kept["valid"].items()
    }
    return Calibration(kept["seasons"], WidthsByLead.from_json(kept["widths"]), NO_WIDTHS, {}, valid)


def _or_none(end: float) -> float | None:
    """JSON knows no infinity."""
    return end if math.isfinite(end) else None


def interval_notes(model: Model) -> list[str]:
    """Why a published model lacks an interval, a sentence each."""
    return list(model.record["intervals"]["notes"])


def intervals(calibration: Calibration) -> dict[str, Any]:
    """The median region's half-widths by level and crop, the seasons behind them, and why any is missing."""
    return {
        "half_width": {
            str(level): {
                crop: calibration.model.next_season().median(level, crop) for crop in calibration.seasons
            }
            for level in LEVELS
        },
        "seasons": dict(calibration.seasons),
        "notes": list(calibration.sentences()),
    }
