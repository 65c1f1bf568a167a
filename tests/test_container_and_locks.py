"""What is deployed: an image by its full version and no root in it, exact versions each with a digest."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.lock import lowest

ROOT = Path(__file__).resolve().parents[1]


def _lines(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def test_the_container_is_of_a_full_version_and_runs_as_an_ordinary_user() -> None:
    words = [line.split() for line in _lines("Containerfile")]
    images = [given[1] for given in words if given[0] == "FROM"]
    assert images
    for image in images:
        assert re.fullmatch(r"\S+:\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?", image), image
    steps = [given[0] for given in words]
    users = [given[1] for given in words if given[0] == "USER"]
    assert users
    assert users[-1].partition(":")[0] not in ("root", "0")
    last_user = len(steps) - 1 - steps[::-1].index("USER")
    assert last_user > max(at for at, step in enumerate(steps) if step == "RUN")


def test_both_locks_name_the_same_versions_and_every_one_has_its_digest() -> None:
    plain, hashed = _lines("requirements.lock"), _lines("requirements.hashes")
    exact = re.compile(r"([\w.-]+==[\w.!]+)")
    assert plain
    assert all(exact.fullmatch(line) for line in plain)
    found = [re.fullmatch(exact.pattern + r"( --hash=sha256:[0-9a-f]{64})+", line) for line in hashed]
    assert all(found), [line for line, one in zip(hashed, found, strict=True) if not one]
    assert [one[1] for one in found if one] == plain
    names = [line.partition("==")[0].lower() for line in plain]
    assert len(set(names)) == len(names)


def test_the_lowest_versions_cover_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [re.split(r"[\[<>=!~; ]", line)[0] for line in project["dependencies"]]
    bounds = lowest(project)
    assert [bound.partition("==")[0] for bound in bounds] == named
    assert all(re.fullmatch(r"[\w.-]+==\d[\w.]*", bound) for bound in bounds)
    locked = {line.partition("==")[0].lower() for line in _lines("requirements.lock")}
    assert {name.lower() for name in named} <= locked
