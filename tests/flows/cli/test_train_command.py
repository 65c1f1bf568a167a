"""`cropyield train` on the inputs that ship, through the embedded server: what is published, exit codes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client

from data.contracts.columns import PREDICTION_COLUMNS
from data.contracts.vocabulary import Reason
from data.contracts.wording import number
from data.store.backends.local import LocalStore
from data.store.failed_runs import newest_failed_runs
from flows.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def sample_store(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("sample") / "store"
    assert run(["train", str(shipped / "sample/settings.toml"), "--store", str(store), "--json"]) == 0
    return store


def result_of(capture: Capture) -> Any:
    return json.loads(capture.readouterr().out)


def artifacts(key: str) -> list[str]:
    with get_client(sync_client=True) as client:
        return [str(page.data) for page in client.read_artifacts(limit=200) if page.key == key]


def test_predictions_have_the_columns_and_types_of_the_contract(sample_store: Path) -> None:
    frame = pd.read_parquet(sample_store / "predictions.parquet")
    assert list(frame.columns) == [column.name for column in PREDICTION_COLUMNS]
    schema = pq.read_schema(sample_store / "predictions.parquet")
    assert [schema.field(column.name).type for column in PREDICTION_COLUMNS] == [
        column.type for column in PREDICTION_COLUMNS
    ]
    assert frame.sort_values(["region", "year", "crop", "as_of"]).index.is_monotonic_increasing
    assert set(frame["season"]) == {"main"}
    assert set(frame["split"]) == {"train", "test", "forecast"}
    assert frame["actual"].isna().equals(frame["split"] == "forecast")
    assert frame["predicted"].notna().all()
    assert set(frame["run_id"]) == {json.loads((sample_store / "current.json").read_text())["run_id"]}


def test_a_run_is_whole_and_says_where_things_are(sample_store: Path, capsys: Capture) -> None:
    assert run(["show", str(sample_store), "--json"]) == 0
    shown = result_of(capsys)
    place = Path(shown["place"])
    files = shown["manifest"]["files"]
    present = {file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()}
    assert present == set(files) | {"manifest.json"}
    for name in ("settings.toml", "dataset.parquet", "rejected.parquet", "ledger.json", "metrics.json",
                 "evaluation.parquet", "predictions.parquet", "report.html",
                 "model/main/09-30/weights.safetensors", "model/main/09-30/model.json",
                 "model/main/09-30/coefficients.parquet"):  # fmt: skip
        assert name in files
    assert shown["metrics"]["seasons"]["main"]["as_of"]["09-30"]["excess"]["published"] <= 1e-3
    for crop in ("apples", "oranges"):
        scores = shown["metrics"]["seasons"]["main"]["as_of"]["09-30"]["splits"]["test"]["crops"][crop]
        assert scores["mse"] < min(scores["baselines"].values())


def test_show_and_runs_read_well(sample_store: Path, capsys: Capture) -> None:
    assert run(["runs", str(sample_store)]) == 0
    assert "current" in capsys.readouterr().out
    assert run(["show", str(sample_store)]) == 0
    text = capsys.readouterr().out
    for word in ("apples", "oranges", "skill", "rows in", "rejected", "weather", "yields"):
        assert word in text


def test_the_same_command_again_has_nothing_to_do(sample_store: Path, shipped: Path, capsys: Capture) -> None:
    before = (sample_store / "current.json").read_bytes()
    assert run(["train", str(shipped / "sample/settings.toml"), "--store", str(sample_store), "--json"]) == 0
    assert "nothing new" in result_of(capsys)["message"]
    assert (sample_store / "current.json").read_bytes() == before


def test_two_runs_in_fresh_folders_give_the_same_bytes(
    sample_store: Path, shipped: Path, tmp_path: Path
) -> None:
    shutil.copytree(shipped / "sample", tmp_path / "inputs")
    store = tmp_path / "store"
    assert run(["train", str(tmp_path / "inputs/settings.toml"), "--store", str(store), "--json"]) == 0
    first, second = (
        json.loads((each / "current.json").read_text())["run_id"] for each in (sample_store, store)
    )
    assert first == second
    for file in sorted((store / "runs" / second).rglob("*")):
        if file.is_file() and file.name != "manifest.json":
            twin = sample_store / "runs" / first / file.relative_to(store / "runs" / second)
            assert file.read_bytes() == twin.read_bytes(), file.name


def test_known_weights_are_recovered_within_their_standard_errors(shipped: Path, tmp_path: Path) -> None:
    """The truth of the simulated world against the published coefficients; errors by least squares.

    A ridge would pull the weights toward zero.
    """
    truth = json.loads((shipped / "sample/truth.json").read_text())
    settings, store = str(shipped / "sample/settings.toml"), tmp_path / "store"
    assert run(["train", settings, "--store", str(store), "--set", "training.ridge_seasons=0"]) == 0
    folder = store / "runs" / json.loads((store / "current.json").read_text())["run_id"]
    coefficients = pd.read_parquet(folder / "model/main/09-30/coefficients.parquet")
    dataset = pd.read_parquet(folder / "dataset.parquet")
    features = json.loads((folder / "model/main/09-30/model.json").read_text())["features"]
    for crop in ("apples", "oranges"):
        observed = dataset[dataset[crop].notna()]
        x = observed[features] - observed.groupby("region")[features].transform("mean")
        spread = np.linalg.inv(x.to_numpy().T @ x.to_numpy())
        error = truth["crops"][crop]["noise_sd"] * np.sqrt(np.diag(spread))
        found = coefficients[coefficients["region"].isna() & (coefficients["crop"] == crop)].set_index("term")
        known = dict(zip(truth["features"], truth["crops"][crop]["weights"], strict=True))
        for at, feature in enumerate(features):
            assert abs(found.loc[feature, "coefficient"] - known[feature]) < 4 * error[at], (crop, feature)


def test_tutorial_reaches_the_exact_least_squares_error(
    shipped: Path, tmp_path: Path, capsys: Capture
) -> None:
    settings = str(shipped / "tutorial/settings.toml")
    assert run(["train", settings, "--store", str(tmp_path / "store"), "--json"]) == 0
    (scores,) = result_of(capsys)["metrics"]["seasons"]["main"]["as_of"].values()
    assert scores["splits"]["train"]["pooled"]["mse"] == pytest.approx(0.909446, rel=1e-3)
    assert scores["excess"]["published"] <= 1e-4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "trainng.epochs=3"], 2, "did you mean 'training'"),
        (["--set", "training.device=cuda:7"], 2, "training.device"),
        (["--weather", "nowhere"], 3, "nowhere"),
        (["--weather", "empty"], 3, "empty"),
        (["--weather", "text.parquet"], 3, "text.parquet"),
        (["--set", "weather_columns.rainfall=rain"], 3, "rain"),
        (["--set", "first_season=2090", "--set", "last_season=2099"], 3, "first_season"),
        (["--nonsense"], 2, "nonsense"),
        (["--store", "a-file"], 5, "a-file"),
    ],
)
def test_mistakes_end_with_their_code_and_one_clear_message(
    arguments: list[str], code: int, message: str, shipped: Path, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("no Parquet at all")
    (tmp_path / "a-file").write_text("")
    store = [] if "--store" in arguments else ["--store", "store"]
    assert run(["train", str(shipped / "sample/settings.toml"), *store, *arguments]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "store" / "current.json").exists()
    assert not (tmp_path / "store" / "runs").exists()


def test_a_missing_settings_file_is_a_usage_error(capsys: Capture) -> None:
    assert run(["train", "nowhere.toml"]) == 2
    assert "no such settings file" in capsys.readouterr().err
    assert run(["runs", "nowhere"]) == 2
    assert run(["show", "nowhere", "abc"]) == 2


def test_a_refused_run_is_kept_and_can_be_accepted(
    sample_store: Path, shipped: Path, tmp_path: Path, capsys: Capture
) -> None:
    store = tmp_path / "store"
    shutil.copytree(sample_store, store)
    before = json.loads((store / "current.json").read_text())["run_id"]
    command = [
        "train",
        str(shipped / "sample/settings.toml"),
        "--store",
        str(store),
        "--set",
        "training.epochs=1",
        "--set",
        "training.learning_rate=1e-6",
    ]
    assert run(command) == 4
    said = capsys.readouterr().err
    assert "excess" in said
    (end,) = newest_failed_runs(LocalStore(store), 2)
    assert end["state"] == "Failed"
    assert end["message"].removeprefix("GateError: ") in said
    assert run([*command, "--json"]) == 4
    refused = result_of(capsys)
    assert refused["gate"]["outcome"] == "failed"
    assert "kept but not published" in refused["message"]
    assert any("Gate failed" in page and "kept but not published" in page for page in artifacts("gate"))
    assert json.loads((store / "current.json").read_text())["run_id"] == before
    assert run([*command, "--accept", "a drill", "--json"]) == 0
    pointer = json.loads((store / "current.json").read_text())
    assert pointer["run_id"] == result_of(capsys)["run_id"] != before
    entry = json.loads(max((store / "log").glob("*.json")).read_text())
    assert (entry["run_id"], entry["action"]) == (pointer["run_id"], "publish")
    assert pointer["gate"]["accepted"] == entry["gate"]["accepted"] == "a drill"
    assert set(pd.read_parquet(store / "predictions.parquet")["run_id"]) == {pointer["run_id"]}


def test_synth_writes_a_world_that_trains(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "world"
    assert (
        run(["synth", str(out), "--regions", "20", "--years", "25", "--resolution", "season", "--json"]) == 0
    )
    assert run(["train", result_of(capsys)["settings"], "--json"]) == 0
    assert result_of(capsys)["gate"]["outcome"] == "passed"
    assert run(["synth", str(out)]) == 2
    assert isinstance(pq.read_table(out / "store/predictions.parquet"), pa.Table)


def test_the_run_is_named_after_its_data_and_shows_its_headline(sample_store: Path) -> None:
    with get_client(sync_client=True) as client:
        names = [run.name for run in client.read_flow_runs(limit=200)]
    assert "apples, oranges 1994–2023" in names
    metrics = json.loads(next((sample_store / "runs").glob("*/metrics.json")).read_text())
    mse = metrics["seasons"]["main"]["as_of"]["09-30"]["splits"]["test"]["crops"]["apples"]["mse"]
    assert any(number(mse) in text for text in artifacts("headline"))


def test_every_kind_of_dirt_in_the_sample_is_in_the_ledger_and_in_rejected(
    sample_store: Path, shipped: Path
) -> None:
    """Counts by reason against what the generator spoilt; each rejected row is listed once."""
    truth = json.loads((shipped / "sample/truth.json").read_text())
    (folder,) = (sample_store / "runs").iterdir()
    ledger = json.loads((folder / "ledger.json").read_text())
    assert ledger == {name: {"main": entry} for name, entry in truth["ledger"].items()}
    rejected = pd.read_parquet(folder / "rejected.parquet")
    assert not rejected.duplicated(["input", "file", "row"]).any()
    for name, entry in truth["ledger"].items():
        counted = rejected[rejected["input"] == name]["reason"].value_counts().to_dict()
        assert counted == entry["rejected"]
    reasons = {reason for entry in truth["ledger"].values() for reason in entry["rejected"]}
    assert reasons == {str(reason) for reason in Reason}
