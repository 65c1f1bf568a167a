"""The account of the file of regions: which have data, in any season, and which are in one place only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa

from data.contracts.vocabulary import MATCHED, REGIONS, OutOfScope
from data.errors import InputError
from data.settings.schema import Settings
from tasks.assemble.forecast_rows import ForecastRows
from tasks.assemble.join import Assembled
from tasks.assemble.no_match import no_region_listed
from tasks.assemble.regions import KEY, Regions, source_of
from tasks.ledger import rejected
from tasks.ledger.account import check_ledger
from tasks.weather.merge import Weather
from tasks.yields.ingest import Yields

_Found = TypeVar("_Found", Assembled, ForecastRows)
# names of a kind that the ledger spells out
_NAMED = 20


def with_regions(
    seasons: Mapping[str, _Found], listed: Regions | None, weather: Mapping[str, Weather], yields: Yields
) -> dict[str, _Found]:
    """What was found for each season, with the regions' entry and rejected rows; without a file as it is.

    A region that grows only another season's crop has data, too: `weather` and `yields` are all there is.
    """
    if listed is None:
        return dict(seasons)
    names = (name for of in weather.values() for name in of.sums.names)
    entry = account_regions(listed, names, yields.table[KEY].unique())
    check_ledger({REGIONS: entry})
    return {
        name: replace(
            found,
            ledger={**found.ledger, REGIONS: entry},
            rejected=pa.concat_tables([listed.rejected, found.rejected]),
        )
        for name, found in seasons.items()
    }


def require_match(
    listed: Regions, weather: Mapping[str, Weather], yields: Yields, settings: Settings
) -> None:
    """Raise InputError where weather and yields have no region of the file."""
    data = {*(name for of in weather.values() for name in of.sums.names), *yields.table[KEY].unique()}
    place, column = settings.regions or REGIONS, source_of(settings, KEY)
    if wrong := no_region_listed(place, column, set(listed.table[KEY]), data):
        raise InputError(wrong)


def account_regions(regions: Regions, weather: Iterable[str], yields: Iterable[str]) -> dict[str, Any]:
    """The regions' entry in the ledger: rows in = matched + rejected + without any data.

    Beside the counts the first names of regions that are in one place only.
    """
    known, data = set(regions.table[KEY]), {*weather, *yields}
    alone, missing = sorted(known - data), sorted(data - known)
    entry: dict[str, Any] = {
        "rows_in": regions.rows,
        "used": {MATCHED: len(known & data)} if known & data else {},
        "rejected": rejected.counts(regions.rejected),
        "out_of_scope": {str(OutOfScope.NO_DATA): len(alone)} if alone else {},
    }
    for what, names in (("without_data", alone), ("not_in_file", missing)):
        entry[what] = {"count": len(names), "names": names[:_NAMED]}
    return entry
