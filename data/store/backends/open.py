"""The store at a location, local or on an object store."""

from __future__ import annotations

from pathlib import Path

from data.locations.uris import is_local
from data.store.backends.base import Store
from data.store.backends.local import LocalStore


def open_store(uri: str) -> Store:
    """The store at a local path or an s3:// or gs:// URI. Nothing is read or created yet."""
    if is_local(uri):
        return LocalStore(Path(uri.removeprefix("file://")))
    from data.store.backends.object import ObjectStore

    return ObjectStore(uri)
