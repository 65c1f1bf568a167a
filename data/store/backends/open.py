"""The store at a location, local or on an object store."""

from __future__ import annotations

from pathlib import Path

from data.errors import SettingsError
from data.locations.uris import is_local, locate
from data.store.backends.base import Store
from data.store.backends.local import LocalStore


def open_store(uri: str) -> Store:
    """The store at a local path or an s3:// or gs:// URI. Nothing is read or created yet."""
    if is_local(uri):
        return LocalStore(Path(uri.removeprefix("file://")))
    from data.store.backends.object import ObjectStore

    return ObjectStore(uri)


def open_target(file: str) -> tuple[Store, str]:
    """The folder that somebody wants a file in, which has to be there, and the file's name.

    Raises SettingsError.
    """
    folder, _, name = locate(file, Path()).rpartition("/")
    place = folder or "/"
    if is_local(place):
        target = Path(place.removeprefix("file://"), name)
        if not target.parent.is_dir():
            raise SettingsError(f"{file}: there is no folder {place}; make it, or name a file elsewhere")
        if target.exists() and not target.is_file():
            raise SettingsError(f"{file} is a folder, a pipe or a device; name a file")
    return open_store(place), name
