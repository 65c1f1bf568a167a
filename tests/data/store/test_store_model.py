"""A share of the model-based tests of the store; `make torture` runs the rest."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.torture.store_model import LocalMachine, RemoteMachine

FEW = settings(
    max_examples=12, stateful_step_count=12, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_a_local_store_under_writers_in_any_order() -> None:
    run_state_machine_as_test(LocalMachine, settings=FEW)


def test_an_object_store_under_writers_in_any_order(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RemoteMachine, "bucket", bucket)
    run_state_machine_as_test(RemoteMachine, settings=settings(FEW, max_examples=4))
