"""Who an automation tells: a webhook that gets JSON, and all that Prefect's notification blocks reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.notifications import AppriseNotificationBlock, MicrosoftTeamsWebhook, SlackWebhook
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ActionTypes, CallWebhook, SendNotification
from prefect.types import SecretDict
from pydantic import SecretStr

from data.errors import SettingsError

BLOCK = "cropyield-alerts"
"""The webhook's block; those of other addresses are numbered after it."""
_OURS = re.compile(rf"{BLOCK}(-\d+)?")
_NAMED = re.compile(r"([a-z0-9-]+)/([^/\s]+)")
_TEAMS = re.compile(r"https?://[^/]+/.*workflows/[^/]+/triggers/manual/paths/invoke", re.IGNORECASE)


@dataclass(frozen=True)
class Alert:
    """What an automation says, as templates that Prefect's server fills in: plain words, and as JSON."""

    subject: str
    text: str
    payload: str

    @classmethod
    def of(cls, subject: str, text: str, payload: str) -> Alert:
        """From the expression `text` and a payload in which it stands as TEXT.

        Names come from data, and chat services take what stands between < and > for a call of everybody.
        """
        harmless = f'(({text}) | replace("<", "‹") | replace(">", "›"))'
        return cls(subject, f"{{{{ {harmless} }}}}", payload.replace("TEXT", harmless))


@dataclass(frozen=True)
class Channel:
    """A block on the server; one that takes JSON is called, any other is given words."""

    block: UUID
    takes_json: bool

    def tell(self, alert: Alert) -> ActionTypes:
        """The action that sends an alert through it."""
        if self.takes_json:
            return CallWebhook(block_document_id=self.block, payload=alert.payload)
        return SendNotification(block_document_id=self.block, subject=alert.subject, body=alert.text)


def check_addresses(webhook: str | None, notify: Sequence[str]) -> None:
    """Raise SettingsError for what is no address, without repeating it: it may hold a token."""
    if webhook is not None and not _is_web(webhook):
        raise SettingsError("--webhook: not an address of the form https://host/path (not repeated here)")
    for at, address in enumerate(notify, 1):
        if not _NAMED.fullmatch(address):
            with _unrepeated(at):
                _block_for(address)


def make_channels(client: SyncPrefectClient, webhook: str | None, notify: Sequence[str]) -> list[Channel]:
    """The channels to these addresses, each kept in a block that shows it to nobody.

    Of `notify` each is a block of this server, written TYPE/NAME, or an address that apprise knows. Blocks
    that an earlier call made and this one doesn't need are removed. Raises SettingsError.
    """
    found = []
    if webhook is not None:
        hook = Webhook(url=SecretStr(webhook), headers=SecretDict({"Content-Type": "application/json"}))
        found.append(Channel(_saved(hook, BLOCK), takes_json=True))
    for at, address in enumerate(notify, 1):
        if named := _NAMED.fullmatch(address):
            found.append(Channel(_existing(client, *named.groups()), takes_json=False))
            continue
        with _unrepeated(at):
            block = _block_for(address)
        found.append(Channel(_saved(block, f"{BLOCK}-{at}"), takes_json=False))
    kept = {channel.block for channel in found}
    for document in _our_blocks(client):
        if document.id not in kept:
            client.delete_block_document(document.id)
    return found


def channels_of(actions: Sequence[Any]) -> list[Channel]:
    """The channels that an automation's actions tell."""
    kinds = (CallWebhook, SendNotification)
    return [
        Channel(each.block_document_id, isinstance(each, CallWebhook))
        for each in actions
        if isinstance(each, kinds)
    ]


def remove_blocks(client: SyncPrefectClient) -> list[str]:
    """Remove every block that was made here; their names."""
    found = _our_blocks(client)
    for document in found:
        client.delete_block_document(document.id)
    return [str(document.name) for document in found]


def _block_for(address: str) -> AppriseNotificationBlock:
    """Prefect's block for an address. Raises ValueError where nobody knows such addresses."""
    if address != address.strip():
        raise ValueError
    if _TEAMS.match(address):
        return MicrosoftTeamsWebhook(url=SecretStr(address))
    # Prefect registers no block for the rest of apprise; its Slack block hands apprise what isn't Slack's
    block = SlackWebhook(url=SecretStr(address))
    if not len(block._apprise_client):
        raise ValueError
    return block


@contextmanager
def _unrepeated(at: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"--notify, number {at}: no address that apprise knows, such as "
            "https://hooks.slack.com/services/…, the address of a Teams workflow or "
            "mailtos://user:password@host?to=…, and no TYPE/NAME of a block (not repeated here)"
        ) from error


def _saved(block: Any, name: str) -> UUID:
    saved: UUID = block.save(name, overwrite=True)
    return saved


def _existing(client: SyncPrefectClient, kind: str, name: str) -> UUID:
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound as error:
        raise SettingsError(
            f"--notify {kind}/{name}: this server has no such block; `prefect block ls` lists them"
        ) from error
    capabilities = (found.block_schema.capabilities if found.block_schema else None) or []
    if "notify" not in capabilities:
        raise SettingsError(f"--notify {kind}/{name}: a block that notifies nobody")
    return found.id


def _our_blocks(client: SyncPrefectClient) -> list[Any]:
    found: list[Any] = []
    while page := client.read_block_documents(include_secrets=False, offset=len(found), limit=100):
        found += page
    return [document for document in found if _OURS.fullmatch(document.name or "")]


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return sound and address == address.strip()
