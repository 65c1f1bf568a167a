"""A first glance at the yields: which crops and harvest years there are, before any row is judged."""

from __future__ import annotations

import pandas as pd

from data.inputs.parquet import read_batches, read_footers
from data.settings.schema import Settings
from data.settings.seasons import named_crops
from tasks.yields.layout import find_layout

_BATCH_ROWS = 1 << 18


def glance(settings: Settings) -> tuple[tuple[str, ...], int, int]:
    """Crops that the settings select, and the first and last harvest year in scope.

    Two columns are read, and what turns out to be at fault later counts as well. Raises InputError,
    StorageError, and ValueError where no year can be read.
    """
    footers = read_footers(settings.yields)
    layout = find_layout(settings, footers)
    named, crops, years = named_crops(settings), set[str](), set[float]()
    columns = [layout.year] if layout.wide else [layout.year, layout.crop]
    for footer in footers:
        groups = [
            at for at in range(footer.metadata.num_row_groups) if footer.metadata.row_group(at).num_rows
        ]
        for batch in (
            read_batches(settings.yields, footer.file.name, columns, groups, footer.folders, _BATCH_ROWS)
            if groups
            else ()
        ):
            found = pd.unique(batch[layout.year].to_pandas().astype(object))
            years |= {*pd.to_numeric(pd.Series(found), errors="coerce").dropna()}
            if not layout.wide:
                crops |= {str(crop) for crop in pd.unique(batch[layout.crop].to_pandas().dropna())}
    first, last = settings.first_season or 1, settings.last_season or 9999
    inside = [int(year) for year in years if first <= year <= last]
    chosen = named if layout.wide or settings.crops else tuple(sorted(crops))
    return chosen, min(inside), max(inside)
