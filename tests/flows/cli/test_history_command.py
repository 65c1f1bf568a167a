"""`verify`, `rollback` and `prune` on a store written by hand: what they say, change, and refuse."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from data.store.local import LocalStore
from data.store.manifests import to_json
from data.store.pointers import set_current
from flows.cli.main import run

Capture = pytest.CaptureFixture[str]
GATE = {"outcome": "passed", "reason": "better than the best naive baseline", "checks": []}
RUNS = ("a1", "b2", "c3")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three runs, the last of them current."""
    store = LocalStore(tmp_path / "store")
    for number, name in enumerate(RUNS):
        files = {"predictions.parquet": f"predictions {name}".encode(), "model/09-30/model.json": b"{}"}
        for file, content in files.items():
            store.put(f"runs/{name}/{file}", content)
        manifest = {
            "run_id": name, "finished_at": f"2024-0{number + 1}-01T00:00:00+00:00", "crops": ["corn"],
            "seasons": [1990, 2020], "gate": GATE, "inputs": {},
            "files": {
                file: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                for file, content in files.items()
            },
        }  # fmt: skip
        store.put(f"runs/{name}/manifest.json", to_json(manifest))
        set_current(store, name, GATE)
    return tmp_path / "store"


def answer(capture: Capture) -> Any:
    return json.loads(capture.readouterr().out)


def pointer(place: Path) -> Any:
    return json.loads((place / "current.json").read_text())


def test_a_sound_run_is_verified(place: Path, capsys: Capture) -> None:
    for words in (["current"], ["c3"], []):
        assert run(["verify", str(place), *words, "--json"]) == 0
        found = answer(capsys)
        assert (found["run_id"], found["files"], found["faults"], found["others"]) == ("c3", 2, [], [])
    assert run(["verify", str(place), "a"]) == 0
    assert "as it was published" in capsys.readouterr().out


def test_damage_is_listed_and_ends_with_code_5(place: Path, capsys: Capture) -> None:
    folder = place / "runs" / "a1"
    (folder / "predictions.parquet").write_text("tampered")
    (folder / "model" / "09-30" / "model.json").unlink()
    (folder / "stranger").write_text("")
    assert run(["verify", str(place), "a1", "--json"]) == 5
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert len(found["faults"]) == 2
    assert found["others"] == ["stranger"]
    assert "2 of 2 files" in said.err
    assert "Traceback" not in said.err
    assert run(["verify", str(place), "a1"]) == 5
    assert "model/09-30/model.json: missing" in capsys.readouterr().out
    assert run(["verify", str(place), "b2"]) == 0


def test_a_rollback_moves_pointer_and_stable_predictions_and_says_so(place: Path, capsys: Capture) -> None:
    assert run(["rollback", str(place), "a1", "--json"]) == 0
    found = answer(capsys)
    assert (found["run_id"], found["previous"]) == ("a1", "c3")
    assert pointer(place)["run_id"] == "a1"
    assert pointer(place)["note"] == "rolled back from c3"
    assert pointer(place)["withdrawn"] == ["c3"]
    assert pointer(place)["gate"] == GATE
    assert (place / "predictions.parquet").read_text() == "predictions a1"
    before = (place / "current.json").read_bytes()
    assert run(["rollback", str(place), "a1"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (place / "current.json").read_bytes() == before


def test_a_rollback_to_a_damaged_run_is_refused(place: Path, capsys: Capture) -> None:
    (place / "runs" / "a1" / "model" / "09-30" / "model.json").write_text("[]")
    before = (place / "current.json").read_bytes()
    assert run(["rollback", str(place), "a1"]) == 5
    assert "model.json" in capsys.readouterr().err
    assert (place / "current.json").read_bytes() == before
    assert (place / "predictions.parquet").read_text() == "predictions c3"


@pytest.mark.parametrize("damage", ["predictions", "pointer", "no pointer", "run"])
def test_a_rollback_mends_a_broken_store(place: Path, damage: str, capsys: Capture) -> None:
    if damage == "predictions":
        (place / "runs" / "c3" / "predictions.parquet").unlink()
    elif damage == "pointer":
        (place / "current.json").write_text("{")
    elif damage == "no pointer":
        (place / "current.json").unlink()
    else:
        LocalStore(place).remove("runs/c3")
    assert run(["runs", str(place)]) == 0
    assert run(["rollback", str(place), "b2"]) == 0
    assert "is current now" in capsys.readouterr().out
    assert pointer(place)["run_id"] == "b2"
    assert (place / "predictions.parquet").read_text() == "predictions b2"


def test_unknown_runs_and_stores_are_usage_errors(place: Path, tmp_path: Path, capsys: Capture) -> None:
    for words in (["verify", str(place), "zz"], ["rollback", str(place), "zz"],
                  ["verify", str(tmp_path / "nowhere")], ["rollback", str(place)],
                  ["prune", str(place)], ["prune", str(place), "--keep", "0"],
                  ["prune", str(tmp_path / "nowhere"), "--keep", "1"]):  # fmt: skip
        assert run(words) == 2, words
        assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_prune_keeps_the_newest_and_the_current(place: Path, capsys: Capture) -> None:
    assert run(["rollback", str(place), "a1", "--json"]) == 0
    capsys.readouterr()
    assert run(["prune", str(place), "--keep", "2", "--json"]) == 0
    found = answer(capsys)
    assert found["removed"] == ["b2"]
    assert found["kept"] == ["a1", "c3"]
    assert run(["prune", str(place), "--keep", "1"]) == 0
    assert "removed c3" in capsys.readouterr().out
    assert run(["verify", str(place), "current"]) == 0
    assert sorted(file.name for file in (place / "runs").iterdir()) == ["a1"]


def test_prune_removes_what_killed_writers_left_a_day_ago(place: Path, capsys: Capture) -> None:
    young, old = place / ".current.json.0a.tmp", place / "runs" / "c3" / ".x.0b.tmp"
    (place / "runs" / ".b1.0c.tmp").mkdir()
    (place / "runs" / ".b1.0c.tmp" / "manifest.json").write_text("half removed")
    for file in (young, old):
        file.write_text("half written")
    for path in (old, place / "runs" / ".b1.0c.tmp"):
        os.utime(path, (1, 1))
    assert run(["prune", str(place), "--keep", "3", "--json"]) == 0
    assert answer(capsys)["removed"] == ["runs/.b1.0c.tmp", "runs/c3/.x.0b.tmp"]
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"run_id": 5}'])
def test_a_damaged_pointer_hides_nothing_and_names_the_remedy(
    content: str, place: Path, capsys: Capture
) -> None:
    (place / "current.json").write_text(content)
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"] for each in found["runs"]] == list(RUNS)
    assert not any(each["current"] for each in found["runs"])
    assert "cropyield rollback" in found["faults"][0]
    assert run(["runs", str(place)]) == 0
    said = capsys.readouterr().out
    for word in (*RUNS, "cropyield rollback"):
        assert word in said
    assert run(["verify", str(place), "b2"]) == 0
    for words in (["show", str(place)], ["prune", str(place), "--keep", "1"]):
        capsys.readouterr()
        assert run(words) == 5
        assert "cropyield rollback" in capsys.readouterr().err
    assert sorted(file.name for file in (place / "runs").iterdir()) == list(RUNS)


def test_a_damaged_manifest_is_told_beside_the_other_runs(place: Path, capsys: Capture) -> None:
    (place / "runs" / "b2" / "manifest.json").write_text("{")
    assert run(["runs", str(place), "--json"]) == 0
    found = answer(capsys)
    assert [each["run_id"] for each in found["runs"]] == ["a1", "c3"]
    assert "b2" in found["faults"][0]


def test_withdrawn_runs_are_remembered_until_one_is_current_again(place: Path) -> None:
    for run_id, withdrawn in (("b2", ["c3"]), ("a1", ["b2", "c3"]), ("c3", ["a1", "b2"])):
        assert run(["rollback", str(place), run_id]) == 0
        assert pointer(place)["withdrawn"] == withdrawn


def test_a_damaged_run_does_not_spoil_the_stable_copy(place: Path, capsys: Capture) -> None:
    good = (place / "predictions.parquet").read_bytes()
    (place / f"runs/{RUNS[-1]}/predictions.parquet").write_bytes(b"spoilt")
    assert run(["runs", str(place)]) == 0
    assert (place / "predictions.parquet").read_bytes() == good
    assert run(["verify", str(place)]) == 5
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("lost", ["current.json", f"runs/{RUNS[-1]}/manifest.json"])
@pytest.mark.parametrize("content", [None, "{}"])
def test_nothing_is_pruned_while_it_is_unclear_what_is_current(
    lost: str, content: str | None, place: Path, capsys: Capture
) -> None:
    if content is None:
        (place / lost).unlink()
    else:
        (place / lost).write_text(content)
    for file in (place / "runs").rglob("*"):
        os.utime(file, (0, 0))
    before = sorted(file for file in (place / "runs").rglob("*") if file.is_file())
    for command in (["prune", str(place), "--keep", "1"], ["verify", str(place)], ["show", str(place)]):
        assert run(command) == 5
        assert "cropyield rollback" in capsys.readouterr().err
    assert sorted(file for file in (place / "runs").rglob("*") if file.is_file()) == before
