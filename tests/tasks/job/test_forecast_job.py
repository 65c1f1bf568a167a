"""Which settings suit the current model, and what a forecast's id depends on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import SettingsError, StorageError
from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.store.backends.local import LocalStore
from tasks.job.forecast_job import open_forecast
from tasks.job.identity import run_settings
from tests.stores import an_id
from tests.stores import publish as publish_run

FEATURES: list[dict[str, Any]] = [
    {"measure": "rain", "aggregate": "sum", "every": "month"},
    {"measure": "heat", "aggregate": "days_above", "threshold": 30, "window": ["06-01", "08-15"]},
]
TRAINED: dict[str, Any] = {
    "season": {"start": "04-01", "end": "09-30"},
    "measures": {"rain": {"unit": "mm"}},
    "as_of": ["06-30"],
    "features": FEATURES,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Inputs (never read beyond their digests), and a store whose current run is `a1`."""
    for name in ("weather", "yields"):
        (tmp_path / name).mkdir()
        pd.DataFrame({name: [1]}).to_parquet(tmp_path / name / "part.parquet")
    publish(tmp_path, "a1")
    return tmp_path


def settings(place: Path, **changes: Any) -> Settings:
    where = {name: str(place / name) for name in ("weather", "yields", "store")}
    return parse_settings(TRAINED | where | changes, "test")


def publish(place: Path, run: str, **more: Any) -> None:
    files = {"settings.toml": run_settings(settings(place)).encode()}
    models = {"main": {"crops": ["corn", "rye"], "seasons": [1990, 2020]}}
    publish_run(LocalStore(place / "store"), run, files=files, crops=["corn", "rye"], models=models, **more)


def test_the_job_knows_the_model_and_its_cut_offs(place: Path) -> None:
    job = open_forecast(settings(place, as_of=["07-15"]))
    assert job.model_run_id == an_id("a1")
    assert job.trained["main"].cutoffs == ("06-30", "09-30")
    assert job.settings.as_of == ("06-30",)
    assert (job.trained["main"].last_season, job.crops) == (2020, ("corn", "rye"))
    assert open_forecast(settings(place, crops=["rye", "oats"])).crops == ("rye",)
    with pytest.raises(SettingsError, match=r"none of oats, but corn, rye; train one"):
        open_forecast(settings(place, crops=["oats"]))


def test_the_id_follows_inputs_settings_day_and_model(place: Path) -> None:
    base = open_forecast(settings(place)).run_id
    assert len(base) == 16
    assert open_forecast(settings(place)).run_id == base
    assert open_forecast(settings(place, as_of=[])).run_id == base  # the model's own cut-offs count
    ids = {
        base,
        open_forecast(settings(place), date(2021, 7, 1)).run_id,
        open_forecast(settings(place), date(2021, 7, 2)).run_id,
        open_forecast(settings(place, min_coverage=0.8)).run_id,
    }
    publish(place, "b2")
    ids.add(open_forecast(settings(place)).run_id)
    pd.DataFrame({"weather": [2]}).to_parquet(place / "weather" / "part.parquet")
    ids.add(open_forecast(settings(place)).run_id)
    assert len(ids) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": FEATURES[:1]}, "heat_days_above_30 is missing"),
        ({"features": [*FEATURES, {"measure": "year"}]}, "year is new"),
        (
            {"features": [FEATURES[0], FEATURES[1] | {"window": ["06-01", "08-31"]}]},
            "heat_days_above_30: days 06-01 to 08-31, was 06-01 to 08-15",
        ),
        (
            {"features": [FEATURES[0], FEATURES[1] | {"threshold": 32}]},
            "heat_days_above_32 is new; heat_days_above_30 is missing",
        ),
        ({"features": [FEATURES[0], FEATURES[1] | {"threshold": 32, "name": "heat_days_above_30"}]},
         "threshold 32.0, was 30.0"),
        ({"measures": {"rain": {"unit": "inch"}}}, r"6 differ.*unit 'inch', was 'mm'.*and 1 more"),
        ({"season": {"start": "04-01", "end": "10-31"}}, r"season.end = '10-31'.*trained on '09-30'"),
    ],
)  # fmt: skip
def test_other_features_are_refused_by_name(place: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        open_forecast(settings(place, **change))
    assert "cropyield train" in str(caught.value)


def test_what_does_not_touch_the_features_is_free(place: Path) -> None:
    open_forecast(settings(place, measures={"rain": {"unit": "mm", "range": [0, 900]}}, baseline="mean"))


def test_without_a_model_it_says_to_train(place: Path) -> None:
    store = LocalStore(place / "store")
    run = f"runs/{an_id('a1')}"
    (store.root / run / "settings.toml").write_text("min_coverage = 0.5")
    with pytest.raises(StorageError, match=r"settings\.toml isn't as it was published"):
        open_forecast(settings(place))
    store.remove(f"{run}/settings.toml")
    with pytest.raises(StorageError, match=r"settings\.toml is gone"):
        open_forecast(settings(place))
    store.remove(run)
    with pytest.raises(StorageError, match=r"its manifest is gone.*cropyield rollback"):
        open_forecast(settings(place))
    with pytest.raises(SettingsError, match="`cropyield train`"):
        open_forecast(settings(place).model_copy(update={"store": str(place / "another")}))


def test_a_model_of_an_earlier_version_has_to_be_trained_again(place: Path) -> None:
    publish(place, "b2", schema=1)
    with pytest.raises(SettingsError, match="train again"):
        open_forecast(settings(place))
