"""The inputs that ship with the project: the textbook's table and the sample; made here, kept in git."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.columns import REGION, SEASON_YEAR
from data.contracts.vocabulary import WEATHER, YIELDS
from data.synthetic.write import TEMPLATES, render_settings, write_world
from tests.sample.inject_faults import SampleFaults

HERE = Path(__file__).parents[2] / "data"
TUTORIAL, SAMPLE = "tutorial", "sample"

_REGIONS = ("Kanto", "Johto", "Hoenn", "Sinnoh", "Unova")
_FIRST_YEAR = 2001
# the textbook measures its five regions three times over
_TEMPERATURE = (73, 91, 87, 102, 69, 74, 91, 88, 101, 68, 73, 92, 87, 103, 68)
_RAINFALL = (67, 88, 134, 43, 96, 66, 87, 134, 44, 96, 66, 87, 135, 43, 97)
_HUMIDITY = (43, 64, 58, 37, 70, 43, 65, 59, 37, 71, 44, 64, 57, 36, 70)
_APPLES = (56, 81, 119, 22, 103, 57, 80, 118, 21, 104, 57, 82, 118, 20, 102)
_ORANGES = (70, 101, 133, 37, 119, 69, 102, 132, 38, 118, 69, 100, 134, 38, 120)


def write_shipped_inputs(folder: Path = HERE) -> None:
    """Write `tutorial/` and `sample/` anew under `folder`; same versions, same bytes."""
    write_tutorial(folder / TUTORIAL)
    sample = folder / SAMPLE
    for old in sample.glob("*/part-*.parquet"):
        old.unlink()
    write_world(
        sample,
        regions=60,
        years=30,
        resolution="monthly",
        seed=0,
        faults=SampleFaults(),
        store="../../store/sample",
    )


def write_tutorial(folder: Path) -> None:
    """Write the 15 rows of the textbook (°F, mm, %, t/ha) as seasonal weather and wide yields."""
    folder.mkdir(parents=True, exist_ok=True)
    key = {
        REGION.name: pa.array(_REGIONS * 3),
        SEASON_YEAR.name: pa.array(
            [_FIRST_YEAR + row // len(_REGIONS) for row in range(15)], SEASON_YEAR.type
        ),
    }
    weather = {"temperature": _TEMPERATURE, "rainfall": _RAINFALL, "humidity": _HUMIDITY}
    yields = {"apples": _APPLES, "oranges": _ORANGES}
    for name, columns in ((WEATHER, weather), (YIELDS, yields)):
        values = {column: pa.array(rows, pa.float64()) for column, rows in columns.items()}
        pq.write_table(pa.table(key | values), folder / f"{name}.parquet")
    text = render_settings(
        "tutorial.toml.jinja", Path(__file__).parent, TEMPLATES,
        temperature_unit="°F", temperature_range=[-75, 140],
    )  # fmt: skip
    (folder / "settings.toml").write_text(text, encoding="utf-8")
