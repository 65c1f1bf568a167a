"""Keys of an S3 location, alike for inputs and store, whatever their clients know.

The location's own; else those in the environment; else those of the profile that AWS_PROFILE names, or of
`default`; else whatever the machine, container or web identity gives, which both clients ask for themselves.
"""

from __future__ import annotations

import configparser
import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from data.errors import SettingsError, StorageError

_STATIC = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
# what a profile may say instead of keys, and what is left to the AWS tools
_OTHER_WAYS = ("sso_session", "sso_start_url", "role_arn", "source_profile", "web_identity_token_file")
_ANSWER_TIMEOUT_S = 60
_EARLY = timedelta(minutes=5)  # keys that run out sooner are asked for again


@dataclass(frozen=True)
class Credentials:
    """An access key, and until when it holds."""

    key: str
    secret: str
    token: str | None = None
    expires_at: datetime | None = None

    def holds(self) -> bool:
        """Whether it needn't be asked for again."""
        return self.expires_at is None or datetime.now(UTC) + _EARLY < self.expires_at


_answers: dict[str, Credentials] = {}


def s3_credentials(user: str) -> Credentials | None:
    """The keys for a location whose user part, `KEY:SECRET` with %2F for a slash, is this one.

    None: none are configured, or they are in the environment. Raises SettingsError for a profile that
    isn't there or leaves its keys to other tools, StorageError where its command fails.
    """
    if user:
        key, _, secret = user.partition(":")
        return Credentials(unquote(key), unquote(secret))
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    name = os.environ.get("AWS_PROFILE") or "default"
    profile = _profile(name)
    if profile is None:
        if os.environ.get("AWS_PROFILE"):
            raise SettingsError(f"AWS_PROFILE: neither credentials nor config file has a profile {name!r}")
        return None
    if profile.get(_STATIC[0]) and profile.get(_STATIC[1]):
        return Credentials(profile[_STATIC[0]], profile[_STATIC[1]], profile.get(_STATIC[2]))
    if command := profile.get("credential_process"):
        return _answer(name, command)
    if any(way in profile for way in _OTHER_WAYS):
        raise SettingsError(
            f"AWS profile {name!r} holds no keys; put them into the environment with `eval "
            f'"$(aws configure export-credentials --profile {shlex.quote(name)} --format env)"`, '
            "or write credential_process into the profile"
        )
    return None


def s3_region() -> str | None:
    """The region that the environment or the profile names."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or (_profile(os.environ.get("AWS_PROFILE") or "default") or {}).get("region")


def _profile(name: str) -> dict[str, str] | None:
    """What both files say of a profile, the credentials file before the config file; None: nothing."""
    credentials = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    config = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    sections = ((config, name if name == "default" else f"profile {name}"), (credentials, name))
    found: dict[str, str] = {}
    known = False
    for file, section in sections:
        parser = configparser.RawConfigParser(default_section="none of these")
        try:
            parser.read_string(Path(file).expanduser().read_text(encoding="utf-8"))
        except (OSError, RuntimeError):
            continue
        except (configparser.Error, UnicodeDecodeError):
            raise SettingsError(f"{file}: not a file of AWS profiles") from None
        if parser.has_section(section):
            known = True
            found |= dict(parser.items(section))
    return found if known else None


def _answer(name: str, command: str) -> Credentials:
    """What the profile's command says; asked again when it has run out."""
    known = _answers.get(command)
    if known is None or not known.holds():
        try:
            done = subprocess.run(
                shlex.split(command), capture_output=True, check=True, timeout=_ANSWER_TIMEOUT_S
            )
            said = json.loads(done.stdout)
            expires = said.get("Expiration")
            known = Credentials(
                said["AccessKeyId"], said["SecretAccessKey"], said.get("SessionToken"),
                datetime.fromisoformat(expires) if expires else None,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError):
            # its words may hold secrets
            raise StorageError(f"AWS profile {name!r}: its credential_process gave no keys") from None
        _answers[command] = known
    return known
