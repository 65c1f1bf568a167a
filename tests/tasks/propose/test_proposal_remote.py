"""Proposals for inputs in an object store."""

from __future__ import annotations

from pathlib import Path

from pyarrow import fs

from tasks.propose.proposal import propose
from tasks.propose.settings_file import write_text
from tests.odd_files import german


def test_inputs_in_an_object_store_are_looked_at_where_they_lie(
    bucket: str, s3_server: str, tmp_path: Path
) -> None:
    german(tmp_path / "here")
    host = s3_server.removeprefix("http://")
    there = fs.S3FileSystem(endpoint_override=host, scheme="http", region="us-east-1")
    for name in ("weather", "yields"):
        with there.open_output_stream(f"{bucket}/{name}/part.parquet") as out:
            out.write((tmp_path / f"here/{name}.parquet").read_bytes())
    found = propose(f"s3://{bucket}/weather", f"s3://{bucket}/yields")
    assert [crop.name for crop in found.crops] == ["maize", "wheat"]
    text = write_text(found, tmp_path / "settings.toml")
    assert f'weather = "s3://{bucket}/weather"' in text
