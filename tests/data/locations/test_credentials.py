"""Keys of an S3 location: the clients of inputs and store ask with the same ones, wherever they come from."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import CropyieldError, SettingsError, StorageError
from data.inputs.listing import list_files
from data.locations.credentials import s3_credentials
from data.store.backends import object as object_store
from data.store.backends.open import open_store
from tests.object_storage import Proxy

Write = Callable[[str, str], None]


@pytest.fixture
def aws(proxy: Proxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the files of a home folder for AWS, whose keys are all there are."""
    assert proxy
    assert bucket
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    def write(file: str, text: str) -> None:
        (tmp_path / file).write_text(text)

    return write


def keys_of_both(proxy: Proxy, bucket: str, user: str = "") -> tuple[set[str], set[str | None]]:
    """The keys and tokens that requests came with, first of the store's client, then of the inputs'."""
    proxy.seen.clear()
    found = []
    for ask in (
        lambda: open_store(f"s3://{user}{bucket}/store").put("weather/part.parquet", b"1"),
        lambda: list_files(f"s3://{user}{bucket}/store/weather"),
    ):
        proxy.keys.clear()
        proxy.tokens.clear()
        ask()
        found.append((set(proxy.keys), set(proxy.tokens)))
    assert found[0] == found[1]
    return found[0]


def test_a_profile_is_used_by_both(
    aws: Write, proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "[other]\naws_access_key_id = AKOTHER\naws_secret_access_key = s2\naws_session_token = token\n"
    aws("credentials", "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key = s1\n" + other)
    assert keys_of_both(proxy, bucket) == ({"AKDEFAULT"}, {None})
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert keys_of_both(proxy, bucket) == ({"AKOTHER"}, {"token"})
    aws("config", "[profile third]\naws_access_key_id = AKTHIRD\naws_secret_access_key = s3\n")
    monkeypatch.setenv("AWS_PROFILE", "third")
    assert keys_of_both(proxy, bucket)[0] == {"AKTHIRD"}


def test_the_environment_comes_before_a_profile_and_the_location_before_both(
    aws: Write, proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws("credentials", "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key = s1\n")
    monkeypatch.setenv("AWS_PROFILE", "default")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s2")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert keys_of_both(proxy, bucket) == ({"AKENVIRONMENT"}, {"token"})
    assert keys_of_both(proxy, bucket, "AKLOCATION:s3@") == ({"AKLOCATION"}, {None})


def test_a_credential_process_is_asked_once_until_its_keys_run_out(
    aws: Write, proxy: Proxy, bucket: str, tmp_path: Path
) -> None:
    script = tmp_path / "keys.py"
    asked = tmp_path / "asked"
    for until, times in (("2999-01-01T00:00:00Z", 1), ("2001-01-01T00:00:00Z", 2)):
        answer = {"AccessKeyId": f"AKPROCESS{times}", "SecretAccessKey": "s", "SessionToken": "t"}
        answer |= {"Version": "1", "Expiration": until}
        script.write_text(f"open({str(asked)!r}, 'a').write('x'); print({json.dumps(answer)!r})")
        command = f"{sys.executable} {script} {times}"
        aws("config", f"[default]\ncredential_process = {command}\n")
        asked.write_text("")
        object_store._open.cache_clear()  # a client keeps its keys while they hold
        assert keys_of_both(proxy, bucket) == ({f"AKPROCESS{times}"}, {"t"})
        assert (len(asked.read_text()) == 1) == (times == 1)


@pytest.mark.parametrize(
    ("profile", "config", "error", "said"),
    [
        ("nowhere", "", SettingsError, "AWS_PROFILE: neither .* has a profile 'nowhere'"),
        ("sso", "[profile sso]\nsso_session = x\n", SettingsError, r"aws configure export-credentials"),
        ("role", "[profile role]\nrole_arn = x\nsource_profile = y\n", SettingsError, r"holds no keys"),
        ("bad", "[profile bad\n", SettingsError, r"not a file of AWS profiles"),
        ("silent", "[profile silent]\ncredential_process = false\n", StorageError, r"gave no keys"),
    ],
)  # fmt: skip
def test_a_profile_without_keys_is_said_of_inputs_and_store_alike(
    profile: str,
    config: str,
    error: type[CropyieldError],
    said: str,
    aws: Write,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws("config", config)
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(error, match=said):
        open_store(f"s3://{bucket}/store").get("x")
    with pytest.raises(error, match=said):
        list_files(f"s3://{bucket}/store/weather")


def test_without_any_configuration_clients_look_for_themselves(aws: Write) -> None:
    aws("config", "")
    assert s3_credentials("") is None
