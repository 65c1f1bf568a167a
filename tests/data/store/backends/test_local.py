"""Files appear whole, failures are explained, credentials stay out of messages."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import SettingsError, StorageError
from data.locations.uris import redact_uri, redacted
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store, open_target


def test_put_get_list_remove(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "new" / "store"))
    assert store.get("a/b.json") is None
    assert store.names() == []
    store.put("a/b.json", b"1")
    store.put("a/b.json", b"2")
    store.put("c", b"")
    assert store.get("a/b.json") == b"2"
    assert store.names() == ["a/b.json", "c"]
    assert store.folders() == ["a"]
    age = store.age("a")
    assert age is not None
    assert 0 <= age < 60
    store.remove("a")
    store.remove("a")
    assert store.names() == ["c"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.put("f", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="disk is full") as caught:
        store.put("f", b"new")
    assert caught.value.exit_code == 5
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert store.get("f") == b"old"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(StorageError):
        LocalStore(tmp_path / "store").put("a/b", b"")


def test_credentials_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact_uri("s3://KEY:SECRET@bucket/p?endpoint_override=x") == "s3://bucket/p"
    assert redact_uri("s3://bucket/p") == "s3://bucket/p"
    assert redact_uri("/a/path") == "/a/path"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    assert redacted("bad key hush at s3://me:pw@bucket") == "bad key *** at s3://bucket"


def test_a_store_that_vanishes_in_use_is_not_begun_anew(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.put("runs/a/x", b"1")
    (tmp_path / "store").rename(tmp_path / "away")
    for _ in range(2):  # gone, then replaced by an empty folder, as where a disk was mounted
        with pytest.raises(StorageError, match="vanished while it was in use"):
            store.put("current.json", b"{}")
        with pytest.raises(StorageError, match="vanished while it was in use"):
            store.get("current.json")
        (tmp_path / "store").mkdir(exist_ok=True)
    assert list((tmp_path / "store").iterdir()) == []
    (tmp_path / "store").rmdir()
    (tmp_path / "away").rename(tmp_path / "store")
    assert store.get("runs/a/x") == b"1"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda file: file.symlink_to("/dev/zero")])
def test_what_is_no_file_holds_nothing(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Neither is a pipe waited for, nor a device read without end; a place for a new file it isn't either."""
    make(tmp_path / "thing")
    assert LocalStore(tmp_path).get("thing") == b""
    with pytest.raises(SettingsError, match="is a folder, a pipe or a device"):
        open_target(str(tmp_path / "thing"))


def test_a_link_through_what_is_no_folder_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "views").write_text("")
    (tmp_path / "link").symlink_to("views/current")
    assert LocalStore(tmp_path).folders() == ["runs"]
