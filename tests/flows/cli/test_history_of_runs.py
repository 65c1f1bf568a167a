"""What becomes of real runs later: repeated from their manifest, rolled back from, met again unchanged."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data.errors import DeviceError
from data.store.manifests import to_json
from flows.cli.main import run
from flows.cli.rerun import changed_setup, recorded_settings
from tasks.job import machine
from tests.stores import as_first_layout

Capture = pytest.CaptureFixture[str]
QUICK = ["--set", "training.epochs=20", "--set", "gate.excess=1"]
HEAVY = ("torch", "prefect", "pandas", "matplotlib")


@pytest.fixture(scope="module")
def inputs(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs") / "sample"
    shutil.copytree(shipped / "sample", folder)
    return folder


@pytest.fixture(scope="module")
def made(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two runs, the second of them current."""
    store = tmp_path_factory.mktemp("made") / "store"
    for seed in (0, 1):
        assert run(train(inputs, store, seed)) == 0
    return store


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "store"))


def train(inputs: Path, store: Path, seed: int) -> list[str]:
    words = ["train", str(inputs / "settings.toml"), "--store", str(store), "--json"]
    return [*words, *QUICK, "--set", f"training.seed={seed}"]


def pointer(store: Path) -> Any:
    return json.loads((store / "current.json").read_bytes())


def manifest_of(store: Path, which: str = "current") -> tuple[Path, Any]:
    current = pointer(store)["run_id"]
    name = (
        current
        if which == "current"
        else next(f.name for f in (store / "runs").iterdir() if f.name != current)
    )
    file = store / "runs" / name / "manifest.json"
    return file, json.loads(file.read_bytes())


def everything(store: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file()}


def test_a_run_repeated_from_its_manifest_has_the_same_bytes(store: Path, capsys: Capture) -> None:
    before = everything(store)
    assert run(["verify", str(store), "--rerun", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rerun"]["differing"] == found["rerun"]["changed"] == []
    assert found["rerun"]["files"] > 12
    assert everything(store) == before


@pytest.mark.parametrize("which", ["current", "other"])
def test_a_forged_run_is_found(which: str, store: Path, capsys: Capture) -> None:
    """Its digests agree with its files; of the current run the log tells, of others only the repetition."""
    file, manifest = manifest_of(store, which)
    forged = file.with_name("metrics.json").read_bytes().replace(b'"mse": 4', b'"mse": 3')
    file.with_name("metrics.json").write_bytes(forged)
    manifest["files"]["metrics.json"] |= {"sha256": hashlib.sha256(forged).hexdigest(), "size": len(forged)}
    manifest["versions"]["torch"] = "0.1"
    file.write_bytes(to_json(manifest))
    if which == "current":
        assert run(["verify", str(store)]) == 5
        assert "isn't the one that was published" in capsys.readouterr().err
        return
    assert run(["verify", str(store), manifest["run_id"]]) == 0
    assert run(["verify", str(store), manifest["run_id"], "--rerun"]) == 5
    said = capsys.readouterr()
    assert "1 of " in said.err
    assert "metrics.json" in said.err
    assert f"torch: recorded 0.1, here {machine.versions()['torch']}" in said.err


def test_changed_inputs_are_not_repeated(store: Path, inputs: Path, tmp_path: Path, capsys: Capture) -> None:
    moved = Path(shutil.copytree(inputs / "weather", tmp_path / "moved"))
    (moved / "part-0000.parquet").write_bytes((moved / "part-0001.parquet").read_bytes())
    assert run(["verify", str(store), "--rerun", "--weather", str(moved)]) == 3
    said = capsys.readouterr().err
    assert "part-0000.parquet changed" in said
    assert "--weather" in said
    assert run(["verify", str(store), "--rerun", "--yields", str(tmp_path / "gone")]) == 3
    assert "gone" in capsys.readouterr().err
    assert run(["verify", str(store), "--weather", str(moved)]) == 2


def test_what_a_repetition_takes_from_the_manifest(store: Path) -> None:
    _, manifest = manifest_of(store)
    settings = recorded_settings(manifest, {"weather": None, "yields": None}, "elsewhere")
    assert settings.training.device == manifest["device"] == machine.device_class("auto")
    assert settings.training.seed == 1
    assert settings.weather == manifest["inputs"]["weather"]["location"]
    endless = manifest | {"settings": manifest["settings"] | {"trend": [{"half_life": "inf"}]}}
    assert recorded_settings(endless, {"weather": None, "yields": None}, "x").trend[0].half_life == float(
        "inf"
    )
    with pytest.raises(DeviceError, match="was made on tpu"):
        recorded_settings(manifest | {"device": "tpu"}, {}, "elsewhere")
    assert changed_setup(manifest) == []
    other = manifest | {"code": {"source": "0" * 64, "commit": "abc", "dirty": False}}
    assert changed_setup(other)[0].startswith("code: recorded commit abc, here ")


def test_a_rollback_outlasts_unchanged_repetitions(store: Path, inputs: Path, capsys: Capture) -> None:
    newer = manifest_of(store)[1]["run_id"]
    older = manifest_of(store, "other")[1]["run_id"]
    assert run(["rollback", str(store), older]) == 0
    capsys.readouterr()
    assert run(train(inputs, store, 1)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run_id"] == newer
    assert found["message"].startswith("nothing new")
    assert "rolled back from" in found["message"]
    assert pointer(store)["run_id"] == older
    # what is said of the withdrawn run leads to its own files
    assert found["places"]["predictions"] == str(store / f"runs/{newer}/predictions.parquet")
    assert run(["runs", str(store)]) == 0
    said = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert (said[newer], said[older]) == ("withdrawn", "current")
    assert run([*train(inputs, store, 1), "--accept", "it was right"]) == 0
    assert pointer(store)["run_id"] == newer
    assert "withdrawn" not in pointer(store)
    # --force says as much
    assert run(["rollback", str(store), older]) == 0
    assert run([*train(inputs, store, 1), "--force"]) == 0
    assert pointer(store)["run_id"] == newer
    assert run(["verify", str(store)]) == 0


def test_nothing_new_is_answered_without_torch_and_prefect(store: Path, inputs: Path) -> None:
    older = manifest_of(store, "other")[1]["run_id"]
    script = (
        "import sys, flows.cli.main; code = flows.cli.main.run(sys.argv[1:]); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    for seed, rolled_back in ((1, False), (1, True)):
        if rolled_back:
            assert run(["rollback", str(store), older]) == 0
        done = subprocess.run(
            [sys.executable, "-c", script, *train(inputs, store, seed)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[3],
            env={**os.environ, "PYTHONPATH": "."},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr.strip() == "[]"
        answer = json.loads(done.stdout)
        assert answer["message"].startswith(f"nothing new: run {answer['run_id']}")


def test_a_store_of_the_first_schema_is_read_and_then_taken_over(
    store: Path, inputs: Path, capsys: Capture
) -> None:
    """Pointers and copies, no log: runs are listed, models are neither forecast from nor compared with."""
    current = as_first_layout(store)
    assert run(["runs", str(store), "--json"]) == 0
    assert [each["current"] for each in json.loads(capsys.readouterr().out)["runs"]] == [False, True]
    assert run(["verify", str(store)]) == 0
    assert not (store / "log").exists()
    words = [str(inputs / "settings.toml"), "--store", str(store)]
    assert run(["forecast", *words]) == 2
    assert "train again" in capsys.readouterr().err
    assert run(train(inputs, store, 2)) == 0
    made = json.loads(capsys.readouterr().out)
    compared = [check for check in made["gate"]["checks"] if check["name"] == "against_current"]
    assert {check["outcome"] for check in compared} == {"not evaluated"}
    assert "earlier version" in compared[0]["reason"]
    entries = [json.loads(file.read_bytes()) for file in sorted((store / "log").iterdir())]
    assert [entry["action"] for entry in entries] == ["take over", "publish"]
    assert entries[0]["state"]["current"]["run_id"] == current
    assert pointer(store)["run_id"] == made["run_id"]


def test_a_withdrawn_run_that_was_pruned_stays_withdrawn(store: Path, inputs: Path, capsys: Capture) -> None:
    newer = manifest_of(store)[1]["run_id"]
    older = manifest_of(store, "other")[1]["run_id"]
    assert run(["rollback", str(store), older]) == 0
    assert run(["prune", str(store), "--keep", "1", "--min-age", "0"]) == 0
    capsys.readouterr()
    assert run(train(inputs, store, 1)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run_id"] == newer
    assert "rolled back from" in found["message"]
    assert pointer(store)["run_id"] == older
    assert run(["verify", str(store), newer]) == 0


def test_a_copy_without_its_log_is_called_that(store: Path, capsys: Capture) -> None:
    shutil.rmtree(store / "log")
    for name in ("current.json", "forecast.json"):
        (store / name).unlink(missing_ok=True)
    assert run(["verify", str(store)]) == 2
    said = capsys.readouterr().err
    assert "if this is a copy, copy log/, too" in said
    back = said.partition("cropyield rollback STORE ")[2].split()[0]
    assert run(["rollback", str(store), back]) == 0
    assert run(["verify", str(store)]) == 0
