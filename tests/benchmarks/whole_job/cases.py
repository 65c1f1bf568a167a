"""The inputs of the whole job: the sample, the US data of the shared folder, simulated daily worlds."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from data.settings.files import dump_settings, parse_settings
from tests.benchmarks import measure

US = Path(os.environ.get("CROPYIELD_SHARED", measure.ROOT.parent / "shared" / "data")) / "us_climdiv_medium"


@dataclass(frozen=True)
class Case:
    """One set of inputs, as the scripts know it and as the settings of this project name it."""

    name: str
    kind: str
    weather: Path
    yields: Path
    settings: Path


def small_cases(folder: Path) -> list[Case]:
    """The sample and, where they are there, the US data; `folder` takes settings files."""
    sample = measure.ROOT / "data" / "sample"
    cases = [Case("sample", "sample", sample / "weather", sample / "yields", sample / "settings.toml")]
    if US.is_dir():
        weather, yields = US / "weather.parquet", US / "yields.parquet"
        cases.append(Case("US", "us", weather, yields, _us_settings(folder, weather, yields)))
    else:
        print(f"no US data: {US} is absent", file=sys.stderr)
    return cases


def daily_case(regions: int, years: int = 40) -> Case:
    """A simulated world of daily weather; it is written unless it is there."""
    world = measure.daily_world(regions, years)
    rows = json.loads((world / "truth.json").read_text(encoding="utf-8"))["rows"]["weather"]
    name = f"{rows / 1e6:.3g} M daily rows"
    return Case(name, "daily", world / "weather", world / "yields", world / "settings.toml")


def _us_settings(folder: Path, weather: Path, yields: Path) -> Path:
    raw = {
        "weather": str(weather),
        "yields": str(yields),
        "store": str(folder / "store"),
        "crops": ["corn", "soybeans"],
        "first_season": 1960,
        "season": {"start": "04-01", "end": "09-30"},
        "weather_columns": {"temperature": "temperature_c", "rainfall": "rainfall_mm"},
        "measures": {"temperature": {"unit": "°C"}, "rainfall": {"unit": "mm"}},
        "features": [
            {"measure": measure, "aggregate": "mean", "every": "month"}
            for measure in ("temperature", "rainfall")
        ],
    }
    file = folder / "us.toml"
    file.write_text(dump_settings(parse_settings(raw, "US")), encoding="utf-8")
    return file
