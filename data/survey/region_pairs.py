"""The pair of columns that name the regions of weather and yields: those whose values agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data.errors import InputError
from data.inputs.fix_commands import rewrite
from data.survey.columns import is_aside, role_score, words
from data.survey.survey import Survey

_MOST = 6
_CODES = ("id", "code", "ansi", "name")


@dataclass(frozen=True)
class RegionPair:
    """Columns, all names of either input, and the share of rows with the key of another row."""

    weather: str
    yields: str
    weather_names: frozenset[str]
    yield_names: frozenset[str]
    weather_copies: float

    @property
    def common(self) -> frozenset[str]:
        """Names in both, to the letter."""
        return self.weather_names & self.yield_names


def pair_regions(
    weather: Survey, weather_taken: list[str], time_N: pd.Series[Any],
    yields: Survey, yields_taken: list[str], key_N: pd.DataFrame,
) -> RegionPair:  # fmt: skip
    """The pair of columns whose names agree, that tells rows apart, and that is best named.

    Raises InputError where either input has no such column, or no name is in both.
    """
    of_weather = _candidates(weather, weather_taken)
    of_yields = _candidates(yields, yields_taken)
    names_w = {name: weather.names(name) for name in of_weather}
    names_y = {name: yields.names(name) for name in of_yields}
    copies_w = {name: _copies(pd.DataFrame({"r": names, "t": time_N})) for name, names in names_w.items()}
    copies_y = {name: _copies(key_N.assign(r=names)) for name, names in names_y.items()}
    set_w = {name: frozenset(names.dropna()) for name, names in names_w.items()}
    set_y = {name: frozenset(names.dropna()) for name, names in names_y.items()}

    def worth(pair: tuple[str, str]) -> tuple[bool, float, float]:
        w, y = pair
        agree = len(set_w[w] & set_y[y]) / max(min(len(set_w[w]), len(set_y[y])), 1)
        named = role_score(w, "region") + role_score(y, "region")
        # telling rows apart counts in rough steps: a few repeated rows are dirt
        apart = round(2 * (1 - copies_w[w])) + round(2 * (1 - copies_y[y]))
        return agree > 0, apart + (1 if agree > 0.5 else 0), named

    w, y = max(((w, y) for w in of_weather for y in of_yields), key=worth)
    everything = frozenset(weather.all_names(w))
    pair = RegionPair(w, y, everything, set_y[y], copies_w[w])
    if not pair.common:
        raise _nothing_common(weather, yields, pair)
    return pair


def almost_common(pair: RegionPair) -> list[tuple[str, str]]:
    """Names (weather, yields) that agree but for case, blanks, punctuation or leading zeros."""
    return almost_alike(pair.weather_names - pair.common, pair.yield_names - pair.common)


def almost_alike(of_weather: frozenset[str], of_yields: frozenset[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in case, blanks, punctuation or leading zeros only."""
    plain = {_plain(name): name for name in sorted(of_weather)}
    return [(plain[_plain(name)], name) for name in sorted(of_yields) if _plain(name) in plain]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold().lstrip("0")


def _candidates(survey: Survey, taken: list[str]) -> list[str]:
    def may(name: str) -> bool:
        if name in taken or survey.kinds[name] not in ("text", "number") or name.startswith("__"):
            return False
        named = role_score(name, "region") > 0
        # `area` may be acres; whether its values are regions, the other input's names tell
        aside = is_aside(name) and words(name)[-1] not in _CODES and role_score(name, "region") < 0.9
        if survey.kinds[name] == "text":
            return not aside
        return named and not aside and not bool((survey.numbers(name) % 1 > 0).any())

    found = [name for name in survey.kinds if may(name)]
    if not found:
        raise InputError(
            f"{survey.place}: no column names the region (text or whole numbers, named like region, county, "
            f"state, country, district, fips, station); found {survey.listing}. If all rows are of one "
            "region, say which, with the same name in both inputs:\n"
            + rewrite(survey.place, "t['region'] = 'here'")
        )
    return sorted(found, key=lambda name: -role_score(name, "region"))[:_MOST]


def _copies(key_N: pd.DataFrame) -> float:
    known_N = key_N[key_N["r"].notna()]
    return float(known_N.duplicated().mean()) if len(known_N) else 1.0


def _nothing_common(weather: Survey, yields: Survey, pair: RegionPair) -> InputError:
    near = almost_common(pair)
    shown_w, shown_y = (
        ", ".join(map(repr, sorted(names)[:3])) for names in (pair.weather_names, pair.yield_names)
    )
    message = (
        f"no region is in both inputs: column {pair.weather!r} of {weather.place} has "
        f"{len(pair.weather_names)} names such as {shown_w}; column {pair.yields!r} of {yields.place} has "
        f"{len(pair.yield_names)} such as {shown_y}; names must agree to the letter"
    )
    return InputError(message + write_alike(yields.place, pair.yields, near, "the weather"))


def write_alike(place: str, column: str, near: Sequence[tuple[str, str]], other: str) -> str:
    """What to do where names of another input and of a column (pairs) are almost alike; "" where none are."""
    if not near:
        return ""
    pairs = ", ".join(f"{one!r} and {mine!r}" for one, mine in near[:3])
    alike, both = ".str.strip().str.lower()", f" (do the same to {other})"
    if all(one.isdigit() and mine.isdigit() for one, mine in near):
        if all(len(one) >= len(mine) for one, mine in near):
            alike, both = f".str.zfill({max(len(one) for one, _ in near)})", ""
        elif all(one == mine.lstrip("0") for one, mine in near):
            alike, both = ".str.lstrip('0')", ""
    said = (
        f". {len(near)} agree but for case, blanks, punctuation or leading zeros ({pairs}); write them "
        f"alike{both}"
    )
    if place.lower().endswith("json"):  # no one-liner mends a map
        return said
    return f"{said}, for example:\n" + rewrite(place, f"t[{column!r}] = t[{column!r}].astype(str){alike}")
