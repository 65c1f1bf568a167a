"""Input files that hold the same rows."""

from __future__ import annotations

from pathlib import Path

from tasks.job.digest import same_bytes


def test_the_same_bytes_in_other_folders_are_other_rows(tmp_path: Path) -> None:
    """Bytes are compared, not sizes; folders such as region=1 are columns."""
    for name, content in {
        "a.parquet": b"1", "b.parquet": b"2", "plain/c.parquet": b"1", "region=1/a.parquet": b"1",
        "region=2/a.parquet": b"1", "region=2/b.parquet": b"1",
    }.items():  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    assert same_bytes(str(tmp_path)) == [
        ("a.parquet", "plain/c.parquet"),
        ("region=2/a.parquet", "region=2/b.parquet"),
    ]
