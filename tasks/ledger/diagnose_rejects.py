"""Diagnosis of many rejected rows: another unit, a code for missing, years that are no numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.season_table import Floats
from data.contracts.vocabulary import WEATHER, Reason
from data.settings.schema import Settings

_MOST = 50_000
_SHARE = 0.95
# what a value would be, were it in the unit that the range seems to be in
_CONVERSIONS: dict[str, Callable[[Floats], Floats]] = {
    "°F, and the range °C": lambda value: (value - 32) / 1.8,
    "°C, and the range °F": lambda value: value * 1.8 + 32,
    "K, and the range °C": lambda value: value - 273.15,
    "tenths of the range's unit": lambda value: value / 10,
    "hundredths of the range's unit": lambda value: value / 100,
    "thousandths of the range's unit": lambda value: value / 1000,
}
_TEMPERATURES = 3  # the first of them only make sense for a range that allows for frost or summer heat


def diagnose_rejects(settings: Settings, name: str, rejects: pa.Table) -> list[str]:
    """Lines that explain the commonest faults of an input's rejected rows, most rows first."""
    looked = rejects.select(["reason", "column", "value", "date"])  # to filter the others is slow
    return [*_ranges(settings, name, looked), *_keys(looked), *_copies(name, looked)]


def _ranges(settings: Settings, name: str, rejects: pa.Table) -> list[str]:
    beyond = rejects.filter(pc.equal(rejects["reason"], str(Reason.OUT_OF_RANGE)))
    lines = []
    for column, rows in Counter(beyond["column"].to_pylist()).most_common(3):
        texts = beyond.filter(pc.equal(beyond["column"], column))["value"].slice(0, _MOST).to_pylist()
        value_N = np.array([float(text) for text in texts if text is not None])
        columns = settings.weather_columns if name == WEATHER else settings.yield_columns
        key = next((key for key, source in columns.items() if source == column), column)
        known = settings.measures.get(key)
        if not (known and known.range and len(value_N)):
            continue
        low, middle, high = (f"{value:.4g}" for value in np.quantile(value_N, (0.0, 0.5, 1.0)))
        lines.append(
            f"  {column}: {rows} values from {low} to {high} (median {middle}) are outside "
            f"[measures.{key}] range = [{known.range[0]:g}, {known.range[1]:g}]"
            + _unit(value_N, *known.range)
        )
    return lines


def _unit(value_N: Floats, low: float, high: float) -> str:
    common, count = Counter(value_N.tolist()).most_common(1)[0]
    if count > 0.5 * len(value_N) and count > 2:
        return f"; {count} of them are {common:g}: does that stand for a missing value? Write it as null"
    for at, (unit, convert) in enumerate(_CONVERSIONS.items()):
        converted_N = convert(value_N)
        fits = float(((converted_N >= low) & (converted_N <= high)).mean()) >= _SHARE
        plausible = at >= _TEMPERATURES or (-150 <= low <= 50 and 20 <= high <= 160)
        if fits and plausible and len(value_N) > 2:
            return f"; they look like {unit}: give the range in the unit of the data, or convert the data"
    return ""


def _keys(rejects: pa.Table) -> list[str]:
    lost = rejects.filter(pc.equal(rejects["reason"], str(Reason.MISSING_KEY)))
    lines = []
    for column, rows in Counter(lost["column"].to_pylist()).most_common(3):
        values = lost.filter(pc.equal(lost["column"], column))["value"].slice(0, _MOST).to_pylist()
        shown = list(dict.fromkeys(repr(value) for value in values if value is not None))[:3]
        if shown:
            lines.append(
                f"  {column}: {rows} values such as {', '.join(shown)} can't be read; years are whole "
                "numbers (2001, not 2001/02), months 1 to 12, dates 2001-05-31"
            )
    return lines


def _copies(name: str, rejects: pa.Table) -> list[str]:
    repeated = pc.is_in(rejects["reason"], pa.array([str(Reason.DUPLICATE), str(Reason.CONFLICT)]))
    found = [text for text in rejects.filter(repeated)["date"].slice(0, _MOST).to_pylist() if text]
    if name == WEATHER or not found:
        return []
    span = f"{min(found)} to {max(found)}"
    return [
        f"  repeated yields are of {span}: one row per region, year and crop is expected; first_season and "
        "last_season leave years out, another column may belong into the crop's name"
    ]
