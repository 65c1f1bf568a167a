"""`cropyield train` with inputs and store on S3: faults of the service, repetitions, no secret anywhere."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from data.locations import filesystems
from data.store.backends.base import Store
from data.store.backends.open import open_store
from data.store.current import all_finished
from data.store.log import read_state
from flows.cli.main import run
from tasks import ingesting, training
from tests.object_storage import KEY, SECRET, Proxy

Capture = pytest.CaptureFixture[str]
QUICK = ["--set", "training.epochs=20", "--set", "gate.excess=1"]


@pytest.fixture
def words(
    shipped: Path, bucket: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The command, inputs and store in a bucket; whatever it keeps on this machine is in `tmp_path`."""
    monkeypatch.setattr(filesystems, "SILENCE_TIMEOUT_S", 3.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload = open_store(f"s3://{bucket}/inputs")
    for file in (shipped / "sample").rglob("*.parquet"):
        upload.put(file.relative_to(shipped / "sample").as_posix(), file.read_bytes())
    assert proxy.endpoint == os.environ["AWS_ENDPOINT_URL"]
    place = f"s3://{bucket}"
    return [
        "train", str(shipped / "sample/settings.toml"), "--store", f"{place}/store",
        "--weather", f"{place}/inputs/weather", "--yields", f"{place}/inputs/yields", *QUICK,
    ]  # fmt: skip


def whole(store: Store) -> Any:
    """The current run, after it was verified; None where there is none."""
    current = read_state(store).current
    if current is not None:
        assert run(["verify", store.uri, current.run_id]) == 0
    return current


def test_faults_of_the_service_end_in_a_message_and_a_repeat_succeeds(
    words: list[str],
    bucket: str,
    proxy: Proxy,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = open_store(f"s3://{bucket}/store")
    for fault, method, path in (
        ("500", "GET", "/inputs/weather/part-0001"),
        ("truncated answer", "GET", "/inputs/yields/part-0000"),
        ("503", "PUT", "/.work/"),
        ("truncated upload", "PUT", "/metrics.json"),
        ("500", "PUT", "/runs/"),
        ("hang up", "PUT", "/manifest.json"),
        ("slow", "PUT", "/log/"),
    ):
        proxy.fail(fault, method=method, path=path)
        with monkeypatch.context() as impatient:
            for task in (training.identify, ingesting.ingest_weather, training.evaluate, training.publish):
                impatient.setattr(task, "retries", 0)  # they would only take their time
            code = run([*words, "--debug"])
        said = capsys.readouterr()
        assert code == 5, (fault, path, said.err)
        message = said.err.splitlines()[-1]
        assert message.startswith("cropyield: can't ") or "reading failed" in message, message
        for secret in (KEY, SECRET):
            assert secret not in said.err + said.out
        proxy.heal()
        assert whole(store) is None
        if path != "/log/":
            assert all_finished(store, read_state(store)) == ([], [])
    assert run([*words, "--json"]) == 0
    first = whole(store)
    capsys.readouterr()
    # one bad moment is ridden out by the task's own repetition
    proxy.fail("500", times=1, method="PUT", path="/log/")
    assert run([*words, "--set", "training.seed=1"]) == 0
    assert whole(store).run_id != first.run_id
    assert store.get("predictions.parquet") == store.get(f"runs/{whole(store).run_id}/predictions.parquet")
    said = capsys.readouterr()

    kept = {file: file.read_bytes() for root in (tmp_path, Path(os.environ["PREFECT_HOME"]))
            for file in root.rglob("*") if file.is_file()}  # fmt: skip
    assert any(file.name.startswith("prefect.db") for file in kept), (
        "the server's data base was looked through"
    )
    everything = open_store(f"s3://{bucket}")
    kept |= {Path(name): everything.get(name) or b"" for name in everything.names()}
    for secret in (KEY, SECRET):
        assert secret not in said.out + said.err
        assert [str(file) for file, content in kept.items() if secret.encode() in content] == []


@pytest.mark.parametrize(
    "location", ["s3://{key}:{secret}@bucket/x", "s3://{key}@bucket/x", "s3://bucket/x?secret_key={secret}"]
)
def test_locations_with_credentials_are_refused_without_repeating_them(
    location: str, shipped: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # nobody answers there, and nobody else is asked
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(filesystems, "ATTEMPTS", 1)
    location = location.format(key=KEY, secret=SECRET)
    for option in ("--weather", "--yields", "--store"):
        places = {"--store": str(tmp_path / "store")} | {option: location}
        words = [
            "train",
            str(shipped / "sample/settings.toml"),
            *(w for pair in places.items() for w in pair),
        ]
        assert run([*words, "--debug"]) == 2
        said = capsys.readouterr()
        assert "AWS_SECRET_ACCESS_KEY" in said.err
        assert option.removeprefix("--") in said.err
        assert KEY not in said.err + said.out
        assert SECRET not in said.err + said.out
    for command in (["runs"], ["show"], ["verify"], ["prune", "--keep", "1"]):
        assert run([command[0], location, *command[1:], "--debug"]) in (2, 5)
        said = capsys.readouterr()
        assert SECRET not in said.err + said.out


def test_the_server_refuses_credentials_before_it_keeps_them() -> None:
    """The form's schema is what the server checks parameters by."""
    import re

    from data.settings.schema import Settings

    for name in ("weather", "yields", "store"):
        pattern = Settings.model_json_schema()["properties"][name]["pattern"]
        for fine in ("s3://bucket/a@b/c", "/a/b", "C:\\data", "s3://bucket?region=x", "relative/path"):
            assert re.search(pattern, fine), fine
        for bad in (f"s3://{KEY}:{SECRET}@bucket/x", f"gs://{KEY}@bucket", "s3://a:b/c@bucket"):
            assert not re.search(pattern, bad), bad


def test_a_manifest_names_locations_without_options(words: list[str], bucket: str, capsys: Capture) -> None:
    assert run([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert run(["show", f"s3://{bucket}/store", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert manifest["run_id"] == result["run_id"]
    assert manifest["inputs"]["weather"]["location"] == f"s3://{bucket}/inputs/weather"
    for given in manifest["inputs"].values():
        for file in given["files"]:
            assert file.keys() == {"name", "size", "sha256"}
            assert len(file["sha256"]) == 64
    code = manifest["code"]
    assert len(code["source"]) == 64
    assert "package" in code or "commit" in code
    assert {"torch", "numpy", "pyarrow", "prefect", "python"} <= manifest["versions"].keys()
    assert {"system", "machine", "cpu_capability"} <= manifest["machine"].keys()
    assert manifest["settings"]["training"]["seed"] == 0
