"""The comparison itself, on a small table: every peer solves the same problem."""

import pytest

from tests.benchmarks.training.__main__ import compare, lines
from tests.benchmarks.training.peers import PEERS, made_up


def test_every_peer_solves_the_same_problem() -> None:
    found = {one.peer: one for one in compare(made_up(20_000, 3), PEERS)}
    assert len(lines(list(found.values()))) == len(PEERS)
    assert found["LinearRegression"].excess == pytest.approx(0, abs=1e-15)
    assert found["cropyield"].excess is not None
    assert found["cropyield"].excess <= 1e-4
    for one in found.values():
        assert one.excess is not None
        assert one.excess < 1e3
