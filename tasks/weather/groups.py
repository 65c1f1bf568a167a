"""Groups of weather parts, read by workers that share nothing but the store.

Each part's sums stay apart until all are merged in the order of the files: that is why the result is
the same to the last bit, whatever the groups, their order, and who read them. A group's files are few
however many its parts are, because on an object store each costs a request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa

from data.contracts.vocabulary import WEATHER
from data.settings.schema import Settings
from tasks.features.season_sums import Sums
from tasks.job import step_files
from tasks.ledger import account
from tasks.weather import files
from tasks.weather.ingest import aggregate_parts
from tasks.weather.merge import Partial, Weather, merge_parts
from tasks.weather.parts import Part

# rows of a group; a second of reading, so that starting a task for it costs little beside
GROUP_ROWS = 16 << 20


@dataclass(frozen=True)
class Groups:
    """All parts of an input, in groups of neighbours, with the rows of all of them."""

    parts: tuple[tuple[Part, ...], ...]
    rows: int

    @property
    def digest(self) -> str:
        """Equal for equal groups of unchanged files: what was read of them before still holds."""
        return hashlib.sha256(json.dumps(self._about()).encode()).hexdigest()[:12]

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        step_files.write(folder, {"groups": self._about()}, {})

    @classmethod
    def load(cls, folder: Path) -> Groups:
        """Read what `save` wrote."""
        groups = step_files.read(folder)["groups"]
        return _groups([[files.part_from(part) for part in parts] for parts in groups])

    def _about(self) -> list[list[dict[str, object]]]:
        return [[asdict(part) for part in parts] for parts in self.parts]


def group_parts(parts: Sequence[Part], workers: int) -> Groups:
    """Neighbouring parts in groups of about equal rows: one for each worker, more where they grow large."""
    total = sum(part.rows for part in parts)
    count = min(len(parts), max(workers, -(-total // GROUP_ROWS)))
    groups: list[list[Part]] = [[] for _ in range(count)]
    for part, end in zip(parts, accumulate(part.rows for part in parts), strict=True):
        middle = end - part.rows / 2
        groups[min(int(middle * count / max(total, 1)), count - 1)].append(part)
    return _groups([group for group in groups if group])


def ingest_group(settings: Settings, groups: Groups, number: int) -> list[Partial]:
    """Judge and sum the rows of one group, in its order.

    Raises InputError when a file can't be read or changed, and when this group alone has more rejected
    rows than the whole input may have; SettingsError; StorageError.
    """
    partials = aggregate_parts(settings, groups.parts[number], groups.rows, threads=1)
    return sorted(partials, key=lambda partial: (partial.part.file, partial.part.first_row))


def save_partials(partials: Sequence[Partial], folder: Path) -> None:
    """Write partials into a folder, which is made."""
    about = [
        {
            "part": asdict(partial.part),
            "outside": partial.outside,
            "texts": partial.texts,
            "sums": files.sums_about(partial.sums),
            "cells": len(partial.sums),
            "rejected": len(partial.rejected),
        }
        for partial in partials
    ]
    # partials in which nothing repeats have no columns for that
    sums = pa.concat_tables(
        [files.sums_table(partial.sums) for partial in partials], promote_options="default"
    )
    rejects = pa.concat_tables([partial.rejected for partial in partials])
    step_files.write(folder, {"partials": about}, {"sums": sums, "rejected": rejects})


def load_partials(folder: Path) -> list[Partial]:
    """Read what `save_partials` wrote."""
    sums, rejects = (step_files.read_table(folder, name) for name in ("sums", "rejected"))
    partials = []
    cell = row = 0
    for about in step_files.read(folder)["partials"]:
        own: Sums = files.sums_from(sums.slice(cell, about["cells"]), about["sums"])
        texts = {column: (seen, bad) for column, (seen, bad) in about["texts"].items()}
        rejected = rejects.slice(row, about["rejected"])
        partials.append(Partial(files.part_from(about["part"]), own, about["outside"], rejected, texts))
        cell, row = cell + about["cells"], row + about["rejected"]
    return partials


def merge_groups(settings: Settings, total: int, groups: Iterable[Sequence[Partial]]) -> Weather:
    """Merge what the groups of an input of `total` rows gave, in any order.

    Raises what `merge_parts` does, before many more rejected rows are gathered than the input may have.
    """
    partials: list[Partial] = []
    for group in groups:
        partials += group
        rejects = pa.concat_tables([partial.rejected for partial in partials])
        account.check_share(settings, WEATHER, rejects, total)
    return merge_parts(settings, partials)


def _groups(groups: Sequence[Sequence[Part]]) -> Groups:
    return Groups(
        tuple(tuple(parts) for parts in groups), sum(part.rows for parts in groups for part in parts)
    )
