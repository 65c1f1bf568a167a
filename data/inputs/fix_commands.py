"""Commands of one line of pandas that mend a file, to be pasted into a shell."""

from __future__ import annotations


def rewrite(place: str, statement: str) -> str:
    """A command that reads a table `t`, runs a statement on it and writes it to converted.parquet."""
    return (
        f"  python -c \"import pandas as pd; t = pd.read_parquet('{place}'); {statement}; "
        "t.to_parquet('converted.parquet')\""
    )


def convert(place: str) -> str:
    """A command that turns a file of another kind into Parquet, text columns and all."""
    name = place.lower().removesuffix(".gz")
    kind = next((kind for end, kind in _READERS.items() if name.endswith(end)), "csv")
    guess = ", sep=None, engine='python'" if kind == "csv" and not name.endswith(".csv") else ""
    return (
        f"  python -c \"import pandas as pd; pd.read_{kind}('{place}'{guess})"
        ".to_parquet('converted.parquet')\""
    )


_READERS = {".xlsx": "excel", ".xls": "excel", ".json": "json", ".feather": "feather"}
