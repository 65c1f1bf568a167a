"""What ships is what the generator makes, and small."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.settings.files import load_settings
from tests.sample.shipped import HERE, SAMPLE, TUTORIAL, write_shipped_inputs


def shipped_files(folder: Path) -> list[Path]:
    return sorted(
        path.relative_to(folder) for part in (TUTORIAL, SAMPLE) for path in (folder / part).rglob("*.*")
    )


def test_committed_inputs_are_those_of_the_generator(tmp_path: Path) -> None:
    write_shipped_inputs(tmp_path)
    assert shipped_files(tmp_path) == shipped_files(HERE)
    for file in shipped_files(tmp_path):
        if file.suffix == ".parquet":  # bytes differ between versions of pyarrow
            made, kept = pq.read_table(tmp_path / file), pq.read_table(HERE / file)
            assert made.schema.equals(kept.schema), file
            for name in made.column_names:
                assert str(made[name].to_pylist()) == str(kept[name].to_pylist()), f"{file}: {name}"
        elif file.suffix == ".json":
            assert json.loads((tmp_path / file).read_text()) == json.loads((HERE / file).read_text())
        else:
            assert (tmp_path / file).read_text() == (HERE / file).read_text()
    assert sum((HERE / file).stat().st_size for file in shipped_files(HERE)) < 300_000


def test_writing_anew_replaces(tmp_path: Path) -> None:
    write_shipped_inputs(tmp_path)
    before = {file: (tmp_path / file).read_bytes() for file in shipped_files(tmp_path)}
    write_shipped_inputs(tmp_path)
    assert {file: (tmp_path / file).read_bytes() for file in shipped_files(tmp_path)} == before


def tutorial() -> tuple[np.ndarray, np.ndarray]:
    weather, yields = (pq.read_table(HERE / TUTORIAL / f"{name}.parquet") for name in ("weather", "yields"))
    assert weather["region"].to_pylist() == yields["region"].to_pylist()
    assert weather["year"].to_pylist() == yields["year"].to_pylist()
    return weather.to_pandas().iloc[:, 2:].to_numpy(), yields.to_pandas().iloc[:, 2:].to_numpy()


def test_the_tutorial_has_the_textbooks_optimum() -> None:
    x_NF, y_NT = tutorial()
    design = np.hstack([x_NF, np.ones((15, 1))])
    weights = np.linalg.lstsq(design, y_NT)[0]
    assert ((design @ weights - y_NT) ** 2).mean() == pytest.approx(0.909446, abs=5e-7)
    np.testing.assert_allclose(np.array([75, 63, 44, 1]) @ weights, [53.7956, 66.8065], atol=5e-5)


def test_the_tutorial_equals_the_textbooks_table() -> None:
    shared = Path(os.environ.get("CROPYIELD_SHARED", HERE.parent.parent / "shared" / "data"))
    file = shared / "tutorial" / "jovian_15rows.csv"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    with file.open() as lines:
        rows = [list(map(float, row)) for row in list(csv.reader(lines))[1:]]
    np.testing.assert_array_equal(np.hstack(tutorial()), rows)


@pytest.mark.parametrize("name", [TUTORIAL, SAMPLE])
def test_settings_that_ship_are_valid(name: str) -> None:
    settings = load_settings(HERE / name / "settings.toml")
    assert Path(settings.weather).exists()
    assert Path(settings.yields).exists()
    assert Path(settings.store) == HERE.parent / "store" / name
    assert [settings.measures[feature.measure].unit for feature in settings.features][1:] == ["mm", "%"]
