"""Digests of input files, which a run's id is made of; whether the files are still the same.

Imports little: the answer "nothing new" waits for this room and not for the reading of data.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from data.errors import InputError
from data.inputs.listing import Listed, check_unchanged, hive_columns, list_files, locate_file, reading_errors
from data.locations.uris import redact_uri

_BLOCK = 4 << 20
# each holds a batch in memory, and beyond this they mostly wait for the interpreter
_MOST_WORKERS = 8


@dataclass(frozen=True)
class InputFile:
    """A file of an input: name relative to the input (with /), size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


def digest_inputs(uri: str, known: bool = False) -> tuple[InputFile, ...]:
    """Name, size and SHA-256 of every Parquet file of an input, by name.

    `known`: a file that this process has digested before isn't read again while its size and its time
    of change are what they were.
    Raises InputError for a missing or empty input and a file that changes meanwhile; StorageError.
    """
    digest = _digest_once if known else _digest
    with ThreadPoolExecutor(workers()) as pool:
        return tuple(pool.map(lambda file: digest(uri, file), list_files(uri)))


def same_bytes(uri: str) -> list[tuple[str, ...]]:
    """Names of files of an input that hold the same rows, by name; only files of one size are read.

    Folders that spell out other columns make other rows of the same bytes. Raises as `digest_inputs`.
    """
    alike = defaultdict[Any, list[Listed]](list)
    for file in list_files(uri):
        alike[file.size, tuple(hive_columns(file.name).items())].append(file)
    found = defaultdict[Any, list[str]](list)
    for key, files in alike.items():
        for file in files if len(files) > 1 else ():
            found[key, _digest(uri, file).sha256].append(file.name)
    return sorted(tuple(names) for names in found.values() if len(names) > 1)


def verify_inputs(uri: str, files: tuple[InputFile, ...]) -> None:
    """Raise InputError when an input isn't any more what `digest_inputs` found."""
    changed = changed_files(uri, files)
    if changed:
        raise InputError(
            f"{redact_uri(uri)}: changed since the run began: {listing(changed)}; let their writer finish, "
            "then run again"
        )


def changed_files(uri: str, files: tuple[InputFile, ...]) -> list[str]:
    """The names of files that were added, removed or changed since `files` were digested."""
    now = {file.name: file for file in digest_inputs(uri)}
    before = {file.name: file for file in files}
    return sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))


def listing(names: list[str]) -> str:
    """The first few names and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def workers() -> int:
    """How many threads read inputs side by side."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


def _digest(uri: str, file: Listed) -> InputFile:
    digest = hashlib.sha256()
    with reading_errors(uri, file.name):
        files, path = locate_file(uri, file.name)
        with files.open_input_stream(path) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    check_unchanged(uri, file.name, file.size, file.mtime_ns)
    return InputFile(file.name, file.size, digest.hexdigest())


_digest_once = lru_cache(maxsize=None)(_digest)
