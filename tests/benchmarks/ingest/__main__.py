"""`python -m tests.benchmarks.ingest`: daily weather to seasons by this project and its peers, in one run.

Options: --regions, --years, --runs (the best of each counts), --world (a folder to keep the data in).
Prints a table for people, then the same as Markdown for tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.synthetic.write import write_world
from tests.benchmarks.ingest.contenders import CONTENDERS

ROOT = Path(__file__).resolve().parents[3]
HEADINGS = ("tool", "checks", "in process s", "× DuckDB", "CPU s", "whole process s", "peak MB")


def main() -> None:
    """Write the world once, run every contender on it, print the tables."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.ingest", description=__doc__)
    ask.add_argument("--regions", type=int, default=3000)
    ask.add_argument("--years", type=int, default=40)
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--world", type=Path, help="folder of the data; written unless it is there")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        world = given.world or Path(temporary) / "world"
        if not (world / "settings.toml").exists():
            # in a process of its own: children inherit the peak memory of whoever starts them
            with ProcessPoolExecutor(1) as pool:
                pool.submit(write_world, world, given.regions, given.years, "daily", 0).result()
        rows = json.loads((world / "truth.json").read_text(encoding="utf-8"))["rows"]["weather"]
        # in turns, so that a busy spell of the machine hits all
        results = [{name: _run(name, world) for name in CONTENDERS} for _ in range(given.runs)]
    best = {name: min((run[name] for run in results), key=lambda one: one["seconds"]) for name in CONTENDERS}
    _agree(best)
    bare = best["DuckDB"]["seconds"]
    lines = []
    for name, one in best.items():
        figures = [one["seconds"], one["seconds"] / bare, one["cpu"], one["whole"]]
        lines.append(
            (name, CONTENDERS[name][1], *(f"{figure:.2f}" for figure in figures), f"{one['peak_mb']:.0f}")
        )
    about = (
        f"{rows:,} daily rows, best of {given.runs} runs in turns, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} × {_processor()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "pyarrow", "duckdb", "polars", "pandas"))
    )
    widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
    print(about, "\n")
    for line in (HEADINGS, *lines):
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
    print("\n| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print(f"\n{about}.")


def _run(name: str, world: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.ingest.contenders", name, str(world)]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"whole": whole}


def _agree(best: dict[str, dict[str, Any]]) -> None:
    expected = best["DuckDB"]["figures"]
    for name, one in best.items():
        pairs = zip(one["figures"][1], expected[1], strict=True)
        alike = all(math.isclose(ours, theirs, rel_tol=1e-9) for ours, theirs in pairs)
        if one["figures"][0] != expected[0] or not alike:
            raise SystemExit(f"{name} computes {one['figures']}, DuckDB {expected}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


if __name__ == "__main__":
    main()
