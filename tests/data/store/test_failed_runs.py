"""Records of unsuccessful ends: in the order of time, one for each end, never more than are kept."""

from pathlib import Path

import pytest

from data.errors import StorageError
from data.store.backends.local import LocalStore
from data.store.failed_runs import newest_failed_runs, prune_failed_runs, record_failed_run


def test_records_are_in_the_order_of_time_and_the_oldest_go_first(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert newest_failed_runs(store, 5) == []
    times = [
        "2026-01-01T06:00:00+00:00",
        "2026-01-01T06:00:00.000001+00:00",
        "2026-01-01T08:30:00+02:00",
        "2026-01-02T05:00:00+00:00",
    ]
    for at in (2, 0, 3, 1, 1):
        record_failed_run(store, {"flow_run_id": "b", "ended_at": times[at], "state": "Failed"})
    assert [end["ended_at"] for end in newest_failed_runs(store, 9)] == times
    assert [end["ended_at"] for end in newest_failed_runs(store, 2)] == times[2:]
    assert len(prune_failed_runs(store, 3)) == 1
    assert prune_failed_runs(store, 3) == []
    assert [end["ended_at"] for end in newest_failed_runs(store, 9)] == times[1:]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    name = record_failed_run(store, {"flow_run_id": "b", "ended_at": "2026-01-01T06:00:00+00:00"})
    (tmp_path / name).write_text("half a rec")
    with pytest.raises(StorageError, match=name):
        newest_failed_runs(store, 1)
