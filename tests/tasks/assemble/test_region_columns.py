"""Which columns of a file of regions hold what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError
from tasks.assemble.region_columns import find_columns

REGIONS = frozenset({"001", "002", "003", "004"})
CODES = sorted(REGIONS)
NAMES = ["Adams", "Brown", "Adams", "Clark"]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"region": CODES, "name": NAMES, "area": [1.0] * 4}, {}),
        (
            {"GEOID": CODES, "NAME": NAMES, "AREA": [1.0] * 4},
            {"region": "GEOID", "name": "NAME", "area": "AREA"},
        ),
        # named as in the weather, though another column has as many
        ({"shape": CODES, "landkreis": CODES}, {"region": "landkreis"}),
        # the values decide where no column is named as in the weather, or that one has none of them
        ({"county": NAMES, "x": CODES}, {"region": "x"}),
        ({"region": NAMES, "x": CODES}, {"region": "x"}),
        # values agree but for zeros; none does: the best name
        ({"county": NAMES, "code": [1, 2, 3, 4]}, {"region": "code"}),
        ({"remark": NAMES, "county": ["5", "6", "7", "8"]}, {"region": "county"}),
        # a state's name is no region's; a unit that is not said is not guessed
        ({"region": CODES, "state_name": ["A", "A", "A", "A"], "area_km2": [1.0] * 4}, {}),
        ({"region": CODES, "county_name": NAMES, "state_name": ["A"] * 4}, {"name": "county_name"}),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "geojson"])
def test_columns_are_found_by_name_and_value(
    columns: dict[str, Any], found: dict[str, str], kind: str, tmp_path: Path
) -> None:
    assert find_columns(written(tmp_path, kind, columns), REGIONS, ["Landkreis", "LANDKREIS"]) == found


def test_a_feature_is_known_by_its_id(tmp_path: Path) -> None:
    file = tmp_path / "regions.geojson"
    features = [{"type": "Feature", "id": code, "properties": None, "geometry": None} for code in CODES]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert find_columns(str(file), REGIONS, []) == {"region": "id"}


def test_a_file_without_regions_is_refused(tmp_path: Path) -> None:
    place = written(tmp_path, "parquet", {"remark": NAMES})
    with pytest.raises(InputError, match=r"none has a region .* such as '001', '002', '003'; found 'remark'"):
        find_columns(place, REGIONS, [])


def written(folder: Path, kind: str, columns: dict[str, Any]) -> str:
    table, file = pd.DataFrame(columns), folder / f"regions.{kind}"
    if kind == "parquet":
        table.to_parquet(file)
        return str(file)
    features = [
        {"type": "Feature", "properties": row, "geometry": None} for row in table.to_dict(orient="records")
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(file)
