"""The account of every input row: used, rejected or out of scope; and the limit on rejects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.contracts.vocabulary import MATCHED, REGIONS, OutOfScope, Reason, SplitName
from data.errors import CropyieldError, InputError
from data.locations.uris import redact_uri

if TYPE_CHECKING:  # `cropyield show` draws the ledger without Arrow
    import pyarrow as pa

    from data.settings.schema import Settings


Ledger = dict[str, dict[str, Any]]
"""Of one season: each input's entry. As published, `ledger.json`: input, then season, then entry."""
_ORDER = {
    "used": (*map(str, SplitName), MATCHED),
    "rejected": tuple(map(str, Reason)),
    "out_of_scope": tuple(map(str, OutOfScope)),
}

_FEW, _REASONS = 5, 3  # names and reasons in a sentence
# what the regions' entry says besides counts of rows
ONE_PLACE = {
    "without_data": "in the file of regions without weather or yields",
    "not_in_file": "with data but absent from the file of regions",
}


def account(
    rows_in: int, used: dict[str, int], rejected_by: dict[str, int], out_of_scope: dict[str, int]
) -> dict[str, Any]:
    """One input's entry: zero counts left out, each kind in the order of the contract."""
    given = {"used": used, "rejected": rejected_by, "out_of_scope": out_of_scope}
    return {"rows_in": int(rows_in)} | {
        kind: {name: int(given[kind][name]) for name in names if given[kind].get(name)}
        for kind, names in _ORDER.items()
    }


def check_ledger(ledger: Ledger) -> None:
    """Raise CropyieldError, the sign of a bug, when an input's rows don't add up."""
    for name, entry in ledger.items():
        counted = sum(sum(entry[kind].values()) for kind in _ORDER)
        if counted != entry["rows_in"]:
            raise CropyieldError(
                f"bug: the ledger of {name} doesn't balance: {entry['rows_in']} rows came in, "
                f"{counted} are accounted for ({entry}); please report it with these figures"
            )


def merge_ledgers(ledgers: Mapping[str, Ledger]) -> dict[str, Ledger]:
    """The ledgers of seasons as they are published: input, then season."""
    inputs = dict.fromkeys(name for ledger in ledgers.values() for name in ledger)
    return {of: {season: ledger[of] for season, ledger in ledgers.items()} for of in inputs}


def ledger_columns(published: Mapping[str, Ledger]) -> Ledger:
    """The entries of a published ledger by input and, where there are several, season; regions once."""
    return {
        of if len(seasons) == 1 or of == REGIONS else f"{of}, {season}": entry
        for of, seasons in sorted(published.items())
        for season, entry in seasons.items()
    }


def ledger_table(ledger: Ledger) -> list[tuple[str, str, list[int | None]]]:
    """The ledger as rows (kind, what, count of each entry) whose last one, `rows in`, is the columns' sum."""
    table: list[tuple[str, str, list[int | None]]] = []
    for kind, names in _ORDER.items():
        for name in names:
            counts = [entry[kind].get(name) for entry in ledger.values()]
            if any(counts):
                table.append((kind.replace("_", " "), name, counts))
    table.append(("rows in", "", [entry["rows_in"] for entry in ledger.values()]))
    return table


def rejects_of(published: Mapping[str, Ledger]) -> Ledger:
    """Of each input with rejected rows, by season where there are several: rows in, rejected by reason."""
    return {
        name: {"rows_in": entry["rows_in"], "rejected": entry["rejected"]}
        for name, entry in ledger_columns(published).items()
        if entry["rejected"]
    }


def rejects_told(rejects: Ledger) -> list[str]:
    """A sentence for each entry of `rejects_of`, the most frequent reasons first."""
    lines = []
    for name, entry in rejects.items():
        by = sorted(entry["rejected"].items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in by[:_REASONS])
        more = ", …" if len(by) > _REASONS else ""
        count = sum(entry["rejected"].values())
        lines.append(f"rejected: {count:,} of {entry['rows_in']:,} rows of {name} ({reasons}{more})")
    return lines


def regions_notes(ledger: Mapping[str, Any]) -> list[str]:
    """A sentence where the file of regions lacks regions that have data.

    `ledger` is of one season or as published; every season has the same regions.
    """
    entry = ledger.get(REGIONS) or {}
    entry = entry if "rows_in" in entry else next(iter(entry.values()), {})
    missing, alone = (entry.get(what, {"count": 0, "names": []}) for what in ("not_in_file", "without_data"))
    if not missing["count"]:
        return []
    verb = "is" if missing["count"] == 1 else "are"
    lacking = f"{_named(missing)} {verb} not in the regions file"
    # a name there without data is often the same region, misspelt
    there = f" (there without data: {_named(alone)})" if alone["count"] else ""
    where = "and of all regions together where areas come from that file"
    return [f"{lacking}{there}: left out of larger units, {where}"]


def _named(found: Mapping[str, Any]) -> str:
    """The first few of some regions, and of how many where these aren't all."""
    names, count = ", ".join(found["names"][:_FEW]), found["count"]
    return names if count <= _FEW else f"{names}, … ({count:,} regions)"


def check_share(settings: Settings, name: str, rejects: pa.Table, others: int) -> None:
    """Raise InputError when more than `max_rejected` of an input's in-scope rows are rejected.

    `others` is the number of rows in scope; before that is known, all rows of the input: what fails
    then would fail later.
    """
    count = len(rejects)
    if not count or count <= settings.max_rejected * max(others, 1):
        return
    from tasks.ledger import rejected
    from tasks.ledger.diagnose_rejects import diagnose_rejects

    by_reason = sorted(rejected.counts(rejects).items(), key=lambda item: -item[1])
    lines = [f"  {reason}: {n}, for example {example(rejects, reason)}" for reason, n in by_reason[:3]]
    uri = getattr(settings, name)
    raise InputError(
        f"{redact_uri(uri)}: {count} of {others} {name} rows in scope are rejected, "
        f"more than max_rejected = {settings.max_rejected:g} allows:\n"
        + "\n".join([*lines, *diagnose_rejects(settings, name, rejects)])
        + "\nMend the input or the settings (valid ranges, columns), or raise max_rejected."
    )


def example(rejects: pa.Table, reason: str) -> str:
    """The first row that was rejected for a reason: where it lies, whose it is, and what is wrong with it."""
    at = rejects["reason"].index(reason).as_py()
    row = {field: rejects[field][at].as_py() for field in rejects.schema.names}
    key = ", ".join(str(row[part]) for part in ("region", "date", "crop") if row[part] is not None)
    fault = f": {row['column']} = {row['value']}" if row["column"] else ""
    return f"{row['file']} row {row['row']} ({key}{fault})"


def ledger_story(ledger: Ledger) -> list[str]:
    """Lines for each entry: rows in, what became of them, why rows were rejected; regions in one place."""
    lines = []
    for name, entry in ledger.items():
        kinds = (("used", "used"), ("rejected", "rejected"), ("out_of_scope", "out of scope"))
        parts = [f"{sum(entry[kind].values()):,} {word}" for kind, word in kinds]
        lines.append(f"{name}: {entry['rows_in']:,} rows in = {' + '.join(parts)}")
        if entry["rejected"]:
            reasons = (f"{reason} {count:,}" for reason, count in entry["rejected"].items())
            lines.append(f"{name} rejected: {', '.join(reasons)}")
        for what, words in ONE_PLACE.items():
            if found := entry.get(what, {}).get("count"):
                names = ", ".join(entry[what]["names"][:5])
                lines.append(f"regions {words}: {found:,} ({names}{', …' if found > 5 else ''})")
    return lines
