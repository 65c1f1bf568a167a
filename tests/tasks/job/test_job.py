"""What is known of a run before it begins: digests formed once, and whether it could be the current one."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from data.errors import InputError
from data.settings.files import load_settings
from data.settings.schema import Settings
from data.store.backends.open import open_store
from tasks.job.digest import digest_inputs, verify_inputs
from tasks.job.identity import run_settings
from tasks.job.job import could_be_current, open_job
from tests.stores import publish as publish_run


@pytest.fixture
def settings(shipped: Path, tmp_path: Path) -> Settings:
    shutil.copytree(shipped / "tutorial", tmp_path / "inputs")
    return load_settings(tmp_path / "inputs/settings.toml", {"store": str(tmp_path / "store")})


def publish(settings: Settings) -> None:
    """A current run with these inputs and settings, as far as a manifest tells."""
    job, store = open_job(settings), open_store(settings.store)
    publish_run(
        store,
        job.run_id,
        settings_digest=hashlib.sha256(run_settings(settings).encode()).hexdigest(),
        inputs={name: {"location": name, "files": files} for name, files in job.inputs().items()},
    )


def test_only_a_run_of_the_same_settings_and_sizes_could_be_current(settings: Settings) -> None:
    assert not could_be_current(settings)
    publish(settings)
    assert could_be_current(settings)
    assert could_be_current(settings.model_copy(update={"runner": "processes"}))
    assert not could_be_current(settings.model_copy(update={"min_coverage": 0.5}))
    with Path(settings.yields).open("ab") as file:
        file.write(b"x")
    assert not could_be_current(settings)


def test_a_missing_input_is_said_before_anything_starts(settings: Settings) -> None:
    with pytest.raises(InputError, match="nowhere"):
        could_be_current(settings.model_copy(update={"weather": "nowhere"}))


def test_digests_are_taken_over_until_a_file_is_touched_and_verified_afresh(settings: Settings) -> None:
    file = Path(settings.yields)
    found = digest_inputs(settings.yields, known=True)
    times = file.stat()
    changed = bytearray(file.read_bytes())
    changed[100] ^= 1
    file.write_bytes(changed)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    # size and time are as they were: only reading it again tells, and publishing does that
    assert digest_inputs(settings.yields, known=True) == found
    with pytest.raises(InputError, match="changed since the run began"):
        verify_inputs(settings.yields, found)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000_000))
    assert digest_inputs(settings.yields, known=True) != found
