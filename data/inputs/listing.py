"""The Parquet files of an input: opening a location, listing it, noticing a change. Never their content."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from data.errors import CropyieldError, InputError, StorageError
from data.escapes import one_line
from data.inputs.fix_commands import convert, stem
from data.inputs.services import meaning_of
from data.locations.filesystems import open_remote
from data.locations.uris import is_local, redact_uri, redacted

SUFFIX = ".parquet"
_OTHER_KINDS = r"\.(csv|tsv|xlsx?|json|feather)(\.gz)?$"
_ADDRESS = r"\w+://\S+"
_NO_FILE = "is neither a file nor a folder (a pipe, a socket, a device?); name a Parquet file or its folder"
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
# what pyarrow's clients of object stores say when the service, not the file, is at fault
_REMOTE_FAULT = re.compile(r"AWS Error|google::cloud|curl|NETWORK|timed? ?out", re.IGNORECASE)


@dataclass(frozen=True)
class Listed:
    """A file of an input as the file system lists it: name relative to the input, size, last change."""

    name: str
    path: str
    size: int
    mtime_ns: int


def place_of(uri: str, name: str) -> str:
    """A file of an input as messages name it; one that is the input itself is named once."""
    place, name = one_line(redact_uri(uri)), one_line(name)
    return place if f"/{place.rstrip('/')}".endswith(f"/{name}") else f"{place}: {name}"


def open_input(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a location (a path, s3://, gs://, file://) and the path in it.

    Raises InputError where the location can't be understood.
    """
    if "://" not in uri:
        return fs.LocalFileSystem(), str(Path(uri).absolute())
    try:
        found = fs.FileSystem.from_uri(uri) if is_local(uri) else open_remote(uri)
    except (pa.ArrowException, ValueError, OSError) as error:
        # Arrow's own text may repeat the URI, credentials and all
        raise InputError(
            f"{redact_uri(uri)}: this location can't be opened ({type(error).__name__}); "
            "write a path, s3://… or gs://…"
        ) from None
    files, path = found
    return files, path


def list_files(uri: str) -> tuple[Listed, ...]:
    """Parquet files under a location, by name; hidden and _underscore ones are skipped; one file is itself.

    Raises InputError where nothing is there, StorageError where the file system fails.
    """
    files, path = open_input(uri)
    with reading_errors(uri):
        (info,) = files.get_file_info([path])
        if info.type == fs.FileType.NotFound:
            (beside,) = files.get_file_info([path.rstrip("/") + SUFFIX])
            there = beside.type != fs.FileType.NotFound
            hint = f"; there is {redact_uri(uri).rstrip('/')}{SUFFIX}: name it in full" if there else ""
            if not is_local(uri):
                _require_bucket(uri, files, path.partition("/")[0])
            raise InputError(f"{redact_uri(uri)}: no such file or folder{hint}")
        if info.type == fs.FileType.File:
            if re.search(_OTHER_KINDS, info.base_name.lower()):
                raise InputError(f"{redact_uri(uri)}: is no Parquet file; {_convert(redact_uri(uri))}")
            return (_listed(info, info.base_name),)
        if info.type != fs.FileType.Directory:
            raise InputError(f"{redact_uri(uri)}: {_NO_FILE}")
        found = files.get_file_info(fs.FileSelector(path, recursive=True))
    root = path.rstrip("/") + "/"
    here = []
    others: list[str] = []
    for info in found:
        name = info.path.removeprefix(root)
        if info.type == fs.FileType.Directory or any(part[0] in "._" for part in PurePosixPath(name).parts):
            continue
        if name.lower().endswith(SUFFIX):
            if info.type != fs.FileType.File:
                raise InputError(f"{place_of(uri, name)}: {_NO_FILE}")
            here.append(_listed(info, name))
        else:
            others.append(name)
    if not here:
        listed = f" ({len(others)} of other kinds, such as {others[0]})" if others else ", which is empty"
        known = [name for name in others if re.search(_OTHER_KINDS, name.lower())]
        raise InputError(
            f"{redact_uri(uri)}: no {SUFFIX} file in this folder{listed}; "
            + (
                _convert(f"{redact_uri(uri).rstrip('/')}/{known[0]}")
                if known
                else "write the data as Parquet, or point the settings to the folder that holds it"
            )
        )
    return tuple(sorted(here, key=lambda file: file.name))


def locate_file(uri: str, name: str) -> tuple[fs.FileSystem, str]:
    """The file system and path of one listed file."""
    files, path = open_input(uri)
    (info,) = files.get_file_info([path])
    return (files, path) if info.type == fs.FileType.File else (files, f"{path.rstrip('/')}/{name}")


def check_unchanged(uri: str, name: str, size: int, mtime_ns: int) -> None:
    """Raise InputError when a file isn't any more what it was when it was listed."""
    with reading_errors(uri, name):
        files, path = locate_file(uri, name)
        (info,) = files.get_file_info([path])
    if info.type != fs.FileType.File:
        raise InputError(f"{place_of(uri, name)} disappeared while it was being read; run again")
    if info.size != size or (info.mtime_ns or 0) != mtime_ns:
        raise InputError(
            f"{place_of(uri, name)} changed while it was being read ({size} bytes, now {info.size}); "
            "let its writer finish, then run again"
        )


def hive_columns(name: str) -> dict[str, str | None]:
    """Columns that the folders of a file spell out (`region=0101/year=1990/part.parquet`)."""
    pairs = (part.partition("=") for part in PurePosixPath(name).parts[:-1] if "=" in part)
    return {unquote(key): None if value == HIVE_NULL else unquote(value) for key, _, value in pairs if key}


class reading_errors:  # noqa: N801 - reads as a statement
    """`with guarded(uri, name):` turns what file systems and Parquet raise into this project's errors."""

    def __init__(self, uri: str, name: str = "") -> None:
        self.uri, self.where = uri, place_of(uri, name) if name else redact_uri(uri)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, CropyieldError) or not isinstance(error, Exception):
            return
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{self.where}: no such file") from error
        if isinstance(error, PermissionError):
            raise InputError(f"{self.where}: no permission to read it") from error
        if not isinstance(error, (OSError, pa.ArrowException, ValueError)):
            return
        said = redacted(str(error).partition("\n")[0])
        if isinstance(error, OSError) and (error.errno is not None or _REMOTE_FAULT.search(str(error))):
            said = said if is_local(self.uri) else meaning_of(error, self.uri).partition("\n")[0]
            said = re.sub(_ADDRESS, "…", said)
            # the log of a failed task shows the cause, too, and a service's own words may repeat secrets
            cause = error if error.errno is not None else None
            raise StorageError(f"{self.where}: reading failed: {said}") from cause
        raise InputError(
            f"{self.where} can't be read as Parquet: it is corrupt, truncated, encrypted or of another "
            f"kind; write it again ({re.sub(_ADDRESS, '…', said)})"
        ) from error


def _require_bucket(uri: str, files: fs.FileSystem, bucket: str) -> None:
    """Raise InputError where a bucket doesn't exist, if it may be asked."""
    with contextlib.suppress(OSError):
        (info,) = files.get_file_info([bucket])
        if info.type == fs.FileType.NotFound:
            raise InputError(
                f"{redact_uri(uri)}: the bucket {bucket} doesn't exist; check its name and AWS_ENDPOINT_URL"
            )


def _convert(place: str) -> str:
    return f"convert it, and name {stem(place)}.parquet in its place:\n{convert(place)}"


def _listed(info: fs.FileInfo, name: str) -> Listed:
    return Listed(name, info.path, int(info.size), int(info.mtime_ns or 0))
