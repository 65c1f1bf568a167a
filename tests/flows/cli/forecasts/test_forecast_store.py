"""`cropyield forecast` and its store: repeats, nothing to forecast, damage, stable paths."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flows.cli.main import run
from tests.flows.cli.forecasts.under_way import Capture, copy_of, forecast

ROOT = Path(__file__).resolve().parents[4]


def test_a_repeat_has_nothing_new_and_imports_neither_torch_nor_prefect(
    under_way: Path, capsys: Capture
) -> None:
    first = forecast(under_way, capsys)
    before = (under_way / "store/forecast.json").read_bytes()
    replace(under_way / "store/forecasts.parquet", b"something else")
    command = ["forecast", str(under_way / "settings.toml"), "--store", str(under_way / "store"), "--json"]
    script = (
        "import sys; from flows.cli.main import run; code = run(sys.argv[1:]); "
        "sys.exit(code or 77 * bool({'torch', 'prefect', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False, timeout=120,
        cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["message"].startswith("nothing new")
    assert again["seasons"] == first["seasons"]
    assert (under_way / "store/forecast.json").read_bytes() == before
    folder = under_way / "store/forecasts" / first["run_id"]
    assert (under_way / "store/forecasts.parquet").read_bytes() == (
        folder / "predictions.parquet"
    ).read_bytes()


def test_nothing_to_forecast_is_said_and_publishes_nothing(
    under_way: Path, tmp_path: Path, capsys: Capture
) -> None:
    forecast(under_way, capsys)
    folder = copy_of(under_way, tmp_path)
    before = {name: (folder / "store" / name).read_bytes() for name in ("forecast.json", "forecasts.parquet")}
    yields = pd.read_parquet(folder / "yields").query("region == 'R0001' and 1995 <= year <= 2000")
    weather = pd.read_parquet(folder / "weather").merge(yields[["region", "year"]].drop_duplicates())
    for name, rows in (("yields", yields), ("weather", weather)):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
        rows.to_parquet(folder / name / "part.parquet")
    result = forecast(folder, capsys, "--set", 'crops=["apples", "oranges"]')
    assert result["message"].startswith("nothing to forecast, nothing published: ")
    assert "region-seasons have their yield" in result["message"]
    assert result["seasons"] == []
    for name, content in before.items():
        assert (folder / "store" / name).read_bytes() == content


def replace(file: Path, content: bytes) -> None:
    """Put another file in its place, as somebody who copies one there."""
    other = file.with_name("other")
    other.write_bytes(content)
    other.replace(file)


@pytest.mark.parametrize("name", ["forecasts.parquet", "predictions.parquet"])
def test_whatever_writes_to_a_store_repairs_both_stable_paths(
    name: str, under_way: Path, tmp_path: Path, capsys: Capture
) -> None:
    forecast(under_way, capsys)
    folder = copy_of(under_way, tmp_path)
    sound = (folder / "store" / name).read_bytes()
    for command in (["runs"], ["show"], ["verify"]):
        replace(folder / "store" / name, b"of another run")
        assert run([command[0], str(folder / "store"), *command[1:]]) == 0
        assert (folder / "store" / name).read_bytes() == b"of another run", command
    assert run(["prune", str(folder / "store"), "--keep", "1"]) == 0
    assert (folder / "store" / name).read_bytes() == sound
    (folder / "store" / name).unlink()
    settings = [str(folder / "settings.toml"), "--store", str(folder / "store")]
    assert run(["train", *settings, "--set", 'as_of=["06-30"]']) == 0
    assert (folder / "store" / name).read_bytes() == sound


def test_a_damaged_model_is_refused_and_a_damaged_forecast_made_anew(
    under_way: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = copy_of(under_way, tmp_path)
    store = folder / "store"
    (weights,) = (store / "runs").glob("*/model/main/06-30/weights.safetensors")
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-3] + bytes([sound[-3] ^ 16]) + sound[-2:])
    for left in ("forecasts", ".work"):
        shutil.rmtree(store / left, ignore_errors=True)
    (store / "forecast.json").unlink(missing_ok=True)
    said = forecast(folder, capsys, code=5)
    assert "weights.safetensors isn't as it was published" in said
    assert "--force" in said
    assert not (store / "forecast.json").exists()
    weights.write_bytes(sound)
    made = forecast(folder, capsys)["run_id"]
    copy = store / "forecasts.parquet"
    good, own = copy.read_bytes(), store / f"forecasts/{made}/predictions.parquet"
    for damaged, content in ((own, good[:-9]), (store / "forecast.json", b"x")):
        replace(damaged, content)
        assert run(["runs", str(store), "--json"]) == 0
        assert copy.read_bytes() == good
        forecast(folder, capsys)
        assert (own.read_bytes(), copy.read_bytes()) == (good, good)
    assert run(["verify", str(store), "--json"]) == 0
    replace(own, good[:-9])
    for which in ((), (made,)):
        assert run(["verify", str(store), *which, "--json"]) == 5
