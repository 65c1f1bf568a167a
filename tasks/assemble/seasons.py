"""All seasons of a run joined: one table for each season and cut-off, one account of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from data.contracts.season_table import SeasonTable
from data.errors import InputError
from data.settings.expand import cutoffs
from data.settings.schema import Settings
from data.settings.seasons import Cutoff, crops_of, of_season
from tasks.assemble.join import Assembled, assemble
from tasks.assemble.regions import Regions
from tasks.assemble.regions_account import require_match, with_regions
from tasks.job import step_files
from tasks.ledger import rejected
from tasks.ledger.account import Ledger, merge_ledgers
from tasks.weather.merge import Weather
from tasks.yields.ingest import Yields


@dataclass(frozen=True, eq=False)
class AssembledSeasons:
    """The seasons that have crops, the main one first; `ledger` goes from input to season to entry.

    `rejected` is laid out as contracts.REJECTED, sorted by input, file and row; a row that is itself at
    fault is there once.
    """

    seasons: dict[str, Assembled]
    rejected: pa.Table
    ledger: dict[str, Ledger]

    @property
    def crops(self) -> tuple[str, ...]:
        """The crops of all seasons."""
        return tuple(crop for found in self.seasons.values() for crop in found.crops)

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last harvest year of any season."""
        years = [found.years for found in self.seasons.values()]
        return min(first for first, _ in years), max(last for _, last in years)

    def save(self, folder: Path) -> None:
        """Write it into a folder; `folder / season` holds what `Assembled.load` reads."""
        for name, found in self.seasons.items():
            found.save(folder / name)
        about = {"seasons": list(self.seasons), "ledger": self.ledger}
        step_files.write(folder, about, {"rejected": self.rejected})

    @classmethod
    def load(cls, folder: Path) -> AssembledSeasons:
        """Read what `save` wrote."""
        about = step_files.read(folder)
        seasons = {name: Assembled.load(folder / name) for name in about["seasons"]}
        return cls(seasons, step_files.read_table(folder, "rejected"), about["ledger"])


def full_season(found: Assembled) -> SeasonTable:
    """The table of the full season, which is the last of the cut-offs."""
    return list(found.datasets.values())[-1]


def assembled_cutoffs(folder: Path, settings: Settings) -> tuple[Cutoff, ...]:
    """The models that a saved table is for: every cut-off of each season, in the order of its calendar."""
    names = step_files.read(folder)["seasons"]
    return tuple(Cutoff(name, day) for name in names for day in cutoffs(of_season(settings, name)))


def assemble_seasons(
    weather: Mapping[str, Weather], yields: Yields, settings: Settings, listed: Regions | None = None
) -> AssembledSeasons:
    """Join each season's weather with the yields of its crops; the main season may have none and is left out.

    Raises what `assemble` does, and InputError where no season has a crop and where weather and yields have
    no region of those listed.
    """
    if listed is not None:
        require_match(listed, weather, yields, settings)
    seasons: dict[str, Assembled] = {}
    for name, of in weather.items():
        crops = crops_of(settings, name, yields.crops)
        if not crops:
            continue
        try:
            seasons[name] = assemble(of, yields.of_crops(crops), of_season(settings, name), name)
        except InputError as error:
            if len(weather) == 1:
                raise
            raise InputError(f"season {name}: {error}") from error
    if not seasons:
        raise InputError("nothing left to train on: the yields hold no crop")
    seasons = with_regions(seasons, listed, weather, yields)
    return AssembledSeasons(
        seasons,
        rejected.merge_seasons([found.rejected for found in seasons.values()]),
        merge_ledgers({name: found.ledger for name, found in seasons.items()}),
    )
