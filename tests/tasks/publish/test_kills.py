"""Whatever step of publishing is the last one, readers find a whole run and a repetition finds its way."""

import os
from pathlib import Path

import pytest

from tests.tasks.publish.kills import killed_at_each_step


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child for each step")
@pytest.mark.parametrize(
    # six and five files, each created, written in two halves, flushed, renamed, its folder flushed
    ("script", "steps"),
    [("killed_publishing.py", 40), ("killed_forecasting.py", 30)],
)
def test_publishing_killed_at_each_of_its_steps(tmp_path: Path, script: str, steps: int) -> None:
    tally = killed_at_each_step(script, tmp_path)
    assert tally["kills"] >= steps
    assert tally["readings"] >= tally["kills"]
