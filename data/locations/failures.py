"""Failures of file systems and storage services, as errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from data.errors import StorageError
from data.locations.uris import redacted

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and repeat the command",
    errno.EDQUOT: "the disk quota is used up; free some space and repeat the command",
    errno.EACCES: "permission denied; check who may write there",
    errno.EPERM: "permission denied; check who may write there",
    errno.EROFS: "the file system is read-only; make it writable, or name another store",
    errno.EFBIG: "the file grows beyond what is allowed (ulimit -f); raise the limit and repeat the command",
    errno.EIO: "the disk failed; look at the system's log, then repeat the command",
    errno.ENOENT: "the folder is gone; bring it back and repeat the command",
    errno.ESTALE: "the folder is gone; bring it back and repeat the command",
}
# in the words of pyarrow's S3 client
_REMOTE_REMEDIES = {
    "NO_SUCH_BUCKET": "the bucket doesn't exist; create it first",
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN": (
        "the credentials were refused; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
    ),
    "curlCode: 28|REQUEST_TIMEOUT": "the service doesn't answer in time; repeat the command later",
    "NETWORK_CONNECTION": "no connection to the service; check AWS_ENDPOINT_URL and the network",
    "SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|HTTP status 5": (
        "the service failed; repeat the command later"
    ),
}


@contextlib.contextmanager
def storage_errors(action: str, place: str, uri: str = "") -> Iterator[None]:
    """Turn a failure of the operating system or a service into a StorageError that says what to do.

    `uri` is the store's, whose credentials the failure may repeat.
    """
    try:
        yield
    except OSError as error:
        said = redacted(str(error), uri)
        known = remedy_of(error)
        for pattern, remedy in _REMOTE_REMEDIES.items() if not known and uri else ():
            if re.search(pattern, said):
                known = f"{remedy} ({said})"
                break
        # an S3 client's own message would show what `said` hides
        raise StorageError(f"can't {action} {place}: {known or said}") from (None if uri else error)


def remedy_of(error: OSError) -> str | None:
    """What failed, and what to do about it, where the operating system's number for it says so."""
    return _REMEDIES.get(error.errno or 0)
