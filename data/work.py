"""A run in progress: finished steps, each a folder that appears whole, from which a killed run goes on."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from data.runs import WORK
from data.storage import TEMPORARY, LocalStore, Store, explained, flush_folder, make_folder

_DONE = ".done"  # on an object store: written last, a step without it isn't finished


class Work:
    """The steps of one run below `.work` in its store."""

    def __init__(self, store: Store, run: str) -> None:
        self.store = store
        self.name = f"{WORK}/{run}"

    def finished(self, step: str) -> Path | None:
        """The folder of a finished step on this machine (fetched where the store is elsewhere), or None."""
        if isinstance(self.store, LocalStore):
            folder = self.store.root / self.name / step
            return folder if folder.is_dir() else None
        if self.store.get(f"{self.name}/{step}/{_DONE}") is None:
            return None
        prefix = f"{self.name}/{step}/"
        folder = self._cache() / step
        for name in self.store.names(f"{self.name}/{step}"):
            target = folder / name.removeprefix(prefix)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.store.get(name) or b"")
        return folder

    @contextlib.contextmanager
    def making(self, step: str) -> Iterator[Path]:
        """An empty folder to fill; on leaving it becomes the finished step, unless another run was faster."""
        local = isinstance(self.store, LocalStore)
        parent = self.store.root / self.name if isinstance(self.store, LocalStore) else self._cache()
        with explained("write", str(parent)):
            make_folder(parent)
            # not a dot file: partial folders may hold checkpoints, which only their own process knows
            folder = Path(tempfile.mkdtemp(prefix=f".{step}.", suffix=TEMPORARY, dir=parent))
        try:
            yield folder
            if local:
                self._settle(folder, parent / step)
            else:
                self._upload(folder, step)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def scratch(self, name: str) -> Path:
        """A lasting folder on this machine for checkpoints of an unfinished step."""
        parent = self.store.root / self.name if isinstance(self.store, LocalStore) else self._cache()
        folder = parent / "checkpoints" / name
        with explained("write", str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _cache(self) -> Path:
        key = f"{os.getuid() if hasattr(os, 'getuid') else 0}-{Path(self.name).name}"
        return Path(tempfile.gettempdir()) / f"cropyield-{key}"

    @staticmethod
    def _settle(folder: Path, target: Path) -> None:
        with explained("write", str(target)):
            for file in folder.rglob("*"):
                if file.is_file():
                    with file.open("rb") as handle:
                        os.fsync(handle.fileno())
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
            flush_folder(target.parent)

    def _upload(self, folder: Path, step: str) -> None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.store.put(f"{self.name}/{step}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        self.store.put(f"{self.name}/{step}/{_DONE}", b"")

    def discard(self) -> None:
        """Forget every step."""
        self.store.remove(self.name)
        if not isinstance(self.store, LocalStore):
            shutil.rmtree(self._cache(), ignore_errors=True)


def forced_name(run: str) -> str:
    """A work folder that nobody has used yet, for computing a finished run again."""
    return f"{run}-{secrets.token_hex(4)}"
