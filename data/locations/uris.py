"""Locations of inputs and store: absolute paths and URIs, and how they are shown without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOCATIONS = ("weather", "yields", "store")  # the settings that say where something lies


def locate(location: str, folder: Path) -> str:
    """A location as an absolute path seen from `folder`; URIs stay as they are."""
    if re.match(r"^[a-z][a-z0-9+.-]*://", location):
        return location
    return str((folder / Path(location).expanduser()).absolute().resolve())


def is_local(uri: str) -> bool:
    """Whether a location is a path on this machine."""
    return "://" not in uri or uri.startswith("file://")


def redact_uri(uri: str) -> str:
    """A location without user, password and query, fit for logs, messages and manifests."""
    return re.sub(r"^([a-z][a-z0-9+.-]*://)(?:[^@/]*(?::[^@]*)?@)?([^?]*).*$", r"\1\2", uri)


def carries_credentials(uri: str) -> bool:
    """Whether a location names a user, or an option that looks like a secret."""
    address, _, options = uri.partition("?")
    named = re.match(r"^[a-z][a-z0-9+.-]*://[^@/]*(:[^@]*)?@", address)
    secret = re.search(r"(key|secret|token|password|signature)[^=&]*=|@", options, re.IGNORECASE)
    return bool(named) or ("://" in address and bool(secret))


def redacted(text: str, uri: str = "") -> str:
    """A message of somebody else's, without credentials that it may repeat."""
    text = re.sub(r"([a-z][a-z0-9+.-]*://)[^\s/@]+@", r"\1", text)
    for secret in sorted(secrets_of(uri), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


_SHORTEST_SECRET = 4  # what is shorter is a stand-in, and would be crossed out inside of words


def secrets_of(uri: str) -> tuple[str, ...]:
    """Credentials that a message about this URI must not show: its own and the environment's."""
    user, at, _ = urlsplit(uri).netloc.rpartition("@")
    own = [text for part in user.split(":") if at for text in (part, unquote(part))]
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
    found = {*own, *(os.environ.get(name, "") for name in names)}
    return tuple(text for text in found if len(text) >= _SHORTEST_SECRET)
