"""Files of a finished step: tables as Arrow, small values as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.parquet import write_table

_ABOUT = "about.json"


def write(folder: Path, about: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> None:
    """Write tables and what describes them; the description last, so that its presence means all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    text = json.dumps(about, ensure_ascii=False, indent=1)
    part = folder / (_ABOUT + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(folder / _ABOUT)


def read(folder: Path) -> dict[str, Any]:
    """What describes a folder's tables."""
    about: dict[str, Any] = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    return about


def read_table(folder: Path, name: str) -> pa.Table:
    """One of a folder's tables."""
    return pq.read_table(folder / f"{name}.parquet")
