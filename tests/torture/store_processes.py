"""Several processes that publish, forecast, roll back and prune one store, one of them killed and one
interrupted every second.

`python -m tests.torture.store_processes --store local --processes 4 --seconds 300 --seed 1`; `--store s3`
starts a server of its own. Prints a tally; an AssertionError says which invariant of the store was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from data.errors import CropyieldError, GateError
from data.store.backends.base import Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.current import repair
from data.store.entries import State
from data.store.log import read_facts, read_state
from data.store.manifests import FORECASTS, RUNS
from tests.object_storage import KEY, SECRET, serve_s3
from tests.stores import an_id
from tests.torture.store_model import publish
from tests.torture.store_reader import check_all, check_instance, check_view

ROOT = Path(__file__).resolve().parents[2]
RUN_NAMES, FORECAST_NAMES = ("a1", "b2", "c3", "d4", "e5", "f6"), ("0a", "0b", "0c")
ACTIONS = ("publish", "refuse", "forecast", "roll back", "prune")
INTERRUPTED = 130
ALLOWED = {0, 2, 4, 5, INTERRUPTED}
_FEWEST_KILLS = 2


def work(uri: str, seed: int, diary: Path) -> None:
    """One command after the other, each exit code written down, until somebody interrupts or kills this."""
    from flows.cli import ending
    from flows.cli.main import run

    choice = random.Random(seed)
    store = open_store(uri)

    def command(*words: str) -> int:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            code = run([words[0], uri, *words[1:]])
        what.append(said.getvalue()[-300:] if code not in (0, 4, 130) else "")
        return code

    def task(name: str, area: str, refused: bool = False) -> int:
        try:
            state = publish(store, name, area, refused)
        except CropyieldError as error:
            what.append("" if isinstance(error, GateError) else str(error)[-300:])
            return error.exit_code
        instance = state.current if area == RUNS else state.forecast
        if instance and instance.run_id == an_id(name):
            what.append(f"{area} {instance.run_id} {instance.entry}")
        return 0

    def next_command(lines: TextIO) -> int:
        what.clear()
        action = choice.choices(ACTIONS, (5, 1, 2, 3, 3))[0]
        run_name, forecast_name = choice.choice(RUN_NAMES), choice.choice(FORECAST_NAMES)
        keep, age = str(choice.randint(1, 3)), choice.choice(("0", "0", "0.0005"))
        doing: dict[str, Callable[[], int]] = {
            "publish": partial(task, run_name, RUNS),
            "refuse": partial(task, run_name, RUNS, refused=True),
            "forecast": partial(task, forecast_name, FORECASTS),
            "roll back": partial(command, "rollback", an_id(run_name)),
            "prune": partial(command, "prune", "--keep", keep, "--min-age", age),
        }
        try:
            code, told = doing[action](), what
        except KeyboardInterrupt:
            code, told = INTERRUPTED, []
        except BaseException as error:
            code, told = 1, [repr(error)[-300:]]
        lines.write(json.dumps([action, code, *told]) + "\n")
        return code

    what: list[str] = []
    ending.skip_teardown()  # as every command does
    ending.listen()
    # it may come between two commands, too
    with diary.open("a", encoding="utf-8", buffering=1) as lines, contextlib.suppress(KeyboardInterrupt):
        while next_command(lines) != INTERRUPTED:
            pass
    ending.with_code(INTERRUPTED)


def read(uri: str, diary: Path) -> None:
    """Follow the log, and on this machine the one link, again and again; what is wrong is written down."""
    store = open_store(uri)
    entries: dict[int, str] = {}
    with diary.open("a", encoding="utf-8", buffering=1) as lines:
        while True:
            try:
                state = read_state(store)
                known(store, state, entries)
                current(store, state)
                if isinstance(store, LocalStore):
                    with contextlib.suppress(FileNotFoundError):  # a view that was swept under its reader
                        check_view(store.root)
                lines.write('["reading", 0]\n')
            except AssertionError as error:
                lines.write(json.dumps(["reading", 1, str(error)]) + "\n")


def known(store: Store, state: State, entries: dict[int, str]) -> None:
    """No entry that was there once is another later."""
    for number in {state.number, *(list(entries)[-5:])} - {0}:
        nonce = str(read_facts(store, number).get("nonce"))
        assert entries.setdefault(number, nonce) == nonce, f"entry {number} is another"


def current(store: Store, state: State) -> None:
    """What is current has all its files, unless it ceased to be that while it was read."""
    for area, instance in ((RUNS, state.current), (FORECASTS, state.forecast)):
        if instance is None:
            continue
        for attempt in range(3):
            try:
                check_instance(store, area, instance)
                break
            except AssertionError:
                now = read_state(store)
                if instance not in (now.current, now.forecast):
                    return
                if attempt == 2:
                    raise
                # a slow prune of an object store takes what the publisher puts back at once
                assert not isinstance(store, LocalStore), "the current run lacks a file"
                time.sleep(0.3)


class Crew:
    """Processes that work on a store, and one that reads it."""

    def __init__(self, uri: str, folder: Path, count: int, seed: int) -> None:
        self.uri, self.folder, self.count, self.seed = uri, folder, count, seed
        self.workers: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.leaving: list[subprocess.Popen[bytes]] = []
        self.started = 0
        self.reader = self._start("--read", "reader.jsonl")

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.torture.store_processes", "--store", self.uri, *words[:1]]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command += ["--diary", str(self.folder / words[1]), "--seed", str(self.seed * 1000 + self.started)]
        self.started += 1
        return subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)

    def fill(self) -> None:
        """As many workers as there should be."""
        while len(self.workers) < self.count:
            diary = f"{self.started:05d}.jsonl"
            self.workers.append((self._start("--work", diary), self.folder / diary))

    def kill(self, choice: random.Random) -> None:
        """End one of them as kill -9 does."""
        worker, _ = self.workers.pop(choice.randrange(len(self.workers)))
        assert worker.poll() is None, "a worker ended on its own"
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def interrupt(self, choice: random.Random) -> bool:
        """Ctrl-C for one of them that is at work already; it ends."""
        at_work = self.at_work()
        if at_work:
            at = choice.choice(at_work)
            self.workers[at][0].send_signal(signal.SIGINT)
            self.leaving.append(self.workers.pop(at)[0])
        return bool(at_work)

    def at_work(self) -> list[int]:
        """Which workers have done something, and don't import any more."""
        return [at for at, (_, diary) in enumerate(self.workers) if diary.exists() and diary.stat().st_size]

    def has_read(self) -> bool:
        """Whether the reader has read anything."""
        diary = self.folder / "reader.jsonl"
        return diary.exists() and diary.stat().st_size > 0

    def end(self) -> None:
        """End them all; those that were interrupted by themselves."""
        for process in (*(worker for worker, _ in self.workers), self.reader):
            process.send_signal(signal.SIGKILL)
            process.wait()
        for process in self.leaving:
            code = process.wait(60)
            assert code == INTERRUPTED, f"a worker that was interrupted ended with {code}"


def torture(uri: str, processes: int, seconds: float, seed: int, kill_every_s: float = 1.0) -> dict[str, Any]:
    """Let them work for so long, two killed and one interrupted at least, then check everything; the tally.

    Raises AssertionError.
    """
    folder = Path(tempfile.mkdtemp(prefix="cropyield-processes-"))
    choice = random.Random(seed)
    publish(open_store(uri), RUN_NAMES[0])
    crew = Crew(uri, folder, processes, seed)
    kills, interrupts, end = 0, 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end or kills < _FEWEST_KILLS or not interrupts or not crew.has_read():
            assert crew.reader.poll() is None, "the reader ended on its own"
            crew.fill()
            time.sleep(kill_every_s / 2)
            interrupts += crew.interrupt(choice)
            time.sleep(kill_every_s / 2)
            if crew.at_work():  # where all still import none would ever do anything
                kills += 1
                crew.kill(choice)
    finally:
        crew.end()
    tally = diaries(folder)
    store = open_store(uri)
    lost_entries(store, tally.pop("published"))
    repair(store)
    state = check_all(store, quiet=True)
    shutil.rmtree(folder)
    return {
        "store": type(store).__name__,
        "kills": kills,
        "interrupts": interrupts,
        "entries": state.number,
        **tally,
    }


def diaries(folder: Path) -> dict[str, Any]:
    """What all of them wrote down; no code but the allowed ones, and 2 for what was pruned only."""
    codes: Counter[str] = Counter()
    published: list[str] = []
    readings = 0
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line of one that was killed
                action, code, *what = json.loads(line)
                if action == "reading":
                    assert code == 0, what
                    readings += 1
                    continue
                codes[f"{action}: {code}"] += 1
                assert code in ALLOWED, (action, code, what)
                if code == 2:
                    gone = ("no finished run", "pruned meanwhile", "has been removed by prune")
                    assert any(words in what[0] for words in gone), what
                if code == 5:
                    codes[f"  {reason(what[0])}"] += 1
                published += [text for text in what if text.startswith((RUNS, FORECASTS))]
    return {"commands": sum(codes[key] for key in codes if key[0] != " "), "readings": readings,
            "codes": dict(sorted(codes.items())), "published": published}  # fmt: skip


def reason(text: str) -> str:
    """The gist of a message."""
    for known_reason in ("pruned meanwhile", "isn't the one", "is gone", "not as published"):
        if known_reason in text:
            return known_reason
    return text[-120:]


def lost_entries(store: Store, published: list[str]) -> None:
    """Whatever a process was told that it had published is in the log, as that entry."""
    for text in published:
        _, run, number = text.split()
        facts = read_facts(store, int(number))
        assert facts.get("run_id") == run, f"{text}: the entry says {facts.get('run_id')}"


@contextlib.contextmanager
def place(kind: str) -> Iterator[str]:
    """An empty store of a kind, `local` or `s3`; the server's end is its end."""
    if kind == "local":
        with tempfile.TemporaryDirectory(prefix="cropyield-store-") as folder:
            yield f"{folder}/store"
        return
    import boto3

    with serve_s3() as endpoint:
        os.environ |= {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }  # fmt: skip
        boto3.client("s3").create_bucket(Bucket="torture")
        yield "s3://torture/store"


def main() -> None:
    """As a worker, as the reader, or as who starts and kills them."""
    ask = argparse.ArgumentParser(prog="python -m tests.torture.store_processes", description=__doc__)
    ask.add_argument("--store", default="local", help="local, s3, or where one is")
    ask.add_argument("--processes", type=int, default=4)
    ask.add_argument("--seconds", type=float, default=300)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--diary", type=Path)
    ask.add_argument("--work", action="store_true")
    ask.add_argument("--read", action="store_true")
    given = ask.parse_args()
    if given.work:
        work(given.store, given.seed, given.diary)
    elif given.read:
        read(given.store, given.diary)
    else:
        with place(given.store) as uri:
            print(json.dumps(torture(uri, given.processes, given.seconds, given.seed), indent=1))


if __name__ == "__main__":
    main()
