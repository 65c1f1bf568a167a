"""Weather in groups for workers that share nothing: the same bytes whatever the groups, stopped as early."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from data.errors import InputError
from data.settings.schema import Settings
from tasks.weather import groups as weather_groups
from tasks.weather import ingest, merge
from tasks.weather.groups import Groups, group_parts, ingest_group, load_partials, merge_groups, save_partials
from tasks.weather.ingest import ingest_weather
from tasks.weather.merge import Partial
from tasks.weather.parts import partition
from tests.tasks.weather.weather_worlds import daily, make_settings, write

FEATURES = [
    {"measure": "temperature", "aggregate": "mean"},
    {"measure": "temperature", "aggregate": "std"},
    {"measure": "temperature", "aggregate": "max", "every": "month"},
    {"measure": "rainfall", "aggregate": "sum"},
]


@dataclass(frozen=True)
class World:
    """Settings, the number of parts, and the bytes that threads make of the weather."""

    settings: Settings
    parts: int
    expected: dict[str, bytes]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Daily rows in random order over eight files, with faults and with repeats within and between files."""
    folder = tmp_path_factory.mktemp("world")
    frame = daily(4, range(2001, 2004)).sample(frac=1, random_state=2).reset_index(drop=True)
    frame.loc[::97, "rainfall"] = np.inf
    frame = pd.concat([frame, frame[5:40], frame[900:930].assign(temperature=3.0)])
    write(folder, "weather", *cut(frame, 8))
    settings = make_settings(folder, features=FEATURES)
    ingest_weather(settings)["main"].save(folder / "threads")
    return World(settings, len(partition(settings)), bytes_of(folder / "threads"))


def cut(frame: pd.DataFrame, count: int) -> list[pd.DataFrame]:
    """Consecutive pieces of about equal length."""
    return [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), count)]


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@given(workers=st.integers(1, 12), group_rows=st.sampled_from([1, 900, 1 << 24]), seed=st.integers(0, 99))
@trials(deadline=None, max_examples=15)
def test_groups_of_any_size_merged_in_any_order_give_the_bytes_that_threads_give(
    world: World, tmp_path_factory: pytest.TempPathFactory, workers: int, group_rows: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("groups")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weather_groups, "GROUP_ROWS", group_rows)
        groups = group_parts(partition(world.settings), workers)
    groups.save(folder / "listing")
    assert Groups.load(folder / "listing") == groups
    assert sum(len(parts) for parts in groups.parts) == world.parts == 8
    for number in range(len(groups.parts)):
        save_partials(ingest_group(world.settings, groups, number), folder / str(number))
    order = np.random.default_rng(seed).permutation(len(groups.parts))
    merged = merge_groups(
        world.settings, groups.rows, (load_partials(folder / str(number)) for number in order)
    )["main"]
    merged.save(folder / "merged")
    assert bytes_of(folder / "merged") == world.expected


def test_each_worker_gets_a_group_and_large_inputs_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = partition(world.settings)
    assert [len(group_parts(parts, workers).parts) for workers in (1, 2, 3, 20)] == [1, 2, 3, 8]
    rows = [sum(part.rows for part in group) for group in group_parts(parts, 4).parts]
    assert max(rows) < 1.1 * min(rows)
    monkeypatch.setattr(weather_groups, "GROUP_ROWS", sum(rows) // 5)
    assert len(group_parts(parts, 2).parts) == 5


def test_changed_files_are_other_groups(world: World) -> None:
    before = group_parts(partition(world.settings), 2)
    assert before.digest == group_parts(partition(world.settings), 2).digest
    assert before.digest != group_parts(partition(world.settings), 3).digest
    first = sorted(Path(world.settings.weather).glob("*.parquet"))[0]
    first.touch()
    assert before.digest != group_parts(partition(world.settings), 2).digest


def test_a_group_stops_once_it_alone_has_too_many_rejected_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = daily(4, range(2001, 2004)).assign(rainfall=np.inf)
    write(tmp_path, "weather", *cut(frame, 20))
    settings = make_settings(tmp_path)
    groups = group_parts(partition(settings), 2)
    read = []
    aggregate_part = merge.aggregate_part

    def counted(*arguments: object) -> object:
        read.append(arguments)
        return aggregate_part(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest, "aggregate_part", counted)
    with pytest.raises(InputError, match="more than max_rejected"):
        ingest_group(settings, groups, 1)
    assert 5 <= len(read) < 10


def test_groups_that_have_too_many_together_stop_the_merge(tmp_path: Path) -> None:
    frame = daily(4, range(2001, 2004))
    frame.loc[::4, "rainfall"] = np.inf
    write(tmp_path, "weather", *cut(frame, 8))
    settings = make_settings(tmp_path)
    groups = group_parts(partition(settings), 8)
    loaded = []

    def gathered() -> Iterator[list[Partial]]:
        for number in range(8):
            loaded.append(number)
            yield ingest_group(settings, groups, number)

    with pytest.raises(InputError, match="more than max_rejected"):
        merge_groups(settings, groups.rows, gathered())
    assert len(loaded) == 7
