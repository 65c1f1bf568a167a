"""A trial of proposed settings short of training: ingest and assembly, which find what a look could not."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # noqa: F401  loaded before threads need it

from data.errors import InputError
from data.locations.uris import LOCATIONS, locate
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.assemble.seasons import AssembledSeasons, assemble_seasons, full_season
from tasks.ledger.account import Ledger, ledger_columns
from tasks.propose.proposal import Proposal
from tasks.propose.settings_file import write_text
from tasks.weather.ingest import ingest_weather
from tasks.yields.ingest import ingest_yields

# more rows of weather are not read twice
MOST_ROWS = 5_000_000


@dataclass(frozen=True)
class Rehearsed:
    """A proposal that the ingest takes; the ledger of its rows, crops with training rows, region-seasons."""

    proposal: Proposal
    ledger: Ledger
    crops: tuple[str, ...]
    rows: int


def as_settings(proposal: Proposal, file: Path) -> Settings:
    """The settings that the written file will be read as. Raises SettingsError, the sign of a bug here."""
    raw = tomllib.loads(write_text(proposal, file))
    for key in raw.keys() & {*LOCATIONS}:
        raw[key] = locate(raw[key], file.absolute().parent)
    return parse_settings(raw, str(file))


def trial_run(proposal: Proposal, file: Path) -> Rehearsed:
    """Assemble as training would; where too many rows are rejected, allow as many and say so.

    Raises InputError and SettingsError where training would fail.
    """
    settings = as_settings(proposal, file)
    try:
        return _account(proposal, _assembled(settings))
    except InputError as refusal:
        lenient = settings.model_copy(update={"max_rejected": 1.0})
        try:
            found = _assembled(lenient)
        except InputError:
            raise refusal from None  # its words say more than that nothing is left
        columns = ledger_columns(found.ledger)
        shares = {name: _rejected_share(entry) for name, entry in columns.items()}
        allowed = min(1.0, round(max(shares.values()) * 1.1 + 0.005, 2))
        worst = max(shares, key=lambda name: shares[name])
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in columns[worst]["rejected"].items())
        why = (
            f"{shares[worst]:.0%} of the {worst} rows in scope are rejected ({reasons}): more than the "
            "default of 0.2 allows; see rejected.parquet of the run, and mend the data if you can"
        )
        changed = replace(proposal, max_rejected=allowed, why_rejected=why)
        changed = replace(changed, unresolved=(*proposal.unresolved, f"Whether that may be: {why}."))
        return _account(changed, _assembled(as_settings(changed, file)))


def _assembled(settings: Settings) -> AssembledSeasons:
    return assemble_seasons(ingest_weather(settings), ingest_yields(settings), settings)


def _account(proposal: Proposal, found: AssembledSeasons) -> Rehearsed:
    rows = {
        (table.region_names[region], year)
        for table in map(full_season, found.seasons.values())
        for region, year in zip(table.region_N.tolist(), table.year_N.tolist(), strict=True)
    }
    return Rehearsed(proposal, ledger_columns(found.ledger), found.crops, len(rows))


def _rejected_share(entry: Mapping[str, Any]) -> float:
    rejected, used = (sum(entry[kind].values()) for kind in ("rejected", "used"))
    return float(rejected / max(rejected + used, 1))
