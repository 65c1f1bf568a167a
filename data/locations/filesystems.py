"""File systems of object stores: endpoint, credentials, time-outs."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from pyarrow import fs

# a service that can't be reached or falls silent is given up within a minute, not after many
CONNECT_TIMEOUT_S = 3.0
SILENCE_TIMEOUT_S = 10.0
ATTEMPTS = 3
_S3_OPTIONS = ("region", "scheme", "endpoint_override")


def open_remote(uri: str, in_parts: bool = False) -> tuple[fs.FileSystem, str]:
    """The file system of an s3://, gs:// or other URI that pyarrow knows, and the path in it.

    For s3:// the endpoint is `?endpoint_override=`, else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; the
    region `?region=`, else AWS_REGION or AWS_DEFAULT_REGION, else the bucket's; credentials are the
    URI's, else what the AWS tools find (environment, profile, role). Buckets are never created.
    `in_parts` begins an upload when a file is opened for writing, so that a failure to begin leaves
    nothing; otherwise a file of less than 10 MB is one PUT.
    Raises ValueError, pa.ArrowException or OSError, whose text may repeat the URI.
    """
    from pyarrow import fs

    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "gs":
        options.setdefault("retry_limit_seconds", str(int(ATTEMPTS * SILENCE_TIMEOUT_S)))
        uri = urlunsplit(parts._replace(query=urlencode(options)))
    if parts.scheme != "s3":
        found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
        return found
    user, _, host = parts.netloc.rpartition("@")
    if not user and ":" in host and "@" in parts.path:
        # else half of the secret would be taken for a bucket and stand in every message
        raise ValueError("a / in a secret is written %2F")
    key, _, secret = user.partition(":")
    unknown = sorted(options.keys() - set(_S3_OPTIONS))
    if not host or unknown:
        raise ValueError(f"unknown options: {', '.join(unknown)}" if unknown else "no bucket")
    scheme, endpoint = _endpoint(options)
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None and endpoint is None:
        region = fs.resolve_s3_region(host)
    given = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    system = _s3_system(
        (unquote(key), unquote(secret)), region, scheme, endpoint, in_parts,
        (CONNECT_TIMEOUT_S, SILENCE_TIMEOUT_S, ATTEMPTS), (os.getpid(), *given),
    )  # fmt: skip
    return system, f"{host}{parts.path}".rstrip("/")


@cache
def _s3_system(
    credentials: tuple[str, str],
    region: str | None,
    scheme: str | None,
    endpoint: str | None,
    in_parts: bool,
    patience: tuple[float, float, int],
    _as_given: tuple[object, ...],
) -> fs.FileSystem:
    """One client for all who ask alike: making another waits for the requests under way to end.

    A process that was forked gets its own, and so does a changed environment.
    """
    from pyarrow import fs

    connect_s, silence_s, attempts = patience
    return fs.S3FileSystem(
        access_key=credentials[0] or None,
        secret_key=credentials[1] or None,
        region=region,
        scheme=scheme,
        endpoint_override=endpoint,
        connect_timeout=connect_s,
        request_timeout=silence_s,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=attempts),
        allow_delayed_open=not in_parts,
        # failed parts are remembered, so that an upload without them can't be completed
        background_writes=True,
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
