"""What all tests share: an environment of their own for Prefect, and the real data where it lies."""

import os
import tempfile
from pathlib import Path

import pytest

# before Prefect is imported by anything; its data base and its files stay out of the user's home
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="cropyield-tests-")
os.environ.pop("PREFECT_API_URL", None)

from flows.server.environment import prepare_environment

prepare_environment(debug=False)


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
