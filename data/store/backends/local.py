"""A store on this machine: files are flushed, renamed into place, and their folder flushed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from data.errors import StorageError
from data.locations.failures import storage_errors
from data.store.backends.base import TEMPORARY

LOCK = ".lock"
_ATTEMPTS = 5  # at a folder that another process takes away or fills meanwhile
PATIENCE_S = 120.0  # for another writer, who needs seconds unless it was stopped


class LocalStore:
    """A folder on this machine; files are flushed, renamed into place, and their folder flushed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)
        self._folder: tuple[int, int] | None = None

    def get(self, name: str) -> bytes | None:
        with storage_errors("read", self.place(name)):
            self._check_place()
            try:
                return _content(self.root / name)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, name: str, content: bytes) -> None:
        def replace(temporary: Path) -> bool:
            os.replace(temporary, self.root / name)  # noqa: PTH105  one name for the fault-injecting tests
            return True

        self._write(name, content, replace)

    def create(self, name: str, content: bytes) -> bool:
        def link(temporary: Path) -> bool:
            try:
                os.link(temporary, self.root / name)
            except FileExistsError:
                return False
            return True

        try:
            return self._write(name, content, link)
        except StorageError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_LINKS:
                raise StorageError(
                    f"can't write {self.place(name)}: this file system knows no hard links, which keep "
                    "publications in order; name a store on another one"
                ) from error
            raise

    def _write(self, name: str, content: bytes, appear: Callable[[Path], bool]) -> bool:
        """Write a temporary file beside `name` and let it appear there; what `appear` says.

        Begun again where a prune takes the folder away meanwhile.
        """
        target = self.root / name
        for attempt in range(_ATTEMPTS):
            try:
                with storage_errors("write", self.place(name)):
                    self._check_place()
                    make_folder(target.parent)
                    self._check_place()  # the one that was made, if it was
                    temporary = target.parent / f".{target.name}.{secrets.token_hex(6)}{TEMPORARY}"
                    try:
                        write_flushed(temporary, content)
                        appeared = appear(temporary)
                    finally:
                        with contextlib.suppress(OSError):
                            temporary.unlink(missing_ok=True)
                    flush_folder(target.parent)
                    return appeared
            except StorageError as error:
                if not isinstance(error.__cause__, FileNotFoundError) or attempt + 1 == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        with storage_errors("lock", self.place("")):
            self._check_place()
            make_folder(self.root)
            handle = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            deadline = time.monotonic() + PATIENCE_S
            with storage_errors("lock", self.place("")):
                while not _is_locked(handle):
                    if time.monotonic() > deadline:
                        raise StorageError(
                            f"{self.root}: another command has been writing for {PATIENCE_S:.0f} s; repeat "
                            "this one when it has ended"
                        )
                    time.sleep(0.02)
            yield
        finally:
            os.close(handle)

    def names(self, folder: str = "") -> list[str]:
        with storage_errors("list", self.place(folder)):
            found = []
            for parent, folders, files in os.walk(self.root / folder, onerror=_raise_unless_gone):
                folders[:] = [inner for inner in folders if not inner.endswith(TEMPORARY)]
                relative = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
                found += [str(relative / file) for file in files if not file.endswith(TEMPORARY)]
            return sorted(found)

    def folders(self, folder: str = "") -> list[str]:
        with storage_errors("list", self.place(folder)):
            try:
                found = [entry.name for entry in os.scandir(self.root / folder) if _is_folder(entry)]
                return sorted(name for name in found if not name.endswith(TEMPORARY))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def age(self, name: str) -> float | None:
        with storage_errors("look at", self.place(name)):
            path = self.root / name
            try:
                newest = path.stat().st_mtime
                for inner in path.rglob("*") if path.is_dir() else ():
                    with contextlib.suppress(FileNotFoundError):
                        newest = max(newest, inner.stat().st_mtime)
            except FileNotFoundError:
                return None
            return time.time() - newest

    def remove(self, name: str, still: Callable[[], bool] = lambda: True) -> None:
        if not still():
            return
        path = self.root / name
        with storage_errors("delete", self.place(name)), contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                # out of sight first, so that nobody meets half a folder
                hidden = path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")
                path.rename(hidden)
                _delete_folder(hidden)
            elif path.is_symlink() or path.is_file():
                path.unlink()

    def sweep(self, older_than_s: float) -> list[str]:
        removed = []
        with storage_errors("delete", self.uri):
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


# what file systems without hard links answer
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def _is_locked(handle: int) -> bool:
    """Whether this process has the lock now; it is let go of when the process ends, however it ends."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _delete_folder(folder: Path) -> None:
    """Delete a folder in which somebody may just be creating a file."""
    for attempt in range(_ATTEMPTS):
        try:
            shutil.rmtree(folder)
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or attempt + 1 == _ATTEMPTS:
                raise


def _content(path: Path) -> bytes:
    """What a file holds; nothing where it is a folder, or a pipe or device, whose content may have no end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link through something that is no folder
        return entry.is_dir()
    return False


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
