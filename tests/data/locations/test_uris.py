"""Locations: what can be one, and how they are shown."""

import time
from pathlib import Path

import pytest

from data.errors import SettingsError
from data.locations.uris import carries_credentials, locate, redact_uri, redacted


@pytest.mark.parametrize(
    ("uri", "shown", "secret"),
    [
        ("s3://bucket/key", "s3://bucket/key", False),
        ("s3://user:pass@bucket/key?region=x", "s3://bucket/key", True),
        ("s3://user:pa/ss@bucket/key", "s3://bucket/key", True),
        ("s3://user:pa@ss@bucket/key", "s3://bucket/key", True),
        ("s3://user:pa?ss@bucket/key", "s3://bucket/key", True),
        ("s3://user@bucket/key", "s3://bucket/key", True),
        ("s3://bucket/key@x", "s3://bucket/key@x", False),
        ("s3://bucket/key?secret_key=1", "s3://bucket/key", True),
        ("/a/path?with@all:of#it", "/a/path?with@all:of#it", False),
    ],
)
def test_credentials_are_seen_and_not_shown(uri: str, shown: str, secret: bool) -> None:
    assert redact_uri(uri) == shown
    assert carries_credentials(uri) == secret


@pytest.mark.parametrize("text", ["a", "s3://", "://", ":", "@", "a.b+", "s3://a:", "s3://@"])
def test_redacting_takes_time_in_proportion(text: str) -> None:
    long = "s3://" + text * (1_000_000 // len(text))
    begin = time.process_time()
    redacted(long)
    redact_uri(long)
    carries_credentials(long)
    assert time.process_time() - begin < 2


def test_messages_lose_credentials() -> None:
    assert redacted("at s3://u:p@bucket and http://x@y/z") == "at s3://bucket and http://y/z"


@pytest.mark.parametrize("location", ["a\0b", "s3://a\0b", "~nobody-of-this-name/x"])
def test_what_can_be_no_location_is_a_fault_of_the_settings(location: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="location"):
        locate(location, tmp_path)


@pytest.mark.parametrize(
    ("location", "meant"),
    [
        ("s3:/bucket/store", "s3://bucket/store"),
        ("gs:/bucket", "gs://bucket"),
        ("s3:/user:secret@bucket/x?token=secret", "s3://bucket/x"),
    ],
)
def test_one_slash_too_few_makes_no_folder(location: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean") as caught:
        locate(location, tmp_path)
    assert str(caught.value).endswith(f"did you mean {meant}?")
    assert "secret" not in str(caught.value)
    # whoever has such a folder can say so
    assert locate(f"./{location}", tmp_path) == str(tmp_path / location)
