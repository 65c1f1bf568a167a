"""From Python: each function does what its command does, and its tables are those published."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import GateError, ServerError, SettingsError
from data.settings.files import load_settings
from data.synthetic.write import write_world
from flows import python
from flows.python import Result, backtest_yields, forecast_yields, train_yields

ROOT = Path(__file__).resolve().parents[2]
CHANGES = {"training.epochs": 40, "gate.excess": 1.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    write_world(folder, regions=8, years=16, resolution="monthly", seed=2)
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Result:
    return train_yields(place / "settings.toml", changes=CHANGES)


def test_a_run_and_its_tables(trained: Result, place: Path) -> None:
    folder = place / f"store/runs/{trained.run_id}"
    assert trained.message == f"published run {trained.run_id}"
    assert trained.places["report"] == str(folder / "report.html")
    for made, name in ((trained.predictions(), "predictions"), (trained.drivers(), "drivers")):
        pd.testing.assert_frame_equal(made, pd.read_parquet(folder / f"{name}.parquet"))
    scores = trained.metrics()
    test = scores[(scores["split"] == "test") & (scores["crop"] == "apples")].iloc[0]
    found = json.loads((folder / "metrics.json").read_text())["seasons"]["main"]["as_of"]
    apples = found[test["as_of"]]["splits"]["test"]["crops"]["apples"]
    assert test["skill"] == apples["skill"]
    assert test["mse_region_trend"] == apples["baselines"]["region_trend"]
    said = trained.predictions().query("split == 'test' and crop == 'apples'")
    assert test["mse"] == pytest.approx(((said["predicted"] - said["actual"]) ** 2).mean())
    assert set(scores["crop"].dropna()) == {"apples", "oranges"}
    assert scores["crop"].isna().sum() == scores["split"].nunique()  # pooled


def test_settings_may_be_an_object_and_nothing_new_is_said_to_be_so(trained: Result, place: Path) -> None:
    settings = load_settings(place / "settings.toml", CHANGES)
    again = train_yields(settings)
    assert (again.run_id, again.area) == (trained.run_id, "runs")
    assert again.message.startswith("nothing new")
    longer = python._settings(settings, {"training.epochs": 41})
    assert (longer.training.epochs, longer.features) == (41, settings.features)
    with pytest.raises(SettingsError, match=r"training\.epoch"):
        train_yields(settings, changes={"training.epoch": 1})


def test_a_forecast_and_its_tables(place: Path) -> None:
    yields = pd.concat(map(pd.read_parquet, sorted((place / "yields").glob("*.parquet"))))
    early = place / "early.parquet"
    yields[yields["year"] < yields["year"].max()].to_parquet(early)
    changes = CHANGES | {"yields": str(early)}
    with pytest.raises(GateError, match="against_current") as refused:
        train_yields(place / "settings.toml", changes=changes)
    model = train_yields(place / "settings.toml", changes=changes, accept="a year less to learn from")
    assert refused.value.result is not None
    assert refused.value.result["run_id"] == model.run_id
    found = forecast_yields(place / "settings.toml", as_of="2023-12-31", changes=changes)
    said = found.predictions()
    assert set(said["year"]) == {2023}
    assert set(said["run_id"]) == {model.run_id}
    assert found.summary["as_of"] == "2023-12-31"
    added = found.drivers().groupby(["region", "crop"])["contribution"].sum()
    said = said.set_index(["region", "crop"])
    np.testing.assert_allclose(said["baseline"] + added, said["predicted"], atol=1e-9)
    pd.testing.assert_frame_equal(found.metrics(), model.metrics())
    nothing = forecast_yields(place / "settings.toml", as_of="2022-03-01", changes=changes)
    assert nothing.places == {}
    with pytest.raises(SettingsError, match=r"there is no predictions.parquet"):
        nothing.predictions()


def test_a_backtest_and_its_tables(place: Path) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = backtest_yields(place / "settings.toml", seasons=2, changes=CHANGES)
        warnings.warn("still heard", stacklevel=1)
    assert "still heard" in [str(each.message) for each in heard]
    said = found.predictions()
    assert sorted(set(said["year"])) == found.summary["seasons"]
    assert set(found.metrics()["split"]) == {"test"}
    with pytest.raises(SettingsError, match=r"there is no drivers.parquet"):
        found.drivers()
    with pytest.raises(SettingsError, match="at least one season"):
        backtest_yields(place / "settings.toml", seasons=0)


def test_a_server_that_ends_ends_the_call_and_not_the_process() -> None:
    from flows.cli.launch import when_gone

    # whoever starts the tests in the background of a script has SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def lost() -> None:
        with python._in_this_process():
            when_gone.get()("Prefect: its embedded server ended")
            while True:  # until the interrupt comes
                pass

    try:
        with pytest.raises(ServerError, match="its embedded server ended"):
            lost()
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_package_of_that_name_is_named_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/__init__.py").write_text("MINE = 1\n")

    def told(code: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.append({str(ROOT)!r}); {code}"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    found = told("import flows.python, data.settings.files; print(data.__file__)")
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == str(ROOT / "data/__init__.py")
    assert f"{tmp_path / 'data/__init__.py'} can't be imported in this process" in found.stderr
    found = told("import data; import flows.python")
    assert found.returncode == 1
    assert "ImportError: cropyield has a package 'data', but another one" in found.stderr.splitlines()[-1]
    assert told("import data; print(data.MINE)").stdout == "1\n"
