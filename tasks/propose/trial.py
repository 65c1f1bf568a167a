"""A trial of proposed settings short of training: ingest and assembly, which find what a look could not.

And what a run with them will take: what was measured here, and the rest scaled to this machine's speed.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # noqa: F401  loaded before threads need it

from data.errors import InputError
from data.locations.uris import LOCATIONS, locate
from data.settings.expand import expand_features, squared_features
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.assemble.seasons import AssembledSeasons, assemble_seasons, full_season
from tasks.job.digest import workers
from tasks.ledger.account import Ledger, ledger_columns
from tasks.propose.proposal import Proposal
from tasks.propose.settings_file import write_text
from tasks.weather.ingest import ingest_weather
from tasks.weather.merge import aggregate_part
from tasks.weather.parts import partition
from tasks.yields.ingest import ingest_yields

# more rows of weather are not read twice
MOST_ROWS = 5_000_000
# what runs took where the probe took _PROBE_S: to start, models and report of any run, and what is added by
# each number that a model is fitted to and by each region-season
_PROBE_S, _START_S, _MODEL_S, _VALUE_S, _ROW_S = 0.0195, 4.4, 1.0, 2e-6, 4.5e-5


@dataclass(frozen=True)
class Rehearsed:
    """A proposal that the ingest takes; the ledger of its rows, crops with training rows, region-seasons.

    `read_s` is how long the ingest and the assembly took.
    """

    proposal: Proposal
    ledger: Ledger
    crops: tuple[str, ...]
    rows: int
    read_s: float


@dataclass(frozen=True)
class Cost:
    """Seconds that a run will take on this machine: imports and Prefect, reading, models and report."""

    start_s: float
    read_s: float
    model_s: float

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.start_s + self.read_s + self.model_s


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
        return _account(proposal, settings)
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
        return _account(changed, as_settings(changed, file))


def _assembled(settings: Settings) -> AssembledSeasons:
    return assemble_seasons(ingest_weather(settings), ingest_yields(settings), settings)


def _account(proposal: Proposal, settings: Settings) -> Rehearsed:
    begin = time.perf_counter()
    found = _assembled(settings)
    read_s = time.perf_counter() - begin
    rows = {
        (table.region_names[region], year)
        for table in map(full_season, found.seasons.values())
        for region, year in zip(table.region_N.tolist(), table.year_N.tolist(), strict=True)
    }
    return Rehearsed(proposal, ledger_columns(found.ledger), found.crops, len(rows), read_s)


def _rejected_share(entry: Mapping[str, Any]) -> float:
    rejected, used = (sum(entry[kind].values()) for kind in ("rejected", "used"))
    return float(rejected / max(rejected + used, 1))


def estimate_cost(proposal: Proposal, file: Path, tried: Rehearsed | None) -> Cost:
    """What `cropyield train` will take with a proposal that was tried, or is too large to be."""
    settings = as_settings(proposal, file)
    # what was not tried: every region-season of the crop with the most yields
    rows = tried.rows if tried else max(crop.rows for crop in proposal.crops)
    slowness = _probe_s() / _PROBE_S
    read_s = tried.read_s if tried else _reading_s(settings)
    columns = len(expand_features(settings)) + len(squared_features(settings))
    values = rows * columns * len(proposal.crops)
    seasons = 2 if proposal.further else 1
    model_s = seasons * _MODEL_S + values * _VALUE_S + rows * _ROW_S
    return Cost(_START_S * slowness, read_s, model_s * slowness)


def _reading_s(settings: Settings) -> float:
    """How long all weather will take to read, by the part in the middle."""
    parts = [part for part in partition(settings) if not part.keys_only]
    total = sum(part.rows for part in parts)
    part = parts[len(parts) // 2]
    begin = time.perf_counter()
    aggregate_part(settings, part, total)
    one_s = time.perf_counter() - begin
    return one_s * total / part.rows / min(workers(), len(parts))


def _probe_s() -> float:
    """CPU time that a fixed piece of work in Python and numpy takes, on one thread: the best of five.

    CPU time, because what else the machine is doing now says nothing of when the run will be.
    """
    found = []
    for _ in range(5):
        begin = time.process_time()
        x_N = np.random.default_rng(0).standard_normal(800_000)
        sum(range(400_000))
        np.sort(x_N)
        found.append(time.process_time() - begin)
    return min(found)
