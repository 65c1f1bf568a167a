"""Choice of features: few where rows are few, none that repeats another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data.errors import InputError
from data.survey.columns import words
from data.survey.recognise import WeatherColumns
from data.survey.survey import Floats, Survey
from tasks.propose.profiles import Profile
from tasks.propose.season import SeasonChoice

_ALIKE = 0.95
_DETERMINED = 0.98
_ROWS_A_COEFFICIENT, _SEASONS_FOR_SQUARES = 30, 10
_LOST = 0.15  # share of region-seasons that gaps in a measure may cost
_EXTREMES = frozenset(
    {"min", "max", "tmin", "tmax", "minimum", "maximum", "tn", "tx", "tasmin", "tasmax", "mintemp", "maxtemp"}
)
_ROWS = 200_000
_MEANS = "; give weather of each season, not long-term means"


@dataclass(frozen=True)
class FeatureLine:
    """One [[features]] entry; `numbers` are threshold, base and cap."""

    measure: str
    aggregate: str
    every: str = "season"
    numbers: tuple[tuple[str, float], ...] = ()
    why: str = ""
    square: bool = False


@dataclass(frozen=True)
class FeatureChoice:
    """Features in use, and others worth a thought, which the file holds as comments."""

    live: tuple[FeatureLine, ...]
    asleep: tuple[FeatureLine, ...]


def choose_features(
    profiles: list[Profile], w: WeatherColumns, weather: Survey, season: SeasonChoice, baseline: str,
    rows: float, seasons: int,
) -> tuple[FeatureChoice, tuple[tuple[str, str], ...], list[str]]:  # fmt: skip
    """Features for the crop with the fewest `rows`; measures left out, each with why; what can't be told."""
    left_out: list[tuple[str, str]] = []
    candidates: list[Profile] = []
    steps = {"daily": 1, "monthly": len(season.months), "season": 1}[w.resolution]
    for profile in profiles:
        lost = 1 - profile.sound**steps
        if profile.missing >= 1:
            left_out.append((profile.name, "it holds no values"))
        elif profile.single:
            left_out.append((profile.name, "it has one value throughout"))
        elif profile.constant and baseline != "none":
            left_out.append((profile.name, "it never changes within a region, so that it says nothing beside "
                             f'baseline = "{baseline}"'))  # fmt: skip
        elif lost > _LOST:
            left_out.append(
                (profile.name, f"{profile.missing:.0%} of its values are missing or can't be true")
            )
        else:
            candidates.append(profile)
    unresolved: list[str] = []
    if not candidates:
        gappy = [p for p in profiles if not p.single and (not p.constant or baseline == "none")]
        if not gappy:
            raise InputError(
                f"{weather.place}: no measure changes from season to season within a region: "
                + "; ".join(f"{name}: {why}" for name, why in left_out)
                + ("" if all(p.missing >= 1 for p in profiles) else _MEANS)
            )
        candidates = [max(gappy, key=lambda p: p.sound)]
        left_out = [(name, why) for name, why in left_out if name != candidates[0].name]
        unresolved.append(
            f"{candidates[0].name} has gaps ({candidates[0].missing:.0%}), like every other measure."
        )
    candidates.sort(key=_rank)
    different = _unlike(candidates, w, weather, season, left_out)
    most = _most(rows, seasons, baseline)
    live, rest = different[:most], different[most:]
    if rest:
        unresolved.append(
            f"More features than {most}: {rows:,.0f} training rows of the rarest crop in {seasons} seasons "
            "carry no more; the others are there as comments."
        )
    monthly = _monthly(live, season, w, rows, seasons)
    chosen = tuple(_line(profile, w, "month" if profile in monthly else "season") for profile in live)
    coefficients = sum(len(season.months) if line.every == "month" else 1 for line in chosen)
    if rows >= _ROWS_A_COEFFICIENT * 2 * coefficients and seasons >= _SEASONS_FOR_SQUARES:
        chosen = tuple(replace(line, square=True) for line in chosen)
    asleep = [_line(profile, w, "season", "more than the rows carry") for profile in rest]
    if w.resolution == "daily" and w.spacing <= 1.5:
        asleep += _daily(candidates)
    if w.resolution == "monthly" and not monthly and len(season.months) > 1:
        asleep += [
            _line(profile, w, "month", "one for each month, with more seasons") for profile in live[:1]
        ]
    return FeatureChoice(chosen, tuple(asleep)), tuple(left_out), unresolved


def _rank(profile: Profile) -> tuple[int, bool]:
    extreme = not _EXTREMES.isdisjoint(words(profile.column))
    order = {"temperature": 0, "rainfall": 1, "humidity": 2, "other": 3, "total": 4}
    return (5 if extreme and profile.kind == "temperature" else order[profile.kind]), extreme


def _most(rows: float, seasons: int, baseline: str) -> int:
    if baseline == "none" and seasons < 8:
        return max(1, int(rows / 3) - 1)
    return max(1, min(int(rows / 5) - 1, max(2, seasons // 3)))


def _unlike(
    candidates: list[Profile], w: WeatherColumns, weather: Survey, season: SeasonChoice,
    left_out: list[tuple[str, str]],
) -> list[Profile]:  # fmt: skip
    """Candidates without those that move as one with an earlier one, or that earlier ones determine.

    Measures that repeat one another (mean, lowest and highest temperature, the mean being their middle)
    get slopes that mean nothing one by one.
    """
    inside_N = np.ones(len(w.time_N), np.bool_)
    if season.months:
        inside_N = np.isin(w.month_N(), season.months)
    at = np.flatnonzero(inside_N)
    at = at[:: max(1, len(at) // _ROWS)]
    kept: list[tuple[Profile, Floats]] = []
    for profile in candidates:
        value_N = weather.numbers(profile.column)[at]
        value_N = np.where((value_N < profile.low) | (value_N > profile.high), np.nan, value_N)
        alike = next((other.name for other, known_N in kept if _correlation(value_N, known_N) > _ALIKE), None)
        if alike:
            left_out.append((profile.name, f"it moves as one with {alike}"))
        elif len(kept) > 1 and _explained(value_N, [known_N for _, known_N in kept]) > _DETERMINED:
            others = " and ".join(other.name for other, _ in kept)
            left_out.append((profile.name, f"{others} together all but determine it"))
        else:
            kept.append((profile, value_N))
    return [profile for profile, _ in kept]


def _correlation(one_N: Floats, other_N: Floats) -> float:
    both_N = np.isfinite(one_N) & np.isfinite(other_N)
    one_N, other_N = one_N[both_N], other_N[both_N]
    if len(one_N) < 10 or one_N.std() == 0 or other_N.std() == 0:
        return 0.0
    return abs(float(np.corrcoef(one_N, other_N)[0, 1]))


def _explained(value_N: Floats, others: list[Floats]) -> float:
    """R² of a measure by least squares on others."""
    columns_NF = np.stack(others, axis=1)
    known_N = np.isfinite(value_N) & np.isfinite(columns_NF).all(axis=1)
    if known_N.sum() < 10 * (len(others) + 1) or value_N[known_N].std() == 0:
        return 0.0
    x_NF = columns_NF[known_N] - columns_NF[known_N].mean(axis=0)
    y_N = value_N[known_N] - value_N[known_N].mean()
    weight_F, *_ = np.linalg.lstsq(x_NF, y_N, rcond=None)
    return 1 - float(((y_N - x_NF @ weight_F) ** 2).sum() / (y_N**2).sum())


def _monthly(
    live: list[Profile], season: SeasonChoice, w: WeatherColumns, rows: float, seasons: int
) -> list[Profile]:
    """The measures whose months may each be a feature; all of them, else the first two, else none."""
    if w.resolution == "season" or w.spacing > 35 or len(season.months) < 2:
        return []
    for count in {len(live), min(2, len(live))}:
        coefficients = count * len(season.months) + len(live) - count + 1
        if rows >= _ROWS_A_COEFFICIENT * coefficients and seasons >= 3 * coefficients:
            return live[:count]
    return []


def _line(profile: Profile, w: WeatherColumns, every: str, why: str = "") -> FeatureLine:
    total = profile.kind in ("rainfall", "total") and not (w.resolution == "daily" and w.spacing > 1.5)
    extreme = words(profile.column)
    aggregate = "sum" if total and "mean" not in extreme and "avg" not in extreme else "mean"
    return FeatureLine(profile.name, aggregate, every, why=why)


def _daily(candidates: list[Profile]) -> list[FeatureLine]:
    """Degree days and hot days, where there are daily temperatures."""
    warm = [
        profile for profile in candidates if profile.kind == "temperature" and profile.unit in ("°C", "°F")
    ]
    if not warm:
        return []
    hottest = max(warm, key=lambda profile: profile.quantiles[3])
    base, cap, hot = (10.0, 30.0, 30.0) if warm[0].unit == "°C" else (50.0, 86.0, 86.0)
    return [
        FeatureLine(warm[0].name, "degree_days", numbers=(("base", base), ("cap", cap)), why="growth"),
        FeatureLine(hottest.name, "days_above", numbers=(("threshold", hot),), why="heat"),
    ]
