"""A settings file as the parameters of a deployment, and back in a worker's folder."""

import asyncio
from pathlib import Path

import pytest
import yaml
from prefect.deployments.steps.core import run_steps

from data.settings.files import load_settings, located
from data.settings.schema import Settings
from flows.deploying import parameters, read_settings
from flows.server.environment import HEARTBEAT_S, HEARTBEAT_VARIABLE


def test_parameters_are_the_settings_again_in_another_folder(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shipped.parent)
    read = read_settings("data/sample/settings.toml")
    assert read["project"] == str(shipped.parent)
    assert read["settings"]["weather"] == "data/sample/weather"
    assert read["settings"]["store"] == "store/sample"
    there = located(Settings.model_validate(read["settings"]), tmp_path)
    assert there.weather == str(tmp_path / "data/sample/weather")
    here = load_settings(shipped / "sample/settings.toml")
    assert located(Settings.model_validate(read["settings"]), shipped.parent) == here


def test_every_deployment_has_its_runs_show_that_they_live(shipped: Path) -> None:
    deployments = yaml.safe_load((shipped.parent / "prefect.yaml").read_text())["deployments"]
    assert [each["name"] for each in deployments] == [
        "train-weekly",
        "forecast-daily",
        "backtest-yearly",
        "score-yearly",
    ]
    for each in deployments:
        assert each["work_pool"]["job_variables"]["env"] == {HEARTBEAT_VARIABLE: str(HEARTBEAT_S)}


def test_other_locations_stay_as_they_are(shipped: Path, tmp_path: Path) -> None:
    changes = {
        "weather": "s3://bucket/weather",
        "store": str(tmp_path),
        "trend": [{"half_life": float("inf")}],
    }
    settings = load_settings(shipped / "sample/settings.toml", changes)
    given = parameters(settings, shipped.parent)
    assert (given["weather"], given["store"]) == ("s3://bucket/weather", str(tmp_path))
    assert given["yields"] == "data/sample/yields"
    assert located(Settings.model_validate(given), shipped.parent) == settings


@pytest.mark.parametrize(
    ("file", "words"), [("settings.toml", "did you mean 'yields'"), ("setings.toml", "no such settings file")]
)
def test_a_deployment_of_bad_settings_is_refused_in_a_sentence(file: str, words: str, tmp_path: Path) -> None:
    """By Prefect's own steps, which wrap every other error into tracebacks."""
    (tmp_path / "settings.toml").write_text('weather = "w"\nyelds = "y"\n')
    step = {"flows.deploying.read_settings": {"file": str(tmp_path / file)}}
    with pytest.raises(SystemExit, match=f"(?s)^prefect.yaml, the build step's file: .*{words}"):
        asyncio.run(run_steps([step]))
