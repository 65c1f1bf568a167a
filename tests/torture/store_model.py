"""A store under publish, rollback, prune and forecast in any order, killed anywhere, two at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from data.errors import CropyieldError, GateError, SettingsError, StorageError
from data.store.backends.base import Store
from data.store.backends.open import open_store
from data.store.current import Written, find_finished, make_current, make_newest, settle_manifest
from data.store.entries import Action, Instance, State
from data.store.log import read_state
from data.store.manifests import FORECASTS, RUNS, folder, now
from data.store.pruning import prune
from tests.stores import GATE, an_id, files_of, manifest_of
from tests.torture.store_reader import check_all

NAMES = st.sampled_from(["aa", "bb", "cc", "dd"])
_OS_CALLS = ("replace", "rename", "link", "symlink", "unlink", "mkdir", "rmdir")
_REMOTE_CALLS = ("put", "delete")


class Killed(BaseException):
    """The process is no more: whatever it does from here on doesn't happen."""


def publish(store: Store, name: str, area: str = RUNS, refused: bool = False) -> State:
    """What training and forecasting do once all is computed: files, manifest, and the entry if allowed."""
    run = an_id(name)
    files = files_of(run, area)
    finished = find_finished(store, read_state(store), run, area)
    more = {"model_run_id": an_id("aa")} if area == FORECASTS else {}
    manifest = finished.manifest if finished else manifest_of(run, files, now(), **more)
    for file, content in files.items():
        if store.get(f"{folder(run, area)}/{file}") != content:
            store.put(f"{folder(run, area)}/{file}", content)
    if finished is None:
        manifest = settle_manifest(store, area, manifest)
    written = Written(files, manifest)
    if area == FORECASTS:
        return make_newest(store, run, {}, written)

    def decided(state: State, instance: Instance) -> dict[str, Any] | None:
        if refused:
            raise GateError("refused")
        current = state.current
        same = current and (current.run_id, current.manifest) == (instance.run_id, instance.manifest)
        return None if same else {"gate": GATE}

    return make_current(store, run, decided, written=written)


def roll_back(store: Store, name: str) -> State:
    """What the command does, without reading all files first."""

    def decided(state: State, instance: Instance) -> dict[str, Any] | None:
        return None if state.current and state.current.run_id == instance.run_id else {"gate": GATE}

    return make_current(store, an_id(name), decided, Action.ROLL_BACK)


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Before its n-th change of anything, here or at the service, this process is killed."""
    taken = 0
    real = [(module, name, getattr(module, name)) for module, names in
            ((os, _OS_CALLS), (obstore, _REMOTE_CALLS)) for name in names]  # fmt: skip

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def step_or_die(*given: Any, **named: Any) -> Any:
            nonlocal taken
            if taken >= step:
                raise Killed
            taken += 1
            return call(*given, **named)

        return step_or_die

    try:
        for module, name, call in real:
            setattr(module, name, counted(call))
        yield
    finally:
        for module, name, call in real:
            setattr(module, name, call)


class StoreMachine(RuleBasedStateMachine):
    """Writers of one store, some of them killed; after each step a reader looks at everything."""

    def open(self) -> Store:
        """The store as another process opens it."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.quiet = True
        self.entries: dict[str, bytes | None] = {}

    def actions(self) -> dict[str, Callable[[Store, str], object]]:
        """What may be done to a store; the second argument is a run's name."""
        return {
            "publish": publish,
            "refuse": lambda store, name: publish(store, name, refused=True),
            "roll back": roll_back,
            "forecast": lambda store, name: publish(store, f"f{'abcd'.index(name[0]) % 3}", FORECASTS),
            "prune": lambda store, name: prune(store, 1 + "abcd".index(name[0]) % 2, 0.0),
        }

    def do(self, action: str, name: str, store: Store | None = None) -> None:
        """Do it; what is refused for a reason is no failure."""
        try:
            self.actions()[action](store or self.open(), name)
        except GateError:
            return
        except (SettingsError, StorageError) as error:
            if "pruned meanwhile" not in str(error):
                raise

    @rule(action=st.sampled_from(["publish", "refuse", "roll back", "forecast", "prune"]), name=NAMES)
    def undisturbed(self, action: str, name: str) -> None:
        before = read_state(self.open())
        self.do(action, name)
        # a refused run, and a rollback to what isn't there, repair nothing
        repaired = action in ("publish", "forecast", "prune")
        self.quiet |= repaired or read_state(self.open()).number > before.number

    @rule(
        action=st.sampled_from(["publish", "refuse", "roll back", "forecast", "prune"]),
        name=NAMES,
        step=st.integers(0, 45),
    )
    def killed(self, action: str, name: str, step: int) -> None:
        with contextlib.suppress(Killed, CropyieldError), killed_at(step):
            self.do(action, name)
            return
        self.quiet = False

    @precondition(lambda self: read_state(self.open()).number > 0)
    @rule(
        slow=st.sampled_from(["publish", "roll back", "forecast", "prune"]),
        fast=st.sampled_from(["publish", "roll back", "forecast", "prune"]),
        names=st.tuples(NAMES, NAMES),
        moment=st.integers(0, 3),
    )
    def two_at_once(self, slow: str, fast: str, names: tuple[str, str], moment: int) -> None:
        """The fast one does all of its work just before the slow one takes the lock for the n-th time."""
        store = self.open()
        real, passed = store.lock, [0]

        def lock() -> contextlib.AbstractContextManager[None]:
            passed[0] += 1
            if passed[0] == moment + 1:
                self.do(fast, names[1])
                self.remember()
            return real()

        vars(store)["lock"] = lock
        before = read_state(store)
        self.do(slow, names[0], store)
        self.quiet |= read_state(self.open()).number > before.number

    def remember(self) -> None:
        """No entry is ever lost or changed."""
        store = self.open()
        found = {name: store.get(name) for name in store.names("log")}
        lost = [name for name, content in self.entries.items() if found.get(name) != content]
        assert not lost, f"{lost} lost or changed"
        self.entries = {name: content for name, content in found.items() if "probe" not in name}

    @invariant()
    def all_is_well(self) -> None:
        self.remember()
        check_all(self.open(), self.quiet)


class LocalMachine(StoreMachine):
    """On this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="cropyield-model-"))

    def open(self) -> Store:
        return open_store(str(self.place / "store"))

    def teardown(self) -> None:
        shutil.rmtree(self.place)


class RemoteMachine(StoreMachine):
    """On an object store; `bucket` is that of the test."""

    bucket = ""
    stores = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).stores += 1
        self.uri = f"s3://{self.bucket}/{type(self).stores}"

    def open(self) -> Store:
        return open_store(self.uri)
