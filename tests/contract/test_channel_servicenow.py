"""ServiceNow on a table API: one ticket for an incident, its states and its notes."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from contract.channel_kits import CONTEXT, effect
from contract.servicenow_kit import servicenow_to
from contract.servicenow_server import API_KEY, PASSWORD, TOKEN, USER, servicenow_server
from tocsin.notify.channel import Around, NoLinks, Sent, Words
from tocsin.notify.channels.servicenow import ServiceNow

INCIDENT = CONTEXT["incident"]


def about(kind: str, **incident: Any) -> dict[str, Any]:
    """The context of an incident event."""
    return {"type": kind, "recorded_at": "2026-11-21T12:05:00Z", "incident": {**INCIDENT, **incident}}


class Desk:
    """Sends one delivery after the other about one incident, and remembers the handle as notify does."""

    def __init__(self, channel: ServiceNow) -> None:
        self.channel = channel
        self.handle = ""
        self.count = 0

    async def tell(self, kind: str, *, note: str = "", **incident: Any) -> Sent:
        self.count += 1
        context = {**about(kind, **incident), **({"note": note} if note else {})}
        one = effect(delivery=f"ntf_aa{'abcdefgh'[self.count]}", context=context, handle=self.handle)
        sent = await self.channel.send(one, possible_duplicate=False)
        self.handle = sent.handle or self.handle
        return sent


async def delivered(desk: Desk, kind: str, **more: Any) -> None:
    sent = await desk.tell(kind, **more)
    assert sent.outcome == "delivered", sent


# ---- a ticket over its life -----------------------------------------------------------------------------------------


async def test_a_ticket_follows_the_incident_from_new_to_closed() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, fields={"category": "database"}, close_code="Solved (Permanently)")
        desk = Desk(channel)
        await delivered(desk, "incident.opened", severity="high")
        ticket = server.only()
        assert ticket["correlation_id"] == INCIDENT["id"]
        assert ticket["correlation_display"] == INCIDENT["number"]
        assert (ticket["state"], ticket["priority"], ticket["category"]) == ("1", "2", "database")
        assert ticket["short_description"] == "INC-2026-11-21-001 Disk of shop is full"
        assert desk.handle == ticket["sys_id"]
        states = []
        for kind in ("acknowledged", "investigating", "resolved", "reopened", "resolved", "closed"):
            await delivered(desk, f"incident.{kind}", note="Log rotated" if kind == "resolved" else "")
            states.append(ticket["state"])
        await channel.close()
    assert states == ["2", "2", "6", "2", "6", "7"]
    assert (ticket["close_code"], ticket["close_notes"]) == ("Solved (Permanently)", "Closed: Disk of shop is full")
    assert server.writes[3].fields["close_notes"] == "Log rotated"
    assert len(server.writes) == 7


async def test_a_raised_severity_raises_urgency_and_impact() -> None:
    async with servicenow_server() as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened", severity="low")
        assert server.only()["priority"] == "4"
        await delivered(desk, "incident.severity_raised", severity="critical")
        await desk.channel.close()
        assert (server.only()["priority"], server.only()["state"]) == ("1", "1")


@pytest.mark.parametrize(
    ("by_hand", "kind", "state"),
    [
        ("3", "incident.acknowledged", "3"),
        ("6", "incident.acknowledged", "6"),
        ("6", "incident.resolved", "6"),
        ("6", "incident.closed", "7"),
        ("3", "incident.resolved", "6"),
    ],
)
async def test_a_ticket_that_people_moved_on_is_not_moved_back(by_hand: str, kind: str, state: str) -> None:
    async with servicenow_server() as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened")
        server.by_hand(state=by_hand)
        await delivered(desk, kind)
        await desk.channel.close()
        assert server.only()["state"] == state


@pytest.mark.parametrize("state", ["7", "8"])
async def test_a_ticket_that_people_closed_stays_closed(state: str) -> None:
    async with servicenow_server() as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened")
        server.by_hand(state=state)
        for kind in ("acknowledged", "resolved", "closed"):
            status = kind if kind == "acknowledged" else "resolved"
            await delivered(desk, f"incident.{kind}", status=status, acknowledged_at="2026-11-21T12:06:00Z")
        await desk.channel.close()
        assert (server.only()["state"], len(server.writes)) == (state, 1)


async def test_who_has_to_be_asked_again_after_a_ticket_was_closed_gets_a_new_one_once() -> None:
    async with servicenow_server() as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened")
        first = server.only()
        server.by_hand(state="7")
        server.fates.extend(["ok", "ok", "after"])
        one = effect(delivery="ntf_again", context=about("incident.reopened"), handle=desk.handle)
        assert (await desk.channel.send(one, possible_duplicate=False)).outcome == "failed"
        sent = await desk.channel.send(one, possible_duplicate=True)
        assert sent.outcome == "delivered"
        _, second = server.tickets.values()
        assert sent.handle == second["sys_id"]
        assert second["correlation_id"] == first["correlation_id"]
        assert second["description"].startswith(f"Follows {first['number']}, which is closed.")
        await delivered(desk, "incident.resolved")  # it still has the handle of before
        await desk.channel.close()
        assert (first["state"], second["state"], len(server.tickets)) == ("7", "6", 2)


async def test_a_ticket_that_was_deleted_is_made_anew() -> None:
    async with servicenow_server() as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened")
        first = desk.handle
        server.tickets.clear()
        await delivered(desk, "incident.reannounced")
        await desk.channel.close()
        assert server.only()["sys_id"] == desk.handle != first


async def test_the_end_of_an_incident_without_a_ticket_makes_none() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server)
        sent = await channel.send(effect(context=about("incident.resolved")), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, server.tickets) == ("delivered", {})
    assert "no ticket" in sent.detail


async def test_names_are_given_as_names_and_sys_ids_as_they_are() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, fields={"assignment_group": "Database"})
        await channel.send(effect(), possible_duplicate=False)
        await channel.close()
        assert server.only()["assignment_group"] == "a" * 32
        assert "sysparm_input_display_value=true" in server.calls[-1]
    async with servicenow_server() as server:
        channel = servicenow_to(server, fields={"assignment_group": "c" * 32})
        await channel.send(effect(), possible_duplicate=False)
        await channel.close()
        assert server.only()["assignment_group"] == "c" * 32
        assert "sysparm_input_display_value" not in server.calls[-1]


async def test_words_of_a_template_and_the_page_of_the_incident_stand_in_the_ticket() -> None:
    class Template:
        def words(self, channel: str, kind: str, context: Mapping[str, Any]) -> Words:
            assert (channel, kind) == ("tickets", "servicenow")
            return Words(subject="From the template", body="All of it")

    class Page(NoLinks):
        def page(self, incident_id: str) -> str:
            return f"https://tocsin.example/i/{incident_id}"

    async with servicenow_server() as server:
        channel = servicenow_to(server, around=Around(links=Page(), wording=Template()))
        await channel.send(effect(), possible_duplicate=False)
        await channel.close()
        ticket = server.only()
    assert ticket["short_description"] == "From the template"
    assert ticket["description"] == f"All of it\n\nhttps://tocsin.example/i/{INCIDENT['id']}"


async def test_a_source_cannot_write_markup_into_a_journal_or_operators_into_a_query() -> None:
    hostile = {**INCIDENT, "id": "inc_a^ORcorrelation_idISNOTEMPTY", "title": "[code]<a href=x>here</a>[/CODE]"}
    async with servicenow_server() as server:
        channel = servicenow_to(server)
        context = {**CONTEXT, "incident": hostile, "note": "[code]<b>bold</b>[/code]"}
        assert (await channel.send(effect(context=context), possible_duplicate=False)).outcome == "delivered"
        await channel.close()
        assert all("[code]" not in str(value).lower() for value in server.writes[0].fields.values())
        assert server.only()["correlation_id"] == "inc_a-ORcorrelation_idISNOTEMPTY"


# ---- once, whatever happens -----------------------------------------------------------------------------------------


async def test_messages_about_one_incident_at_once_make_one_ticket() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, in_flight_max=8)
        sends = [channel.send(effect(delivery=f"ntf_a{x}"), possible_duplicate=False) for x in "abcdefgh"]
        sent = await asyncio.gather(*sends)
        await channel.close()
        ticket = server.only()
    assert {one.handle for one in sent} == {ticket["sys_id"]}
    assert len(server.notes[ticket["sys_id"]]) == 8


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_note_whose_answer_was_lost_is_not_written_again(attempt: int) -> None:
    """The first attempt may have failed, or a crash may have swallowed its result."""
    async with servicenow_server() as server:
        channel = servicenow_to(server)
        server.fates.extend(["ok", "after"])
        assert (await channel.send(effect(), possible_duplicate=False)).outcome == "failed"
        again = await channel.send(effect(attempt), possible_duplicate=attempt == 1)
        await channel.close()
        ticket = server.only()
        assert (again.outcome, again.handle) == ("delivered", ticket["sys_id"])
        assert "has it already" in again.detail
        assert len(server.notes[ticket["sys_id"]]) == 1


async def test_where_notes_cannot_be_read_a_repetition_is_marked() -> None:
    async with servicenow_server(notes_readable=False) as server:
        channel = servicenow_to(server)
        server.fates.extend(["ok", "after"])
        await channel.send(effect(), possible_duplicate=False)
        await channel.send(effect(), possible_duplicate=True)
        await channel.close()
        first, second = server.notes[server.only()["sys_id"]]
    assert first.startswith("[ntf_aaone] Nobody")
    assert second.startswith("[ntf_aaone] (possible duplicate) Nobody")


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "outcome", "words"),
    [
        ("sleeping", "failed", "HTTP 200 with a page instead of JSON: the instance sleeps"),
        ("throttled", "failed", "HTTP 429"),
        ("failing", "failed", "HTTP 500: Transaction cancelled"),
        ("refusing", "refused", "HTTP 403: Insufficient rights to query records: the user needs to write the table"),
        ("login", "refused", "HTTP 302"),
    ],
)
async def test_an_answer_that_is_none_says_what_to_do(mode: str, outcome: str, words: str) -> None:
    async with servicenow_server(mode=mode) as server:
        channel = servicenow_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == outcome
    assert sent.detail.startswith(words)
    assert sent.retry_after_seconds == (23 if mode == "throttled" else None)


async def test_a_login_that_is_wrong_is_denied_and_not_repeated() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, password="another-canary")
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "denied"
    assert "user and password" in sent.detail
    assert "canary" not in sent.detail
    assert "Basic (hidden)" in sent.detail, "the server echoed it"


async def test_a_key_works_as_well_and_is_not_repeated() -> None:
    async with servicenow_server() as server:
        good, bad = (servicenow_to(server, password="", api_key=key) for key in (API_KEY, "another-canary"))
        assert (await good.send(effect(), possible_duplicate=False)).outcome == "delivered"
        sent = await bad.send(effect(), possible_duplicate=False)
        await good.close()
        await bad.close()
    assert (sent.outcome, "canary" in sent.detail, "(hidden)" in sent.detail) == ("denied", False, True)


async def test_a_token_works_as_well() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, password="", token=TOKEN)
        assert (await channel.send(effect(), possible_duplicate=False)).outcome == "delivered"
        await channel.close()


async def test_a_field_that_a_policy_wants_is_named() -> None:
    async with servicenow_server(mandatory={"caller_id"}) as server:
        channel = servicenow_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "refused"
    assert "mandatory: caller_id" in sent.detail
    assert "under fields" in sent.detail


async def test_a_state_that_does_not_change_is_no_delivery() -> None:
    async with servicenow_server(read_only={"state"}) as server:
        desk = Desk(servicenow_to(server))
        await delivered(desk, "incident.opened")
        sent = await desk.tell("incident.resolved")
        await desk.channel.close()
    assert sent.outcome == "refused"
    assert "keeps state 1 instead of 6" in sent.detail


async def test_a_table_that_is_not_there_is_said_so() -> None:
    async with servicenow_server() as server:
        channel = servicenow_to(server, table="incidents")
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "refused"
    assert "no such table" in sent.detail


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"password": ""}, "password: username and password, or a token or an api_key, are needed"),
        ({"token": "canary"}, "token: there is a password, too"),
        ({"api_key": "canary"}, "api_key: there is a password, too"),
        ({"table": "incident/../sys_user"}, "table: "),
        ({"fields": {"state": "6"}}, "fields: state is set by tocsin"),
        ({"fields": {"caller id": "x"}}, "fields: 'caller id' is no field"),
        ({"fields": {"caller_id": 7}}, "fields: caller_id is not a text"),
        ({"inbound_secret": ("a", "b", "c")}, "inbound_secret: 3 keys; at most 2"),
        ({"inbound_secret": ("whsec_canary!",)}, "inbound_secret: behind whsec_ there must be base64"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")) as caught:
        ServiceNow("tickets", "https://x.service-now.com", **{"username": USER, "password": PASSWORD, **options})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://x.service-now.com", "in the clear"),
        ("https://x.service-now.com/?canary", "the address of the instance alone"),
        ("x.service-now.com", "not an address"),
    ],
)
def test_an_address_that_is_wrong_is_named(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        ServiceNow("tickets", url, username=USER, password=PASSWORD)
    assert "canary" not in str(caught.value)
