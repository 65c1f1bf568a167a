"""A trial of proposed settings short of training: ingest and assembly, which find what a look could not."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq  # noqa: F401  loaded before threads need it

from data.contracts.vocabulary import WEATHER, YIELDS
from data.errors import InputError
from data.locations.uris import LOCATIONS, locate
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.assemble.join import Assembled, assemble
from tasks.ledger.account import Ledger
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
    for key in LOCATIONS:
        raw[key] = locate(raw[key], file.absolute().parent)
    return parse_settings(raw, str(file))


def trial_run(proposal: Proposal, file: Path) -> Rehearsed:
    """Assemble as training would; where too many rows are rejected, allow as many and say so.

    Raises InputError and SettingsError where training would fail.
    """
    settings = as_settings(proposal, file)
    try:
        return _account(proposal, _assembled(settings))
    except InputError:
        lenient = settings.model_copy(update={"max_rejected": 1.0})
        found = _assembled(lenient)  # what fails for another reason fails here again
        shares = {of: _rejected_share(found.ledger, of) for of in (WEATHER, YIELDS)}
        allowed = min(1.0, round(max(shares.values()) * 1.1 + 0.005, 2))
        worst = max(shares, key=lambda of: shares[of])
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in found.ledger[worst]["rejected"].items())
        why = (
            f"{shares[worst]:.0%} of the {worst} rows in scope are rejected ({reasons}): more than the "
            "default of 0.2 allows; see rejected.parquet of the run, and mend the data if you can"
        )
        changed = replace(proposal, max_rejected=allowed, why_rejected=why)
        changed = replace(changed, unresolved=(*proposal.unresolved, f"Whether that may be: {why}."))
        return _account(changed, _assembled(as_settings(changed, file)))


def _assembled(settings: Settings) -> Assembled:
    (weather,) = ingest_weather(settings).values()
    return assemble(weather, ingest_yields(settings), settings)


def _account(proposal: Proposal, found: Assembled) -> Rehearsed:
    (table, *_) = found.datasets.values()
    return Rehearsed(proposal, found.ledger, found.crops, len(table))


def _rejected_share(ledger: Ledger, of: str) -> float:
    rejected, used = (sum(ledger[of][kind].values()) for kind in ("rejected", "used"))
    return float(rejected / max(rejected + used, 1))
