"""`python -m tests.lock`: versions to install, from pip's report or from the bounds of pyproject.toml.

`python -m tests.lock REPORT` writes requirements.lock, which are constraints, and requirements.hashes:

    pip install --require-hashes -r requirements.hashes && pip install --no-deps --editable .
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

_HEAD = (
    "# Exact versions that cropyield is tested with; used as constraints: pip install -c requirements.lock ."
)
_HASHES = (
    "# The same with the digests of what was tested (Linux on x86-64, Python 3.11), to be installed:\n"
    "# pip install --require-hashes -r requirements.hashes && pip install --no-deps --editable ."
)


def lock(report: dict[str, Any]) -> tuple[str, str]:
    """Both locks from what `pip install --report` says it would install."""
    plain, hashed = [], []
    for found in report["install"]:
        about, archive = found["metadata"], found["download_info"].get("archive_info")
        if archive is None:  # this project itself
            continue
        # a build for one kind of machine is another file, not another version
        version = about["version"].partition("+")[0]
        plain.append(f"{about['name']}=={version}")
        hashed.append(f"{about['name']}=={version} --hash=sha256:{archive['hashes']['sha256']}")
    both = ([_HEAD, *sorted(plain, key=str.lower)], [_HASHES, *sorted(hashed, key=str.lower)])
    return "\n".join(both[0]) + "\n", "\n".join(both[1]) + "\n"


def lowest(project: dict[str, Any]) -> list[str]:
    """The lower bounds of the dependencies as exact versions."""
    found = [re.match(r"([\w.-]+)(\[[^]]*\])?>=([\w.]+)", line) for line in project["dependencies"]]
    return [f"{bound[1]}=={bound[3]}" for bound in found if bound]


def main() -> None:
    """Write the locks, or say the lowest versions."""
    if sys.argv[1] == "--lowest":
        project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
        print("\n".join(lowest(project)))
        return
    plain, hashed = lock(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path("requirements.lock").write_text(plain, encoding="utf-8")
    Path("requirements.hashes").write_text(hashed, encoding="utf-8")


if __name__ == "__main__":
    main()
