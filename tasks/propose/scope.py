"""Choice of scope: first season, test seasons, baseline."""

from __future__ import annotations

import pandas as pd

from data.settings.schema import Split
from tasks.propose.season import SeasonChoice


def choose_first(
    table: pd.DataFrame, matched: pd.DataFrame, first: int, season: SeasonChoice
) -> tuple[int | None, str, list[str]]:
    """The first season used: where weather begins, or later where repeated yields end."""
    begin = first + 1 if season.crosses else first
    begin = max(begin, int(matched["year"].min()))
    keys = ["region", "year", "crop"]
    scope = table[table["year"] >= begin]
    copies = scope.duplicated(keys, keep=False)
    if copies.mean() > 0.1:
        for year in sorted(scope["year"].unique())[1:]:
            later = scope["year"] >= year
            if later.sum() < 0.3 * len(scope):
                break
            if copies[later].mean() < 0.02:
                why = (
                    f"before {int(year)}, {int(copies[~later].sum()):,} of {int((~later).sum()):,} yields "
                    "repeat region, year and crop of another row"
                )
                return int(year), why, []
        return begin, "", [
            f"{int(copies.sum()):,} of {len(scope):,} yields repeat region, year and crop of another row; "
            "those that differ are rejected. If another column tells them apart (a variety, irrigation), "
            "make it part of the crop's name, or average the rows first."
        ]  # fmt: skip
    early = int((table["year"] < begin).sum())
    earlier = int(
        (table["year"].between(table["year"].min(), begin - 1) & table.duplicated(keys, keep=False)).sum()
    )
    if not early and not season.crosses and begin == first:
        return None, "", []
    why = f"weather and yields meet from {begin} on"
    if early:
        why += f"; {early:,} yields are older"
    if earlier:
        why += f" ({earlier:,} of them repeat region, year and crop of another row)"
    return begin, why, []


def choose_split(seasons: int) -> tuple[Split, str]:
    found = f"{seasons} season{'s' if seasons > 1 else ''} in both inputs"
    if seasons < 4:
        return Split(by="none", test_seasons=0), f"{found}: too few to keep one for a test"
    test = 5 if seasons >= 20 else 3 if seasons >= 12 else 2 if seasons >= 8 else 1
    train = seasons - test
    if train >= 40:
        calibration, why = 25, "95 % intervals need 19 or more"
    elif train >= 20:  # each but the first can be predicted from those before it
        calibration, why = 19, "the fewest that give 95 % intervals"
    elif train >= 6:
        calibration, why = max(4, train // 2), "enough for 80 % intervals; 95 % ones need 19 or more"
    else:
        calibration, why = train - 1, "too few for intervals, which need 4"
    return Split(test_seasons=test, calibration_seasons=calibration), f"{found}; calibration: {why}"


def choose_baseline(seasons: int, split: Split, training: pd.DataFrame) -> tuple[str, str]:
    if split.by == "none":
        return "none", "too few seasons to tell a region's own level or trend"
    if training.groupby(["region", "crop"])["year"].nunique().median() < 3:
        return "none", "most regions have fewer than 3 seasons"
    if seasons < 8:
        return "mean", f"{seasons} training seasons are too few to tell a trend"
    return "trend", ""
