"""Features as people call them: "rainfall in June, mm" for `rainfall_sum_06`."""

from __future__ import annotations

from data.contracts.columns import INTERCEPT
from data.settings.expand import FeatureSpec, expand_features, season_days
from data.settings.schema import YEAR, Settings

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def term_titles(settings: Settings) -> dict[str, str]:
    """What people call each feature of the full season, without its unit, by its name."""
    named = {feature.name for feature in settings.features if feature.name}
    season = season_days(settings.season)
    units = {name: measure.unit or "" for name, measure in settings.measures.items()}
    titles = {
        spec.name: _title(spec, _measure(spec.measure, units.get(spec.measure, "")), season, named)
        for spec in expand_features(settings)
    }
    return titles | {YEAR: titles.get(YEAR, "year"), INTERCEPT: "intercept", "constant": "constant"}


def _measure(name: str, unit: str) -> str:
    """A measure's name without the unit that some data sets write behind it: temperature_c in °C."""
    *words, last = name.split("_")
    return (
        " ".join(words) if words and last.casefold() == unit.casefold().strip("°") else name.replace("_", " ")
    )


def _title(spec: FeatureSpec, measure: str, season: tuple[tuple[int, int], ...], named: set[str]) -> str:
    if not spec.days:
        return spec.name.replace("_", " ")
    own = next(
        (name for name in named if spec.name == name or spec.name == f"{name}_{spec.days[0][0]:02d}"), None
    )
    what = own.replace("_", " ") if own else _what(spec, measure)
    when = _when(spec.days) if spec.days != season else ""
    return f"{what} {when}".strip()


def _what(spec: FeatureSpec, measure: str) -> str:
    match spec.aggregate:
        case "mean":
            return f"mean {measure}"
        case "sum":
            return measure
        case "min":
            return f"lowest {measure}"
        case "max":
            return f"highest {measure}"
        case "std":
            return f"spread of {measure}"
        case "days_above":
            return f"days with {measure} above {spec.threshold:g}"
        case "days_below":
            return f"days with {measure} below {spec.threshold:g}"
        case "degree_days":
            return f"degree days of {measure} above {spec.base:g}" + (
                f" up to {spec.cap:g}" if spec.cap is not None else ""
            )
        case _:
            return f"{spec.aggregate} of {measure}"


def _when(days: tuple[tuple[int, int], ...]) -> str:
    """ "in June", or "1 June to 15 August"."""
    (first_month, first), (last_month, last) = days[0], days[-1]
    whole = first == 1 and last >= _LONGEST[last_month - 1] - (last_month == 2)
    if whole and first_month == last_month:
        return f"in {_MONTHS[first_month - 1]}"
    if whole:
        return f"{_MONTHS[first_month - 1]} to {_MONTHS[last_month - 1]}"
    return f"{first} {_MONTHS[first_month - 1]} to {last} {_MONTHS[last_month - 1]}"
