"""`python -m tests.benchmarks.growth`: time and memory of the whole job from 0.44 to 44 million daily rows.

Options: --runs (the fastest of each counts), --picture (where the plot goes: docs/growth.svg). Prints the
finished section for tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.measure import Cost

REGIONS = (30, 100, 300, 1000, 3000)
PYTHON = sys.executable
JOB = "from flows.cli.main import main; main()"
START = "tests.benchmarks.whole_job.start"
PICTURE = measure.ROOT / "docs" / "growth.svg"


def main() -> None:
    """Run the job on each world, draw, print the section."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    ask.add_argument("--runs", type=int, default=2)
    ask.add_argument("--picture", type=Path, default=PICTURE)
    given = ask.parse_args()
    worlds = {_rows(world): world for world in map(measure.daily_world, REGIONS)}
    with tempfile.TemporaryDirectory() as temporary:
        ours = measure.environment(Path(temporary) / "prefect")

        def job(world: Path) -> Cost:
            store = Path(tempfile.mkdtemp(dir=temporary)) / "store"
            settings = str(world / "settings.toml")
            return measure.cost([PYTHON, "-c", JOB, "train", settings, "--store", str(store), "--json"], ours)

        measure.cost([PYTHON, "-m", START], ours)  # makes Prefect's data base
        found = measure.in_turns(
            given.runs,
            {
                "start": lambda: measure.cost([PYTHON, "-m", START], ours),
                **{str(rows): lambda world=world: job(world) for rows, world in worlds.items()},  # type: ignore[misc]
            },
        )
    start, costs = found["start"], [found[str(rows)] for rows in worlds]
    given.picture.parent.mkdir(exist_ok=True)
    draw(list(worlds), costs, start, given.picture)
    print("## Growth\n\n`python -m tests.benchmarks.growth`\n")
    print(
        f"The whole job on daily weather of 40 years and {REGIONS[0]:,} to {REGIONS[-1]:,} regions, as a "
        f"process: the fastest of {given.runs}\nruns in turns, "
        f"{measure.about('torch', 'prefect', 'pyarrow')}.\nIts start alone (imports and embedded server): "
        f"{start.wall_s:.2f} s, {start.cpu_s:.2f} CPU s, {start.peak_mb:.0f} MB.\n"
    )
    lines = []
    fewer: tuple[int, float] | None = None
    for rows, cost in zip(worlds, costs, strict=True):
        beyond = cost.cpu_s - start.cpu_s
        power = math.log(beyond / fewer[1]) / math.log(rows / fewer[0]) if fewer else None
        figures = (f"{cost.wall_s:.2f}", f"{cost.cpu_s:.2f}", f"{beyond:.2f}")
        lines.append([f"{rows:,}", *figures, f"{power:.2f}" if power else "–", f"{cost.peak_mb:.0f}"])
        fewer = (rows, beyond)
    headings = [
        "daily rows",
        "s",
        "CPU s",
        "CPU s beyond its start",
        "grows with rows to the power",
        "peak MB",
    ]
    print(measure.table(headings, lines))
    where = (
        given.picture.relative_to(measure.ROOT)
        if given.picture.is_relative_to(measure.ROOT)
        else given.picture
    )
    print(f"\nDrawn in `{where}`.")


def draw(rows: list[int], costs: list[Cost], start: Cost, picture: Path) -> None:
    """Time and memory against rows, these on a logarithmic axis; the start alone as a level line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        time, memory = figure.subplots(1, 2)
        time.plot(rows, [cost.wall_s for cost in costs], "o-", color="#1f6f8b", label="elapsed")
        time.plot(rows, [cost.cpu_s for cost in costs], "s--", color="#d17a22", label="CPU, all processes")
        time.axhline(start.wall_s, color="#888888", linewidth=1, label="imports and server alone, elapsed")
        time.set(title="Time of the whole job", ylabel="seconds")
        memory.plot(rows, [cost.peak_mb for cost in costs], "o-", color="#1f6f8b", label="whole job")
        memory.axhline(start.peak_mb, color="#888888", linewidth=1, label="imports and server alone")
        memory.set(title="Peak memory of the largest process", ylabel="MB")
        for axes in (time, memory):
            axes.set(xlabel="rows of daily weather", xscale="log")
            axes.set_ylim(0, None)
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        figure.savefig(picture, format=picture.suffix.lstrip(".") or "svg", metadata={"Date": None})


def _rows(world: Path) -> int:
    rows: int = json.loads((world / "truth.json").read_text(encoding="utf-8"))["rows"]["weather"]
    return rows


if __name__ == "__main__":
    main()
