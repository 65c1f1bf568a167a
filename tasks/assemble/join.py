"""The join of weather and yields, the split by season, the account of every row.

Shapes: C region-seasons with weather, X yields, N rows of a dataset, F features, T crops.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.contracts.season_table import Flags, Floats, Integers, SeasonTable
from data.contracts.vocabulary import MAIN, WEATHER, YIELDS, OutOfScope, Reason, SplitName
from data.settings.expand import fewest_rows, season_end
from data.settings.schema import Settings
from tasks.assemble.no_match import nothing_joined
from tasks.assemble.split import drop_small_crops, split_seasons
from tasks.features.plan import make_plan
from tasks.features.season_features import compute_features
from tasks.job import step_files
from tasks.ledger import rejected
from tasks.ledger.account import Ledger, account, check_ledger, check_share
from tasks.weather.merge import Weather, reject_cells
from tasks.weather.season_index import SeasonIndex
from tasks.yields.ingest import Yields

# coverage is a ratio of whole numbers of days; this only absorbs the rounding of 0.9 and its like
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Assembled:
    """What the models of one season learn from, per cut-off day, and what became of every input row.

    `datasets` and `forecast_rows` go from AS_OF to a table, the full season last. The datasets have
    the same rows; `forecast_rows` are region-seasons with enough weather for that cut-off but without
    a yield. `feature_units` and `crop_units` go from name to unit. `rejected` is laid out as
    contracts.REJECTED, sorted by input, file and row.
    """

    datasets: dict[str, SeasonTable]
    forecast_rows: dict[str, SeasonTable]
    crops: tuple[str, ...]
    crop_units: dict[str, str | None]
    feature_units: dict[str, str]
    rejected: pa.Table
    ledger: Ledger

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last harvest year with a yield."""
        (table, *_) = self.datasets.values()
        return int(table.year_N.min()), int(table.year_N.max())

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        tables = {f"dataset-{as_of}": table.to_arrow() for as_of, table in self.datasets.items()}
        tables |= {f"forecast-{as_of}": table.to_arrow() for as_of, table in self.forecast_rows.items()}
        about = {
            "features": {as_of: table.features for as_of, table in self.datasets.items()},
            "crops": self.crops,
            "crop_units": self.crop_units,
            "feature_units": self.feature_units,
            "ledger": self.ledger,
        }
        step_files.write(folder, about, tables | {"rejected": self.rejected})

    @classmethod
    def load(cls, folder: Path) -> Assembled:
        """Read what `save` wrote."""
        about = step_files.read(folder)
        crops = tuple(about["crops"])

        def tables(kind: str) -> dict[str, SeasonTable]:
            return {
                as_of: SeasonTable.from_arrow(
                    step_files.read_table(folder, f"{kind}-{as_of}"), tuple(names), crops
                )
                for as_of, names in about["features"].items()
            }

        return cls(
            tables("dataset"), tables("forecast"), crops, about["crop_units"], about["feature_units"],
            step_files.read_table(folder, "rejected"), about["ledger"],
        )  # fmt: skip


def assemble(weather: Weather, yields: Yields, settings: Settings, name: str = MAIN) -> Assembled:
    """Join weather and yields of one season by region and harvest year, split them, balance the ledger.

    `settings` are those of the season `name` alone, `yields` those of its crops.

    A region-season with a yield is judged by its least covered feature, over all cut-offs; where that
    is below `min_coverage` all of its weather rows are rejected. A crop with fewer training rows than
    `fewest_rows` is rejected, the crop with the fewest first, until the others have enough.

    Raises InputError when nothing is left to train on and when too many rows of an input are
    rejected; CropyieldError when the ledger doesn't balance, which is a bug.
    """
    plan = make_plan(settings, weather.resolution)
    sums = weather.sums
    computed = {as_of: compute_features(sums, plan, specs) for as_of, specs in plan.cutoffs.items()}
    enough = {as_of: cover_C + ROUNDING >= settings.min_coverage for as_of, (_, cover_C) in computed.items()}
    known = yields.table
    cell_X = find_seasons(weather, yields)
    matched_X = cell_X >= 0
    low_C = _cells_of(cell_X[matched_X], len(sums)) & ~np.logical_and.reduce(list(enough.values()))
    joined_X = matched_X.copy()
    joined_X[matched_X] &= ~low_C[cell_X[matched_X]]  # there may be no region-season at all
    weather_rejects = rejected.sort(
        pa.concat_tables(
            [
                weather.rejected,
                rejected.of_season(reject_cells(settings, weather, low_C, Reason.LOW_COVERAGE), name),
            ]
        )
    )
    used_C = _cells_of(cell_X[joined_X], len(sums))
    observed_C = sums.observed()
    few = len(weather_rejects) <= settings.max_rejected * weather.rows
    if not joined_X.any() and few and len(yields.rejected) <= settings.max_rejected * yields.rows:
        raise nothing_joined(settings, weather, yields, low_C)  # and the rejected rows aren't why
    check_share(settings, WEATHER, weather_rejects, len(weather_rejects) + int(observed_C[used_C].sum()))
    check_share(settings, YIELDS, yields.rejected, len(yields.rejected) + int(joined_X.sum()))
    if not joined_X.any():
        raise nothing_joined(settings, weather, yields, low_C)

    fewest = max(fewest_rows(settings, [spec.name for spec in specs]) for specs in plan.cutoffs.values())
    used_X = drop_small_crops(settings, yields, joined_X, fewest)
    yield_rejects = rejected.sort(
        pa.concat_tables(
            [yields.rejected, rejected.of_season(yields.reject(joined_X & ~used_X, Reason.FEW_ROWS), name)]
        )
    )
    check_share(settings, YIELDS, yield_rejects, len(yield_rejects) + int(used_X.sum()))
    used_C = _cells_of(cell_X[used_X], len(sums))
    split_of = split_seasons(settings, np.unique(known["year"][used_X]))
    split_C = np.array([split_of.get(year, SplitName.FORECAST) for year in sums.year_C.tolist()], np.str_)

    observed = set(known["crop"][used_X])
    crops = tuple(crop for crop in settings.crops or sorted(observed) if crop in observed)
    y_CT = lay_out_yields(known[used_X], cell_X[used_X], len(sums), crops)

    ledger = {
        WEATHER: account(
            weather.rows,
            _by_split(split_C[used_C], observed_C[used_C]),
            rejected.counts(weather_rejects),
            weather.outside | {str(OutOfScope.NO_YIELD): int(observed_C[~used_C & ~low_C].sum())},
        ),
        YIELDS: account(
            yields.rows,
            _by_split(split_C[cell_X[used_X]], np.ones(int(used_X.sum()), np.int64)),
            rejected.counts(yield_rejects),
            yields.outside | {str(OutOfScope.NO_WEATHER): int((~joined_X).sum())},
        ),
    }
    check_ledger(ledger)

    def table(as_of: str, chosen_C: Flags, splits_C: npt.NDArray[np.str_]) -> SeasonTable:
        features = tuple(spec.name for spec in plan.cutoffs[as_of])
        regions, region_N = np.unique(sums.region_C[chosen_C], return_inverse=True)
        return SeasonTable(
            tuple(sums.names[region] for region in regions.tolist()), region_N.astype(np.int64),
            sums.year_C[chosen_C], splits_C[chosen_C], features, computed[as_of][0][chosen_C], crops,
            y_CT[chosen_C],
        )  # fmt: skip

    ahead_C = np.full(len(sums), str(SplitName.FORECAST))
    return Assembled(
        {as_of: table(as_of, used_C, split_C) for as_of in plan.cutoffs},
        {as_of: table(as_of, enough[as_of] & ~used_C & ~low_C, ahead_C) for as_of in plan.cutoffs},
        crops,
        {crop: yields.units[crop] for crop in crops},
        {spec.name: spec.unit for spec in plan.cutoffs[season_end(settings)]},
        pa.concat_tables([weather_rejects, yield_rejects]),
        ledger,
    )


def find_seasons(weather: Weather, yields: Yields) -> Integers:
    """The position of each yield's region-season in the weather (X), or -1."""
    sums, regions = weather.sums, yields.table["region"].cat
    seasons = SeasonIndex(sums.names, sums.region_C, sums.year_C)
    return seasons.find(
        regions.categories.tolist(),
        regions.codes.to_numpy().astype(np.int64),
        yields.table["year"].to_numpy(),
    )


def lay_out_yields(known: pd.DataFrame, cell_X: Integers, cells: int, crops: tuple[str, ...]) -> Floats:
    """Yields of some region-seasons as a table (C, T); NaN where none is known."""
    y_CT = np.full((cells, len(crops)), np.nan)
    crop_X = pd.Index(crops).get_indexer(pd.Index(known["crop"]))
    known_X = (cell_X >= 0) & (crop_X >= 0)
    y_CT[cell_X[known_X], crop_X[known_X]] = known["yield"].to_numpy()[known_X]
    return y_CT


def _cells_of(cell_X: Integers, cells: int) -> Flags:
    found_C = np.zeros(cells, np.bool_)
    found_C[cell_X] = True
    return found_C


def _by_split(split_N: npt.NDArray[np.str_], count_N: Integers | Floats) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for name in np.unique(split_N).tolist():
        totals[name] += int(count_N[split_N == name].sum())
    return dict(totals)
