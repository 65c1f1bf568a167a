"""The columns of the file of regions, told by names and values: regions, names, areas, larger units."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import PurePosixPath

from data.errors import InputError
from data.inputs.listing import list_files
from data.inputs.parsing import name_of
from data.locations.uris import redact_uri
from data.settings.schema import Aggregation, Settings
from data.survey.columns import role_score, words
from data.survey.region_pairs import almost_alike
from data.survey.survey import survey
from tasks.assemble.regions import AREA, GEOJSON, GEOMETRY, KEY, NAME, feature_list, read_regions, source_of


def find_columns(uri: str, regions: Set[str], called: Sequence[str]) -> dict[str, str]:
    """What `region_columns` must say of a file: our names = its names, where these differ.

    `regions` are the names in weather and yields, `called` the columns that hold them there. A column that
    is called alike and has any of them holds the regions; else the one that has most, if only almost; where
    none has any, the one that is best named. Raises InputError where there is no such column, and as reading
    the file does.
    """
    names_of, texts = _columns(uri)
    alike = {name.casefold() for name in (KEY, *called)}

    def worth(name: str) -> tuple[bool, int, int, bool, float]:
        common, named = len(regions & names_of[name]), name.casefold() in alike
        near = len(almost_alike(frozenset(regions), names_of[name]))
        return named and common > 0, common, near, named, role_score(name, "region")

    key = max(names_of, key=worth, default=None)
    if key is None or not any(worth(key)):
        raise InputError(
            f"{redact_uri(uri)}: no column is named like regions, and none has a region of weather or yields"
            f", such as {', '.join(map(repr, sorted(regions)[:3]))}; found "
            f"{', '.join(map(repr, names_of)) or 'none that can be read'}"
        )
    found = {KEY: key}
    if NAME not in names_of:
        # a state's name is there many times, a region's hardly more than once
        own = [name for name in texts if name != key and 2 * len(names_of[name]) > len(names_of[key])]
        named = [name for name in own if words(name)[-1:] == [NAME]]
        found |= {NAME: min(named, key=lambda name: len(words(name)))} if named else {}
    if AREA not in names_of:
        areas = [name for name in names_of if name != key and words(name) == [AREA]]
        found |= {AREA: areas[0]} if areas else {}
    return {ours: theirs for ours, theirs in found.items() if ours != theirs}


def larger_units(settings: Settings) -> tuple[str, ...]:
    """Text columns of the file of regions by which these fall into larger units, smallest unit first.

    Each unit of a smaller level lies in one of the next. Raises as `read_regions`.
    """
    if settings.regions is None:
        return ()
    plain = (KEY, NAME, AREA, GEOMETRY)
    taken = {"all", *plain, *(source_of(settings, key) for key in plain)}
    labels = tuple(name for name in _columns(settings.regions)[1] if name not in taken)
    asked = settings.model_copy(update={"aggregate": Aggregation(levels=labels)})
    regions = read_regions(asked)
    assert regions is not None
    table, found = regions.table, list[str]()
    for name in sorted(labels, key=lambda label: -table[label].nunique()):
        groups = table[name].notna().all() and 2 <= table[name].nunique() <= len(table) / 2
        if groups and (not found or table.groupby(found[-1])[name].nunique().max() == 1):
            found.append(name)
    return tuple(found)


def _columns(uri: str) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
    """The values of each column that may name something, as the ingest reads names; which are of text."""
    if PurePosixPath(uri).suffix.lower() not in GEOJSON:
        looked = survey(uri)
        readable = {name: kind for name, kind in looked.kinds.items() if kind in ("text", "number")}
        values = {name: frozenset(looked.names(name).dropna()) for name in readable}
        return values, tuple(name for name, kind in readable.items() if kind == "text")
    (file,) = list_files(uri)
    rows = [{"id": each.get("id")} | (each.get("properties") or {}) for each in feature_list(uri, file.name)]
    columns = dict.fromkeys(name for row in rows for name in row if isinstance(row[name], (str, int, float)))
    values = {name: frozenset(filter(None, (name_of(row.get(name)) for row in rows))) for name in columns}
    return values, tuple(name for name in columns if any(isinstance(row.get(name), str) for row in rows))
