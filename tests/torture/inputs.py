"""`python -m tests.torture.inputs`: hostile inputs and settings, each met by a process of its own.

Whatever they hold, the job is done or refused with exit code 2, 3 or 5; it never ends by a signal or an
unexpected error, takes a minute at the most and 2 GB, and every row is accounted for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT_S, LIMIT_MB = 60.0, 2048
SOME = {"worlds": 15, "bytes": 40, "settings": 200}
ALL = {"worlds": 1000, "bytes": 2000, "settings": 20_000}
_EVERY_WHOLE = 10  # one world in so many is trained, evaluated and published, too


@dataclass
class Tally:
    """What has happened so far."""

    codes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    peak_mb: int = 0
    wrong: list[str] = field(default_factory=list)


def attempt(act: Callable[[], int], what: str, tally: Tally) -> None:
    """Do something in a forked process and note how it ended."""
    begin, (reading, writing) = time.monotonic(), os.pipe()
    if (child := os.fork()) == 0:
        os.dup2(writing, 2)
        code = 1
        try:
            code = act()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    said, end = b"", begin + LIMIT_S
    while (left := end - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        if not (part := os.read(reading, 1 << 16)):
            break
        said += part
    os.close(reading)
    hung = time.monotonic() >= end
    if hung:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    code, took, peak_mb = os.waitstatus_to_exitcode(status), time.monotonic() - begin, used.ru_maxrss // 1024
    tally.codes["hung" if hung else str(code)] += 1
    tally.slowest_s, tally.peak_mb = max(tally.slowest_s, took), max(tally.peak_mb, peak_mb)
    if os.environ.get("SHOW"):
        print(what, code, said.decode(errors="replace")[:160].replace("\n", " | "))
    if hung or code not in (0, 2, 3, 5) or peak_mb > LIMIT_MB:
        lines = said.decode(errors="replace").strip().splitlines()
        tally.wrong.append(
            f"{what}: exit {code}, {took:.0f} s, {peak_mb} MB: {' | '.join(lines[-4:])[-600:]}"
        )


def train(raw: dict[str, Any], whole: bool) -> int:
    """The job on some files; its exit code. Raises what is unexpected."""
    from data.errors import CropyieldError
    from data.settings.files import parse_settings
    from tasks.assemble.join import assemble
    from tasks.weather.ingest import ingest_weather
    from tasks.yields.ingest import ingest_yields
    from tests.torture import job

    try:
        settings = parse_settings(raw, "torture")
        assembled = assemble(ingest_weather(settings)["main"], ingest_yields(settings), settings)
        _check_ledger(settings, assembled.ledger, assembled.rejected)
        job.train(settings, _only_to("report" if whole else "evaluate"))
    except _EnoughError:
        return 0
    except CropyieldError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def propose(raw: dict[str, Any], file: Path) -> int:
    """What `cropyield init` makes of some files is settings; its exit code. Raises what is unexpected."""
    from data.errors import CropyieldError
    from data.settings.files import load_settings
    from flows.cli.init import init

    try:
        init(raw["weather"], raw["yields"], str(file), force=False)
    except CropyieldError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    load_settings(file)
    return 0


class _EnoughError(Exception):
    pass


def _only_to(last: str) -> Callable[[str], None]:
    def enter(stage: str) -> None:
        if stage == last:
            raise _EnoughError

    return enter


def _check_ledger(settings: Any, ledger: dict[str, Any], rejected: Any) -> None:
    """Every row of every file has one fate, and the rejected ones are those of the table."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for name in ("weather", "yields"):
        files = sorted(Path(getattr(settings, name)).rglob("*.parquet"))
        schema = pq.read_schema(files[0])
        cells = len(settings.crops) if name == "yields" and "yield" not in schema.names else 1
        rows = cells * sum(pq.read_metadata(file).num_rows for file in files)
        entry = ledger[name]
        fates = sum(sum(entry[kind].values()) for kind in ("used", "rejected", "out_of_scope"))
        assert entry["rows_in"] == rows == fates, (name, rows, entry)
        found = Counter(rejected.filter(pc.equal(rejected["input"], name))["reason"].to_pylist())
        assert dict(found) == {reason: n for reason, n in entry["rejected"].items() if n}, (
            name,
            found,
            entry,
        )


def fuzz_worlds(root: Path, count: int, seed: int, tally: Tally) -> None:
    """Structured worlds: every kind of column, dirt and layout."""
    from tests.torture.hostile_files import write_world

    for at in range(seed, seed + count):
        folder = root / f"world-{at}"
        raw = write_world(folder, at)
        attempt(lambda raw=raw, at=at: train(raw, at % _EVERY_WHOLE == 0), f"world {at}", tally)  # type: ignore[misc]
        proposal = folder / "proposal.toml"
        attempt(lambda raw=raw, file=proposal: propose(raw, file), f"init of world {at}", tally)  # type: ignore[misc]
        shutil.rmtree(folder)


def fuzz_bytes(root: Path, count: int, seed: int, tally: Tally) -> None:
    """Sound files with a few bytes changed."""
    from tests.torture.hostile_files import mutate, write_world

    for at in range(seed, seed + count):
        folder = root / f"bytes-{at}"
        raw = write_world(folder, at, clean=True)
        mutate(folder, at)
        attempt(lambda raw=raw: train(raw, False), f"bytes {at}", tally)  # type: ignore[misc]
        shutil.rmtree(folder)


def fuzz_settings(root: Path, count: int, seed: int, tally: Tally) -> None:
    """Settings files and changes on the command line, a few hundred to a process."""
    for start in range(seed, seed + count, 200):
        numbers = range(start, min(start + 200, seed + count))
        attempt(lambda numbers=numbers: _settings(root, numbers), f"settings {start}", tally)  # type: ignore[misc]


_VALUES = (
    '"x"', "1", "-1", "0", "1.5", "inf", "nan", "true", "[]", "{}", "1e400", "9" * 30, "9" * 5000, "[" * 3000,
    '"\\u0000"',
    '"~nobody-here/x"', '"s3://["', '"s3://u:p@b/k"', '"13-45"', '"02-30"', "2001-02-30", "[1, 2]",
    '["a", "a"]', "'''\n'''",
    '"' + "y" * 5000 + '"', "{a = 1}", '"\\u202e"', "0x7fffffffffffffffffff", "[[1]]", '""',
)  # fmt: skip


def _settings(root: Path, numbers: range) -> int:
    from data.errors import SettingsError
    from data.settings.files import dump_settings, load_settings
    from data.settings.overrides import parse_change
    from data.settings.schema import Settings

    sections = ("season", "split", "training", "gate", "measures.x")
    inner = ("start", "by", "epochs", "excess", "range", "unit", "nothing")
    keys = [*Settings.model_fields, *(f"{section}.{key}" for section in sections for key in inner)]
    keys += ['"[x]"', '"a\\u001b[31m"', "crop_units.'a]b'", "float"]
    sound = 'weather = "w"\nyields = "y"\nstore = "s"\n[[features]]\nmeasure = "rain"\naggregate = "sum"\n'
    file = root / f"settings-{numbers.start}.toml"
    for at in numbers:
        dice = random.Random(at)
        lines = sound.splitlines()
        for _ in range(dice.randint(0, 3)):
            lines.insert(dice.randrange(len(lines) + 1), f"{dice.choice(keys)} = {dice.choice(_VALUES)}")
        content = bytearray("\n".join(lines).encode())
        for _ in range(dice.choice((0, 0, 1, 3))):
            content[dice.randrange(len(content))] = dice.randrange(256)
        file.write_bytes(content)
        try:
            given = [f"{dice.choice(keys)}={dice.choice(_VALUES)}" for _ in range(dice.randint(0, 2))]
            settings = load_settings(file, dict(parse_change(text) for text in given))
            file.write_text(dump_settings(settings))
            assert load_settings(file) == settings, "written settings are read as others"
        except SettingsError:
            continue
    return 0


def main() -> None:
    """Run all; exit code 1 where something ended as it must not."""
    ask = argparse.ArgumentParser(prog="python -m tests.torture.inputs", description=__doc__)
    ask.add_argument("--some", action="store_true", help="a share within half a minute, for the tests")
    ask.add_argument("--seed", type=int, default=0)
    for name in ALL:
        ask.add_argument(f"--{name}", type=int)
    given = ask.parse_args()
    root = Path(tempfile.mkdtemp(prefix="cropyield-inputs-"))
    os.environ |= {"PREFECT_HOME": str(root / "prefect"), "MPLCONFIGDIR": str(root / "matplotlib")}
    import pyarrow as pa
    import torch

    import flows.cli.init  # noqa: F401  once, and not in every child
    from tests.torture import job

    # a process with threads can't be forked
    pa.set_cpu_count(1)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    job.without_server()
    wrong = 0
    for name, fuzz in (("worlds", fuzz_worlds), ("bytes", fuzz_bytes), ("settings", fuzz_settings)):
        count = getattr(given, name)
        count = (SOME if given.some else ALL)[name] if count is None else count
        begin, tally = time.monotonic(), Tally()
        fuzz(root, count, given.seed, tally)
        print(
            f"{name}: {count} in {time.monotonic() - begin:.0f} s, exit codes "
            f"{json.dumps(dict(sorted(tally.codes.items())))}, slowest {tally.slowest_s:.1f} s, "
            f"peak {tally.peak_mb} MB",
            *tally.wrong[:20], sep="\n  ", flush=True,
        )  # fmt: skip
        wrong += len(tally.wrong)
    shutil.rmtree(root)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
