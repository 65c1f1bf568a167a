"""Inputs read whole: all weather on a pool of threads, all yields."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pyarrow as pa

from data.contracts import WEATHER
from data.settings import Settings
from tasks import ledger
from tasks.digest import InputFile, digest_inputs, verify_inputs, workers
from tasks.weather import Partial, Weather, aggregate_part, merge_parts
from tasks.weather_parts import Part, partition
from tasks.yields import Yields, ingest_yields

__all__ = [
    "InputFile", "Part", "Partial", "Weather", "Yields", "aggregate_part", "digest_inputs", "ingest_weather",
    "ingest_yields", "merge_parts", "partition", "verify_inputs",
]  # fmt: skip


def ingest_weather(settings: Settings, progress: Callable[[int, int], None] | None = None) -> Weather:
    """Read all weather, a part per thread; `progress(rows read, rows in all)` is called now and then.

    In memory are the sums of all region-seasons and one batch of rows per thread. Raises InputError
    when the input breaks its contract, changes while it is read, or has too many rows to be
    rejected; SettingsError for features that it can't give; StorageError.
    """
    parts = partition(settings)
    total = sum(part.rows for part in parts)
    done: list[Partial] = []
    with ThreadPoolExecutor(workers()) as pool:
        waiting: set[Future[Partial]] = {pool.submit(aggregate_part, settings, part) for part in parts}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                done += [future.result() for future in finished]
                if any(len(future.result().rejected) for future in finished):
                    # don't gather millions of rejected rows that can only end in this error
                    rejects = pa.concat_tables([partial.rejected for partial in done])
                    ledger.check_share(settings, WEATHER, rejects, total)
                if progress:
                    progress(sum(partial.part.rows for partial in done), total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return merge_parts(settings, done)
