"""Locations of inputs and store: absolute paths and URIs, and how they are shown without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from data.errors import SettingsError

LOCATIONS = ("weather", "yields", "regions", "store")  # the settings that say where something lies


def locate(location: str, folder: Path) -> str:
    """A location as an absolute path seen from `folder`; URIs stay as they are.

    Raises SettingsError for what can't be one.
    """
    if "\0" in location:
        raise SettingsError(f"{redact_uri(location)!r}: a location can't hold the character NUL")
    if re.match(r"^[a-z][a-z0-9+.-]*://", location):
        return location
    if re.match("(s3|gs):/(?!/)", location):  # else a folder of that name would be made here
        meant = redact_uri(location.replace(":/", "://", 1))
        raise SettingsError(f"{location.partition(':')[0]}:/… is no location: did you mean {meant}?")
    try:
        return str((folder / Path(location).expanduser()).absolute().resolve())
    except (RuntimeError, OSError, ValueError) as error:  # an unknown ~user, links in a ring
        raise SettingsError(f"{location!r} is no location on this machine: {error}") from error


def is_local(uri: str) -> bool:
    """Whether a location is a path on this machine."""
    return "://" not in uri or uri.startswith("file://")


def redact_uri(uri: str) -> str:
    """A location without user, password and query, fit for logs, messages and manifests."""
    scheme, mark, _, rest = _parts_of(uri)
    return f"{scheme}{mark}{rest.partition('?')[0]}" if mark else uri


def carries_credentials(uri: str) -> bool:
    """Whether a location names a user, or an option that looks like a secret."""
    _, mark, user, rest = _parts_of(uri)
    secret = re.search(
        r"(key|secret|token|password|signature)[^=&]*=|@", rest.partition("?")[2], re.IGNORECASE
    )
    return bool(mark) and (user is not None or bool(secret))


def _parts_of(uri: str) -> tuple[str, str, str | None, str]:
    """Scheme, ://, user and password, and the rest; for what is no URI the mark is empty.

    A password may hold what should have been written %2F, %3F or %40.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark or not re.fullmatch("[a-z][a-z0-9+.-]*", scheme):
        return "", "", None, uri
    authority = rest.partition("/")[0]
    where = rest if ":" in authority else authority
    user, at, host = where.rpartition("@")
    return (scheme, mark, user, host + rest[len(where) :]) if at else (scheme, mark, None, rest)


def redacted(text: str, uri: str = "") -> str:
    """A message of somebody else's, without credentials that it may repeat."""
    text = re.sub(r"://[^\s/@]+@", "://", text)
    for secret in sorted(secrets_of(uri), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


_SHORTEST_SECRET = 4  # what is shorter is a stand-in, and would be crossed out inside of words


def secrets_of(uri: str) -> tuple[str, ...]:
    """Credentials that a message about this URI must not show: its own and the environment's."""
    _, _, user, _ = _parts_of(uri)
    own = [text for part in (user or "").split(":") for text in (part, unquote(part))]
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
    found = {*own, *(os.environ.get(name, "") for name in names)}
    return tuple(text for text in found if len(text) >= _SHORTEST_SECRET)
