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

from data.settings.schema import Settings
from tasks.job import step_files
from tasks.weather import files
from tasks.weather.ingest import aggregate_parts
from tasks.weather.merge import Partial, SeasonPart, Weather, check_rejects, merge_parts
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
    """Write partials (at least one) into a folder, which is made."""
    about = [
        {
            "part": asdict(partial.part),
            "texts": partial.texts,
            "seasons": {
                name: {
                    "outside": found.outside,
                    "sums": files.sums_about(found.sums),
                    "cells": len(found.sums),
                    "rejected": len(found.rejected),
                }
                for name, found in partial.seasons.items()
            },
        }
        for partial in partials
    ]
    tables = {}
    for name in partials[0].seasons:
        found = [partial.seasons[name] for partial in partials]
        # partials in which nothing repeats have no columns for that
        tables[f"sums-{name}"] = pa.concat_tables(
            [files.sums_table(each.sums) for each in found], promote_options="default"
        )
        tables[f"rejected-{name}"] = pa.concat_tables([each.rejected for each in found])
    step_files.write(folder, {"partials": about}, tables)


def load_partials(folder: Path) -> list[Partial]:
    """Read what `save_partials` wrote."""
    about = step_files.read(folder)["partials"]
    seasons: list[dict[str, SeasonPart]] = [{} for _ in about]
    for name in about[0]["seasons"]:
        sums, rejects = (step_files.read_table(folder, f"{kind}-{name}") for kind in ("sums", "rejected"))
        cell = row = 0
        for at, each in enumerate(about):
            facts = each["seasons"][name]
            own = files.sums_from(sums.slice(cell, facts["cells"]), facts["sums"])
            seasons[at][name] = SeasonPart(own, facts["outside"], rejects.slice(row, facts["rejected"]))
            cell, row = cell + facts["cells"], row + facts["rejected"]
    return [
        Partial(
            files.part_from(each["part"]),
            found,
            {column: (seen, bad) for column, (seen, bad) in each["texts"].items()},
        )
        for each, found in zip(about, seasons, strict=True)
    ]


def merge_groups(settings: Settings, total: int, groups: Iterable[Sequence[Partial]]) -> dict[str, Weather]:
    """Merge what the groups of an input of `total` rows gave, in any order, for each season.

    Raises what `merge_parts` does, before many more rejected rows are gathered than the input may have.
    """
    partials: list[Partial] = []
    for group in groups:
        partials += group
        check_rejects(settings, partials, total)
    return merge_parts(settings, partials)


def _groups(groups: Sequence[Sequence[Part]]) -> Groups:
    return Groups(
        tuple(tuple(parts) for parts in groups), sum(part.rows for parts in groups for part in parts)
    )
