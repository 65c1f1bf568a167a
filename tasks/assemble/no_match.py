"""What is said of inputs that have nothing in common, and why: weather and yields; these and the regions."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from data.contracts.season_table import Flags
from data.contracts.vocabulary import Reason
from data.errors import InputError
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from tasks.assemble.split import span
from tasks.ledger import rejected
from tasks.ledger.repeats import repeated_rows
from tasks.weather.merge import Weather
from tasks.yields.ingest import Yields


def nothing_joined(settings: Settings, weather: Weather, yields: Yields, low_C: Flags) -> InputError:
    """The error for sound yields without sound weather; `low_C`: region-seasons with too little coverage."""
    sums = weather.sums
    conflicts = rejected.counts(weather.rejected).get(str(Reason.CONFLICT), 0)
    if not len(sums) and conflicts > len(weather.rejected) / 2:
        scope = weather.rows - sum(weather.outside.values())
        return repeated_rows(settings, scope, len(weather.rejected), weather.rejected)
    regions, seasons = sorted(set(yields.table["region"])), yields.table["year"].to_numpy()
    from data.survey.region_pairs import almost_alike  # with pandas, which only this message needs

    near = almost_alike(frozenset(sums.names) - {*regions}, frozenset(regions) - {*sums.names})
    pairs = ", ".join(f"{w!r} and {y!r}" for w, y in near[:3])
    alike = (
        f", and {len(near)} differ in case, blanks, punctuation or leading zeros only ({pairs})"
        if near
        else ""
    )
    return InputError(
        f"nothing left to train on: none of {len(yields)} sound yields in {redact_uri(settings.yields)} "
        f"(regions such as {_some(regions)}; seasons {span(seasons)}) has sound weather in "
        f"{redact_uri(settings.weather)} (regions such as {_some(sums.names)}; seasons {span(sums.year_C)}; "
        f"{int(low_C.sum())} region-seasons with too little coverage); region names must agree to the letter"
        f"{alike}{_window(settings)}"
    )


def no_region_listed(place: str, column: str, listed: Set[str], data: Set[str]) -> str | None:
    """What is wrong with a file of regions none of which is in weather or yields; None where one is."""
    if listed & data:
        return None
    from data.survey.region_pairs import almost_alike, write_alike  # with pandas, which only this needs

    near = almost_alike(frozenset(data), frozenset(listed))
    return (
        f"{redact_uri(place)}: none of its {len(listed)} regions (column {column!r}: {_some(sorted(listed))}"
        f") is in weather or yields, whose regions are {_some(sorted(data))}, …; "
        "names must agree to the letter" + write_alike(redact_uri(place), column, near, "weather and yields")
    )


def _window(settings: Settings) -> str:
    given = {"first_season": settings.first_season, "last_season": settings.last_season}
    named = " and ".join(f"{key} = {year}" for key, year in given.items() if year is not None)
    return f", and {named} must leave seasons of both" if named else ""


def _some(names: Any) -> str:
    return ", ".join(map(repr, names[:3])) or "none"
