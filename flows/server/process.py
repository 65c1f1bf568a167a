"""Processes that this one starts, watches and stops: a Prefect server, a worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from data.errors import ServerError

STOPS_WITHIN_S = 30.0
Found = TypeVar("Found")


class Child:
    """A process that this one starts and stops, its output in a log file or among this one's.

    It has a session of its own, so that Ctrl-C on the terminal reaches only this process, which then
    stops its children in order. Its standard input ends when this process does, however that ends. File
    descriptors that are `passed` are its own, too.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        log: Path | None = None,
        passed: tuple[int, ...] = (),
    ) -> None:
        self.name, self.log = name, log
        with contextlib.nullcontext() if log is None else log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=output,
                stderr=output and subprocess.STDOUT, start_new_session=True, pass_fds=passed,
            )  # fmt: skip

    def check(self) -> None:
        """Raise ServerError with the end of its log when it has ended by itself."""
        code = self.process.poll()
        if code is None:
            return
        said = "see what it wrote above"
        if self.log is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            said = f"{self.log} says\n  " + "\n  ".join(lines)
        raise ServerError(f"{self.name} ended with code {code}; {said}")

    def wait_for(
        self, condition: Callable[[], Found], within_s: float, every_s: float = 0.25, hint: str = ""
    ) -> Found:
        """Wait until `condition()` is true while it lives; what it came to. Raises ServerError."""
        end = time.monotonic() + within_s
        while not (found := condition()):
            self.check()
            if time.monotonic() > end:
                hint = hint or f"look into {self.log}"
                raise ServerError(f"{self.name} isn't ready after {within_s:.0f} s; {hint}")
            time.sleep(every_s)
        return found

    def stop(self, within_s: float = STOPS_WITHIN_S) -> None:
        """Ask it to end, and make it end where it doesn't."""
        with self.process:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(within_s)
                except subprocess.TimeoutExpired:
                    os.killpg(self.process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port of this machine that nobody listens at, and that no outgoing connection takes meanwhile.

    Systems give those a port of 32,768 or above, unless told otherwise. Raises ServerError.
    """
    for port in secrets.SystemRandom().sample(range(20_000, 32_768), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise ServerError("no free port was found between 20,000 and 32,768")
