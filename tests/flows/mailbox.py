"""A real SMTP server that keeps what it is sent."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


@contextmanager
def mailbox() -> Iterator[tuple[int, list[EmailMessage]]]:
    """The port of a server on this machine, and the list of mails that it fills."""
    arrived: list[EmailMessage] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 a mailbox")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    arrived.append(message_from_bytes(b"".join(lines), policy=policy.default))
                self.say("221 bye" if word == b"QUIT" else "250 yes")
                if word == b"QUIT":
                    return

        def say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Threads(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1]), arrived
        finally:
            server.shutdown()
            thread.join()


def text_of(mail: EmailMessage) -> str:
    """The mail's words as a reader sees them: on the wire they are folded, within an id as well."""
    body = mail.get_body(("plain", "html"))
    assert body is not None
    return str(body.get_content())
