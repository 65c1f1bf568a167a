"""The object store over a real S3 protocol, and what becomes of it when the service misbehaves."""

import os
import signal
import socket
import threading
import time

import pytest

from data.errors import InputError, NoBucketError, SettingsError, StorageError
from data.inputs.listing import list_files
from data.locations import filesystems
from data.store.backends.base import Store
from data.store.backends.open import open_store
from data.store.log import read_state
from tests.object_storage import SECRET, Proxy

LARGE = 12 << 20  # more than one part of a multipart upload


@pytest.fixture
def store(bucket: str) -> Store:
    return open_store(f"s3://{bucket}/deep/store")


def test_put_get_list_age_remove(store: Store, bucket: str) -> None:
    assert store.get("a/b.json") is None
    assert store.names() == store.folders() == []
    assert store.age("a") is None
    for content in (b"1", b"22", b""):
        store.put("a/b.json", content)
        assert store.get("a/b.json") == content
    store.put("a/deep/with space é", b"x")
    store.put("c", b"y" * LARGE)
    assert store.names() == ["a/b.json", "a/deep/with space é", "c"]
    assert store.names("a/deep") == ["a/deep/with space é"]
    assert store.folders() == ["a"]
    assert store.folders("a") == ["deep"]
    assert store.get("c") == b"y" * LARGE
    for name in ("a", "a/b.json"):
        age = store.age(name)
        assert age is not None
        assert -2 <= age < 60
    store.remove("a/b.json")
    assert store.names("a") == ["a/deep/with space é"]
    assert store.folders() == ["a"]
    for _ in range(2):
        store.remove("a")
        assert store.names() == ["c"]
        assert store.folders() == []
    assert store.place("c") == f"s3://{bucket}/deep/store/c"


def test_a_file_is_created_once(store: Store) -> None:
    assert store.create("log/1", b"first")
    assert not store.create("log/1", b"second")
    assert store.get("log/1") == b"first"


def test_endpoint_and_credentials_in_the_location(
    bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    host = s3_server.removeprefix("http://").replace(":", "%3A")
    store = open_store(
        f"s3://KEYKEY:se%2Fcret@{bucket}/p?region=us-east-1&scheme=http&endpoint_override={host}"
    )
    store.put("x", b"1")
    assert store.get("x") == b"1"
    assert store.place("x") == f"s3://{bucket}/p/x"


def test_inputs_are_read_with_the_same_endpoint(store: Store, bucket: str) -> None:
    store.put("weather/part.parquet", b"1234")
    assert [file.name for file in list_files(f"s3://{bucket}/deep/store/weather")] == ["part.parquet"]


@pytest.mark.parametrize("uri", ["s3://", "s3://KEY:hush-hush@bucket/x?bogus=1", "nonsense://hush-hush@a/b"])
def test_locations_that_make_no_sense(uri: str) -> None:
    with pytest.raises((SettingsError, StorageError)) as caught:
        open_store(uri).put("x", b"1")
    assert "hush" not in str(caught.value)


def test_a_bucket_is_not_created(bucket: str) -> None:
    store = open_store(f"s3://{bucket}-other/store")
    asked = (store.names, store.folders, lambda: store.get("x"), lambda: store.age("x"))
    for ask in (*asked, lambda: store.put("x", b"1"), lambda: store.create("x", b"1"), store.names):
        with pytest.raises(NoBucketError, match=r"bucket doesn't exist; check its name"):
            ask()
    with pytest.raises(InputError, match=rf"the bucket {bucket}-other doesn't exist"):
        list_files(f"s3://{bucket}-other/weather")
    with pytest.raises(InputError, match="no such file or folder"):
        list_files(f"s3://{bucket}/weather")


def test_a_dead_endpoint_is_given_up_in_seconds(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        store = open_store(f"s3://{bucket}/store")
        before = time.monotonic()
        with pytest.raises(StorageError, match="no connection") as caught:
            store.put("x", b"1")
        assert time.monotonic() - before < 15
    assert caught.value.exit_code == 5


FAULTS = ["500", "503", "slow", "hang up", "truncated upload"]


@pytest.mark.parametrize(
    ("fault", "size"),
    [(fault, 20) for fault in FAULTS] + [(fault, LARGE) for fault in FAULTS if fault != "slow"],
)
def test_a_failed_write_shows_nothing_and_can_be_repeated(
    fault: str, size: int, proxy: Proxy, bucket: str
) -> None:
    store = open_store(f"s3://{bucket}/store")
    store.put("old", b"old")
    proxy.fail(fault, method="PUT")
    for name in ("new", "old") if fault != "slow" else ("new",):
        with pytest.raises(StorageError, match=f"can't write s3://{bucket}/store/{name}: ") as caught:
            store.put(name, b"n" * size)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
    proxy.heal()
    assert store.names() == ["old"]
    assert store.get("old") == b"old"
    for name in ("new", "old"):
        store.put(name, b"n" * size)
        assert store.get(name) == b"n" * size


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "?uploads"), ("POST", "uploadId"), ("PUT", "partNumber=1"), ("PUT", "partNumber=2")],
)
def test_a_large_upload_that_fails_half_way_shows_nothing(
    method: str, path: str, proxy: Proxy, bucket: str
) -> None:
    store = open_store(f"s3://{bucket}/store")
    proxy.fail("500", method=method, path=path)
    with pytest.raises(StorageError, match="can't write"):
        store.put("new", b"n" * LARGE)
    proxy.heal()
    assert store.names() == []
    store.put("new", b"n" * LARGE)
    assert store.get("new") == b"n" * LARGE


@pytest.mark.parametrize("fault", ["500", "503", "slow", "hang up", "truncated answer"])
def test_a_failed_reading_is_an_error_never_absence(fault: str, proxy: Proxy, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/store")
    store.put("x", b'{"run_id": "aa"}')
    proxy.fail(fault, method="GET")
    with pytest.raises(StorageError, match="can't read"):
        store.get("x")
    with pytest.raises(StorageError):
        store.names()
    with pytest.raises(StorageError):
        store.folders()
    with pytest.raises(StorageError):
        read_state(store)
    proxy.heal()
    assert store.get("x") == b'{"run_id": "aa"}'
    assert store.names() == ["x"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, "<Error><Code>ExpiredToken</Code><Message>old</Message></Error>", "credentials have expired"),
        (403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "credentials were refused"),
        (400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>", "in another region"),
        (200, "<html>please log in</html>", "perhaps a login page"),
        (503, "<Error><Code>SlowDown</Code></Error>", "the service failed"),
    ],
)
def test_failures_of_a_service_are_told_apart(
    status: int, body: str, said: str, proxy: Proxy, bucket: str
) -> None:
    store = open_store(f"s3://{bucket}/store")
    proxy.fail(f"{status} {body}")
    with pytest.raises(StorageError, match=said) as caught:
        store.get("x")
    assert SECRET not in str(caught.value)
    assert "Debug source" not in str(caught.value)


def test_ctrl_c_is_heard_while_a_request_waits(
    proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "SILENCE_TIMEOUT_S", 60.0)
    store = open_store(f"s3://{bucket}/store")
    proxy.fail("slow")
    proxy.seen.clear()

    def interrupt() -> None:
        while not proxy.seen:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # a shell has what it starts in the background ignore SIGINT
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            store.get("x")
        assert time.monotonic() - before < 30
    finally:
        signal.signal(signal.SIGINT, usual)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "slow"])
def test_one_bad_moment_is_ridden_out(
    fault: str, proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "ATTEMPTS", 3)
    store = open_store(f"s3://{bucket}/store")
    proxy.fail(fault, times=1, method="PUT")
    store.put("x", b"1")
    proxy.fail("503", times=1, method="GET")
    assert store.get("x") == b"1"


def test_a_small_file_is_one_request(proxy: Proxy, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/store")
    store.put("x", b"1")
    proxy.seen.clear()
    store.put("x", b"2" * 100_000)
    assert [line.partition(" ")[0] for line in proxy.seen] == ["PUT"]
