"""The memory of a tree of processes, by two that hold what they say beside one from before."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.whole_job.largest import TreePeak

_HOLDS = "held = b'x' * 100_000_000; print(flush=True); input()"


def test_processes_count_together() -> None:
    earlier = _holder()
    with TreePeak() as peak:
        holders = [_holder(), _holder()]
    for holder in (earlier, *holders):
        holder.communicate(b"\n")
    assert 200e6 < peak.bytes < 300e6


def _holder() -> subprocess.Popen[bytes]:
    """A process that holds 100 MB until it is told to end."""
    found = subprocess.Popen([sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert found.stdout is not None
    found.stdout.readline()
    return found
