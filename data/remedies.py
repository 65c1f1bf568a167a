"""Commands that mend a file before it is read: one line of pandas each, to be pasted into a shell."""

from __future__ import annotations


def rewrite(place: str, statement: str) -> str:
    """A command that reads a table `t`, runs a statement on it and writes it to converted.parquet."""
    return (
        f"  python -c \"import pandas as pd; t = pd.read_parquet('{place}'); {statement}; "
        "t.to_parquet('converted.parquet')\""
    )


def convert_csv(place: str) -> str:
    """A command that turns a CSV file into Parquet."""
    return f"  python -c \"import pandas as pd; pd.read_csv('{place}').to_parquet('converted.parquet')\""
