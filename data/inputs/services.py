"""What a storage service means when it refuses an input: another region, an expired token, a login page."""

from __future__ import annotations

import re

from data.locations.filesystems import open_remote
from data.locations.uris import redacted

# in the words of pyarrow's S3 client and of the service itself
MEANINGS = {
    r"HTTP status 301|configured region|is wrong; expecting|IllegalLocationConstraint": (
        "the bucket lies in another region; set AWS_REGION, or ?region= in the location, to that one"
    ),
    r"EXPIRED_TOKEN|ExpiredToken|TokenRefreshRequired": (
        "the session's token has expired; sign in again, then repeat the command"
    ),
    r"TIME_TOO_SKEWED|TimeTooSkewed": "this machine's clock is wrong; set it, then repeat the command",
    r"curlCode: 47": (
        "what answers in place of the bucket redirects to another page (a login?); check AWS_ENDPOINT_URL "
        "and the proxy"
    ),
    r"NETWORK_CONNECTION|resolve host": (
        "no connection to the service; check AWS_ENDPOINT_URL and the network"
    ),
}
WEB_PAGE = (
    "a web page answers in place of the bucket (a login?); check AWS_ENDPOINT_URL and the proxy, and sign in"
)


def meaning_of(error: OSError, uri: str) -> str:
    """What is wrong and what to do, where it can be told, and the service's own words without secrets."""
    said = redacted(str(error), uri)
    if "No response body" in said:  # to a HEAD request, and so without the reason
        said = _asked_for_a_list(uri) or said
    for pattern, meaning in MEANINGS.items():
        if re.search(pattern, said):
            return f"{meaning} ({said})"
    return said


def is_web_page(content: bytes) -> bool:
    """Whether these first bytes are those of a page for people."""
    return bool(re.match(rb"\s*<(!doctype\s+)?html", content[:200], re.IGNORECASE))


def _asked_for_a_list(uri: str) -> str | None:
    from pyarrow import fs

    try:
        files, path = open_remote(uri)
        files.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except (OSError, ValueError) as error:
        return redacted(str(error), uri)
    return None
