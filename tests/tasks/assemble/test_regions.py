"""The file of regions: both kinds, each fault, and which regions match."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError
from data.settings.schema import Settings
from tasks.assemble.regions import Regions, read_regions
from tasks.assemble.regions_account import account_regions
from tasks.ledger.account import ledger_story, regions_notes
from tests.tasks.worlds import settings

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}


def of(file: Path, **changes: Any) -> Settings:
    return settings(regions=str(file), **{"aggregate": {"levels": ["state"]}, "max_rejected": 1.0} | changes)


def read(file: Path, **changes: Any) -> Regions:
    found = read_regions(of(file, **changes))
    assert found is not None
    return found


def parquet(folder: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_parquet(folder / "regions.parquet")
    return folder / "regions.parquet"


def geojson(folder: Path, *properties: dict[str, Any]) -> Path:
    features = [{"type": "Feature", "properties": each, "geometry": SQUARE} for each in properties]
    file = folder / "regions.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return file


def test_no_file_no_regions() -> None:
    assert read_regions(settings()) is None


def test_both_kinds_say_the_same(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"region": "0101", "name": "North", "area": 12.5, "state": "A"},
        {"region": "0102", "name": "South", "area": None, "state": None},
    ]
    one = read(geojson(tmp_path, *rows))
    other = read(parquet(tmp_path, **{key: [row[key] for row in rows] for key in rows[0]}))
    columns = ["region", "name", "state", "area"]
    pd.testing.assert_frame_equal(one.table[columns], other.table[columns])
    assert one.table["region"].tolist() == ["0101", "0102"]
    assert json.loads(one.table["geometry"][0]) == SQUARE
    assert other.table["geometry"].isna().all()


def test_columns_by_other_names_and_numbers_as_names(tmp_path: Path) -> None:
    file = parquet(tmp_path, GEOID=[17001, 17003], STATE=[17, 17], ha=["1.5", "2"])
    found = read(file, region_columns={"region": "GEOID", "state": "STATE", "area": "ha"}).table
    assert found["region"].tolist() == ["17001", "17003"]
    assert found["state"].tolist() == ["17", "17"]
    assert found["area"].tolist() == [1.5, 2.0]


def test_each_fault_has_its_reason(tmp_path: Path) -> None:
    file = parquet(
        tmp_path,
        region=["a", None, "b", "c", "d", "a", "e", "e"],
        area=["1", "1", "x", "-1", "inf", "1", "1", "2"],
        state=["S"] * 8,
    )
    found = read(file)
    reasons = {row["row"]: row["reason"] for row in found.rejected.to_pylist()}
    assert reasons == {
        1: "missing key", 2: "not a number", 3: "outside the valid range", 4: "not a number", 5: "duplicate",
        6: "conflicting duplicate", 7: "conflicting duplicate",
    }  # fmt: skip
    assert found.table["region"].tolist() == ["a"]
    assert found.rows == 8


def test_too_many_faults_stop_the_run(tmp_path: Path) -> None:
    file = parquet(tmp_path, region=["a", None], state=["S", "S"])
    with pytest.raises(InputError, match="1 of 2 regions rows in scope are rejected"):
        read(file, max_rejected=0.2)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'state' is missing.*region_columns"):
        read(parquet(tmp_path, region=["a"], province=["S"]))
    with pytest.raises(InputError, match=r"no feature has the property 'state'.*province"):
        read(geojson(tmp_path, {"region": "a", "province": "S"}))
    with pytest.raises(InputError, match="column 'hectares' is missing"):
        read(parquet(tmp_path, region=["a"], state=["S"]), region_columns={"area": "hectares"})


@pytest.mark.parametrize(
    ("content", "says"), [("{", "can't be read as GeoJSON"), ("[]", "FeatureCollection"), ("", "GeoJSON")]
)
def test_what_is_no_geojson_is_refused(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "regions.geojson").write_text(content)
    with pytest.raises(InputError, match=says):
        read(tmp_path / "regions.geojson")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.geojson: no such file"):
        read(tmp_path / "nowhere.geojson")


def test_the_ledger_counts_and_names_what_is_in_one_place_only(tmp_path: Path) -> None:
    found = read(parquet(tmp_path, region=["a", "b", None], state=["S"] * 3))
    entry = account_regions(found, ["a", "c"], ["a", "d"])
    assert entry["rows_in"] == 3
    assert entry["used"] == {"matched": 1}
    assert entry["rejected"] == {"missing key": 1}
    assert entry["out_of_scope"] == {"region without weather and yields": 1}
    assert entry["without_data"] == {"count": 1, "names": ["b"]}
    assert entry["not_in_file"] == {"count": 2, "names": ["c", "d"]}
    assert ledger_story({"regions": entry})[2:] == [
        "regions in the file of regions without weather or yields: 1 (b)",
        "regions with data but absent from the file of regions: 2 (c, d)",
    ]


def test_a_region_that_the_file_misspells_is_told(tmp_path: Path) -> None:
    entry = account_regions(read(parquet(tmp_path, region=["Nordfield"], state=["S"])), ["Nordfeld"], [])
    (note,) = regions_notes({"regions": {"main": entry, "rabi": entry}})
    assert note.startswith("Nordfeld is not in the regions file (there without data: Nordfield): left out of")
    many = account_regions(read(parquet(tmp_path, region=["a"], state=["S"])), ["a", *"bcdefgh"], [])
    (note,) = regions_notes({"regions": many})
    assert note.startswith("b, c, d, e, f, … (7 regions) are not in the regions file: left out of")
    assert not regions_notes({"regions": account_regions(read(tmp_path / "regions.parquet"), ["a"], ["a"])})
    assert not regions_notes({})
