"""What `cropyield init` says that a run will take, beside what it takes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from data.synthetic.write import write_world
from flows.cli.init import duration
from flows.cli.main import run

COMMAND = [sys.executable, "-c", "from flows.cli.main import main; main()"]
ROOT = Path(__file__).resolve().parents[3]
FACTOR = 1.8
QUIET = 0.55
"""A run's wall time by its CPU time, server included, on two cores with nothing else to do."""


@pytest.mark.parametrize(("regions", "years", "resolution"), [(600, 40, "monthly")])
def test_a_run_takes_about_as_long_as_init_says(
    regions: int, years: int, resolution: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(tmp_path, regions=regions, years=years, resolution=resolution, seed=2)
    settings = tmp_path / "found.toml"
    places = [str(tmp_path / name) for name in ("weather", "yields")]
    capsys.readouterr()
    assert run(["init", *places, "--settings", str(settings), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["seconds"]
    assert said["total"] == pytest.approx(said["start"] + said["read"] + said["model"])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*COMMAND, "train", str(settings), "-q"], cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert 1 / FACTOR < said["total"] / (QUIET * cpu_s) < FACTOR, (said, cpu_s)


def test_people_read_lengths_of_time() -> None:
    told = {0.2: "0.2 s", 74.2: "74 s", 200: "3 minutes", 9000: "2.5 hours"}
    assert {seconds: duration(seconds) for seconds in told} == told
