"""Whether Prefect's server can be reached: before a flow begins, and while it runs."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from data.errors import ServerError
from data.locations.uris import redact_uri

CONNECTS_WITHIN_S, ANSWERS_WITHIN_S = 5.0, 8.0
"""A server that takes longer is not there, or not to be worked with."""
GONE_AFTER_S = 12.0
"""A server that has refused connections for so long doesn't come back: a restart takes less."""
_LOOKS_EVERY_S = 1.0


def check_server() -> None:
    """Raise ServerError where Prefect's settings name a server that can't be used; within 20 s."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings, temporary_settings

    if not get_current_settings().api.url:
        return
    timeout = httpx.Timeout(ANSWERS_WITHIN_S, connect=CONNECTS_WITHIN_S)
    with server_errors():
        try:
            with (
                temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
                get_client(sync_client=True, httpx_settings={"timeout": timeout}) as client,
            ):
                client.api_version()
                client.raise_for_api_version_mismatch()
        except ValueError as error:
            raise ServerError(f"{named_server()}: what answers there is no Prefect server") from error
        except RuntimeError as error:  # of another version
            raise ServerError(f"{named_server()}: {error}") from error


@contextlib.contextmanager
def server_errors() -> Iterator[None]:
    """Turn what Prefect's client raises when its server fails into a ServerError that says what to do."""
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            why = f"it answers {status}; check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
        elif status == httpx.codes.NOT_FOUND:
            why = "what answers there is no Prefect server; its address ends in /api"
        else:
            why = f"it answers {status}; see its log, and repeat the command"
        raise ServerError(f"{named_server()}: {why}") from error
    except httpx.UnsupportedProtocol as error:
        raise ServerError(
            f"{named_server()}: no address of a server, as http://127.0.0.1:4200/api is one"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # whose words may hold addresses
        raise ServerError(
            f"{named_server()}: no Prefect server answers there ({type(error).__name__}); start it "
            "(prefect server start), name another, or unset PREFECT_API_URL"
        ) from error


def named_server() -> str:
    """The server of Prefect's settings as messages name it, without credentials."""
    from prefect.settings import get_current_settings

    return f"PREFECT_API_URL={redact_uri(str(get_current_settings().api.url))}"


@contextlib.contextmanager
def watched(gone: Callable[[str], None], embedded_ended: Callable[[], bool] | None) -> Iterator[None]:
    """Call `gone` with a sentence when the server disappears while the block runs.

    Prefect's own client would ask again for minutes at each of a flow's many requests. `embedded_ended`
    is asked in place of the network where the server is a child of this process.
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    address = urlsplit(url) if url else None
    place = (
        (address.hostname or "", address.port or (443 if address.scheme == "https" else 80))
        if address
        else None
    )
    lost = embedded_ended or (lambda: place is not None and _refused(place))
    if place is None or lost():  # nobody to watch, or one that is only reached through a proxy
        yield
        return
    over = threading.Event()
    patience_s = 0.0 if embedded_ended else GONE_AFTER_S

    def look() -> None:
        lost_since = None
        while not over.wait(_LOOKS_EVERY_S):
            if not lost():
                lost_since = None
                continue
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since >= patience_s:
                where = "its embedded server" if embedded_ended else f"the server at {redact_uri(url or '')}"
                gone(
                    f"Prefect: {where} ended while the flow ran; the same command goes on from the last "
                    "finished step"
                )
                return

    thread = threading.Thread(target=look, name="server-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _refused(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=CONNECTS_WITHIN_S).close()
    except TimeoutError:  # busy, or far away
        return False
    except OSError:
        return True
    return False
