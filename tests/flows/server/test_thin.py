"""The embedded server's data base forgets old runs."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from flows.server.thin import thin

START = "from flows.server.embedded import EMBEDDED; EMBEDDED.start(); EMBEDDED.wait()"
TABLES = ("flow_run", "flow_run_state", "task_run", "artifact", "artifact_collection")


@flow
def drawing() -> None:
    create_markdown_artifact("x" * 4_000_000, key="picture")


def counts(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as opened:
        return {table: opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def copied(folder: Path) -> Path:
    """A copy of the session's data base, with at least one run."""
    drawing()
    database = folder / "prefect.db"
    source = str(PREFECT_API_DATABASE_CONNECTION_URL.value()).partition(":///")[2]
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(database)) as copy:
        live.backup(copy)
    return database


def test_old_runs_are_forgotten_and_new_ones_kept(tmp_path: Path) -> None:
    database = copied(tmp_path)
    before, size = counts(database), database.stat().st_size
    assert before["flow_run"] >= 1
    assert thin(database) == 0
    assert counts(database) == before
    assert thin(database, kept_days=-1) > 0
    assert set(counts(database).values()) == {0}
    assert database.stat().st_size < size - 4_000_000


def test_the_embedded_server_begins_with_it(tmp_path: Path) -> None:
    database = copied(tmp_path)
    with closing(sqlite3.connect(database)) as copy, copy:
        copy.execute("UPDATE flow_run SET created = '2001-01-01 00:00:00.000000'")
    assert counts(database)["flow_run"] >= 1
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    subprocess.run(
        [sys.executable, "-c", START], env=environment | {"PREFECT_HOME": str(tmp_path)}, check=True
    )
    assert counts(database)["flow_run"] == 0


def test_what_is_no_data_base_stays_as_it_is(tmp_path: Path) -> None:
    assert thin(tmp_path / "none.db") == 0
    (tmp_path / "other.db").write_bytes(b"another format" * 100)
    assert thin(tmp_path / "other.db") == 0
    assert (tmp_path / "other.db").read_bytes() == b"another format" * 100
