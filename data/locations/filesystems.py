"""File systems of object stores: endpoint, credentials, time-outs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from data.locations.credentials import Credentials, s3_credentials, s3_region

if TYPE_CHECKING:
    from pyarrow import fs

# a service that can't be reached or falls silent is given up within a minute, not after many
CONNECT_TIMEOUT_S = 3.0
SILENCE_TIMEOUT_S = 10.0
ATTEMPTS = 3
_S3_OPTIONS = ("region", "scheme", "endpoint_override")


@dataclass(frozen=True)
class S3Place:
    """What an s3:// URI and the environment say of a place in a bucket."""

    bucket: str
    prefix: str
    user: str
    region: str | None
    scheme: str | None
    endpoint: str | None

    def credentials(self) -> Credentials | None:
        """The keys as they are now; None where clients find them themselves."""
        return s3_credentials(self.user)


def s3_place(uri: str) -> S3Place:
    """Where an s3:// URI leads.

    The endpoint is `?endpoint_override=`, else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; the region
    `?region=`, else AWS_REGION or AWS_DEFAULT_REGION or the profile's, else the bucket's. Raises
    ValueError, whose text may repeat the URI, and OSError.
    """
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    user, _, host = parts.netloc.rpartition("@")
    if not user and ":" in host and "@" in parts.path:
        # else half of the secret would be taken for a bucket and stand in every message
        raise ValueError("a / in a secret is written %2F")
    unknown = sorted(options.keys() - set(_S3_OPTIONS))
    if not host or unknown:
        raise ValueError(f"unknown options: {', '.join(unknown)}" if unknown else "no bucket")
    scheme, endpoint = _endpoint(options)
    region = options.get("region") or s3_region()
    if region is None and endpoint is None:
        from pyarrow import fs

        region = fs.resolve_s3_region(host)
    return S3Place(host, parts.path.strip("/"), user, region, scheme, endpoint)


def open_remote(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of an s3://, gs:// or other URI that pyarrow knows, and the path in it; for reading.

    See `s3_place`; Raises ValueError, pa.ArrowException or OSError, whose text may repeat the URI.
    """
    from pyarrow import fs

    parts = urlsplit(uri)
    if parts.scheme == "gs":
        options = dict(parse_qsl(parts.query))
        options.setdefault("retry_limit_seconds", str(int(ATTEMPTS * SILENCE_TIMEOUT_S)))
        uri = urlunsplit(parts._replace(query=urlencode(options)))
    if parts.scheme != "s3":
        found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
        return found
    place = s3_place(uri)
    given = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    system = _s3_system(
        place, place.credentials(), (CONNECT_TIMEOUT_S, SILENCE_TIMEOUT_S, ATTEMPTS), (os.getpid(), *given)
    )
    return system, f"{place.bucket}/{place.prefix}".rstrip("/")


@cache
def _s3_system(
    place: S3Place,
    keys: Credentials | None,
    patience: tuple[float, float, int],
    _as_given: tuple[object, ...],
) -> fs.FileSystem:
    """One client for all who ask alike: making another waits for the requests under way to end.

    A process that was forked gets its own, and so does a changed environment.
    """
    from pyarrow import fs

    connect_s, silence_s, attempts = patience
    return fs.S3FileSystem(
        access_key=keys and keys.key,
        secret_key=keys and keys.secret,
        session_token=keys and keys.token,
        region=place.region,
        scheme=place.scheme,
        endpoint_override=place.endpoint,
        connect_timeout=connect_s,
        request_timeout=silence_s,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=attempts),
        allow_bucket_creation=False,
        allow_bucket_deletion=False,
    )


def _endpoint(options: dict[str, str]) -> tuple[str | None, str | None]:
    """Scheme and host:port."""
    given = options.get("endpoint_override")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        given = given or os.environ.get(name)
    if not given:
        return options.get("scheme"), None
    if "://" not in given:
        return options.get("scheme"), given.rstrip("/")
    scheme, _, rest = given.partition("://")
    return options.get("scheme") or scheme, rest.rstrip("/")
