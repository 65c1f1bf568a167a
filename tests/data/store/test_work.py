"""Steps of a run in progress: whole or not there, on this machine and on an object store."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from data.errors import StorageError
from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.work import Work, forced_name

STEP = "model 09-30"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any cache; another call of `elsewhere` is another machine."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "local":
        yield LocalStore(tmp_path / "store")
    else:
        yield open_store(f"s3://{request.getfixturevalue('bucket')}/store")


def fill(folder: Path, text: str) -> None:
    (folder / "deep").mkdir()
    (folder / "a.json").write_text(text)
    (folder / "deep" / "b.parquet").write_text(text)


def content(folder: Path | None) -> dict[str, str] | None:
    if folder is None:
        return None
    return {
        file.relative_to(folder).as_posix(): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def whole(text: str) -> dict[str, str]:
    return {"a.json": text, "deep/b.parquet": text}


def test_a_step_is_there_once_it_is_finished(store: Store) -> None:
    work = Work(store, "run")
    assert work.finished(STEP) is None
    with work.create(STEP) as folder:
        fill(folder, "1")
        assert work.finished(STEP) is None
    assert content(work.finished(STEP)) == whole("1")
    assert content(Work(store, "run").finished(STEP)) == whole("1")
    assert Work(store, "other").finished(STEP) is None


@pytest.mark.parametrize("stop", [ValueError("broken"), KeyboardInterrupt()])
def test_an_interrupted_step_leaves_nothing(store: Store, temporary: Path, stop: BaseException) -> None:
    work = Work(store, "run")

    def interrupted() -> None:
        with work.create(STEP) as folder:
            fill(folder, "half")
            raise stop

    with pytest.raises(type(stop)):
        interrupted()
    assert work.finished(STEP) is None
    assert store.names() == []
    root = store.root if isinstance(store, LocalStore) else temporary
    assert [file for file in root.rglob("*") if not file.is_dir()] == []
    with work.create(STEP) as folder:
        assert list(folder.iterdir()) == []


def test_two_makers_of_one_step_both_succeed(store: Store) -> None:
    both = Barrier(2)

    def make(text: str) -> dict[str, str] | None:
        work = Work(store, "run")
        with work.create(STEP) as folder:
            fill(folder, text)
            both.wait()
        return content(work.finished(STEP))

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(make, ["1", "2"]))
    assert all(each in (whole("1"), whole("2")) for each in found)
    assert content(Work(store, "run").finished(STEP)) in (whole("1"), whole("2"))


def test_forced_runs_have_names_of_their_own() -> None:
    assert forced_name("run") != forced_name("run")
    assert forced_name("run").startswith("run-")


def test_another_machine_fetches_a_step_once(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = open_store(f"s3://{bucket}/store")
    with Work(store, "run").create(STEP) as folder:
        fill(folder, "1")
    elsewhere(monkeypatch, tmp_path, "second")
    reads: list[str] = []
    get = store.get

    def counted(name: str) -> bytes | None:
        reads.append(name.rpartition("/")[2])
        return get(name)

    monkeypatch.setattr(store, "get", counted)
    for _ in range(2):
        assert content(Work(store, "run").finished(STEP)) == whole("1")
    assert reads == [".done", "a.json", "b.parquet", ".done"]


def test_processes_that_fetch_at_once_share_the_cache(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Work(open_store(f"s3://{bucket}/store"), "run").create(STEP) as folder:
        fill(folder, "1" * 1000)
    elsewhere(monkeypatch, tmp_path, "second")

    def fetch(_: int) -> dict[str, str] | None:
        return content(Work(open_store(f"s3://{bucket}/store"), "run").finished(STEP))

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(fetch, range(6))) == [whole("1" * 1000)] * 6
    assert not list((tmp_path / "second").rglob("*.tmp"))


def test_an_upload_that_fails_half_way_is_no_step(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"s3://{bucket}/store")
    put = store.put

    def failing(name: str, what: bytes) -> None:
        if name.endswith("b.parquet"):
            raise StorageError("no")
        put(name, what)

    def make() -> None:
        with Work(store, "run").create(STEP) as folder:
            fill(folder, "1")

    monkeypatch.setattr(store, "put", failing)
    with pytest.raises(StorageError):
        make()
    assert store.names() == []
    assert Work(store, "run").finished(STEP) is None
    monkeypatch.setattr(store, "put", put)
    make()
    assert content(Work(store, "run").finished(STEP)) == whole("1")


def test_a_damaged_step_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = open_store(f"s3://{bucket}/store")
    with Work(store, "run").create(STEP) as folder:
        fill(folder, "1")
    elsewhere(monkeypatch, tmp_path, "second")
    (name,) = (name for name in store.names() if name.endswith("a.json"))
    store.put(name, b"other")
    with pytest.raises(StorageError, match=r"a\.json is damaged; delete"):
        Work(store, "run").finished(STEP)
    store.remove(name)
    with pytest.raises(StorageError, match=r"a\.json is missing; delete"):
        Work(store, "run").finished(STEP)


def test_a_cache_of_somebody_else_is_not_trusted(
    bucket: str, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "theirs"
    target.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    (temporary / "cropyield-12345").symlink_to(target)
    with (
        pytest.raises(StorageError, match="somebody else"),
        Work(open_store(f"s3://{bucket}/store"), "run").create("x"),
    ):
        pass
