"""A run in progress: finished steps, each a folder that appears whole, from which a killed run goes on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import StorageError
from data.locations.failures import storage_errors
from data.store.backends.base import TEMPORARY, Store
from data.store.backends.local import LocalStore, flush_folder, make_folder
from data.store.manifests import WORK, read_json, to_json

# on an object store: written last, says which upload of the step counts and what is in it
_DONE = ".done"


class Work:
    """The steps of one run below `.work` in its store.

    On this machine a step is a folder that is renamed into place. On an object store each maker
    uploads below a name of its own, and the step is what its `.done` names; steps are fetched once
    into a cache that processes of this machine share.
    """

    def __init__(self, store: Store, run: str) -> None:
        self.store = store
        self.name = f"{WORK}/{run}"

    def finished(self, step: str) -> Path | None:
        """The folder of a finished step on this machine (fetched where the store is elsewhere), or None."""
        if isinstance(self.store, LocalStore):
            folder = self.store.root / self.name / step
            return folder if folder.is_dir() else None
        done = read_json(self.store, f"{self.name}/{step}/{_DONE}")
        if done is None:
            return None
        folder = self._folder() / f"{step}.{done['upload']}"
        if not folder.is_dir():
            self._fetch(step, done, folder)
        return folder

    @contextlib.contextmanager
    def create(self, step: str) -> Iterator[Path]:
        """An empty folder to fill; on leaving it becomes the finished step, unless another run was faster.

        An exception leaves nothing behind.
        """
        parent = self._folder()
        folder = _new_folder(parent, step)
        try:
            # inputs explain their failures themselves; what is left is the work folder's
            with storage_errors("write", str(parent / step)):
                yield folder
            if isinstance(self.store, LocalStore):
                _settle(folder, parent / step)
            else:
                upload = secrets.token_hex(6)
                if self._upload(folder, step, upload):
                    _settle(folder, parent / f"{step}.{upload}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self) -> Path:
        """Where this run's steps lie on this machine; it is made where it isn't."""
        if isinstance(self.store, LocalStore):
            folder = self.store.root / self.name
        else:
            key = hashlib.sha256(f"{self.store.place('')}/{self.name}".encode()).hexdigest()[:16]
            folder = _own_temporary_folder() / key
        with storage_errors("write", str(folder)):
            make_folder(folder)
        return folder

    def _upload(self, folder: Path, step: str, upload: str) -> bool:
        """Whether this upload became the step; another run's may have been faster."""
        place = f"{self.name}/{step}"
        files = {}
        try:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    content, name = file.read_bytes(), file.relative_to(folder).as_posix()
                    self.store.put(f"{place}/{upload}/{name}", content)
                    files[name] = hashlib.sha256(content).hexdigest()
            first = self.store.get(f"{place}/{_DONE}") is None
        except BaseException:
            with contextlib.suppress(StorageError):
                self.store.remove(f"{place}/{upload}")
            raise
        if first:
            # it may arrive and fail all the same, so nothing it names is removed from here on
            self.store.put(f"{place}/{_DONE}", to_json({"upload": upload, "files": files}))
        else:
            self.store.remove(f"{place}/{upload}")
        return first

    def _fetch(self, step: str, done: dict[str, Any], target: Path) -> None:
        folder = _new_folder(target.parent, step)
        try:
            for name, digest in done["files"].items():
                place = f"{self.name}/{step}/{done['upload']}/{name}"
                content = self.store.get(place)
                if content is None or hashlib.sha256(content).hexdigest() != digest:
                    what = "is missing" if content is None else "is damaged"
                    raise StorageError(
                        f"{self.store.place(place)} {what}; delete {self.store.place(self.name)} and repeat "
                        "the command"
                    )
                with storage_errors("write", str(folder)):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
            _settle(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def forced_name(run: str) -> str:
    """A work folder that nobody has used yet, for computing a finished run again."""
    return f"{run}-{secrets.token_hex(4)}"


def _new_folder(parent: Path, step: str) -> Path:
    with storage_errors("write", str(parent)):
        return Path(tempfile.mkdtemp(prefix=f".{step}.", suffix=TEMPORARY, dir=parent))


def _settle(folder: Path, target: Path) -> None:
    """Flush a folder with all in it and rename it, unless somebody else's is there already."""
    with storage_errors("write", str(target)):
        for inner in sorted(folder.rglob("*")):
            if inner.is_dir():
                flush_folder(inner)
            else:
                with inner.open("rb") as handle:
                    os.fsync(handle.fileno())
        flush_folder(folder)
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        flush_folder(target.parent)


def _own_temporary_folder() -> Path:
    """A folder among the machine's temporary ones that nobody else can write to. Raises StorageError."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"cropyield-{user}"
    with storage_errors("write", str(folder)):
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    if folder.is_symlink() or (hasattr(os, "getuid") and facts.st_uid != user):
        raise StorageError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    return folder
