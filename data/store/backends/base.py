"""What a store is: a folder of whole files, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

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

    def create(self, name: str, content: bytes) -> bool:
        """Write a file if there is none of that name; whether there was none."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers of the store waiting; on object stores nothing does."""

    def names(self, folder: str = "") -> list[str]:
        """Every file below a folder, sorted; those being written are left out."""

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted."""

    def age(self, name: str) -> float | None:
        """Seconds since a file, or the newest file below a folder, was last written."""

    def remove(self, name: str, still: Callable[[], bool] = lambda: True) -> None:
        """Delete a file, or a folder with all in it, if `still` says so at the last moment.

        Nothing happens where there is none.
        """

    def sweep(self, older_than_s: float) -> list[str]:
        """Remove what killed writers left half written and nobody has touched for so long; its names."""

    def place(self, name: str) -> str:
        """Where a person finds a file, without credentials."""
