"""Inputs as nobody should write them: odd types, impossible values, copies, odd Parquet; by a seed."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CROPS = ("apples", "oranges")
_NAMES = ("R0", "R1", "R2", "R3", "Nord-Ost", 'a"b', "x\ny", "\x1b[31mred", "", " ", "日本", "z" * 3000)
_NUMBERS = (
    np.nan, np.inf, -np.inf, 1e308, -1e308, 1e300, 1e150, 1.01e150, 1e149, -1e149, 5e-324,
    -0.0, 9999.9, 2.0**63,
)  # fmt: skip
_TEXTS = (
    "1_000", "0x10", " 3 ", "１２", "1,5", "", "  ", "nan", "inf", "1e999", "-", "NULL", "9" * 500, "\0",
    "x\ny",
)  # fmt: skip
_BAD_DAYS = (-(2**31), 2**31 - 1, -719163, -719162, 2932896, 2932897, -719528)
_BAD_TIMES = (0, -1, 10000, 9999, 1, 13, 2**31, -(2**63), 2**63 - 1)


def write_world(folder: Path, seed: int, clean: bool = False) -> dict[str, Any]:
    """Weather and yields below a folder, `clean` ones without a fault; the raw settings for them."""
    dice = random.Random(seed)
    resolution = dice.choice(("daily", "monthly", "season"))
    regions = dice.sample(_NAMES[:5] if dice.random() < 0.6 else _NAMES, dice.randint(2, 5))
    years = range(first := dice.choice((1990, 2000, 1, 9988)), first + dice.randint(4, 11))
    dirt = 0.0 if clean else dice.choice((0.0, 0.002, 0.002, 0.02, 0.3))
    columns = {"temperature": "temperature", "rainfall": "rainfall", "region": "region"}
    if dice.random() < 0.2:
        columns = {"temperature": 'te"mp\n', "rainfall": "Regen [mm]", "region": "Ort\u202e"}
    _write(folder / "weather", _weather(dice, resolution, regions, years, dirt, columns), dice)
    wide = dice.random() < 0.3
    _write(folder / "yields", _yields(dice, regions, years, dirt, wide), dice)
    daily = resolution == "daily" and dice.random() < 0.5
    square = dice.random() < 0.3
    spread = () if resolution == "season" else ("std",)
    extra = {"measure": "temperature", "aggregate": "days_above", "threshold": dice.choice((10.0, -1e300))}
    return {
        "weather": str(folder / "weather"),
        "yields": str(folder / "yields"),
        "store": str(folder / "store"),
        "crops": list(CROPS) if wide or dice.random() < 0.5 else [],
        "baseline": dice.choice(("none", "mean", "trend")),
        "min_coverage": dice.choice((0.01, 0.01 if resolution == "daily" else 0.9)),
        "max_rejected": dice.choice((0.2, 1.0, 1.0, 1.0)),
        "weather_columns": columns,
        "features": [
            {
                "measure": "temperature",
                "aggregate": dice.choice(("mean", "min", "max", *spread)),
                "square": square,
            },
            {"measure": "rainfall", "aggregate": dice.choice(("sum", "mean", *spread))},
            *([extra] if daily else []),
        ],
        "split": {"test_seasons": dice.choice((0, 1, 2)), "by": dice.choice(("season", "season", "none"))},
        "training": {"epochs": 3, "scaling": dice.choice(("standard", "whiten"))},
        "measures": {"rainfall": {"range": [0, 500]}} if dice.random() < 0.3 else {},
    }


def mutate(folder: Path, seed: int) -> None:
    """Change a few bytes of one of the Parquet files below a folder."""
    dice = random.Random(seed)
    file = dice.choice(sorted(folder.rglob("*.parquet")))
    content = bytearray(file.read_bytes())
    kind = dice.random()
    if kind < 0.08:
        del content[dice.randrange(len(content)) :]
    elif kind < 0.12:
        at = dice.randrange(len(content))
        content[at:at] = dice.randbytes(dice.randint(1, 40))
    elif kind < 0.18:
        at, size = dice.randrange(len(content)), dice.randint(1, 200)
        content[at : at + size] = bytes(len(content[at : at + size]))
    else:
        footer = int.from_bytes(content[-8:-4], "little") + 8
        low = max(len(content) - footer, 0) if dice.random() < 0.5 else 0
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            at = dice.randrange(low, len(content))
            flipped = content[at] ^ (1 << dice.randrange(8))
            content[at] = dice.choice((flipped, flipped, 0, 255, 127, 128, dice.randrange(256)))
    file.write_bytes(content)


def _weather(
    dice: random.Random,
    resolution: str,
    regions: list[str],
    years: range,
    dirt: float,
    columns: dict[str, str],
) -> pa.Table:
    days = [
        datetime.date(year, month, day)
        for year in years
        for month in range(1, 13)
        for day in ((1, 8, 15, 22) if resolution == "daily" else (1,))
        if resolution != "season" or month == 1
    ]
    count = len(days) * len(regions)
    region = [name for name in regions for _ in days]
    times = [day for _ in regions for day in days]
    numbers = np.random.default_rng(dice.randrange(2**32))
    table: dict[str, pa.Array] = {columns["region"]: _names(dice, region, dirt)}
    if resolution == "daily":
        table["date"] = _days(dice, times, dirt)
    else:
        table["year"] = _integers(dice, [day.year for day in times], dirt)
    if resolution == "monthly":
        table["month"] = _integers(dice, [day.month for day in times], dirt)
    table[columns["temperature"]] = _numbers(dice, numbers.normal(12, 5, count), dirt)
    table[columns["rainfall"]] = _numbers(dice, numbers.gamma(2, 20, count), dirt)
    return pa.table(table)


def _yields(dice: random.Random, regions: list[str], years: range, dirt: float, wide: bool) -> pa.Table:
    keys = [(region, year) for region in regions for year in years]
    numbers = np.random.default_rng(dice.randrange(2**32))
    if wide:
        table = {
            "region": _names(dice, [region for region, _ in keys], dirt),
            "year": _integers(dice, [year for _, year in keys], dirt),
        }
        return pa.table(
            table | {crop: _numbers(dice, numbers.normal(5, 1, len(keys)), dirt) for crop in CROPS}
        )
    keys3 = [(region, year, crop) for region, year in keys for crop in CROPS]
    return pa.table(
        {
            "region": _names(dice, [region for region, _, _ in keys3], dirt),
            "year": _integers(dice, [year for _, year, _ in keys3], dirt),
            "crop": _names(dice, [crop for _, _, crop in keys3], dirt / 4),
            "yield": _numbers(dice, numbers.normal(5, 1, len(keys3)), dirt),
        }
    )


def _spoilt(dice: random.Random, values: list[Any], bad: tuple[Any, ...], dirt: float) -> list[Any]:
    return [dice.choice((None, *bad)) if dice.random() < dirt else value for value in values]


def _names(dice: random.Random, values: list[str], dirt: float) -> pa.Array:
    spoilt = _spoilt(dice, values, _NAMES[4:], dirt)
    kind = dice.choice(("string", "large", "dictionary", "binary", "invalid", "view"))
    if kind == "dictionary":
        return pa.array(spoilt, pa.string()).dictionary_encode()
    if kind in ("binary", "invalid"):
        raw = [None if value is None else value.encode() for value in spoilt]
        if kind == "invalid":
            raw = _spoilt(dice, raw, (b"\xff\xfe", b"R\xc3"), dirt)
            damaged = pa.array(raw, pa.binary())
            return pa.Array.from_buffers(pa.string(), len(raw), damaged.buffers(), damaged.null_count)
        return pa.array(raw, pa.binary())
    return pa.array(spoilt, {"large": pa.large_string(), "view": pa.string_view()}.get(kind, pa.string()))


def _days(dice: random.Random, values: list[datetime.date], dirt: float) -> pa.Array:
    numbers = [(value - datetime.date(1970, 1, 1)).days for value in values]
    kind = dice.choice(("date32", "date64", "s", "ms", "us", "ns", "text"))
    if kind == "text":
        return pa.array(_spoilt(dice, [value.isoformat() for value in values], (*_TEXTS, "2001-02-30"), dirt))
    spoilt = _spoilt(dice, numbers, _BAD_DAYS, dirt)
    if kind == "date32":
        return pa.array(spoilt, pa.int32()).cast(pa.date32())
    unit = "ms" if kind == "date64" else kind
    per_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[unit]
    ticks = [None if n is None else max(-(2**63), min(2**63 - 1, n * per_day)) for n in spoilt]
    of = pa.date64() if kind == "date64" else pa.timestamp(kind, dice.choice((None, "UTC", "Europe/Rome")))
    return pa.array(ticks, pa.int64()).cast(of)


def _integers(dice: random.Random, values: list[int], dirt: float) -> pa.Array:
    kind = dice.choice(("int16", "int32", "int64", "uint32", "float64", "float32", "decimal", "text"))
    if kind == "text":
        return pa.array(_spoilt(dice, [str(value) for value in values], _TEXTS, dirt))
    bad = _BAD_TIMES if kind == "int64" else tuple(n for n in _BAD_TIMES if 0 <= n < 2**15)
    spoilt = _spoilt(dice, values, (*bad, *((1.5, np.nan, 1e300) if "float6" in kind else ())), dirt)
    if kind == "decimal":
        return pa.array(spoilt, pa.int32()).cast(pa.decimal128(12, 0))
    return pa.array(spoilt, getattr(pa, kind)())


def _numbers(dice: random.Random, values: Any, dirt: float) -> pa.Array:
    kind = dice.choice(("float64", "float64", "float32", "int64", "decimal", "text", "dictionary", "null"))
    if kind == "null":
        kind = dice.choice(("float64", "null"))
    if kind == "null":
        return pa.nulls(len(values))
    if kind in ("text", "dictionary"):
        texts = pa.array(_spoilt(dice, [f"{value:.3f}" for value in values], _TEXTS, dirt), pa.string())
        return texts.dictionary_encode() if kind == "dictionary" else texts
    if kind in ("int64", "decimal"):
        whole = pa.array(_spoilt(dice, [int(value) for value in values], (2**62, -9999), dirt), pa.int64())
        return whole if kind == "int64" else whole.cast(pa.decimal128(38, 2))
    bad = _NUMBERS if kind == "float64" else tuple(n for n in _NUMBERS if not 1e38 < abs(n) < np.inf)
    return pa.array(_spoilt(dice, values.tolist(), bad, dirt), getattr(pa, kind)())


def _write(folder: Path, table: pa.Table, dice: random.Random) -> None:
    folder.mkdir(parents=True)
    order = np.random.default_rng(dice.randrange(2**32)).permutation(len(table))
    if dice.random() < 0.5:
        table = table.take(order) if not any(_view(of) for of in table.schema.types) else table
    options: dict[str, Any] = {
        "row_group_size": dice.choice((7, 100, 10**6)),
        "compression": dice.choice(("none", "snappy", "zstd")),
        "use_dictionary": dice.choice((True, False)),
        "write_page_checksum": dice.choice((True, False)),
        "write_statistics": dice.choice((True, True, False)),
        "data_page_version": dice.choice(("1.0", "2.0")),
        "use_deprecated_int96_timestamps": dice.random() < 0.1,
    }
    # what is written twice
    copies: list[Callable[[], pa.Table]] = [lambda: table]
    if dice.random() < 0.15:
        copies.append(lambda: table.slice(0, dice.randint(1, len(table))))
    for at, copy in enumerate(copies):
        try:
            pq.write_table(copy(), folder / f"part-{at}.parquet", **options)
        except (pa.ArrowException, OverflowError):  # what this format can't hold is no input
            pq.write_table(copy(), folder / f"part-{at}.parquet")


def _view(of: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(of))
