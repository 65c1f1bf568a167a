"""A real S3 protocol over HTTP: moto's server, a bucket a test, a proxy that spoils requests."""

import contextlib
import http.client
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from data.locations import filesystems

KEY, SECRET = "AKIATESTTESTTEST", "a/secret+that=must.not.show"


@contextlib.contextmanager
def serve_s3() -> Iterator[str]:
    """The endpoint of moto's server, with conditional writes as S3 has them: of many, one creates a file.

    moto looks whether there is an object and stores the new one later; between the two a second one got in.
    """
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def as_s3(request: dict[str, Any], answer: Callable[..., Any]) -> Any:
        with one_at_a_time if "HTTP_IF_NONE_MATCH" in request else contextlib.nullcontext():
            return moto(request, answer)

    server = make_server("127.0.0.1", 0, as_s3, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint of a server that lives as long as the tests."""
    pytest.importorskip("moto.server")
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket; endpoint and credentials stand in the environment."""
    import boto3

    name = f"store-{secrets.token_hex(4)}"
    boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    ).create_bucket(Bucket=name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return name


class Proxy:
    """Between client and server: each request that `strikes` goes wrong as `fault` says."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.fault: str | None = None
        self.strikes: Callable[[str, str], bool] = lambda _method, _path: True
        self.remaining = 0
        self.seen: list[str] = []
        self.keys: list[str] = []
        self.tokens: list[str | None] = []
        self.closed = threading.Event()
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

    def fail(self, fault: str, times: int = 1000, method: str = "", path: str = "") -> None:
        self.fault, self.remaining = fault, times
        self.strikes = lambda given, where: given.startswith(method) and path in where

    def heal(self) -> None:
        self.fault = None

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        fault = None
        if self.fault and self.remaining > 0 and self.strikes(request.command, request.path):
            self.remaining -= 1
            fault = self.fault
        self.seen.append(f"{request.command} {request.path}")
        self.keys.append(
            request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        )
        self.tokens.append(request.headers.get("X-Amz-Security-Token"))
        body = self.body(request)
        if fault in ("500", "503"):
            name = {"500": "InternalError", "503": "SlowDown"}[fault]
            self.answer(
                request, int(fault), f"<Error><Code>{name}</Code><Message>no</Message></Error>".encode()
            )
        elif fault == "slow":
            self.closed.wait(30)
            request.close_connection = True
        elif fault == "hang up":
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
        elif fault in ("stored, then 500", "stored, then hang up"):
            self.forward(None, request, body, cut=False)
            if fault.endswith("500"):
                self.answer(request, 500, b"<Error><Code>InternalError</Code><Message>no</Message></Error>")
            else:
                request.connection.shutdown(socket.SHUT_RDWR)
                request.close_connection = True
        elif fault == "truncated upload":
            self.truncate(request, body)
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
        elif fault and fault[0].isdigit():
            status, _, content = fault.partition(" ")
            self.answer(request, int(status), content.encode())
        else:
            self.forward(request, request, body, fault == "truncated answer")

    @staticmethod
    def body(request: BaseHTTPRequestHandler) -> bytes:
        if "chunked" not in request.headers.get("Transfer-Encoding", ""):
            return request.rfile.read(int(request.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(request.rfile.readline(), 16):
            pieces.append(request.rfile.read(size))
            request.rfile.readline()
        request.rfile.readline()
        return b"".join(pieces)

    @staticmethod
    def headers(request: BaseHTTPRequestHandler, body: bytes) -> dict[str, str]:
        dropped = ("transfer-encoding", "expect", "connection", "content-length")
        kept = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        return kept | {"Content-Length": str(len(body))}

    def forward(
        self, answer: BaseHTTPRequestHandler | None, request: BaseHTTPRequestHandler, body: bytes, cut: bool
    ) -> None:
        """Pass a request on; its answer too, where there is somebody to hear it."""
        upstream = http.client.HTTPConnection(self.upstream.hostname or "", self.upstream.port)
        upstream.request(request.command, request.path, body, self.headers(request, body))
        found = upstream.getresponse()
        content = found.read()
        if answer is None:
            upstream.close()
            return
        request.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                request.send_header(name, value)
        length = found.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if cut else content)
        request.wfile.flush()
        if cut:
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
        upstream.close()

    def truncate(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """The server sees the first half of an upload, then the connection is gone."""
        head = f"{request.command} {request.path} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers(request, body).items())
        with socket.create_connection((self.upstream.hostname, self.upstream.port)) as line:
            line.sendall(head.encode() + b"\r\n" + body[: len(body) // 2])
        time.sleep(0.2)

    @staticmethod
    def answer(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content if request.command != "HEAD" else b"")


@pytest.fixture
def proxy(bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    assert bucket
    proxy = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    monkeypatch.setattr(filesystems, "SILENCE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(filesystems, "ATTEMPTS", 1)
    yield proxy
    proxy.closed.set()
    proxy.server.shutdown()
    proxy.server.server_close()
