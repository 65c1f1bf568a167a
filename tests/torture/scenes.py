"""What is done to a store while it is being killed: each scene has a beginning, an action and an end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import CropyieldError, StorageError
from data.locations.failures import remedy_of
from data.settings.files import load_settings
from flows.cli import history
from tests.torture.job import STAGES, Reader, contents, stable, train
from tests.torture.steps import KILLED, Steps

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample" / "settings.toml"
# fewer epochs than the sample's, so that a scene costs seconds
QUICK = {"training.epochs": 20, "gate.excess": 1.0}
FAULTS = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO)
Action = Callable[[Path, Steps], None]


@dataclass
class Tally:
    """What was done and found."""

    moments: int = 0
    """File system steps that a process was killed before, each once."""
    kills: int = 0
    """Processes ended by SIGKILL, or before a step as one would end them."""
    readings: int = 0
    """Times that the reader followed the pointer and found a whole run."""
    resumed: int = 0
    """Repetitions that were killed in their turn."""
    faults: int = 0
    """Processes that the file system refused something, from one of its steps on."""
    identical: int = 0
    """Repetitions that ended in the bytes of an undisturbed one."""


@dataclass(frozen=True)
class Scene:
    """Something that is done to a store that has a beginning; `stages` are the names its steps go by."""

    name: str
    before: Path
    act: Action
    stages: tuple[str, ...]
    counts: dict[str, list[str]] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)


def train_on(place: Path, steps: Steps, force: bool = False, seed: int = 0) -> None:
    """Train on the sample into a store."""
    settings = load_settings(SAMPLE, QUICK | {"store": str(place), "training.seed": seed})
    train(settings, steps.enter, force=force)


def in_child(act: Action, place: Path, steps: Steps) -> int:
    """Start an action in a forked child, which ends with the exit code that the command would have."""
    # opened before the child perhaps becomes another user, or has no room left
    words = os.open(f"{place}.said", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    child = os.fork()
    if child:
        os.close(words)
        return child
    code = 1
    try:
        steps.install()
        act(place, steps)
        code = 0
    except CropyieldError as error:
        code = error.exit_code
        os.write(words, str(error).encode())
    except BaseException:
        os.write(words, traceback.format_exc().encode())
    finally:
        os._exit(code)
    raise AssertionError("unreachable")


def said(place: Path) -> str:
    """What the last child that failed had to say."""
    return Path(f"{place}.said").read_text(encoding="utf-8")


def finish(act: Action, place: Path) -> None:
    """Do it undisturbed, in a child. Raises AssertionError when it fails."""
    status = os.waitstatus_to_exitcode(os.waitpid(in_child(act, place, Steps()), 0)[1])
    assert status == 0, said(place)


def scenes(root: Path) -> list[Scene]:
    """Each with its steps counted and its undisturbed end known, below the folder `root`."""
    old, new = root / "old", root / "new"
    finish(lambda place, steps: train_on(place, steps, seed=1), old)
    shutil.copytree(old, new, symlinks=True)
    finish(train_on, new)
    shutil.copytree(new, root / "three", symlinks=True)
    finish(lambda place, steps: train_on(place, steps, seed=2), root / "three")
    first = json.loads((old / "current.json").read_bytes())["run_id"]

    def roll_back(place: Path, steps: Steps) -> None:
        steps.enter("rollback")
        history.rollback(str(place), first)

    def prune(place: Path, steps: Steps) -> None:
        steps.enter("prune")
        history.prune(str(place), 1, 0.0)

    found = [
        Scene("train", old, train_on, STAGES),
        Scene("force", new, lambda place, steps: train_on(place, steps, force=True), STAGES),
        Scene("rollback", new, roll_back, ("rollback",)),
        Scene("prune", root / "three", prune, ("prune",)),
    ]
    for scene in found:
        place = root / f"{scene.name} undisturbed"
        shutil.copytree(scene.before, place, symlinks=True)

        def counted(where: Path, steps: Steps, act: Action = scene.act) -> None:
            act(where, steps)
            content = json.dumps(steps.names).encode()
            os.write(os.open(f"{where}.counts", os.O_WRONLY | os.O_CREAT), content)

        finish(counted, place)
        scene.counts.update(json.loads(Path(f"{place}.counts").read_bytes()))
        scene.wanted.update(contents(place))
    return found


def predictions_of(root: Path) -> set[str]:
    """Digests of the predictions of every run in the scenes' stores."""
    return {stable(file.parent) for file in root.glob("*/predictions.parquet")} | {
        stable(file.parent) for file in root.glob("*/runs/*/predictions.parquet")
    }


def enumerate_kills(scene: Scene, root: Path, reader: Reader, tally: Tally, every: int = 1) -> None:
    """Kill before each `every`-th step of each stage, going on each time from where the last one died.

    A chain of kills has one in each stage; then the action is repeated in peace, and what is in the
    store must be what an undisturbed one leaves.
    """
    longest = max(len(scene.counts.get(stage, [])) for stage in scene.stages)
    for number in range(0, longest, every):
        place = root / f"{scene.name} {number}"
        stages = [stage for stage in scene.stages if number < len(scene.counts.get(stage, []))]
        shutil.copytree(_beginning(scene, stages, root), place, symlinks=True)
        for position, stage in enumerate(stages):
            status = reader.watch(in_child(scene.act, place, Steps((stage, number))), place)
            assert status == KILLED, f"{scene.name}, {stage} {number}: {status} {said(place)}"
            tally.moments += 1
            tally.kills += 1
            tally.resumed += position > 0
        _end(scene, place, reader, tally)


def enumerate_faults(scene: Scene, root: Path, reader: Reader, tally: Tally, every: int = 1) -> None:
    """Let the file system refuse each `every`-th step and all after it, in turn for each known reason.

    Each time the command's exit code is that of storage, the message says why, and readers see what
    they saw before or the whole of the new run.
    """
    longest = max(len(scene.counts.get(stage, [])) for stage in scene.stages)
    for number in range(0, longest, every):
        place = root / f"{scene.name} {number}"
        stages = [stage for stage in scene.stages if number < len(scene.counts.get(stage, []))]
        shutil.copytree(_beginning(scene, stages, root), place, symlinks=True)
        for position, stage in enumerate(stages):
            error = FAULTS[(number + position) % len(FAULTS)]
            status = reader.watch(in_child(scene.act, place, Steps((stage, number), error)), place)
            # whoever only frees space doesn't mind a full disk
            if status == 0 and error == errno.ENOSPC:
                continue
            assert status == StorageError.exit_code, f"{scene.name}, {stage} {number}: {status} {said(place)}"
            assert (remedy_of(OSError(error, "")) or "nothing") in said(place)
            tally.faults += 1
        _end(scene, place, reader, tally)


def random_kills(scene: Scene, root: Path, reader: Reader, tally: Tally, kills: int, seed: int) -> None:
    """SIGKILL at random times: in the middle of computing, and of writing that Python doesn't see."""
    moments = random.Random(seed)
    place = root / f"{scene.name} at random"
    shutil.copytree(scene.before, place, symlinks=True)
    begin = time.monotonic()
    finish(scene.act, place)
    whole = time.monotonic() - begin
    done = 0
    while done < kills:
        shutil.rmtree(place)
        shutil.copytree(scene.before, place, symlinks=True)
        for attempt in range(4):
            until = time.monotonic() + moments.uniform(0, whole / (attempt + 1))
            status = reader.watch(in_child(scene.act, place, Steps()), place, until)
            assert status in (0, -9), f"{scene.name} at random: {status} {said(place)}"
            if status == 0:
                break
            done += 1
            tally.kills += 1
            tally.resumed += attempt > 0
        _end(scene, place, reader, tally, keep=True)
    shutil.rmtree(place)


def _end(scene: Scene, place: Path, reader: Reader, tally: Tally, keep: bool = False) -> None:
    reader.once(place)
    finish(scene.act, place)
    run = reader.once(place)
    found = contents(place)
    differing = sorted(name for name, _ in found.items() ^ scene.wanted.items())
    assert not differing, f"{place}: other bytes in {differing}"
    assert found["predictions.parquet"] == found[f"runs/{run}/predictions.parquet"]
    tally.identical += 1
    tally.readings = reader.readings
    if not keep:
        shutil.rmtree(place)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{place}.said")  # noqa: PTH108


def _beginning(scene: Scene, stages: Iterable[str], root: Path) -> Path:
    """Where only publishing is killed the stages before it needn't be computed each time."""
    if scene.name != "train" or tuple(stages) != ("publish",):
        return scene.before
    place = root / "ready to publish"
    if not place.exists():
        shutil.copytree(scene.before, place, symlinks=True)
        undisturbed = root / "train undisturbed"
        shutil.rmtree(place / ".work")
        shutil.copytree(undisturbed / ".work", place / ".work", symlinks=True)
    return place
