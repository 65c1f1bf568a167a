"""A store on an object store (s3://, gs://): each file one upload, visible when it is complete.

Through obstore, since the log needs conditional writes, which pyarrow's file systems don't have; a request
costs a third of theirs, besides, and size and content are of one answer. Inputs are read through pyarrow,
whose readers want its file systems; endpoint, region and keys come from the same place for both.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from data.errors import SettingsError
from data.locations import filesystems
from data.locations.failures import remote_failure
from data.locations.filesystems import s3_place
from data.locations.uris import redact_uri
from data.store.backends.base import MANIFEST

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

Found = TypeVar("Found")
_PART = 8 << 20  # a larger file is uploaded in parts of so many bytes
_LOOKS_UP_S = 0.2  # how soon the main thread hears Ctrl-C
_QUICK = 1 << 20  # a larger upload is silent for longer, through a slow line
_LINE_IS_SLOW = 6
_UPLOADS_AT_ONCE = 4


class ObjectStore:
    """A prefix of a bucket; see `base.Store`. Opened when first used."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def get(self, name: str) -> bytes | None:
        import obstore

        client = self._client()

        def read() -> bytes:
            found = obstore.get(client, name)
            if found.meta["e_tag"] is None:
                raise OSError("MissingEtag: an answer that no storage service gives")
            return found.bytes().to_bytes()

        with self._errors("read", name), _may_be_absent():
            return _interruptible(read)
        return None

    def put(self, name: str, content: bytes) -> None:
        import obstore

        client = self._client(large=len(content) > _QUICK)
        with self._errors("write", name):
            _interruptible(
                lambda: obstore.put(
                    client, name, content, use_multipart=len(content) > _PART, chunk_size=_PART,
                    max_concurrency=_UPLOADS_AT_ONCE,
                )
            )  # fmt: skip

    def create(self, name: str, content: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        client = self._client()
        with self._errors("write", name), contextlib.suppress(AlreadyExistsError):
            _interruptible(lambda: obstore.put(client, name, content, mode="create", use_multipart=False))
            return True
        return False

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        yield

    def names(self, folder: str = "") -> list[str]:
        return sorted(found["path"] for found in self._list(folder))

    def folders(self, folder: str = "") -> list[str]:
        import obstore

        client = self._client()
        with self._errors("list", folder):
            found = _interruptible(lambda: obstore.list_with_delimiter(client, folder or None))
            return sorted(prefix.rpartition("/")[2] for prefix in found["common_prefixes"])

    def age(self, name: str) -> float | None:
        import obstore

        client = self._client()
        times = [found["last_modified"].timestamp() for found in self._list(name)]
        with self._errors("look at", name), contextlib.suppress(FileNotFoundError):
            times.append(_interruptible(lambda: obstore.head(client, name))["last_modified"].timestamp())
        return time.time() - max(times) if times else None

    def remove(self, name: str, still: Callable[[], bool] = lambda: True) -> None:
        # what says that a folder is whole goes first, so that no reader meets half of one
        names = sorted(self.names(name), key=lambda found: found != f"{name}/{MANIFEST}")
        # one request after being asked: whoever writes the folder anew meanwhile looks again later than that
        if still():
            self._delete(names or [name])

    def sweep(self, older_than_s: float) -> list[str]:  # noqa: ARG002
        # an upload that was broken off is no object; the bucket's life cycle rules remove its parts
        return []

    def place(self, name: str) -> str:
        return f"{redact_uri(self.uri).rstrip('/')}/{name}" if name else redact_uri(self.uri)

    def _list(self, folder: str) -> list[Any]:
        import obstore

        client = self._client()
        with self._errors("list", folder):
            return list(_interruptible(lambda: obstore.list(client, folder or None).collect()))

    def _delete(self, names: list[str]) -> None:
        import obstore

        client = self._client()
        with self._errors("delete", names[0]), contextlib.suppress(FileNotFoundError):
            _interruptible(lambda: obstore.delete(client, names))

    def _client(self, large: bool = False) -> Client:
        given = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
        silence_s = filesystems.SILENCE_TIMEOUT_S * (_LINE_IS_SLOW if large else 1)
        patience = filesystems.CONNECT_TIMEOUT_S, silence_s, filesystems.ATTEMPTS
        with self._errors("open", ""):
            try:
                return _open(self.uri, patience, (os.getpid(), *given))
            except ValueError:
                # the text would repeat the URI, credentials and all
                raise SettingsError(
                    f"{redact_uri(self.uri)}: not a location that can be opened; write a path, s3://BUCKET/… "
                    "or gs://BUCKET/…, with endpoint and credentials in the environment"
                ) from None

    @contextlib.contextmanager
    def _errors(self, action: str, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            # the client's own message would show what is hidden here
            raise remote_failure(action, self.place(name), str(error), self.uri) from None


@cache
def _open(uri: str, patience: tuple[float, float, int], _as_given: tuple[object, ...]) -> Client:
    """One client for all who ask alike, with its connections. Raises ValueError."""
    from obstore.store import GCSStore, S3Store

    connect_s, silence_s, attempts = patience
    options: Any = {
        "connect_timeout": timedelta(seconds=connect_s),
        # answers begin late where a request takes long to send
        "read_timeout": timedelta(seconds=silence_s),
        "timeout": timedelta(hours=1),
    }
    retries: Any = {"max_retries": attempts - 1, "retry_timeout": timedelta(seconds=silence_s * attempts)}
    scheme = urlsplit(uri).scheme
    if scheme == "gs":
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        if not bucket or "?" in uri or "@" in bucket:
            raise ValueError("a bucket, and nothing but a path")
        return GCSStore(bucket, prefix=prefix or None, client_options=options, retry_config=retries)
    if scheme != "s3":
        raise ValueError("neither s3 nor gs")
    place = s3_place(uri)
    keys: dict[str, Any] = {}
    if place.credentials() is not None:
        keys["credential_provider"] = lambda: _as_obstore_wants(place.credentials())
    if place.endpoint:
        options["allow_http"] = place.scheme == "http"
        keys["endpoint"] = f"{place.scheme or 'https'}://{place.endpoint}"
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        region=place.region or "us-east-1",
        client_options=options,
        retry_config=retries,
        **keys,
    )


def _as_obstore_wants(found: Any) -> dict[str, Any]:
    return {
        "access_key_id": found.key,
        "secret_access_key": found.secret,
        "token": found.token,
        "expires_at": found.expires_at,
    }


@contextlib.contextmanager
def _may_be_absent() -> Iterator[None]:
    """A file may be absent, but not the bucket: who misspelt it would be told of a store without a run."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise


def _interruptible(call: Callable[[], Found]) -> Found:
    """What a call answers; while the main thread waits for it Ctrl-C is heard, which the client doesn't."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    answers: list[Found] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(call())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOKS_UP_S)  # the signal may have met another thread, which doesn't wake this one
    if failures:
        raise failures[0]
    return answers[0]
