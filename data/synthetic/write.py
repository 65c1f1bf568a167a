"""Simulated worlds of any size, written as files: for tests, demonstrations and benchmarks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contracts.columns import SEASON_YEAR
from data.contracts.vocabulary import WEATHER, YIELDS
from data.errors import SettingsError
from data.locations.failures import storage_errors
from data.synthetic.boundaries import STATE, regions_geojson
from data.synthetic.simulate import (
    FEATURES,
    LAST_YEAR,
    MEASURE_UNITS,
    MODES,
    Block,
    Resolution,
    World,
    simulate_block,
    time_steps,
)

TEMPLATES = Path(__file__).parent / "templates"
_ROWS_PER_FILE = 2**21
_ROWS_PER_GROUP = 2**20
_REGIONS = "regions.geojson"
_FILES = 4  # at least, where there are regions enough: readers must cope with more than one


def synth(out: str | Path, regions: int, years: int, resolution: str, seed: int) -> dict[str, Any]:
    """Write a world for the command line; what was written, for people and for --json.

    Raises SettingsError for a folder that isn't new or empty, StorageError where it can't be written.
    """
    if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise SettingsError(f"{out}: must be a new or an empty folder")
    with storage_errors("write", str(out)):
        Path(out).mkdir(parents=True, exist_ok=True)
    truth = write_world(out, regions, years, resolution, seed, boundaries=True, under_way=True)
    written = {name: truth[name] for name in ("regions", "years", "resolution", "seed", "rows")}
    return {"settings": str(Path(out) / "settings.toml"), "truth": str(Path(out) / "truth.json")} | written


class Faults(Protocol):
    """Faults to be worked into a simulated world, such as real files have."""

    @property
    def crops(self) -> Sequence[str]:
        """Crops that come with them, beside the world's own."""

    def inject(self, blocks: list[Block], test_from: int, seed: int) -> tuple[list[Block], dict[str, Any]]:
        """The blocks with faults, and their ledger; `test_from` is the first test season."""


def write_world(
    folder: str | Path,
    regions: int = 60,
    years: int = 30,
    resolution: str = "monthly",
    seed: int = 0,
    faults: Faults | None = None,
    world: World | None = None,
    store: str = "store",
    boundaries: bool = False,
    under_way: bool = False,
) -> dict[str, Any]:
    """Write `weather/`, `yields/`, `settings.toml` and `truth.json`; returns what is in the latter.

    Same arguments give the same values, and the same bytes under the same versions. Harvest years
    end with 2023. Memory is bounded by a few million rows, whatever the size. `faults` are
    worked into the rows, their exact `ledger` into the truth (monthly worlds only). `boundaries`: also
    `regions.geojson`, with the regions' names, states, areas and polygons. `under_way`: the harvest years
    end with 2022, and the weather of 2023 is there to forecast by.

    Raises SettingsError for sizes below 1, an unknown resolution, a folder that already holds
    weather or yields, and a world that is too small for faults.
    """
    target, truly = Path(folder), world or World()
    _check(target, regions, years, resolution, seed)
    if faults and (resolution != "monthly" or regions < 20 or years < 15):
        raise SettingsError("a world with faults is monthly, has 20 or more regions and 15 or more years")
    simulated = years + under_way
    steps = time_steps(range(LAST_YEAR - simulated + 1, LAST_YEAR + 1), resolution)
    rng = np.random.default_rng([seed, 0])
    shared_2KY = rng.standard_normal((2, MODES, simulated))
    block = max(1, min(_ROWS_PER_FILE // (steps.per_year * simulated), math.ceil(regions / _FILES)))
    starts = range(0, regions, block)

    def simulate(start: int) -> Block:
        at_R = np.arange(start, min(start + block, regions))
        rng = np.random.default_rng([seed, 1, start])
        found = simulate_block(at_R, regions, steps, shared_2KY, truly, rng)
        if not under_way:
            return found
        return replace(found, yields=found.yields.filter(pc.field(SEASON_YEAR.name) < LAST_YEAR))

    for name in (WEATHER, YIELDS):
        (target / name).mkdir(parents=True, exist_ok=True)

    ledger: dict[str, Any] = {}
    if faults:
        test_from = LAST_YEAR + 1 - seasons_to_test(years)
        blocks, ledger = faults.inject([simulate(start) for start in starts], test_from, seed)
        done = [_write(target, number, block) for number, block in enumerate(blocks)]
    else:
        with ThreadPoolExecutor(2) as pool:
            done = list(
                pool.map(
                    lambda numbered: _write(target, numbered[0], simulate(numbered[1])), enumerate(starts)
                )
            )

    regional = _joined([part for _, part in done])
    truth = {
        "regions": regions,
        "years": years,
        "resolution": resolution,
        "seed": seed,
        "rows": {name: sum(rows[name] for rows, _ in done) for name in (WEATHER, YIELDS)},
        "features": dict(zip(FEATURES, MEASURE_UNITS.values(), strict=True)),
        "unit": truly.unit,
        "crops": {crop.name: asdict(crop) for crop in truly.crops},
        "regional": regional,
    } | ({"ledger": ledger} if faults else {})
    (target / "truth.json").write_text(json.dumps(truth, ensure_ascii=False) + "\n", encoding="utf-8")
    if boundaries:
        content = regions_geojson(regional["regions"], np.random.default_rng([seed, 2]))
        (target / _REGIONS).write_text(content, encoding="utf-8")
    text = settings_text(truly, years, store, faults, boundaries)
    (target / "settings.toml").write_text(text, encoding="utf-8")
    return truth


def seasons_to_test(years: int) -> int:
    """How many of the last seasons a world's settings keep for the test."""
    return min(5, years // 3)


def _check(target: Path, regions: int, years: int, resolution: str, seed: int) -> None:
    if resolution not in get_args(Resolution):
        raise SettingsError(f"resolution {resolution!r}: choose one of {', '.join(get_args(Resolution))}")
    if regions < 1 or not 1 <= years <= LAST_YEAR or seed < 0:
        raise SettingsError(
            f"a world needs 1 or more regions, 1 to {LAST_YEAR} years and a seed of 0 or more; "
            f"found {regions} regions, {years} years, seed {seed}"
        )
    # files of an earlier, larger world would be read along with the new ones
    for name in (WEATHER, YIELDS):
        if (target / name).exists() and any((target / name).iterdir()):
            raise SettingsError(f"{target / name}: already holds files; choose a new folder or remove it")


def _write(target: Path, number: int, block: Block) -> tuple[dict[str, int], dict[str, Any]]:
    """Write one file of each input; its rows, and the block's regional truth."""
    rows = {}
    for name, table in ((WEATHER, block.weather), (YIELDS, block.yields)):
        path = target / name / f"part-{number:04d}.parquet"
        # without the stored Arrow schema, dictionaries of repeated strings read as plain strings
        pq.write_table(table, path, row_group_size=_ROWS_PER_GROUP, compression="zstd", store_schema=False)
        rows[name] = table.num_rows
    return rows, block.truth


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Each block's regional truths as one."""
    return {
        "regions": [name for part in parts for name in part["regions"]],
        **{
            key: {crop: [value for part in parts for value in part[key][crop]] for crop in parts[0][key]}
            for key in ("levels", "trends")
        },
    }


def settings_text(
    world: World, years: int, store: str, faults: Faults | None, boundaries: bool = False
) -> str:
    """The commented settings file of a world."""
    crops = [*(crop.name for crop in world.crops), *(faults.crops if faults else ())]
    return render_settings(
        "world.toml.jinja",
        TEMPLATES,
        crops=", ".join(json.dumps(crop, ensure_ascii=False) for crop in crops),
        store=store,
        regions=_REGIONS if boundaries else None,
        level=STATE,
        first_season=LAST_YEAR - years + 1 if faults else None,
        last_season=LAST_YEAR,
        temperature_unit="°C",
        temperature_range=[-60, 60],
        test_seasons=seasons_to_test(years),
    )


def render_settings(name: str, *folders: Path, **values: Any) -> str:
    """A settings file from a template in one of some folders."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folders), undefined=StrictUndefined, trim_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template(name).render(values)
