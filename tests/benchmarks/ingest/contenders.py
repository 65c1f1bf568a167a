"""The same seasonal aggregation by several tools, each run as a process of its own: one JSON line each.

`python -m tests.benchmarks.ingest.contenders NAME WORLD` prints seconds inside the process (by the
clock and on all cores, imports apart), its peak memory and figures by which the tools can be seen to
agree. Only what a contender needs is imported, by the function that makes it ready.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = tuple[int, list[float]]  # region-seasons; sums over them of the three features
Job = Callable[[], Figures]
RANGES = {"temperature": (-60, 60), "rainfall": (0, 3000), "humidity": (0, 100)}


def cropyield(world: Path) -> Job:
    """This project: types, ranges, NaN, exact duplicates, coverage, ledger and all."""
    from data.settings.files import load_settings
    from data.settings.schema import Season
    from tasks.features.plan import make_plan
    from tasks.features.season_features import compute_features
    from tasks.weather.ingest import ingest_weather

    settings = load_settings(world / "settings.toml").model_copy(update={"season": Season()})
    foreign = {"torch", "prefect"} & sys.modules.keys()
    if foreign:
        raise RuntimeError(f"ingest imports {foreign}")

    def job() -> Figures:
        weather = ingest_weather(settings)["main"]
        plan = make_plan(settings, weather.resolution)
        x_CF, _ = compute_features(weather.sums, plan, plan.cutoffs["12-31"])
        return len(x_CF), x_CF.sum(axis=0).tolist()

    return job


_AGGREGATES = "count(*), sum(t), sum(r), sum(h)"
_BARE = """
    select region, year(date) as y, avg(temperature) as t, sum(rainfall) as r, avg(humidity) as h
    from '{files}' group by 1, 2"""
_SOUND = " and ".join(
    f"isfinite({name}) and {name} between {low} and {high}" for name, (low, high) in RANGES.items()
)
_CHECKS = f"""
    select count(*) filter (where region is null or date is null),
           count(*) filter (where not coalesce({_SOUND}, false))
    from '{{files}}'"""
_COPIES = "select count(*) from (select 1 from '{files}' group by region, date having count(*) > 1)"


def duckdb_bare(world: Path) -> Job:
    """DuckDB, the aggregation alone."""
    ask = _asker(world)

    def job() -> Figures:
        rows, *sums = ask(f"select {_AGGREGATES} from ({_BARE})")
        return rows, sums

    return job


def duckdb_checked(world: Path) -> Job:
    """DuckDB with the checks of ranges and of exact duplicates by region and date."""
    ask, aggregate = _asker(world), duckdb_bare(world)

    def job() -> Figures:
        faults = [*ask(_CHECKS), *ask(_COPIES)]
        if any(faults):
            raise RuntimeError(f"the world isn't clean: {faults}")
        return aggregate()

    return job


def _asker(world: Path) -> Callable[[str], Any]:
    import duckdb

    return lambda query: duckdb.execute(query.format(files=f"{world}/weather/*.parquet")).fetchall()[0]


def polars(world: Path) -> Job:
    """Polars, streaming, the aggregation alone."""
    import polars as pl

    def job() -> Figures:
        found = (
            pl.scan_parquet(f"{world}/weather/*.parquet")
            .group_by("region", pl.col("date").dt.year().alias("y"))
            .agg(pl.col("temperature").mean(), pl.col("rainfall").sum(), pl.col("humidity").mean())
            .collect(engine="streaming")
        )
        return len(found), [float(found[name].sum()) for name in RANGES]

    return job


def pandas(world: Path) -> Job:
    """pandas, the aggregation alone."""
    import pandas as pd

    def job() -> Figures:
        frame = pd.read_parquet(world / "weather")
        year = pd.to_datetime(frame["date"]).dt.year
        found = frame.groupby(["region", year], observed=True).agg(
            {"temperature": "mean", "rainfall": "sum", "humidity": "mean"}
        )
        return len(found), [float(found[name].sum()) for name in RANGES]

    return job


CONTENDERS: dict[str, tuple[Callable[[Path], Job], str]] = {
    "cropyield": (cropyield, "all checks, duplicates, ledger"),
    "DuckDB": (duckdb_bare, "none"),
    "DuckDB, checked": (duckdb_checked, "ranges, duplicates"),
    "Polars": (polars, "none"),
    "pandas": (pandas, "none"),
}


def main(name: str, world: str) -> None:
    """Run one contender."""
    job = CONTENDERS[name][0](Path(world))
    begin, busy = time.perf_counter(), time.process_time()
    figures = job()
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "cpu": busy, "peak_mb": peak, "figures": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
