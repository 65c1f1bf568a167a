"""The split of seasons into training, validation and test, and the crops with too few rows."""

from __future__ import annotations

import numpy as np

from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import SplitName
from data.errors import InputError
from data.settings.schema import Settings
from tasks.yields.ingest import Yields


def split_seasons(settings: Settings, years: Integers) -> dict[int, SplitName]:
    """The split of each of some seasons (distinct, ascending): the last test, those before validate.

    Raises InputError when none is left to train on.
    """
    if settings.split.by == "none":
        return dict.fromkeys(years.tolist(), SplitName.TRAIN)
    test, validation = settings.split.test_seasons, settings.split.validation_seasons
    train = len(years) - test - validation
    if train < 1:
        raise InputError(
            f"nothing left to train on: weather and yields have {len(years)} seasons in common "
            f"({span(years)}), and split.test_seasons = {test} with split.validation_seasons = {validation} "
            'keep them all; lower these, give more seasons, or set split.by = "none"'
        )
    names = [SplitName.TRAIN] * train + [SplitName.VALIDATION] * validation + [SplitName.TEST] * test
    return dict(zip(years.tolist(), names, strict=True))


def drop_small_crops(settings: Settings, yields: Yields, joined_X: Flags, needed: int) -> Flags:
    """The yields of crops with at least `needed` training rows, smallest crop left out first.

    Raises InputError when no crop is left.
    """
    used_X = joined_X.copy()
    before: dict[str, int] = {}
    while used_X.any():
        used = yields.table[used_X]
        split_of = split_seasons(settings, np.unique(used["year"]))
        in_training = used["year"].map(split_of) == SplitName.TRAIN
        counts = in_training.groupby(used["crop"], observed=True).sum()
        fewest = min(counts.index, key=lambda crop: (counts[crop], crop))
        if counts[fewest] >= needed:
            return used_X
        before[fewest] = int(counts[fewest])
        used_X &= (yields.table["crop"] != fewest).to_numpy()
    listed = ", ".join(f"{crop} {count}" for crop, count in list(before.items())[::-1][:8])
    raise InputError(
        f"nothing left to train on: every crop has fewer than the {needed} training rows that these "
        f"features and training.ridge_seasons ask for: {listed}; "
        "give more seasons, fewer features, or fewer test and validation seasons"
    )


def span(years: Integers) -> str:
    """First and last of some seasons, for messages."""
    return f"{int(years.min())}–{int(years.max())}" if len(years) else "none"
