"""`cropyield init`: look at two inputs, try what they suggest, write the settings file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import InputError, SettingsError
from data.escapes import one_line
from data.locations.failures import storage_errors
from data.locations.uris import locate, redact_uri
from data.settings.files import load_settings
from tasks.assemble.no_match import no_region_listed
from tasks.assemble.region_columns import find_columns, larger_units
from tasks.assemble.regions import read_regions
from tasks.job.digest import same_bytes
from tasks.propose.proposal import Proposal, propose
from tasks.propose.settings_file import write_text
from tasks.propose.trial import MOST_ROWS, Rehearsed, as_settings, estimate_cost, trial_run


def init(weather: str, yields: str, settings: str, force: bool, regions: str | None = None) -> dict[str, Any]:
    """Write a settings file for two inputs; what was found, for people and for --json.

    Raises SettingsError when the file is there already, InputError where no settings could make the
    inputs work, StorageError.
    """
    file = Path(settings)
    if file.is_dir():
        raise SettingsError(f"{file}: is a folder; name a file, as in --settings {file / 'settings.toml'}")
    if file.exists() and not file.is_file():
        raise SettingsError(f"{file} is a pipe or a device; name a file with --settings")
    if file.exists() and not force:
        raise SettingsError(
            f"{file}: is there already; --force writes it anew, --settings OTHER.toml writes another one"
        )
    places = [locate(place, Path()) for place in (weather, yields, *([regions] if regions else []))]
    twins = [said for place in dict.fromkeys(places[:2]) for said in _twins(place)]
    try:
        proposal, tried = _proposed(places, file)
    except InputError as refusal:
        if not twins:
            raise
        raise InputError("\n".join([str(refusal), *twins])) from refusal
    if twins and proposal.why_rejected:  # rather than to allow for them
        raise InputError("\n".join(twins))
    proposal = replace(proposal, unresolved=(*proposal.unresolved, *twins))
    with storage_errors("write", str(file)):
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
        file.write_text(write_text(proposal, file), encoding="utf-8")
    load_settings(file)
    cost = estimate_cost(proposal, file, tried)
    return {
        "settings": str(file),
        "seen": list(proposal.seen),
        "resolution": proposal.resolution,
        "crops": [crop.name for crop in proposal.crops],
        "crops_left_out": {crop.name: crop.why for crop in proposal.other_crops},
        "season": [proposal.season.start, proposal.season.end],
        "seasons": {
            further.name: {"start": further.window.start, "end": further.window.end, "crops": further.crops}
            for further in [proposal.further]
            if further
        },
        "first_season": proposal.first_season,
        "features": [f"{line.measure} {line.aggregate}" for line in proposal.features.live],
        "columns": {
            "weather": dict(proposal.weather_columns),
            "yields": dict(proposal.yield_columns),
            "regions": dict(proposal.region_columns),
        },
        "tried": tried and {"region_seasons": tried.rows, "crops": list(tried.crops), "ledger": tried.ledger},
        "rows": proposal.weather_rows,
        "seconds": {"start": cost.start_s, "read": cost.read_s, "model": cost.model_s, "total": cost.total_s},
        "unresolved": list(proposal.unresolved),
    }


def _twins(place: str) -> list[str]:
    return [
        f"{redact_uri(place)}: files {' and '.join(map(one_line, names))} have the same bytes; remove "
        + ("one" if len(names) == 2 else "all but one")
        for names in same_bytes(place)
    ]


def _proposed(places: list[str], file: Path) -> tuple[Proposal, Rehearsed | None]:
    """What the inputs suggest, tried where they aren't too large to be."""
    proposal = propose(*places)
    if proposal.regions:
        proposal = _with_regions(proposal, proposal.regions, file)
    if proposal.weather_rows > MOST_ROWS:
        as_settings(proposal, file)
        return proposal, None
    tried = trial_run(proposal, file)
    return tried.proposal, tried


def _with_regions(proposal: Proposal, place: str, file: Path) -> Proposal:
    """The proposal with what the file of regions holds: its columns by name, the larger units."""
    called = [of.get("region", "region") for of in (proposal.weather_columns, proposal.yield_columns)]
    columns = find_columns(place, proposal.region_names, called)
    proposal = replace(proposal, region_columns=columns)
    settings = as_settings(proposal, file)
    regions = read_regions(settings)
    assert regions is not None
    listed, column = set(regions.table["region"]), columns.get("region", "region")
    if wrong := no_region_listed(place, column, listed, proposal.region_names):
        said = f"`train` will refuse the regions. {wrong}"
        proposal = replace(proposal, unresolved=(*proposal.unresolved, said))
    levels = larger_units(settings)
    units = [f"larger units: {', '.join(levels)} (label columns of the regions)"] if levels else []
    return replace(proposal, levels=levels, seen=(*proposal.seen, *units))


def tell(result: dict[str, Any]) -> None:
    """What people read on the terminal."""
    for line in result["seen"]:
        print(line)
    for what in ("crops", "features"):
        names = [f"{name!r}" if "," in name else name for name in result[what]]
        print(f"{what}: {', '.join(names)}")
        if what == "crops" and (out := list(result["crops_left_out"].items())):
            more = f"; and {len(out) - 4} more, see {result['settings']}" if len(out) > 4 else ""
            print(f"crops left out: {'; '.join(f'{name} ({why})' for name, why in out[:4])}{more}")
    if tried := result["tried"]:
        counts = [
            f"{sum(entry['rejected'].values()):,} of {entry['rows_in']:,} rows of {_of_season(name)} rejected"
            for name, entry in tried["ledger"].items()
        ]
        print(f"tried: {tried['region_seasons']:,} region-seasons to learn from; {', '.join(counts)}")
    if result["unresolved"]:
        print("What could not be told:")
        for said in result["unresolved"]:
            print(f"  - {said}")
    taken = {name: duration(seconds) for name, seconds in result["seconds"].items()}
    print(
        f"A run will take about {taken['total']} on this machine when it has nothing else to do "
        f"({taken['start']} to start, {taken['read']} to read {result['rows']:,} rows of weather, "
        f"{taken['model']} for models and report); each cut-off day (as_of) adds up to {taken['model']}."
    )
    print(f"Written: {result['settings']}. Look it over, then\n  cropyield train {result['settings']}")


def _of_season(name: str) -> str:
    """A column of the ledger in words: `weather, winter` is the weather, as the season winter judges it."""
    given, _, season = name.partition(", ")
    return f"{given} (season {season})" if season else given


def duration(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
