"""What people do in ServiceNow, told by the business rule: signed, once, and never an echo of our own."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.channel_kits import CONTEXT, effect
from contract.servicenow_kit import servicenow_to
from contract.servicenow_server import PASSWORD, USER, ServiceNowServer, servicenow_server
from tocsin.notify.channel import Forged, Heard, Malformed
from tocsin.notify.channels.servicenow import ServiceNow
from tocsin.notify.channels.signing import TOKEN_HEADER, key_of, signature

INCIDENT = CONTEXT["incident"]
SECRET = "whsec_Y2FuYXJ5LW9mLXRoZS1pbmJvdW5kLWtleQ=="
OLD_SECRET = "canary-of-the-secret-of-before"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def told(channel: ServiceNow, change: Mapping[str, Any], *, secret: str = SECRET, now: datetime = NOW) -> Heard:
    """The business rule of the handbook posts `change`, signed."""
    body = json.dumps(change).encode()
    stamp, identifier = str(int(NOW.timestamp())), f"{change.get('sys_id')}.{change.get('sys_mod_count')}"
    headers = {"webhook-id": identifier, "webhook-timestamp": stamp}
    headers["webhook-signature"] = signature(key_of(secret), identifier, stamp, body)
    return channel.hear(headers, body, now)


async def ticketed(server: ServiceNowServer, **options: Any) -> ServiceNow:
    channel = servicenow_to(server, inbound_secret=(SECRET, OLD_SECRET), **options)
    await channel.send(effect(), possible_duplicate=False)
    return channel


@pytest.mark.parametrize(
    ("state", "verb"), [("2", "acknowledge"), ("6", "resolve"), ("7", "close"), ("8", "close"), ("3", "")]
)
async def test_a_state_that_somebody_sets_asks_for_the_same_here(state: str, verb: str) -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        change = server.by_hand(state=state, close_notes="Disk replaced")
        asked = told(channel, change).asked
        await channel.close()
    assert [one.verb for one in asked] == ([verb] if verb else [])
    for one in asked:
        assert (one.incident, one.sender) == (INCIDENT["id"], "ana.lima")
        assert one.key == f"{change['sys_id']}.{change['sys_mod_count']}"
        assert ("Disk replaced" in one.reason) == (verb in ("resolve", "close"))


async def test_a_ticket_that_is_opened_again_opens_the_incident_again() -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        server.by_hand(state="6")
        (asked,) = told(channel, server.by_hand(state="2")).asked
        await channel.close()
    assert asked.verb == "reopen"


async def test_a_note_comes_with_its_text_and_a_state_beside_it() -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        note, state = told(channel, server.by_hand(state="2", work_notes="Looking\ninto it")).asked
        await channel.close()
    assert (note.verb, note.arguments) == ("note", {"text": "Looking\ninto it"})
    assert state.verb == "acknowledge"
    assert note.key != state.key


async def test_a_long_note_is_cut_and_loses_no_state() -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        note, state = told(channel, server.by_hand(state="6", work_notes="x" * 9_000, close_notes="y" * 9_000)).asked
        await channel.close()
    assert (len(note.arguments["text"]), state.verb) == (2000, "resolve")


async def test_the_same_change_told_twice_has_the_same_keys() -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        change = server.by_hand(state="2", work_notes="x")
        assert told(channel, change).asked == told(channel, change).asked
        await channel.close()


@pytest.mark.parametrize(
    "change",
    [
        {"updated_by": USER},
        {"updated_by": USER.upper()},
        {"correlation_id": "INC0010023"},
        {"correlation_id": ""},
        {"previous_state": "2"},
        {"state": "2", "previous_state": "2", "work_notes": "[ntf_aaone] New incident"},
    ],
)
async def test_what_tocsin_did_itself_and_what_is_not_its_own_asks_for_nothing(change: dict[str, str]) -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        assert told(channel, server.by_hand(state="2") | change) == Heard(body=b"{}")
        await channel.close()


async def test_both_secrets_are_active_and_a_plain_token_counts_too() -> None:
    async with servicenow_server() as server:
        channel = await ticketed(server)
        change = server.by_hand(state="2")
        assert told(channel, change, secret=OLD_SECRET).asked
        body = json.dumps(change).encode()
        for secret in (SECRET, OLD_SECRET):
            assert channel.hear({TOKEN_HEADER: secret}, body, NOW).asked
        for wrong in ("", "whsec_", SECRET[:-1], SECRET + "=", "é"):
            with pytest.raises(Forged):
                channel.hear({TOKEN_HEADER: wrong}, body, NOW)
        with pytest.raises(Forged):
            told(channel, change, secret="another one")
        await channel.close()


async def test_without_a_secret_nothing_is_taken() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server)
        await channel.send(effect(), possible_duplicate=False)
        change = server.by_hand(state="2")
        with pytest.raises(Forged):
            told(channel, change)
        with pytest.raises(Forged):
            channel.hear({TOKEN_HEADER: ""}, json.dumps(change).encode(), NOW)
        await channel.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "sys_id"),
        (b'{"sys_id": "../../x"}', "sys_id"),
        (b'{"sys_id": "%s"}' % (b"a" * 32), "sys_mod_count"),
        (b'{"sys_id": "%s", "sys_mod_count": {"a": 1}}' % (b"a" * 32), "sys_mod_count"),
        (b'{"sys_id": "%s", "sys_mod_count": true}' % (b"a" * 32), "sys_mod_count"),
        (b'{"sys_id": "%s", "sys_mod_count": 1, "updated_by": "%s"}' % (b"a" * 32, b"x" * 200), "updated_by"),
        (b" " * 70_000, "more than"),
    ],
)
def test_what_is_signed_and_not_of_the_form_is_malformed(body: bytes, words: str) -> None:
    channel = ServiceNow("t", "https://x.example", username=USER, password=PASSWORD, inbound_secret=(SECRET,))
    with pytest.raises(Malformed, match=words):
        channel.hear({TOKEN_HEADER: SECRET}, body, NOW)
