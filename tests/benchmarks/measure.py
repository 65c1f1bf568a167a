"""What the benchmarks share: a process measured from outside, tables in Markdown, the machine in words."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ROOT / ".bench"  # git ignores it; worlds are kept there from one benchmark to the next
_PEAK_UNIT = 1e6 if sys.platform == "darwin" else 1e3


@dataclass(frozen=True)
class Cost:
    """Of a process and those that it started and waited for; the peak is the largest single process's."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str

    def __sub__(self, other: Cost) -> Cost:
        """What this process took beyond another; the peak is kept."""
        return Cost(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s, self.peak_mb, self.output)


def cost(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command in the project's folder. Raises SystemExit with what it wrote when it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with code {process.returncode}:\n{err.read()}")
        return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / _PEAK_UNIT, out.read())


def in_turns(runs: int, contenders: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """The fastest of some runs of each contender, in turns, so that a busy spell of the machine hits all."""
    found: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, contender in contenders.items():
            found[name].append(contender())
    return {name: min(costs, key=lambda each: each.wall_s) for name, costs in found.items()}


def environment(home: Path) -> dict[str, str]:
    """A process's environment with a Prefect of its own, and no server named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {"PREFECT_HOME": str(home), "MPLCONFIGDIR": str(home / "matplotlib")}


def daily_world(regions: int, years: int = 40) -> Path:
    """The folder of a simulated world with daily weather; it is written unless it is there."""
    from data.synthetic.write import write_world

    world = WORLDS / f"daily-{regions}x{years}"
    if not (world / "settings.toml").exists():
        world.parent.mkdir(exist_ok=True)
        # in a process of its own: children inherit the peak memory of whoever starts them
        with ProcessPoolExecutor(1) as pool:
            pool.submit(write_world, world, regions, years, "daily", 0).result()
    return world


def about(*packages: str) -> str:
    """Date, machine and versions, for the line above a table."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = os.cpu_count() or 1
    busy = f", busy with other work (load {load:.1f} on {cores} cores)" if load > cores else ""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cores} × {processor()}{busy}, Python {platform.python_version()}, "
        f"{versions}"
    )


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
