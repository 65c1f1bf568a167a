"""When crops are known to grow: a small table, and the further season that it suggests.

Months after W. J. Sacks, D. Deryng, J. A. Foley and N. Ramankutty, "Crop planting dates: an analysis of
global patterns", Global Ecology and Biogeography 19 (2010), 607-620, and USDA, "Usual Planting and
Harvesting Dates for U.S. Field Crops", Agricultural Handbook 628 (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from data.survey.columns import words
from tasks.propose.season import SeasonChoice, season_of

SOURCE = "Sacks et al. 2010; USDA Agricultural Handbook 628"
# sown in autumn, harvested before or in early summer, in most of their area
_WINTER_CROPS = frozenset(
    {"wheat", "rye", "triticale", "rapeseed", "canola", "colza", "mustard", "chickpea", "chickpeas", "gram",
     "lentil", "lentils"}
)  # fmt: skip
_NORTH, _SOUTH = (10, 11, 12, 1, 2, 3, 4, 5, 6, 7), (5, 6, 7, 8, 9, 10, 11, 12)


def grows_in_winter(crop: str) -> bool:
    """Whether a crop is known to be sown in autumn; `spring` and `winter` in its name decide."""
    found = set(words(crop))
    if found & {"spring", "summer", "kharif"}:
        return False
    return bool(found & {"winter", "rabi"} or found & _WINTER_CROPS)


class FurtherSeason(NamedTuple):
    """A season beside the main one, and its crops."""

    name: str
    crops: tuple[str, ...]
    window: SeasonChoice


def further_season(
    crops: Sequence[str], season: SeasonChoice, months: frozenset[int]
) -> FurtherSeason | None:
    """The season of crops that don't grow in the main one; None where all crops may share that.

    `season` is the main one, from which the hemisphere is told, `months` are those that have weather.
    """
    winter = tuple(crop for crop in crops if grows_in_winter(crop))
    if not winter or len(winter) == len(crops) or len(months) < 12 or not season.hemisphere:
        return None
    window = season_of(_SOUTH if season.hemisphere == "south" else _NORTH, _why(winter))
    return FurtherSeason("winter", winter, window)


def remarks(crops: Sequence[str], season: SeasonChoice, months: frozenset[int]) -> list[str]:
    """What should be said of the seasons proposed, or of one that doesn't suit its crops."""
    if found := further_season(crops, season, months):
        _, winter, window = found
        return [
            f"The season of {', '.join(winter)}: {window.start} to {window.end} is a guess from the names "
            f"({SOURCE}); set what grows where you are. A season may reach back before sowing, where the "
            "water of the months before counts."
        ]
    if season.hemisphere and len(months) == 12 and all(map(grows_in_winter, crops)):
        window = season_of(_SOUTH if season.hemisphere == "south" else _NORTH, "")
        return [
            f"The season: {', '.join(crops)} mostly grow from {window.start} to {window.end} ({SOURCE}), "
            f"not from {season.start} to {season.end}: set [season] so where that holds. A season may reach "
            "back before sowing, where the water of the months before counts."
        ]
    return []


def _why(crops: Sequence[str]) -> str:
    verb = "is" if len(crops) == 1 else "are"
    return f"a guess: {', '.join(crops)} {verb} mostly sown in autumn ({SOURCE})"
