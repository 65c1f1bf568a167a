"""What `cropyield init` says that a run will take, beside what it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.synthetic.write import write_world
from flows.cli.init import duration
from flows.cli.main import run

COMMAND = [sys.executable, "-c", "from flows.cli.main import main; main()"]
ROOT = Path(__file__).resolve().parents[3]
FACTOR = 2.0


@pytest.mark.parametrize(("regions", "years", "resolution"), [(40, 20, "monthly"), (600, 40, "monthly")])
def test_a_run_takes_about_as_long_as_init_says(
    regions: int, years: int, resolution: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(tmp_path, regions=regions, years=years, resolution=resolution, seed=2)
    settings = tmp_path / "found.toml"
    places = [str(tmp_path / name) for name in ("weather", "yields")]
    ratios = []
    for _ in range(3):  # whatever else the machine is doing may change between the two
        capsys.readouterr()
        assert run(["init", *places, "--settings", str(settings), "--force", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)["seconds"]
        assert said["total"] == pytest.approx(said["start"] + said["read"] + said["model"])
        begin = time.perf_counter()
        subprocess.run([*COMMAND, "train", str(settings), "-q", "--force"], cwd=ROOT, check=True)
        ratios.append(said["total"] / (time.perf_counter() - begin))
        if 1 / FACTOR < ratios[-1] < FACTOR:
            return
    raise AssertionError(ratios)


def test_people_read_lengths_of_time() -> None:
    told = {0.2: "0.2 s", 74.2: "74 s", 200: "3 minutes", 9000: "2.5 hours"}
    assert {seconds: duration(seconds) for seconds in told} == told
