"""The seasons of a run, and each one's settings as those of a run that has no other."""

from __future__ import annotations

from dataclasses import dataclass

from data.contracts.vocabulary import MAIN
from data.errors import SettingsError
from data.settings.expand import check_days, season_days
from data.settings.schema import FurtherSeason, Season, Settings


@dataclass(frozen=True)
class Cutoff:
    """Which model: of a season, knowing the weather up to and including a day (MM-DD)."""

    season: str
    as_of: str

    def __str__(self) -> str:
        return self.as_of if self.season == MAIN else f"{self.season} {self.as_of}"


def season_names(settings: Settings) -> tuple[str, ...]:
    """The seasons that the settings name crops for, the main one first.

    The main one is among them unless all of `crops` grow in others; where no `crops` are named, the
    yields may still leave it without any.
    """
    claimed = claimed_crops(settings)
    alone = bool(settings.crops) and claimed.issuperset(settings.crops)
    return (*(() if alone else (MAIN,)), *settings.seasons)


def claimed_crops(settings: Settings) -> frozenset[str]:
    """The crops that grow in another season than the main one."""
    return frozenset(crop for season in settings.seasons.values() for crop in season.crops)


def named_crops(settings: Settings) -> tuple[str, ...]:
    """The crops that the settings name for any season, in their order."""
    further = (crop for season in settings.seasons.values() for crop in season.crops)
    return tuple(dict.fromkeys((*settings.crops, *further)))


def crops_of(settings: Settings, name: str, found: tuple[str, ...]) -> tuple[str, ...]:
    """A season's crops among those that were found: the ones named, in their order, else all left over."""
    if name != MAIN:
        return tuple(crop for crop in settings.seasons[name].crops if crop in found)
    claimed = claimed_crops(settings)
    return tuple(crop for crop in settings.crops or found if crop in found and crop not in claimed)


def of_season(settings: Settings, name: str) -> Settings:
    """The settings as far as they concern one season: its window, features, cut-offs and crops."""
    if name == MAIN:
        claimed = claimed_crops(settings)
        crops = tuple(crop for crop in settings.crops if crop not in claimed)
        return settings.model_copy(update={"seasons": {}, "crops": crops}) if claimed else settings
    season: FurtherSeason = settings.seasons[name]
    return settings.model_copy(
        update={
            "season": Season(start=season.start, end=season.end, year_of=season.year_of),
            "seasons": {},
            "crops": season.crops,
            "as_of": season.as_of,
            "features": season.features or settings.features,
        }
    )


def with_cutoffs(settings: Settings, days: tuple[str, ...]) -> Settings:
    """The settings with further cut-off days (MM-DD), each for every season that contains it.

    Raises SettingsError for a day that is in none.
    """
    check_days(settings, days)
    names = season_names(settings)
    windows = {name: _window(of_season(settings, name).season) for name in names}
    for day in days:
        if not any(day in window for window in windows.values()):
            listed = ", ".join(
                f"{season.start} to {season.end}"
                for season in (of_season(settings, name).season for name in names)
            )
            raise SettingsError(f"as_of: {day} is outside the season {listed}")

    def more(name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*known, *(day for day in days if day in windows.get(name, ())))))

    seasons = {
        name: season.model_copy(update={"as_of": more(name, season.as_of)})
        for name, season in settings.seasons.items()
    }
    return settings.model_copy(update={"as_of": more(MAIN, settings.as_of), "seasons": seasons})


def _window(season: Season) -> frozenset[str]:
    return frozenset(f"{month:02d}-{day:02d}" for month, day in season_days(season))
