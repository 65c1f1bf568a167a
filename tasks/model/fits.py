"""The two fits of a run: one to judge by, without the test seasons, and one to publish, with all."""

from __future__ import annotations

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName

EVALUATED, PUBLISHED = "evaluation", "published"


def fits_of(table: SeasonTable) -> dict[str, SeasonTable]:
    """Each fit's training rows, by name."""
    seen = table.of_split(SplitName.TRAIN, SplitName.VALIDATION, SplitName.TEST)
    return {EVALUATED: table.of_split(SplitName.TRAIN), PUBLISHED: seen}
