"""Forecasters whose predictions are given, for tests of what is made of predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.contracts.season_table import Flags, Floats, SeasonTable


@dataclass(frozen=True, eq=False)
class Given:
    """Says `predicted` [N, T] of the one table it is asked about."""

    crops: tuple[str, ...]
    crop_units: tuple[str | None, ...]
    predicted: Floats

    def predict(self, table: SeasonTable) -> Floats:
        assert len(table) == len(self.predicted)
        return self.predicted

    def baseline_of(self, table: SeasonTable) -> Floats:
        return self.predict(table) - 1

    def known(self, table: SeasonTable) -> Flags:
        return np.asarray(table.region_N > 0)


def random_table(seed: int = 0, regions: int = 5, seasons: int = 12, first_test: int = 2008) -> SeasonTable:
    """Seasons from 2000 in regions with awkward names; corn everywhere, rye in places, oats nowhere yet."""
    rng = np.random.default_rng(seed)
    names = (
        "'; DROP TABLE x; --",
        "<script>alert(1)</script>",
        "Ærø",
        *(f"r{at}" for at in range(3, regions)),
    )
    N = regions * seasons
    year_N = np.tile(np.arange(2000, 2000 + seasons), regions)
    y_NT = rng.normal(10, 3, size=(N, 3))
    y_NT[rng.random(N) < 0.4, 1] = np.nan
    y_NT[:, 2] = np.nan
    split_N = np.where(year_N >= first_test, "test", "train")
    return SeasonTable(
        tuple(sorted(names)), np.repeat(np.arange(regions), seasons), year_N, split_N,
        ("rain",), rng.normal(size=(N, 1)), ("corn", "rye", "oats"), y_NT,
    )  # fmt: skip
