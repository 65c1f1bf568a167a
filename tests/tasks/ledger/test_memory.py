"""The memory of rejected rows: they are kept until they are written, so it grows with them, but slowly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[3]
FEW, MANY = 100_000, 400_000
# a process of its own, told of its own peak: what the system says of a child begins with its parent's
INGEST = """
import sys
from pathlib import Path
from tasks.weather.ingest import ingest_weather
from tests.tasks.weather.weather_worlds import make_settings
settings = make_settings(Path(sys.argv[1]), max_rejected=1.0, measures={"temperature": {"range": [-60, 60]}})
found = ingest_weather(settings)["main"]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(len(found.rejected), found.rejected.nbytes, int(peak.split()[1]) * 1024)
"""


def write_weather(folder: Path, rows: int, twice: bool) -> None:
    """Daily weather in small row groups: a file and its copy, or one of which every row is too hot."""
    days = np.arange(rows, dtype=np.int32) % 10_000
    names = pa.array([f"R{at:03d}" for at in range(rows // 10_000)])
    table = pa.table(
        {
            "region": pa.DictionaryArray.from_arrays(
                pa.array((np.arange(rows) // 10_000).astype("i4")), names
            ),
            "date": pa.array(days).cast(pa.date32()),
            "temperature": days / 1000 + (0.0 if twice else 100.0),
            "rainfall": days / 1000,
        }
    )
    (folder / "weather").mkdir(parents=True)
    for at in range(1 + twice):
        pq.write_table(table, folder / f"weather/part-{at}.parquet", row_group_size=10_000)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells its peak memory on Linux only")
@pytest.mark.parametrize("twice", [True, False])
def test_a_rejected_row_costs_some_hundred_bytes(twice: bool, tmp_path: Path) -> None:
    """As a table 130 to 170, and 230 in all; 900 once."""
    kept, peaks = [], []
    for rows in (FEW, MANY):
        write_weather(tmp_path / str(rows), rows, twice)
        command = [sys.executable, "-c", INGEST, str(tmp_path / str(rows))]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        lost, table, peak = map(int, said.split())
        assert lost == rows
        kept.append(table)
        peaks.append(peak)
    assert (kept[1] - kept[0]) / (MANY - FEW) < 200, kept
    assert (peaks[1] - peaks[0]) / (MANY - FEW) < 400, peaks
