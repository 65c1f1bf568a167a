"""A PostgreSQL cluster of a test's own, from Debian's binaries: in a temporary folder, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.server.process import free_port

_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"


def missing() -> str | None:
    """Why there can be no cluster here; None: there can."""
    if _binaries() is None:
        return "PostgreSQL's initdb and pg_ctl are not installed (Debian: postgresql)"
    # PostgreSQL refuses to run as root
    if os.geteuid() == 0 and _ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"the tests run as root, and there is no account {_ACCOUNT!r} for PostgreSQL to run as"
    return None


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty data base, without a driver: postgresql://…; it is gone after the block."""
    binaries = _binaries()
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="cropyield-pg-"))
    account = _ACCOUNT if os.geteuid() == 0 else None
    try:
        if account:
            shutil.chown(folder, account)
        port, cluster = free_port(), folder / "cluster"

        def run(program: str, *arguments: str) -> None:
            command = [str(binaries / program), "-D", str(cluster), *arguments]
            with (folder / f"{program}.log").open("ab") as log:
                subprocess.run(
                    command, check=True, user=account, cwd=folder, stdout=log, stderr=log, timeout=120
                )

        run("initdb", "--auth=trust", "--username=cropyield", "--no-sync", "--encoding=UTF8", "--locale=C")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "--wait", f"--log={folder / 'server.log'}", f"--options={options}")
        try:
            yield f"postgresql://cropyield@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None
