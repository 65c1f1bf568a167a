"""`cropyield alerts` where it can't do its work: what it says, and what it keeps to itself."""

import json
from pathlib import Path

import pytest
from jinja2 import Environment
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.errors import ServerError
from flows.cli.main import run
from flows.server import freshness
from flows.server.channels import Alert
from tests.flows.servers import prefect_server

Capture = pytest.CaptureFixture[str]
TOKEN = "a-token-nobody-may-see"


@pytest.mark.parametrize(
    "address",
    [f"ftp://host/{TOKEN}", TOKEN, f"https:///{TOKEN}", f"https://host:0x/{TOKEN}", f" https://h/{TOKEN}"],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str, capsys: Capture) -> None:
    assert run(["alerts", "--webhook", address, "--debug"]) == 2
    said = capsys.readouterr()
    assert "--webhook" in said.err
    assert TOKEN not in said.out + said.err


@pytest.mark.parametrize(
    "address", [f"foo://host/{TOKEN}", f"{TOKEN} ", f"mailto://host:0x/{TOKEN}?to=", TOKEN]
)
def test_who_is_told_in_words_is_checked_without_repeating_it(address: str, capfd: Capture) -> None:
    assert run(["alerts", "--notify", address, "--debug"]) == 2
    said = capfd.readouterr()
    assert "--notify, number 1" in said.err
    assert TOKEN not in said.out + said.err


@pytest.mark.parametrize("term", ["8", "0d", "d", "8 days", "-1d", "1y"])
def test_a_term_is_a_number_and_a_unit(term: str, capsys: Capture) -> None:
    assert run(["alerts", "--webhook", "https://host/", f"--stale={term}"]) == 2
    assert "8d" in capsys.readouterr().err


def test_the_address_may_come_from_the_environment_and_a_server_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert run(["alerts"]) == 2
    assert "--webhook" in capsys.readouterr().err
    monkeypatch.setenv("CROPYIELD_WEBHOOK", f"https://host/{TOKEN}")
    assert run(["alerts"]) == 2
    said = capsys.readouterr().err
    assert "PREFECT_API_URL" in said
    assert TOKEN not in said


def test_a_server_that_heeds_no_automation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its services may run elsewhere, or nowhere; then no alert would ever come."""
    monkeypatch.setattr(freshness, "_HEEDS_WITHIN_S", 1.0)
    with (
        prefect_server(tmp_path, PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED="false") as server,
        temporary_settings({PREFECT_API_URL: server.url}),
        get_client(sync_client=True) as client,
    ):
        with pytest.raises(ServerError, match="heeds no automation"):
            freshness.watch(client, ["a store"])
        assert server.ask("POST", "automations/filter") == []


def test_a_server_that_does_not_answer_is_named_without_its_password(capsys: Capture) -> None:
    with temporary_settings({PREFECT_API_URL: "http://user:password@127.0.0.1:9/api"}):
        assert run(["alerts", "--webhook", f"https://host/{TOKEN}"]) == 5
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/api" in said
    assert "password" not in said
    assert TOKEN not in said


def test_names_call_nobody_in_a_chat() -> None:
    """Slack takes `<!channel>` for a call of everybody, and a crop may be called so."""
    alert = Alert.of("", "crop ~ 1", '{"text": {{ TEXT | tojson }}}')
    words, payload = (
        Environment(autoescape=False).from_string(template).render(crop="<!channel>")
        for template in (alert.text, alert.payload)
    )
    assert words == json.loads(payload)["text"] == "‹!channel›1"
