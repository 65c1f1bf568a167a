"""What all tests share: an environment of their own for Prefect, and the real data where it lies."""

import os
import tempfile
from pathlib import Path

import pytest

# before Prefect is imported by anything; its data base and its files stay out of the user's home
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="cropyield-tests-")
os.environ.pop("PREFECT_API_URL", None)
# several workers share the cores: threads that wait for each other at each sum would only heat them
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from flows.server.environment import prepare_environment

prepare_environment(debug=False)

from tests.prefect_home import fill

_WAIT_FIRST = (
    "tests/docs/test_site.py",
    "tests/flows/server",
    "tests/docs",
    "tests/flows",
    "tests/tasks/publish",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what waits for servers and other processes: tests that compute fill the waiting."""

    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(config.rootpath)
        return next(
            (i for i, first in enumerate(_WAIT_FIRST) if path.is_relative_to(first)), len(_WAIT_FIRST)
        )

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def prefect_home() -> Path:
    """The home of Prefect in this process and those that it starts."""
    return fill(Path(os.environ["PREFECT_HOME"]))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets; the test is skipped where it isn't."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CROPYIELD_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the inputs that ship."""
    return Path(__file__).resolve().parents[1] / "data"
