"""The memory of a tree of processes, by two that hold what they say."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.whole_job.largest import TreePeak

_HOLDS = "held = b'x' * 100_000_000; print(flush=True); input()"


def test_processes_count_together() -> None:
    with TreePeak() as peak:
        holders = [
            subprocess.Popen([sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        for holder in holders:
            assert holder.stdout is not None
            holder.stdout.readline()
    for holder in holders:
        holder.communicate(b"\n")
    assert 200e6 < peak.bytes < 300e6
