"""A share of the torture of a store by several processes at once; `make torture` runs the rest."""

import pytest

from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from tests.torture.store_processes import place, torture


@pytest.mark.parametrize(("kind", "processes"), [("local", 2), ("local", 4), ("s3", 2), ("s3", 4)])
def test_processes_that_are_killed_lose_nothing(
    kind: str, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "")  # what it is set to meanwhile is undone
    with place(kind) as uri:
        assert isinstance(open_store(uri), LocalStore) == (kind == "local")
        tally = torture(uri, processes, seconds=4, seed=processes, kill_every_s=1)
    assert tally["commands"] > 0
    assert tally["readings"] > 0
