"""The ingest of weather: all parts of an input on a pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import date

from data.settings.schema import Settings
from tasks.job.digest import workers
from tasks.weather.merge import Partial, Weather, aggregate_part, check_rejects, merge_parts
from tasks.weather.parts import Part, partition

Progress = Callable[[int, int], None]


def ingest_weather(
    settings: Settings, progress: Progress | None = None, as_of: date | None = None
) -> dict[str, Weather]:
    """Read all weather once for all seasons, a part per thread.

    `progress(rows read, rows in all)` is called now and then. `as_of`: rows of later days are out of
    scope, as if they weren't known yet.

    In memory are the sums of all region-seasons and one batch of rows per thread. Raises InputError
    when the input breaks its contract, changes while it is read, or has too many rows to be
    rejected; SettingsError for features that it can't give; StorageError.
    """
    parts = partition(settings, as_of)
    total = sum(part.rows for part in parts)
    return merge_parts(settings, aggregate_parts(settings, parts, total, workers(), progress))


def aggregate_parts(
    settings: Settings, parts: Sequence[Part], total: int, threads: int, progress: Progress | None = None
) -> list[Partial]:
    """What each of some parts of an input of `total` rows gives, in the order of arrival.

    Raises what `ingest_weather` does.
    """
    done: list[Partial] = []
    with ThreadPoolExecutor(threads) as pool:
        waiting: set[Future[Partial]] = {pool.submit(aggregate_part, settings, part) for part in parts}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                done += [future.result() for future in finished]
                fresh = [each for future in finished for each in future.result().seasons.values()]
                if any(len(each.rejected) for each in fresh):
                    # don't gather millions of rejected rows that can only end in this error
                    check_rejects(settings, done, total)
                if progress:
                    progress(sum(partial.part.rows for partial in done), total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return done
