"""A storage service that refuses: each cause in words of its own, with exit code 5 and without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import StorageError
from data.inputs.parquet import read_footers

SECRET = "a-secret-nobody-may-see"
ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'
PAGE = "<!DOCTYPE html><html><title>Sign in</title></html>"


@contextmanager
def service(status: int, content: str, **headers: str) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content.encode())

        do_GET = do_HEAD = answer

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content", "headers", "said"),
    [
        (301, ERROR.format("PermanentRedirect", "moved"), {"x_amz_bucket_region": "eu"}, "another region"),
        (400, ERROR.format("Malformed", "region 'a' is wrong; expecting 'b'"), {}, "another region"),
        (400, ERROR.format("ExpiredToken", "The provided token has expired."), {}, "token has expired"),
        (403, ERROR.format("RequestTimeTooSkewed", "The difference is too large."), {}, "clock is wrong"),
        (200, PAGE, {}, "a web page answers"),
        (302, PAGE, {"Location": "/login"}, "redirects to another page"),
    ],
)  # fmt: skip
def test_refusals_are_told_apart(
    status: int, content: str, headers: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(status, content, **headers) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-a-test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        with pytest.raises(StorageError, match=said) as refused:
            read_footers("s3://bucket/weather.parquet")
    assert SECRET not in str(refused.value)
