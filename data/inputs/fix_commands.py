"""Commands of one line of pandas that mend a file, to be pasted into a shell."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
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
        f"t.to_parquet('{name}{_CONVERTED}.parquet', index=any(t.index.names))\""
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
    guess = ""
    if kind == "csv":
        guess = _dialect(place) if name.endswith(".csv") else _ANY_SEPARATOR + _codes(_sample(place))
    return (
        f"  python -c \"import pandas as pd; pd.read_{kind}('{place}'{guess})"
        f".to_parquet('{stem(place)}.parquet')\""
    )


def unsplit_advice(place: str, columns: Sequence[str]) -> str | None:
    """What to do with Parquet made of a CSV file whose separator wasn't a comma; None for any other."""
    if ";" not in columns[0] or any(not name.startswith("__index_level_") for name in columns[1:]):
        return None
    made_of = place.removesuffix(".parquet")
    codes = _codes(_sample(f"{made_of}.csv"))
    return (
        f"all columns are in one, {columns[0]!r}: the file it was made of has semicolons between columns, "
        "and perhaps decimal commas. Make it anew from that file:\n"
        f"  python -c \"import pandas as pd; pd.read_csv('{made_of}.csv'{_SEMICOLONS}{_COMMAS}{codes})"
        f".to_parquet('{made_of}.parquet')\""
    )


def _dialect(place: str) -> str:
    """What read_csv must be told of a file: semicolons, decimal commas, codes, an older encoding."""
    found = _sample(place)
    separator = _separator(found)
    said = ", sep='\\t'" if separator == "\t" else ""
    if separator == ";":
        said = _SEMICOLONS + (_COMMAS if re.search(rb";\s*-?\d+,\d+\s*[;\r\n]", found) else "")
    said += _codes(found)
    return said if _is_utf8(found) else f"{said}, encoding='cp1252'"


def _sample(place: str) -> bytes:
    """The beginning of a file on this machine; nothing of one that can't be read."""
    try:
        with (gzip.open if place.lower().endswith(".gz") else open)(place, "rb") as file:
            return file.read(_SAMPLE)
    except (OSError, EOFError):
        return b""


def _separator(found: bytes) -> str:
    head = found.partition(b"\n")[0].decode("latin-1")
    return max(",;\t", key=head.count)


def _codes(found: bytes) -> str:
    """What keeps the leading zeros of columns of digits, such as 001; nothing where there are none."""
    text = found.decode("utf-8-sig" if _is_utf8(found) else "cp1252", errors="replace")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(found))
    head, coded = list[str](), set[str]()
    with contextlib.suppress(csv.Error):
        head = next(rows, [])
        for row in rows:
            coded |= {name for name, value in zip(head, row, strict=False) if _CODE.fullmatch(value)}
    kinds = ", ".join(f"{_quoted(name)}: str" for name in dict.fromkeys(head) if name in coded)
    return f", dtype={{{kinds}}}" if kinds else ""


def _quoted(name: str) -> str:
    """A text of Python that a shell's double quotes leave as it is."""
    plain = (each if each.isprintable() and each not in _SPECIAL else f"\\U{ord(each):08x}" for each in name)
    return f"'{''.join(plain)}'"


def _is_utf8(found: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(found)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return True


def stem(place: str) -> str:
    """The name of a file or folder without its folders and without what tells its kind."""
    return re.sub(r"(\.(csv|tsv|txt|xlsx?|json|feather|parquet))?(\.gz)?$", "", PurePosixPath(place).name)


_CONVERTED = "-converted"
_SAMPLE = 1 << 20  # bytes of a CSV file that are looked at
_CODE = re.compile(r"\s*0\d+\s*")
_SPECIAL = "\"'$`\\!"
_ANY_SEPARATOR = ", sep=None, engine='python'"
_SEMICOLONS, _COMMAS = ", sep=';'", ", decimal=','"
_READERS = {".xlsx": "excel", ".xls": "excel", ".json": "json", ".feather": "feather"}
