"""Measures beyond what any place on earth has: most likely in another unit than their name says."""

from __future__ import annotations

from data.settings.calendar import Resolution
from data.survey.columns import words
from tasks.propose.profiles import POSSIBLE, Profile

_RADIATION = frozenset({"radiation", "solar", "srad", "rad", "rsds", "ssrd", "shortwave", "ghi"})
_WIND = frozenset({"wind", "windspeed", "gust", "ws", "ws2m", "ws10", "ws10m"})
# largest value that can be true of a day or a moment, by the words of a name and the unit
_LARGEST: tuple[tuple[frozenset[str], str, float], ...] = (
    (_RADIATION, "W/m²", 1_500.0),
    (_RADIATION, "MJ/m²", 50.0),
    (_WIND, "m/s", 120.0),
    (_WIND, "km/h", 430.0),
    (_WIND, "mph", 270.0),
    (frozenset({"rain", "rainfall", "precip", "precipitation", "prcp", "pr"}), "mm", 2_000.0),
)
_OF_ANY_TIME = ("W/m²", "m/s", "km/h", "mph")  # a rate may not be exceeded in a longer time either


def impossible_measures(profiles: list[Profile], resolution: Resolution) -> list[str]:
    """A sentence for each measure that holds more than a few values which no place on earth has seen."""
    said = []
    for profile in profiles:
        low, high = _limits(profile, resolution)
        first, last = profile.quantiles[1], profile.quantiles[3]
        if profile.guessed or (low <= first and last <= high):
            continue
        worst = last if last > high else first
        said.append(
            f"{profile.name}: values such as {worst:.4g} {profile.unit} can't be true ({low:g} to {high:g} "
            "are possible): is it in another unit, or a sum over a longer time? Correct the unit in "
            f"[measures.{profile.name}], or leave the measure out; a model takes the values as they are."
        )
    return said


def _limits(profile: Profile, resolution: Resolution) -> tuple[float, float]:
    """Smallest and largest value that can be true."""
    if profile.kind in ("temperature", "humidity") and profile.unit in POSSIBLE:
        return POSSIBLE[profile.unit]
    found = set(words(profile.column))
    for named, unit, largest in _LARGEST:
        if found & named and profile.unit == unit and (resolution == "daily" or unit in _OF_ANY_TIME):
            return 0.0, largest
    return float("-inf"), float("inf")
