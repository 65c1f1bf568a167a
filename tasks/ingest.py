"""Inputs read whole: their digests, all weather on a pool of threads, all yields."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from data.contracts import WEATHER
from data.errors import InputError
from data.inputs import Listed, check_unchanged, guarded, list_files, locate_file, shown
from data.settings import Settings
from tasks import ledger
from tasks.weather import Partial, Weather, aggregate_part, merge_parts
from tasks.weather_parts import Part, partition
from tasks.yields import Yields, ingest_yields

__all__ = [
    "InputFile", "Part", "Partial", "Weather", "Yields", "aggregate_part", "digest_inputs", "ingest_weather",
    "ingest_yields", "merge_parts", "partition", "verify_inputs",
]  # fmt: skip
_BLOCK = 4 << 20
# each holds a batch in memory, and beyond this they mostly wait for the interpreter
_MOST_WORKERS = 8


@dataclass(frozen=True)
class InputFile:
    """A file of an input: name relative to the input (with /), size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


def digest_inputs(uri: str) -> tuple[InputFile, ...]:
    """Name, size and SHA-256 of every Parquet file of an input, by name.

    Raises InputError for a missing or empty input and a file that changes meanwhile; StorageError.
    """
    with ThreadPoolExecutor(_workers()) as pool:
        return tuple(pool.map(lambda file: _digest(uri, file), list_files(uri)))


def verify_inputs(uri: str, files: tuple[InputFile, ...]) -> None:
    """Raise InputError when an input isn't any more what `digest_inputs` found."""
    now = {file.name: file for file in digest_inputs(uri)}
    before = {file.name: file for file in files}
    changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    if changed:
        listed = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise InputError(
            f"{shown(uri)}: changed since the run began: {listed}; let their writer finish, then run again"
        )


def ingest_weather(
    settings: Settings, progress: Callable[[int, int], None] | None = None, as_of: date | None = None
) -> Weather:
    """Read all weather, a part per thread; `progress(rows read, rows in all)` is called now and then.

    `as_of`: rows of later days are out of scope, as if they weren't known yet.

    In memory are the sums of all region-seasons and one batch of rows per thread. Raises InputError
    when the input breaks its contract, changes while it is read, or has too many rows to be
    rejected; SettingsError for features that it can't give; StorageError.
    """
    parts = partition(settings, as_of)
    total = sum(part.rows for part in parts)
    done: list[Partial] = []
    with ThreadPoolExecutor(_workers()) as pool:
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


def _digest(uri: str, file: Listed) -> InputFile:
    digest = hashlib.sha256()
    with guarded(uri, file.name):
        files, path = locate_file(uri, file.name)
        with files.open_input_stream(path) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    check_unchanged(uri, file.name, file.size, file.mtime_ns)
    return InputFile(file.name, file.size, digest.hexdigest())


def _workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)
