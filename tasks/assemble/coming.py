"""Which season of a crop is to come; all else that is forecast are gaps of past seasons."""

from __future__ import annotations

from collections.abc import Mapping


def coming_seasons(
    forecast: Mapping[tuple[str, int], int], harvested: Mapping[tuple[str, int], int]
) -> dict[str, int]:
    """The season to come of each crop that has one: the newest that is forecast, unless it is past.

    It is past where a later one is harvested, or where more regions have a yield of it than are forecast: the
    rest are then late figures. Both map crop and harvest year to a number of regions.
    """
    newest = dict(sorted(forecast))
    last = dict(sorted(harvested))
    return {
        crop: year
        for crop, year in newest.items()
        if last.get(crop, year) <= year and harvested.get((crop, year), 0) <= forecast[crop, year]
    }
