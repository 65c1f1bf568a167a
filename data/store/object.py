"""A store on an object store (s3://, gs://): each file one upload, visible when it is complete."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from data.errors import SettingsError, StorageError
from data.locations.failures import storage_errors
from data.locations.filesystems import ATTEMPTS, open_remote
from data.locations.uris import redact_uri
from data.store.base import MANIFEST

if TYPE_CHECKING:
    from pyarrow import fs

_VERSION = "ETag"
_READINGS = 5  # of a file that is replaced each time it is being read
# below this a file is one PUT; pyarrow turns what is longer than 10 MB into an upload in parts
_ONE_PUT = 8 << 20
# pyarrow reads into a buffer of the file's size; an error page that doesn't fit in spoils the retry
_SPOILT_RETRY = "Failed to flush response stream"


class ObjectStore:
    """A prefix of a bucket through pyarrow.fs; see `storage.Store`. Opened when first used."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._opened: dict[bool, tuple[fs.FileSystem, str]] = {}

    def get(self, name: str) -> bytes | None:
        system = self._open()[0]
        with storage_errors("read", self.place(name), self.uri):
            for _ in range(_READINGS):
                try:
                    content, version = self._read(system, name)
                    # size and content are asked for one after the other: both must be of one version
                    if version is None or self._version(system, name) == version:
                        return content
                except FileNotFoundError:
                    return None
        raise StorageError(f"can't read {self.place(name)}: it changes faster than it can be read")

    def put(self, name: str, content: bytes) -> None:
        system = self._open(in_parts=len(content) >= _ONE_PUT)[0]
        path = self._path(name)

        def upload() -> None:
            import pyarrow as pa

            # whatever could raise comes before there is a stream: one that is dropped publishes what it has
            buffer = pa.py_buffer(content)
            stream = system.open_output_stream(path)
            stream.write(buffer)
            stream.close()

        # in a thread that no KeyboardInterrupt reaches, for the same reason
        with storage_errors("write", self.place(name), self.uri), ThreadPoolExecutor(1) as thread:
            thread.submit(upload).result()

    def names(self, folder: str = "") -> list[str]:
        root = len(self._path("")) + 1
        return sorted(info.path[root:] for info in self._infos(folder) if info.is_file)

    def folders(self, folder: str = "") -> list[str]:
        prefix = f"{folder}/" if folder else ""
        below = [name[len(prefix) :] for name in self.names(folder)]
        return sorted({name.partition("/")[0] for name in below if "/" in name})

    def age(self, name: str) -> float | None:
        system = self._open()[0]
        with storage_errors("look at", self.place(name), self.uri):
            infos = [system.get_file_info(self._path(name)), *self._infos(name)]
        times = [info.mtime.timestamp() for info in infos if info.is_file and info.mtime is not None]
        return time.time() - max(times) if times else None

    def remove(self, name: str) -> None:
        from pyarrow import fs

        system, path = self._open()[0], self._path(name)
        with storage_errors("delete", self.place(name), self.uri), contextlib.suppress(FileNotFoundError):
            kind = system.get_file_info(path).type
            if kind == fs.FileType.Directory:
                # what says that a folder is whole goes first, so that no reader meets half of one
                with contextlib.suppress(FileNotFoundError):
                    system.delete_file(f"{path}/{MANIFEST}")
                system.delete_dir(path)
            elif kind == fs.FileType.File:
                system.delete_file(path)

    def sweep(self, older_than_s: float) -> list[str]:  # noqa: ARG002
        # an upload that was broken off is no object; the bucket's life cycle rules remove its parts
        return []

    def place(self, name: str) -> str:
        return f"{redact_uri(self.uri).rstrip('/')}/{name}" if name else redact_uri(self.uri)

    def _open(self, in_parts: bool = False) -> tuple[fs.FileSystem, str]:
        if in_parts not in self._opened:
            with storage_errors("open", redact_uri(self.uri), self.uri):
                try:
                    system, root = open_remote(self.uri, in_parts)
                except ValueError:
                    # the text would repeat the URI, credentials and all
                    raise SettingsError(
                        f"{redact_uri(self.uri)}: not a location that can be opened; write a path, "
                        "s3://BUCKET/… "
                        "or gs://BUCKET/…, with endpoint and credentials in the environment"
                    ) from None
                self._opened[in_parts] = system, root.rstrip("/")
        return self._opened[in_parts]

    def _path(self, name: str) -> str:
        root = self._open()[1]
        return f"{root}/{name}" if name else root

    def _read(self, system: fs.FileSystem, name: str) -> tuple[bytes, str | bytes | None]:
        for attempt in range(ATTEMPTS):
            with system.open_input_file(self._path(name)) as stream:
                version = stream.metadata().get(_VERSION)
                try:
                    return bytes(stream.read()), version
                except OSError as error:
                    if _SPOILT_RETRY not in str(error) or attempt + 1 == ATTEMPTS:
                        raise
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def _version(self, system: fs.FileSystem, name: str) -> str | bytes | None:
        with system.open_input_file(self._path(name)) as stream:
            version: str | bytes | None = stream.metadata().get(_VERSION)
            return version

    def _infos(self, folder: str) -> list[fs.FileInfo]:
        from pyarrow import fs

        system = self._open()[0]
        with storage_errors("list", self.place(folder), self.uri):
            selector = fs.FileSelector(self._path(folder), recursive=True, allow_not_found=True)
            return list(system.get_file_info(selector))
