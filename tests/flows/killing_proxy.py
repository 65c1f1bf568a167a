"""Between workers and an S3 service: kills the worker whose request is the one it waits for."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import psutil

Wanted = Callable[[str, str], bool]


class KillingProxy:
    """Passes requests on; the first that each of `wanted` (method, path) names costs its sender's life.

    The sender is the process of `among` whose connection it is, so that nobody else is ever killed.
    """

    def __init__(self, upstream: str, among: Callable[[], set[int]]) -> None:
        self.host = urlsplit(upstream).netloc
        self.among = among
        self.wanted: list[Wanted] = []
        self.killed: list[tuple[int, str]] = []
        self.served = 0
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                try:
                    proxy.serve(self)
                except OSError:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Pass one request on, unless its sender is to die."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            struck = next((one for one in self.wanted if one(request.command, request.path)), None)
            if struck is not None:
                self.wanted.remove(struck)
                pid = self._sender(request.client_address[1])
                os.kill(pid, signal.SIGKILL)
                self.killed.append((pid, f"{request.command} {request.path}"))
                request.close_connection = True
                return
            self.served += 1
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(request.command, request.path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        request.wfile.write(content)
        connection.close()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def _sender(self, port: int) -> int:
        for pid in self.among():
            connections = psutil.Process(pid).net_connections("tcp")
            if any(each.laddr.port == port for each in connections):
                return pid
        raise OSError(f"no worker has port {port}")
