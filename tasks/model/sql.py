"""A model as SQL, always from `Model.coefficients()`.

Shapes: R regions with the unknown one last, T crops, C terms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from data.contracts.columns import CROP, INTERCEPT, REGION, SEASON_YEAR
from data.errors import InputError
from data.settings.schema import YEAR
from tasks.model.model import Model

FEATURES_TABLE = "features"
# SQLite takes expressions up to 1,000 levels deep; a plain sum of n terms is n deep
_SUM_WIDTH = 25


def predict_sql(model: Model) -> str:
    """The model as one SELECT over the table `features`, for DuckDB and SQLite alike.

    `features` holds `region`, `year` and a column for each of the model's features, in the units it
    was trained on. The result has `region`, `year`, `crop`, `predicted` (the crop's unit; null where
    a feature is null) and `known_region`, sorted by the first three. Regions that the model has not
    seen take the pooled line. Numbers carry 17 significant digits, so that they are the model's own.

    Equal models give equal text. SQLite serves up to some 1,900 features (2,000 columns a table).
    Raises InputError for names that no SQL text can hold or tell apart.
    """
    table = model.coefficients()
    T, R = len(model.crops), len(model.region_names) + 1
    C = table.num_rows // (R * T)
    terms: list[str] = table["term"].slice(0, C).to_pylist()
    powers: list[int] = table["power"].slice(0, C).to_pylist()
    value_RTC = table["coefficient"].to_numpy().reshape(R, T, C)
    _check_names(terms[1:])
    # a region has a line of its own; the weights of features are common to all
    line = [at for at, term in enumerate(terms) if term in (INTERCEPT, YEAR)]
    shared = [at for at in range(C) if at not in line]
    line_names = ["intercept", "slope"][: len(line)]

    crop_rows = [
        [_number_key(t), _text(crop), *_numbers(value_RTC[-1, t, line]), *_numbers(value_RTC[-1, t, shared])]
        for t, crop in enumerate(model.crops)
    ]
    region_rows = [
        [_text(region), _number_key(t), *_numbers(value_RTC[r, t, line])]
        for r, region in enumerate(model.region_names)
        for t in range(T)
    ]
    weights = [f"w{at + 1}" for at in range(len(shared))]
    own = [f"COALESCE(l.{name}, c.{name})" for name in line_names]
    sum_terms = [own[0], *(f"{slope} * f.{SEASON_YEAR.name}" for slope in own[1:])]
    sum_terms += [
        " * ".join((f"c.{name}", *[f"f.{_name(terms[at])}"] * powers[at]))
        for name, at in zip(weights, shared, strict=True)
    ]
    return f"""\
-- Yields from the weather up to {model.as_of}, by one linear model for each crop.
-- Runs in DuckDB and SQLite over a table {FEATURES_TABLE}:
-- {REGION.name}, {SEASON_YEAR.name} and a column for each feature, in the units of the training data.
-- crops: each crop's line for regions that the model has not seen, and its weights of features and squares.
-- lines: each known region's own line.
WITH
crops(k, crop, {", ".join([*line_names, *weights])}) AS (VALUES
{_rows(crop_rows)}
),
lines(region, k, {", ".join(line_names)}) AS (VALUES
{_rows(region_rows)}
)
SELECT
  CAST(f.{REGION.name} AS TEXT) AS {REGION.name},
  f.{SEASON_YEAR.name} AS {SEASON_YEAR.name},
  c.crop AS {CROP.name},
  {_sum(sum_terms)} AS predicted,
  l.region IS NOT NULL AS known_region
FROM {FEATURES_TABLE} AS f
CROSS JOIN crops AS c
LEFT JOIN lines AS l ON l.region = CAST(f.{REGION.name} AS TEXT) AND l.k = c.k
ORDER BY 1, 2, 3;
"""


def _check_names(terms: Sequence[str]) -> None:
    """SQL takes no notice of case in column names, quoted or not."""
    seen = {name.lower(): name for name in (REGION.name, SEASON_YEAR.name)}
    for term in terms:
        known = seen.setdefault(term.lower(), term)
        if known != term or term == REGION.name:
            raise InputError(
                f"SQL can't tell the feature {term!r} from the column {known!r}; "
                "give it another name (settings: [[features]] name)"
            )


def _sum(terms: Sequence[str]) -> str:
    """A sum in brackets of at most `_SUM_WIDTH` terms each."""
    while len(terms) > _SUM_WIDTH:
        groups = [terms[at : at + _SUM_WIDTH] for at in range(0, len(terms), _SUM_WIDTH)]
        terms = ["(" + "\n    + ".join(group) + ")" for group in groups]
    return "\n    + ".join(terms)


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return ",\n".join(f"({', '.join(row)})" for row in rows)


def _numbers(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    """Literals of doubles: with an exponent, because DuckDB reads 1.5 as a decimal."""
    return [f"{value:.16e}" if math.isfinite(value) else "NULL" for value in values.tolist()]


def _number_key(at: int) -> str:
    return str(at + 1)


def _text(value: str) -> str:
    """A string literal; a backslash means nothing special in either tool."""
    _check_text(value)
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    """A quoted column name."""
    _check_text(value)
    return '"' + value.replace('"', '""') + '"'


def _check_text(value: str) -> None:
    if "\0" in value:
        raise InputError(f"{value!r} holds a zero character, which SQL text can't; rename it in the data")
