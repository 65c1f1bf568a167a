"""Failures of file systems and storage services, as errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from data.errors import NoBucketError, StorageError
from data.locations.uris import redacted

REMEDIES = {
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
# in the words of pyarrow's S3 client, of obstore, and of the services themselves
_NO_BUCKET = "the bucket doesn't exist; check its name, or create it first"
REMOTE_REMEDIES = {
    "NO_SUCH_BUCKET|NoSuchBucket": _NO_BUCKET,
    "EXPIRED_TOKEN|ExpiredToken|TokenRefreshRequired": (
        "the credentials have expired; renew them and repeat the command"
    ),
    "PermanentRedirect|AuthorizationHeaderMalformed|incorrectly configured region": (
        "the bucket lies in another region; set AWS_REGION to it"
    ),
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|AccessDenied|"
    "InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId|code: 40[13]": (
        "the credentials were refused; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
    ),
    "curlCode: 28|REQUEST_TIMEOUT|kind: Timeout": (
        "the service doesn't answer in time; repeat the command later"
    ),
    "NETWORK_CONNECTION|kind: Connect|kind: Request|kind: Interrupted": (
        "no connection to the service; check AWS_ENDPOINT_URL and the network"
    ),
    "MissingContentLength|MissingEtag|MissingLastModified|InvalidListResponse|<html": (
        "what answers there is no storage service but perhaps a login page; check AWS_ENDPOINT_URL and the "
        "network"
    ),
    "SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|HTTP status 5|status code: 5": (
        "the service failed; repeat the command later"
    ),
}
# what obstore appends to a message, at length
_FOR_DEVELOPERS = "\n\nDebug source:"
# a service's answer, of which two elements are for people; others repeat access keys and what was signed
_ANSWER = re.compile(r"<\?xml.*?<Code>(.*?)</Code>.*?<Message>(.*?)</Message>.*?</Error>", re.DOTALL)


@contextlib.contextmanager
def storage_errors(action: str, place: str, uri: str = "") -> Iterator[None]:
    """Turn a failure of the operating system or a service into a StorageError that says what to do.

    `uri` is the store's, whose credentials the failure may repeat.
    """
    try:
        yield
    except OSError as error:
        known = remedy_of(error)
        if uri and not known:
            # an S3 client's own message would show what is hidden here
            raise remote_failure(action, place, str(error), uri) from None
        said = redacted(str(error), uri)
        raise StorageError(f"can't {action} {place}: {known or said}") from (None if uri else error)


def remote_failure(action: str, place: str, text: str, uri: str) -> StorageError:
    """The failure of a storage service, of which its client says `text`."""
    said = redacted(text, uri)
    shown = _ANSWER.sub(r"\1: \2", said.partition(_FOR_DEVELOPERS)[0])
    for pattern, remedy in REMOTE_REMEDIES.items():
        if re.search(pattern, said):
            if remedy == _NO_BUCKET:
                return NoBucketError(f"can't {action} {place}: {_NO_BUCKET} ({shown})")
            return StorageError(f"can't {action} {place}: {remedy} ({shown})")
    return StorageError(f"can't {action} {place}: {shown}")


def remedy_of(error: OSError) -> str | None:
    """What failed, and what to do about it, where the operating system's number for it says so."""
    return REMEDIES.get(error.errno or 0)
