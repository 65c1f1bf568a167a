"""A chart as data: a Vega-Lite specification and the tables it names; nothing here draws."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from data.contracts.season_table import Floats

Specification = dict[str, Any]
_DIGITS, _DIGITS_OF_MANY = 6, 3
_MOST_WHOLE = 1e15  # beyond it a whole number is longer than its float


@dataclass(frozen=True, eq=False)
class Chart:
    """A Vega-Lite specification without its data, the tables it names, and what it shows in words.

    `label` is for readers who don't see it. `picked` names those tables of which the page shows only the
    rows of the `region` that is chosen there; `shapes` are data that are no table (TopoJSON), by name.
    """

    specification: Specification
    tables: Mapping[str, pd.DataFrame]
    label: str
    picked: frozenset[str] = frozenset()
    shapes: Mapping[str, Any] = field(default_factory=dict)


def with_unit(text: str, unit: str | None) -> str:
    """A label with its unit in brackets, where there is one."""
    return f"{text} ({unit})" if unit else text


def columns(table: pd.DataFrame, digits: int | None = _DIGITS) -> dict[str, list[Any]]:
    """A table as JSON's values by column: floats to `digits` (None: whole), null where unknown."""
    return {str(name): _values(table[name], digits) for name in table.columns}


def records(table: pd.DataFrame, digits: int | None = _DIGITS) -> list[dict[str, Any]]:
    """The same by row."""
    found = columns(table, digits)
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def by_region(table: pd.DataFrame) -> dict[str, Any]:
    """A table with a column `region` as {"shared": columns, "regions": {region: columns}}: much smaller.

    Shared are the columns that are the same for every region. Of the others leading nulls are left out, so
    that a column shorter than another ends with it.
    """
    region_N, names = pd.factorize(table["region"], sort=True)
    order_N = np.argsort(region_N, kind="stable")
    found = columns(table.drop(columns="region").iloc[order_N], _DIGITS_OF_MANY)
    rows_R = np.bincount(region_N)
    ends = np.cumsum(rows_R).tolist()
    starts = [0, *ends[:-1]]
    shared: dict[str, list[Any]] = {}
    if rows_R.min() == rows_R.max():
        for name, values in found.items():
            if values == values[: ends[0]] * len(ends):
                shared[name] = values[: ends[0]]
    own = {
        name: [values[start:end] for start, end in zip(_known_from(values, starts, ends), ends, strict=True)]
        for name, values in found.items()
        if name not in shared
    }
    regions = {
        region: {name: of_region[at] for name, of_region in own.items()} for at, region in enumerate(names)
    }
    return {"shared": shared, "regions": regions}


def _known_from(values: list[Any], starts: list[int], ends: list[int]) -> list[int]:
    """Where each part's first value is that is known; its end where none is."""
    known_N = np.array([value is not None for value in values])
    at_N = np.where(known_N, np.arange(len(values)), len(values))
    return list(np.minimum(np.minimum.reduceat(at_N, starts), ends).tolist())


def _values(column: pd.Series, digits: int | None) -> list[Any]:
    if column.dtype.kind == "f":
        value_N = column.to_numpy(dtype=np.float64)
        return _short(value_N if digits is None else _rounded(value_N, digits), whole=digits is not None)
    values, absent_N = column.tolist(), column.isna().to_numpy()
    if not (isinstance(column.dtype, pd.StringDtype) or column.dtype.kind in "biu"):
        values = [_plain(value) for value in values]
    if absent_N.any():
        return [None if absent else value for value, absent in zip(values, absent_N.tolist(), strict=True)]
    return values


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _rounded(value_N: Floats, digits: int) -> Floats:
    """The nearest floats of so many significant digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(value_N)))
    usual = np.isfinite(places) & (np.abs(places) < 16)
    result = value_N.copy()
    for place in np.unique(places[usual]):
        chosen = usual & (places == place)
        result[chosen] = np.round(value_N[chosen], int(place))
    return result


def _short(value_N: Floats, whole: bool) -> list[Any]:
    """Numbers for JSON: null where there is none and, if asked, 3 in place of 3.0."""
    result = value_N.astype(object)
    if whole:
        whole_N = (value_N == np.trunc(value_N)) & (np.abs(value_N) < _MOST_WHOLE)
        result[whole_N] = value_N[whole_N].astype(np.int64)
    result[~np.isfinite(value_N)] = None
    return list(result.tolist())


def to_json(value: Any) -> Markup:
    """JSON that may stand inside a `script` element, whatever names it holds: no `<`, `>` or `&` is left."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def page_data(charts: Mapping[str, Chart], theme: Specification, **more: Any) -> Markup:
    """What the page's script reads: the look, every chart, every table once."""
    tables: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    for chart in charts.values():
        for name, table in chart.tables.items():
            tables[name] = by_region(table) if name in chart.picked else columns(table)
        shapes |= chart.shapes
    specifications = {name: chart.specification for name, chart in charts.items()}
    return to_json({"theme": theme, "charts": specifications, "tables": tables, "shapes": shapes, **more})


def layered(*layers: Specification, **more: Any) -> Specification:
    """Layers on common axes, as wide as the page has room."""
    return {"width": "container", "height": 260, "layer": list(layers), **more}


def quantitative(field: str, title: str | None = None, **more: Any) -> Specification:
    """An axis or colour of numbers that needn't begin at 0."""
    scale = {"nice": True} | more.pop("scale", {})
    if scale.get("type") != "log":
        scale = {"zero": False} | scale
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **more}


def tooltips(*shown: Sequence[str]) -> list[Specification]:
    """What a tooltip says: (column, title) for text and years, (column, title, format) for numbers."""
    return [
        {"field": column, "type": "quantitative", "title": title, "format": rest[0]}
        if rest
        else {"field": column, "type": "nominal", "title": title}
        for column, title, *rest in shown
    ]
