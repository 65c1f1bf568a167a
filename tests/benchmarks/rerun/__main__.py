"""`python -m tests.benchmarks.rerun`: how long `cropyield train` takes to say that there is nothing new.

Beside it the digesting of the input files alone, in process and by sha256sum, and the start of the
interpreter; CPU seconds are what counts on a machine that is busy. Options: --regions, --years,
--runs (the best of each counts), --world (a folder to keep the data in).
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from data.synthetic.write import write_world

ROOT = Path(__file__).resolve().parents[3]
_OURS = "digests, in process"
_COMMAND = "import sys; from flows.cli.main import main; main()"
_DIGEST = """
import sys, time
from tasks.job.digest import digest_inputs
begin, used = time.perf_counter(), time.process_time()
for place in sys.argv[1:]:
    digest_inputs(place)
print(time.perf_counter() - begin, time.process_time() - used)
"""
# all that the command imports to answer, and none of its work
_IMPORTS = (
    "import flows.cli.main, flows.cli.terminal.tables, flows.cli.launch, "
    "tasks.publish.summary, tasks.publish.gate, pydantic, data.settings.schema"
)


def main() -> None:
    """Write the world, train on it once with few epochs, then repeat the command."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.rerun", description=__doc__)
    ask.add_argument("--regions", type=int, default=3000)
    ask.add_argument("--years", type=int, default=40)
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--world", type=Path, help="folder of the data; written unless it is there")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        world = given.world or Path(temporary) / "world"
        if not (world / "settings.toml").exists():
            write_world(world, given.regions, given.years, "daily", 0)
        rows = json.loads((world / "truth.json").read_text(encoding="utf-8"))["rows"]["weather"]
        files = [str(file) for name in ("weather", "yields") for file in (world / name).rglob("*.parquet")]
        size = sum(Path(file).stat().st_size for file in files)
        store = Path(temporary) / "store"
        train = [
            sys.executable, "-c", _COMMAND, "train", str(world / "settings.toml"), "--store", str(store),
            "--set", "training.epochs=10", "--set", "gate.excess=1", "--json",
        ]  # fmt: skip
        _run(train)
        python = [sys.executable, "-c"]
        inputs = [str(world / "weather"), str(world / "yields")]
        figures: dict[str, Callable[[], None]] = {
            "interpreter alone": lambda: _quietly([*python, "pass"]),
            "interpreter and imports": lambda: _quietly([*python, _IMPORTS]),
            "nothing new, whole process": lambda: _nothing_new(train),
        }
        if shutil.which("sha256sum"):
            figures["digests, sha256sum"] = lambda: _quietly(["sha256sum", *files])
        digest = [*python, _DIGEST, *inputs]
        # in turns, so that a busy spell of the machine hits all
        taken = [
            {name: _timed(measure) for name, measure in figures.items()} | {_OURS: _own(digest)}
            for _ in range(given.runs)
        ]
    print(f"{rows:,} daily rows in {len(files)} files of {size / 1e6:.0f} MB, best of {given.runs} in turns")
    print(f"{'':<28} {'wall':>8} {'CPU':>8}")
    whole = _best(taken, "nothing new, whole process")
    for name in (*figures, _OURS):
        wall, cpu = _best(taken, name)
        ratios = (
            f"   the whole takes {whole[0] / wall:.2f} times this wall, {whole[1] / cpu:.2f} times this CPU"
        )
        print(f"{name:<28} {wall:6.2f} s {cpu:6.2f} s{ratios if name.startswith('digests') else ''}")


def _best(taken: list[dict[str, tuple[float, float]]], name: str) -> tuple[float, float]:
    return min(each[name][0] for each in taken), min(each[name][1] for each in taken)


def _timed(measure: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds of a child process."""
    used, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    measure()
    wall, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def _own(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds that a child prints about a part of its work."""
    wall, cpu = _run(command).split()
    return float(wall), float(cpu)


def _quietly(command: list[str]) -> None:
    _run(command)


def _nothing_new(command: list[str]) -> None:
    answer = json.loads(_run(command))
    if not answer["message"].startswith("nothing new"):
        raise SystemExit(f"computed again: {answer['message']}")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
