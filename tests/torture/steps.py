"""Every step that a process takes on the file system, counted; at a chosen one it dies or is refused."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from typing import Any

KILLED = 99
_CALLS = ("replace", "rename", "mkdir", "rmdir", "unlink", "fsync", "link", "symlink")
# what a full disk still allows
_FREEING = ("rmdir", "unlink", "rename", "replace", "fsync")


class Steps:
    """Counts creations, writes, renames, removals and flushes, by stage of the job.

    With `at = (stage, n)` the n-th step of that stage is the last: the process ends before it as a
    SIGKILL would end it or, with `error` given, that step and all later ones fail with this errno
    (on a full disk those that free space, or need none, go on).
    """

    def __init__(self, at: tuple[str, int] | None = None, error: int | None = None) -> None:
        self.at, self.error = at, error
        self.stage = ""
        self.names: dict[str, list[str]] = {}
        self.failing = False

    def enter(self, stage: str) -> None:
        """From here on steps belong to this stage."""
        self.stage = stage
        self.names.setdefault(stage, [])

    def step(self, name: str) -> None:
        """Called before each step."""
        taken = self.names.setdefault(self.stage, [])
        if self.at == (self.stage, len(taken)):
            if self.error is None:
                os._exit(KILLED)
            self.failing = True
        taken.append(name)
        if self.failing and not (self.error == errno.ENOSPC and name in _FREEING):
            assert self.error is not None
            raise OSError(self.error, os.strerror(self.error))

    def install(self) -> None:
        """Replace the calls of this process; for a process that ends soon."""
        for name in _CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        opened = builtins.open

        def counted_open(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+"):
                return opened(file, mode, *more, **named)
            self.step("create")
            return self._halved(opened(file, mode, *more, **named))

        io.open = builtins.open = counted_open

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self.step(name)
            return real(*given, **named)

        return call

    def _halved(self, stream: Any) -> Any:
        steps = self

        class Halved:
            def write(self, content: Any) -> int:
                steps.step("write")
                half = len(content) // 2
                stream.write(content[:half])
                stream.flush()
                steps.step("write the other half")
                stream.write(content[half:])
                return len(content)

            def __enter__(self) -> Any:
                stream.__enter__()
                return self

            def __exit__(self, *error: object) -> Any:
                return stream.__exit__(*error)

            def __iter__(self) -> Any:
                return iter(stream)

            def __getattr__(self, name: str) -> Any:
                return getattr(stream, name)

        return Halved()
