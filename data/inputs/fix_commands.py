"""Commands of one line of pandas that mend a file, to be pasted into a shell."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

# 2001, Y2001, "yield 2001", year_2001: what spreadsheets call the column of one year
_YEAR_COLUMN = re.compile(r"(?:y|yr|year|yield)?[ _-]?(1[5-9]\d\d|2[01]\d\d)", re.IGNORECASE)
_FLAG_COLUMN = re.compile(rf"{_YEAR_COLUMN.pattern}[ _-]?[a-z]", re.IGNORECASE)


def rewrite(place: str, statement: str) -> str:
    """A command that reads a table `t`, runs a statement on it and writes it as x-converted.parquet."""
    name = stem(place).removesuffix(_CONVERTED)
    return (
        f'  python -c "import pandas as pd; {_read(place)}; {statement}; '
        f"t.to_parquet('{name}{_CONVERTED}.parquet')\""
    )


def _read(place: str) -> str:
    """What reads a table `t`; of a folder all files, each with its own columns.

    pandas reads a folder with the columns of its first file, but only so those that folders spell out.
    """
    files = list(Path(place).rglob("*.parquet")) if Path(place).is_dir() else []
    if not files or any("=" in file.parent.name for file in files):
        return f"t = pd.read_parquet('{place}')"
    return (
        "from pathlib import Path; t = pd.concat(map(pd.read_parquet, "
        f"sorted(Path('{place}').rglob('*.parquet'))), ignore_index=True)"
    )


def melt_advice(place: str, columns: Iterable[str]) -> str | None:
    """What to do with yields that have a column for each year, and the command; None for any others."""
    names = list(columns)
    years = [name for name in names if _YEAR_COLUMN.fullmatch(name.strip())]
    if len(years) < 2:
        return None
    keys = [name for name in names if name not in years and not _FLAG_COLUMN.fullmatch(name.strip())]
    beside = len(keys) + len(years) < len(names)
    values = ", value_vars=[c for c in t if c.strip()[-4:].isdigit()]" if beside else ""
    melt = f"t = t.melt({keys!r}{values}, var_name='year', value_name='yield').dropna(subset='yield')"
    number = "; t['year'] = t['year'].str.strip().str[-4:].astype(int)"
    return (
        f"there is one column a year ({years[0]!r} to {years[-1]!r}), but one row a region, year and crop is "
        f"expected: melt it:\n{rewrite(place, melt + number)}"
    )


def convert(place: str) -> str:
    """A command that turns a file of another kind into Parquet, text columns and all."""
    name = place.lower().removesuffix(".gz")
    kind = next((kind for end, kind in _READERS.items() if name.endswith(end)), "csv")
    guess = "" if kind != "csv" else _dialect(place) if name.endswith(".csv") else _ANY_SEPARATOR
    return (
        f"  python -c \"import pandas as pd; pd.read_{kind}('{place}'{guess})"
        f".to_parquet('{stem(place)}.parquet')\""
    )


def unsplit_advice(place: str, columns: Sequence[str]) -> str | None:
    """What to do with Parquet made of a CSV file whose separator wasn't a comma; None for any other."""
    if ";" not in columns[0] or any(not name.startswith("__index_level_") for name in columns[1:]):
        return None
    made_of = place.removesuffix(".parquet")
    return (
        f"all columns are in one, {columns[0]!r}: the file it was made of has semicolons between columns, "
        "and perhaps decimal commas. Make it anew from that file:\n"
        f"  python -c \"import pandas as pd; pd.read_csv('{made_of}.csv'{_SEMICOLONS}{_COMMAS})"
        f".to_parquet('{made_of}.parquet')\""
    )


def _dialect(place: str) -> str:
    """What read_csv must be told of a file on this machine: semicolons, decimal commas, an older encoding."""
    try:
        with (gzip.open if place.lower().endswith(".gz") else open)(place, "rb") as file:
            found = file.read(_SAMPLE)
    except (OSError, EOFError):
        return ""
    said = ""
    if (head := found.partition(b"\n")[0]).count(b";") > head.count(b","):
        said = _SEMICOLONS + (_COMMAS if re.search(rb";\s*-?\d+,\d+\s*[;\r\n]", found) else "")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(found)  # the last letter may be cut
    except UnicodeDecodeError:
        said += ", encoding='cp1252'"
    return said


def stem(place: str) -> str:
    """The name of a file or folder without its folders and without what tells its kind."""
    return re.sub(r"(\.(csv|tsv|txt|xlsx?|json|feather|parquet))?(\.gz)?$", "", PurePosixPath(place).name)


_CONVERTED = "-converted"
_SAMPLE = 1 << 20  # bytes of a CSV file that are looked at
_ANY_SEPARATOR = ", sep=None, engine='python'"
_SEMICOLONS, _COMMAS = ", sep=';'", ", decimal=','"
_READERS = {".xlsx": "excel", ".xls": "excel", ".json": "json", ".feather": "feather"}
