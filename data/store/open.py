"""What a store is, and the one on this machine: whole files that appear at once, failures explained."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from data.errors import StorageError
from data.locations.filesystems import secrets_of

LOCATIONS = ("weather", "yields", "store")  # the settings that say where something lies
MANIFEST = "manifest.json"  # written last: the folder it lies in is whole
TEMPORARY = ".tmp"  # ending of files that are being written


class Store(Protocol):
    """A folder of whole files, named by relative POSIX paths.

    A file written with `put` is seen by readers either as it was before or as it is after, never in
    between, and survives a power cut once `put` has returned. Every failure of the medium is a
    StorageError; a file that isn't there is None.
    """

    uri: str

    def get(self, name: str) -> bytes | None:
        """The content of a file."""

    def put(self, name: str, content: bytes) -> None:
        """Write a file at once."""

    def names(self, folder: str = "") -> list[str]:
        """Every file below a folder, sorted; those being written are left out."""

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted."""

    def age(self, name: str) -> float | None:
        """Seconds since a file, or the newest file below a folder, was last written."""

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all in it; nothing happens where there is none."""

    def sweep(self, older_than_s: float) -> list[str]:
        """Remove what killed writers left half written and nobody has touched for so long; its names."""

    def place(self, name: str) -> str:
        """Where a person finds a file, without credentials."""


def open_store(uri: str) -> Store:
    """The store at a local path or an s3:// or gs:// URI. Nothing is read or created yet."""
    if is_local(uri):
        return LocalStore(Path(uri.removeprefix("file://")))
    from data.store.object import ObjectStore

    return ObjectStore(uri)


def locate(location: str, folder: Path) -> str:
    """A location as an absolute path seen from `folder`; URIs stay as they are."""
    if re.match(r"^[a-z][a-z0-9+.-]*://", location):
        return location
    return str((folder / Path(location).expanduser()).absolute().resolve())


def is_local(uri: str) -> bool:
    """Whether a location is a path on this machine."""
    return "://" not in uri or uri.startswith("file://")


def public(uri: str) -> str:
    """A location without user, password and query, fit for logs, messages and manifests."""
    return re.sub(r"^([a-z][a-z0-9+.-]*://)(?:[^@/]*(?::[^@]*)?@)?([^?]*).*$", r"\1\2", uri)


def carries_credentials(uri: str) -> bool:
    """Whether a location names a user, or an option that looks like a secret."""
    address, _, options = uri.partition("?")
    named = re.match(r"^[a-z][a-z0-9+.-]*://[^@/]*(:[^@]*)?@", address)
    secret = re.search(r"(key|secret|token|password|signature)[^=&]*=|@", options, re.IGNORECASE)
    return bool(named) or ("://" in address and bool(secret))


class LocalStore:
    """A folder on this machine; files are flushed, renamed into place, and their folder flushed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)
        self._folder: tuple[int, int] | None = None

    def get(self, name: str) -> bytes | None:
        with explained("read", self.place(name)):
            self._check_place()
            try:
                return (self.root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, name: str, content: bytes) -> None:
        target = self.root / name
        with explained("write", self.place(name)):
            self._check_place()
            make_folder(target.parent)
            self._check_place()  # the one that was made, if it was
            temporary = target.parent / f".{target.name}.{secrets.token_hex(6)}{TEMPORARY}"
            try:
                write_flushed(temporary, content)
                os.replace(temporary, target)  # noqa: PTH105  one name for the fault-injecting tests
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            flush_folder(target.parent)

    def names(self, folder: str = "") -> list[str]:
        with explained("list", self.place(folder)):
            found = []
            for parent, folders, files in os.walk(self.root / folder, onerror=_raise_unless_gone):
                folders[:] = [inner for inner in folders if not inner.endswith(TEMPORARY)]
                relative = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
                found += [str(relative / file) for file in files if not file.endswith(TEMPORARY)]
            return sorted(found)

    def folders(self, folder: str = "") -> list[str]:
        with explained("list", self.place(folder)):
            try:
                found = [entry.name for entry in os.scandir(self.root / folder) if entry.is_dir()]
                return sorted(name for name in found if not name.endswith(TEMPORARY))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def age(self, name: str) -> float | None:
        import time

        with explained("look at", self.place(name)):
            path = self.root / name
            try:
                newest = path.stat().st_mtime
                for inner in path.rglob("*") if path.is_dir() else ():
                    with contextlib.suppress(FileNotFoundError):
                        newest = max(newest, inner.stat().st_mtime)
            except FileNotFoundError:
                return None
            return time.time() - newest

    def remove(self, name: str) -> None:
        path = self.root / name
        with explained("delete", self.place(name)), contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                # out of sight first, so that nobody meets half a folder
                hidden = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")
                path.rename(hidden)
                shutil.rmtree(hidden)
            else:
                path.unlink()

    def sweep(self, older_than_s: float) -> list[str]:
        import time

        removed = []
        with explained("delete", self.uri):
            for parent, folders, files in os.walk(self.root):
                for name in [inner for inner in (*folders, *files) if inner.endswith(TEMPORARY)]:
                    path = Path(parent) / name
                    with contextlib.suppress(FileNotFoundError):
                        if time.time() - path.lstat().st_mtime > older_than_s:
                            shutil.rmtree(path) if path.is_dir() else path.unlink()
                            removed.append(path.relative_to(self.root).as_posix())
                folders[:] = [inner for inner in folders if not inner.endswith(TEMPORARY)]
        return removed

    def place(self, name: str) -> str:
        return str(self.root / name) if name else str(self.root)

    def _check_place(self) -> None:
        """Raise StorageError when the folder isn't any more the one that was first seen here.

        Without its disk the place may still be there, or be made anew: half a run would be written
        to it, and the pointer that can't be found would seem never to have been.
        """
        try:
            facts = self.root.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        else:
            found = facts.st_dev, facts.st_ino
        if self._folder is None:
            self._folder = found
        elif self._folder != found:
            raise StorageError(
                f"{self.root} vanished while it was in use; bring its disk back and repeat the command"
            )


def write_flushed(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, each flushed into its parent."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the disk knows a folder's entries."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and repeat the command",
    errno.EDQUOT: "the disk quota is used up; free some space and repeat the command",
    errno.EACCES: "permission denied; check who may write there",
    errno.EPERM: "permission denied; check who may write there",
    errno.EROFS: "the file system is read-only; make it writable, or name another store",
    errno.EFBIG: "the file grows beyond what is allowed (ulimit -f); raise the limit and repeat the command",
    errno.EIO: "the disk failed; look at the system's log, then repeat the command",
    errno.ENOENT: "the folder is gone; bring it back and repeat the command",
    errno.ESTALE: "the folder is gone; bring it back and repeat the command",
}
# in the words of pyarrow's S3 client
_REMOTE_REMEDIES = {
    "NO_SUCH_BUCKET": "the bucket doesn't exist; create it first",
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN": (
        "the credentials were refused; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
    ),
    "curlCode: 28|REQUEST_TIMEOUT": "the service doesn't answer in time; repeat the command later",
    "NETWORK_CONNECTION": "no connection to the service; check AWS_ENDPOINT_URL and the network",
    "SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|HTTP status 5": (
        "the service failed; repeat the command later"
    ),
}


@contextlib.contextmanager
def explained(action: str, place: str, uri: str = "") -> Iterator[None]:
    """Turn a failure of the operating system or a service into a StorageError that says what to do.

    `uri` is the store's, whose credentials the failure may repeat.
    """
    try:
        yield
    except OSError as error:
        said = redacted(str(error), uri)
        known = remedy_of(error)
        for pattern, remedy in _REMOTE_REMEDIES.items() if not known and uri else ():
            if re.search(pattern, said):
                known = f"{remedy} ({said})"
                break
        # an S3 client's own message would show what `said` hides
        raise StorageError(f"can't {action} {place}: {known or said}") from (None if uri else error)


def remedy_of(error: OSError) -> str | None:
    """What failed, and what to do about it, where the operating system's number for it says so."""
    return _REMEDIES.get(error.errno or 0)


def redacted(text: str, uri: str = "") -> str:
    """A message of somebody else's, without credentials that it may repeat."""
    text = re.sub(r"([a-z][a-z0-9+.-]*://)[^\s/@]+@", r"\1", text)
    for secret in sorted(secrets_of(uri), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
