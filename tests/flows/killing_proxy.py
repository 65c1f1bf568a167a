"""Between workers and an S3 service: kills the worker whose request is the one it waits for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import psutil

from tests.object_storage import Proxy

Wanted = Callable[[str, str], bool]


class KillingProxy(Proxy):
    """Passes requests on; the first that each of `wanted` (method, path) names costs its sender's life.

    The sender is the process of `among` whose connection it is, so that nobody else is ever killed.
    """

    def __init__(self, upstream: str, among: Callable[[], set[int]]) -> None:
        super().__init__(upstream)
        self.among = among
        self.wanted: list[Wanted] = []
        self.killed: list[tuple[int, str]] = []
        self._one_at_a_time = threading.Lock()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Pass one request on, unless its sender is to die."""
        with self._one_at_a_time:
            struck = next((one for one in self.wanted if one(request.command, request.path)), None)
            if struck is not None:
                self.wanted.remove(struck)
                pid = self._sender(request.client_address[1])
                os.kill(pid, signal.SIGKILL)
                self.killed.append((pid, f"{request.command} {request.path}"))
                request.close_connection = True
                return
        super().serve(request)

    def _sender(self, port: int) -> int:
        for pid in self.among():
            connections = psutil.Process(pid).net_connections("tcp")
            if any(each.laddr.port == port for each in connections):
                return pid
        raise OSError(f"no worker has port {port}")
