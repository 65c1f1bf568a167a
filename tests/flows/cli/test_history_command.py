"""`runs`, `show`, `verify`, `rollback` and `prune` on a store written by hand: answers, changes, refusals."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.store.backends.local import LocalStore
from data.store.entries import State
from data.store.log import removed_run
from data.store.manifests import FORECASTS
from flows.cli.main import run
from tests.stores import GATE, an_id, files_of, forecast, manifest_of, publish, write

Capture = pytest.CaptureFixture[str]
RUNS = ("a1", "b2", "c3")
FILES = 12


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three runs, the last of them current."""
    store = LocalStore(tmp_path / "store")
    for number, name in enumerate(RUNS):
        publish(store, name, f"2024-0{number + 1}-01T00:00:00+00:00")
    return tmp_path / "store"


def answer(capture: Capture) -> Any:
    return json.loads(capture.readouterr().out)


def pointer(place: Path) -> Any:
    return json.loads((place / "current.json").read_text())


def current(place: Path) -> str:
    return str(pointer(place)["run_id"])[:2]


def log(place: Path) -> list[str]:
    return sorted(file.name for file in (place / "log").iterdir())


def folder(place: Path, name: str) -> Path:
    return place / "runs" / an_id(name)


def test_a_lost_entry_of_the_log_is_no_sound_store(place: Path, capsys: Capture) -> None:
    (place / "log/00000002.json").unlink()
    assert run(["verify", str(place)]) == 5
    assert "log/00000002.json: missing" in capsys.readouterr().err


def test_a_pipe_for_a_manifest_costs_one_line(place: Path, capsys: Capture) -> None:
    manifest = folder(place, "a1") / "manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"][:2] for each in found["runs"]] == ["b2", "c3"]
    assert [str(manifest) in fault for fault in found["faults"]] == [True]


def test_a_file_for_the_folder_of_views_is_put_aside(place: Path, capsys: Capture) -> None:
    shutil.rmtree(place / ".views")
    (place / ".views").write_text("")
    assert run(["runs", str(place), "--json"]) == 0
    assert len(answer(capsys)["runs"]) == len(RUNS)
    assert run(["rollback", str(place), "a"]) == 0
    assert current(place) == "a1"


def test_a_sound_run_is_verified(place: Path, capsys: Capture) -> None:
    for words in (["current"], ["c3"], []):
        assert run(["verify", str(place), *words, "--json"]) == 0
        found = answer(capsys)
        assert (found["run_id"], found["files"]) == (an_id("c3"), FILES)
        assert found["faults"] == found["others"] == []
    assert run(["verify", str(place), "a"]) == 0
    assert "as it was published" in capsys.readouterr().out


def test_damage_is_listed_and_ends_with_code_5(place: Path, capsys: Capture) -> None:
    LocalStore(place).put(f"runs/{an_id('a1')}/predictions.parquet", b"tampered")
    (folder(place, "a1") / "model/09-30/model.json").unlink()
    (folder(place, "a1") / "stranger").write_text("")
    assert run(["verify", str(place), "a1", "--json"]) == 5
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert len(found["faults"]) == 2
    assert found["others"] == ["stranger"]
    assert f"2 of {FILES} files" in said.err
    assert "Traceback" not in said.err
    assert run(["verify", str(place), "a1"]) == 5
    assert "model/09-30/model.json: missing" in capsys.readouterr().out
    assert run(["verify", str(place), "b2"]) == 0


def test_a_manifest_that_lacks_a_promised_file_fails_verification(place: Path, capsys: Capture) -> None:
    files = {name: content for name, content in files_of(an_id("a1")).items() if name != "metrics.json"}
    manifest = manifest_of(an_id("a1"), files, "2024-01-01T00:00:00+00:00")
    (folder(place, "a1") / "manifest.json").write_text(json.dumps(manifest))
    assert run(["verify", str(place), "a1"]) == 5
    assert "metrics.json: not listed in manifest.json" in capsys.readouterr().out
    assert run(["rollback", str(place), "a1"]) == 5
    assert current(place) == "c3"


def test_a_rollback_moves_pointer_and_stable_predictions_and_says_so(place: Path, capsys: Capture) -> None:
    assert run(["rollback", str(place), "a1", "--json"]) == 0
    found = answer(capsys)
    assert (found["run_id"], found["previous"]) == (an_id("a1"), an_id("c3"))
    assert pointer(place)["run_id"] == an_id("a1")
    assert pointer(place)["note"] == f"rolled back from {an_id('c3')}"
    assert pointer(place)["withdrawn"] == [an_id("c3")]
    assert pointer(place)["gate"] == GATE
    assert (place / "predictions.parquet").read_text().startswith("a1")
    before = (place / "current.json").read_bytes()
    assert run(["rollback", str(place), "a1"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (place / "current.json").read_bytes() == before


def test_a_rollback_to_a_damaged_run_is_refused(place: Path, capsys: Capture) -> None:
    (folder(place, "a1") / "model/09-30/model.json").write_text("[]")
    before = (place / "current.json").read_bytes()
    assert run(["rollback", str(place), "a1"]) == 5
    assert "model.json" in capsys.readouterr().err
    assert (place / "current.json").read_bytes() == before
    assert (place / "predictions.parquet").read_text().startswith("c3")


@pytest.mark.parametrize(
    "damage", ["predictions", "pointer", "no pointer", "run", "entry", "log", "entry and pointer"]
)
def test_a_rollback_mends_a_broken_store(place: Path, damage: str, capsys: Capture) -> None:
    if damage == "predictions":
        (folder(place, "c3") / "predictions.parquet").unlink()
    elif damage == "pointer":
        (place / "current.json").write_text("{")
    elif damage == "no pointer":
        (place / "current.json").unlink()
    elif damage.startswith("entry"):
        (place / "log" / log(place)[-1]).write_text("{")
        if damage != "entry":
            (place / "current.json").unlink()
    else:
        LocalStore(place).remove(f"runs/{an_id('c3')}" if damage == "run" else "log")
    assert run(["runs", str(place)]) == 0
    assert run(["rollback", str(place), "b2"]) == 0
    said = capsys.readouterr().out
    assert "is current now" in said
    assert ("can't be read: if it withdrew a run" in said) == (damage == "entry and pointer")
    assert pointer(place)["run_id"] == an_id("b2")
    assert (place / "predictions.parquet").read_text().startswith("b2")
    assert run(["verify", str(place)]) == 0
    assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0


def test_unknown_runs_and_stores_are_usage_errors(place: Path, tmp_path: Path, capsys: Capture) -> None:
    for words in (["verify", str(place), "ff"], ["rollback", str(place), "ff"],
                  ["verify", str(place), "../../victim"], ["rollback", str(place), ".."],
                  ["verify", str(tmp_path / "nowhere")], ["rollback", str(place)],
                  ["prune", str(place)], ["prune", str(place), "--keep", "0"],
                  ["prune", str(place), "--keep", "1", "--min-age", "-1"],
                  ["prune", str(place), "--keep", "1", "--min-age", "nan"],
                  ["prune", str(tmp_path / "nowhere"), "--keep", "1"]):  # fmt: skip
        assert run(words) == 2, words
        assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
    assert len(log(place)) == 3


def test_prune_keeps_the_newest_the_current_and_what_was_current_just_now(
    place: Path, capsys: Capture
) -> None:
    assert run(["rollback", str(place), "a1", "--json"]) == 0
    capsys.readouterr()
    assert run(["prune", str(place), "--keep", "1", "--json"]) == 0
    assert answer(capsys)["kept"] == [an_id(name) for name in RUNS]
    assert run(["prune", str(place), "--keep", "2", "--min-age", "0", "--json"]) == 0
    found = answer(capsys)
    assert found["removed"][0] == an_id("b2")
    assert found["kept"] == [an_id("a1"), an_id("c3")]
    assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0
    assert f"removed {an_id('c3')}" in capsys.readouterr().out
    assert run(["verify", str(place), "current"]) == 0
    assert [file.name for file in (place / "runs").iterdir()] == [an_id("a1")]


@pytest.mark.parametrize(
    "command", ["show", "rollback", "verify", "verify --rerun", "export --csv history x"]
)
def test_a_run_that_prune_removed_is_not_called_unknown(command: str, place: Path, capsys: Capture) -> None:
    published = json.loads((place / "log" / log(place)[0]).read_text())
    gone = published["state"]["current"]["run_id"]
    assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0
    name, *options = command.split()
    for text in (gone, gone[:4]):
        capsys.readouterr()
        assert run([name, str(place), text, *options]) == 2
        said = capsys.readouterr().err
        assert (
            f"run {gone} was published on {published['at'][:10]} and has been removed by prune since, on 20"
            in said
        )
        assert "restore it from a backup, or train again" in said
    assert run([name, str(place), "e" * 16, *options]) == 2
    assert "no finished run with an id that begins with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("area", "again"), [("forecasts", "forecast again"), ("backtests", "backtest again")]
)
def test_a_forecast_or_backtest_that_prune_removed_is_not_called_unknown(
    area: str, again: str, place: Path, capsys: Capture
) -> None:
    store = LocalStore(place)
    for name in ("fade", "face"):
        forecast(store, name)
        write(store, f"{name[0]}b{name[2]}d", area="backtests")
    write(store, "fbff", "2025-01-01T00:00:00+00:00", "backtests")
    assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0
    capsys.readouterr()
    gone = "fade" if area == "forecasts" else "fbcd"
    for words in (["verify"], ["show"], ["export", "--csv", "predictions", "x"]):
        assert run([words[0], str(place), gone, *words[1:]]) == 2
        said = capsys.readouterr().err
        assert f"{area.removesuffix('s')} {an_id(gone)} " in said
        assert "has been removed by prune" in said
        assert again in said


def test_an_unknown_run_reads_a_thousand_entries_and_no_more(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(_: object, number: int) -> dict[str, str]:
        read.append(number)
        return {}

    monkeypatch.setattr("data.store.log.read_facts", counted)
    assert removed_run(LocalStore(place), State(number=5000), "f" * 16) is None
    assert sorted(read) == [*range(4001, 5001)]


def test_rerun_is_refused_of_what_it_does_not_repeat(place: Path, capsys: Capture) -> None:
    forecast(LocalStore(place), "f1")
    assert run(["verify", str(place), "f1"]) == 0
    assert f"forecast {an_id('f1')}: " in capsys.readouterr().out
    assert run(["verify", str(place), "f1", "--rerun"]) == 2
    assert f"forecast {an_id('f1')}: --rerun repeats runs" in capsys.readouterr().err
    assert run(["verify", str(place)]) == 0
    assert f"run {an_id('c3')} and forecast {an_id('f1')}: " in capsys.readouterr().out


def test_prune_says_how_much_in_plain_numbers(place: Path, capsys: Capture) -> None:
    for counts in ("2 removed, 1 run kept", "nothing removed, 1 run kept"):
        assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0
        assert counts in capsys.readouterr().out


def test_prune_removes_what_killed_writers_left_a_day_ago(place: Path, capsys: Capture) -> None:
    young, old = place / ".current.json.0a.tmp", folder(place, "c3") / ".x.0b.tmp"
    (place / "runs" / ".b1.0c.tmp").mkdir()
    (place / "runs" / ".b1.0c.tmp" / "manifest.json").write_text("half removed")
    for file in (young, old):
        file.write_text("half written")
    for path in (old, place / "runs" / ".b1.0c.tmp"):
        os.utime(path, (1, 1))
    assert run(["prune", str(place), "--keep", "3", "--json"]) == 0
    assert answer(capsys)["removed"] == ["runs/.b1.0c.tmp", f"runs/{an_id('c3')}/.x.0b.tmp"]
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"run_id": 5}', '{"number": 7}'])
def test_a_damaged_pointer_is_no_matter(content: str, place: Path, capsys: Capture) -> None:
    (place / "current.json").write_text(content)
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["current"] for each in found["runs"]] == [False, False, True]
    assert found["faults"] == []
    assert run(["show", str(place), "b2"]) in (0, 5)
    assert run(["prune", str(place), "--keep", "3"]) == 0
    assert current(place) == "c3"


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"number": 3}'])
def test_a_damaged_log_hides_nothing_and_names_the_remedy(content: str, place: Path, capsys: Capture) -> None:
    (place / "log" / log(place)[-1]).write_text(content)
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"] for each in found["runs"]] == [an_id(name) for name in RUNS]
    assert not any(each["current"] for each in found["runs"])
    assert "cropyield rollback" in found["faults"][0]
    assert run(["runs", str(place)]) == 0
    said = capsys.readouterr().out
    for word in (*RUNS, "cropyield rollback"):
        assert word in said
    assert run(["verify", str(place), "b2"]) == 0
    for words in (["show", str(place)], ["verify", str(place)], ["prune", str(place), "--keep", "1"]):
        capsys.readouterr()
        assert run(words) == 5
        assert "cropyield rollback" in capsys.readouterr().err
    assert sorted(file.name for file in (place / "runs").iterdir()) == [an_id(name) for name in RUNS]


def test_a_damaged_manifest_is_told_beside_the_other_runs(place: Path, capsys: Capture) -> None:
    (folder(place, "b2") / "manifest.json").write_text("{")
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"] for each in found["runs"]] == [an_id("a1"), an_id("c3")]
    assert "b2" in found["faults"][0]


def test_a_copy_made_by_hand_is_no_run(place: Path, capsys: Capture) -> None:
    for name in ("a1 copy", "a1.bak"):
        (place / "runs" / name).mkdir()
        (place / "runs" / name / "manifest.json").write_bytes(
            (folder(place, "a1") / "manifest.json").read_bytes()
        )
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"] for each in found["runs"]] == [an_id(name) for name in RUNS]
    assert found["faults"] == []
    assert run(["verify", str(place), "a1"]) == 0
    assert run(["prune", str(place), "--keep", "1", "--min-age", "0"]) == 0
    assert (place / "runs" / "a1 copy").is_dir()


def test_the_newest_forecast_is_verified_with_the_current_run(place: Path, capsys: Capture) -> None:
    store = LocalStore(place)
    forecast(store, "f1")
    assert run(["verify", str(place), "--json"]) == 0
    assert answer(capsys)["files"] == FILES + 4
    store.remove(f"forecasts/{an_id('f1')}/ledger.json")
    assert run(["verify", str(place)]) == 5
    assert f"forecasts/{an_id('f1')}/ledger.json: missing" in capsys.readouterr().out
    write(store, "f2", area=FORECASTS)
    assert run(["verify", str(place), "f2"]) == 0


@pytest.mark.parametrize("content", [None, "{}"])
def test_nothing_is_pruned_while_it_is_unclear_what_is_current(
    content: str | None, place: Path, capsys: Capture
) -> None:
    lost = folder(place, "c3") / "manifest.json"
    if content is None:
        lost.unlink()
    else:
        lost.write_text(content)
    for file in (place / "runs").rglob("*"):
        os.utime(file, (0, 0))
    before = sorted(file for file in (place / "runs").rglob("*") if file.is_file())
    command = ["prune", str(place), "--keep", "1", "--min-age", "0"]
    for words in (command, ["verify", str(place)], ["show", str(place)]):
        assert run(words) == 5
        assert "cropyield rollback" in capsys.readouterr().err
    assert sorted(file for file in (place / "runs").rglob("*") if file.is_file()) == before


def test_reading_commands_write_nothing(place: Path, capsys: Capture) -> None:
    (place / "predictions.parquet").unlink()
    before = {file: file.lstat().st_mtime_ns for file in place.rglob("*")}
    for words in (["runs", str(place)], ["verify", str(place)], ["verify", str(place), "a1"]):
        assert run(words) == 0
    capsys.readouterr()
    assert {file: file.lstat().st_mtime_ns for file in place.rglob("*")} == before
