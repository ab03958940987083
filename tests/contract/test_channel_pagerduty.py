"""PagerDuty on a local one: one incident is one alert there, whatever happens to it."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import CONTEXT, SHORT, effect
from contract.pagerduty_server import ROUTING_KEY, WEBHOOK_SECRET, PagerdutyServer, problems
from contract.vendor_kits import pagerduty_to
from contract.vendor_server import serving
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity
from tocsin.notify.channel import Around, NoLinks, Words
from tocsin.notify.channels.pagerduty import ACTIONS, BODY_BYTES_MAX, CALLS, SEVERITIES, Pagerduty, body_of
from tocsin.notify.channels.pagerduty_webhook import NUMBER
from tocsin.notify.message import message_of
from tocsin.notify.plan import CALLS as PLANNED_CALLS

INCIDENT = CONTEXT["incident"]["id"]


def context(kind: str, status: str = "open", **incident: Any) -> dict[str, Any]:
    more = {"incident": {**CONTEXT["incident"], "status": status, **incident}}
    return {"type": kind, "recorded_at": "2026-11-21T12:05:00Z", **more}


async def test_the_life_of_an_incident_is_the_life_of_one_alert() -> None:
    story = [
        ("incident.opened", "open", "triggered"),
        ("escalation.fired", "open", "triggered"),
        ("incident.severity_raised", "open", "triggered"),
        ("incident.acknowledged", "acknowledged", "acknowledged"),
        ("incident.noted", "acknowledged", "acknowledged"),
        ("incident.investigating", "investigating", "acknowledged"),
        ("incident.mitigated", "mitigated", "acknowledged"),
        ("incident.resolved", "resolved", "resolved"),
        ("incident.noted", "resolved", "resolved"),
        ("incident.closed", "closed", "resolved"),
        ("incident.reopened", "open", "triggered"),
        ("incident.closed", "closed", "resolved"),
    ]
    async with serving(PagerdutyServer()) as server:
        channel = pagerduty_to(server)
        for number, (kind, status, there) in enumerate(story):
            sent = await channel.send(
                effect(delivery=f"ntf_{number}", context=context(kind, status)), possible_duplicate=False
            )
            assert (sent.outcome, sent.handle) == ("delivered", INCIDENT)
            assert server.status(INCIDENT) == there, kind
        await channel.close()
    assert server.refusals == []
    assert server.opened == [INCIDENT, INCIDENT], "once when it opened, once when it opened again"


async def test_what_only_follows_the_status_calls_nobody() -> None:
    async with serving(PagerdutyServer()) as server:
        channel = pagerduty_to(server)
        await channel.send(effect(context=context("incident.resolved", "resolved")), possible_duplicate=False)
        again = {**context("incident.reopened"), "follows": True}
        sent = await channel.send(effect(context=again), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, sent.handle, server.opened) == ("delivered", INCIDENT, [])


async def test_a_repeated_trigger_opens_nothing() -> None:
    async with serving(PagerdutyServer()) as server:
        channel = pagerduty_to(server)
        for attempt in range(1, 6):
            await channel.send(effect(attempt), possible_duplicate=attempt > 1)
        await channel.close()
    assert (len(server.journal), server.opened) == (5, [INCIDENT])


async def test_an_event_says_what_people_need() -> None:
    given = context("incident.opened", severity="high", team="dba", category="database")
    async with serving(PagerdutyServer()) as server:
        channel = pagerduty_to(server, around=Around(instance="shop-1", links=_Links()))
        await channel.send(effect(context=given), possible_duplicate=True)
        await channel.close()
    (event,) = server.journal
    payload = event["payload"]
    assert (event["event_action"], event["dedup_key"], event["routing_key"]) == ("trigger", INCIDENT, ROUTING_KEY)
    assert (event["client"], event["client_url"]) == ("tocsin", f"https://tocsin.example/incidents/{INCIDENT}")
    assert event["links"] == [{"href": "https://runbooks.example/disk", "text": "runbook"}]
    assert payload["summary"] == message_of(given).subject
    assert NUMBER.search(payload["summary"]), "a note names its incident by it"
    assert (payload["severity"], payload["source"], payload["component"]) == ("error", "shop", "shop")
    assert (payload["group"], payload["class"]) == ("dba", "database")
    assert payload["timestamp"] == "2026-11-21T12:05:00Z"
    details = payload["custom_details"]
    assert (details["delivery_id"], details["possible_duplicate"], details["number"]) == (
        "ntf_aaone",
        True,
        "INC-2026-11-21-001",
    )


async def test_a_template_writes_the_summary() -> None:
    async with serving(PagerdutyServer()) as server:
        channel = pagerduty_to(server, around=Around(wording=_Wording("Pay desk\nis down " + "x" * 3000)))
        assert (await channel.send(effect(), possible_duplicate=False)).outcome == "delivered"
        await channel.close()
    summary = server.journal[0]["payload"]["summary"]
    assert summary.startswith("Pay desk is down xxx")
    assert len(summary) == 1024


def test_an_event_that_is_too_large_loses_its_details_first() -> None:
    channel = Pagerduty("duty", ROUTING_KEY)
    event = channel.event(effect(), possible_duplicate=False)
    event["payload"]["custom_details"]["note"] = "ä" * BODY_BYTES_MAX
    body = body_of(event)
    assert problems(body) == []
    assert "custom_details" not in json.loads(body)["payload"]
    assert json.loads(body)["links"] == event["links"]
    event["links"] = [{"href": "https://a.example/" + "x" * BODY_BYTES_MAX}]
    assert problems(body_of(event)) == []


def test_every_severity_and_status_has_a_word_there() -> None:
    assert set(SEVERITIES) == {severity.value for severity in Severity}
    assert set(ACTIONS) == {status.value for status in Status}
    assert {*PLANNED_CALLS, "escalation.fired"} == CALLS


@pytest.mark.parametrize(
    ("status", "document", "outcome", "words"),
    [
        (
            400,
            {"status": "invalid event", "message": "bad", "errors": ["no source", "no summary"]},
            "refused",
            "no source",
        ),
        (400, "no JSON", "refused", "HTTP 400"),
        (400, ["a list"], "refused", "HTTP 400"),
        (403, {}, "refused", "HTTP 403"),
        (429, {}, "failed", "HTTP 429"),
        (500, {}, "failed", "HTTP 500"),
        (200, "<html>Please log in</html>", "failed", "not an answer of PagerDuty"),
        (302, "", "refused", "HTTP 302"),
    ],
)
async def test_what_pagerduty_answers_is_told(status: int, document: Any, outcome: str, words: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    async with serving(PagerdutyServer()) as server:
        server.scripted.append(web.Response(status=status, text=text, headers={"retry-after": "17"}))
        channel = pagerduty_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == outcome
    assert words in sent.detail
    assert sent.retry_after_seconds == (17 if status in (429, 500) else None)


async def test_an_answer_that_quotes_the_key_betrays_nothing() -> None:
    async with serving(PagerdutyServer()) as server:
        errors = json.dumps({"message": f"key {ROUTING_KEY} is unknown", "errors": [ROUTING_KEY, WEBHOOK_SECRET]})
        server.scripted.append(web.Response(status=400, text=errors))
        server.scripted.append(web.Response(status=500, text=errors))
        channel = pagerduty_to(server)
        for _ in range(2):
            sent = await channel.send(effect(), possible_duplicate=False)
            assert "canary" not in sent.detail
        await channel.close()


async def test_a_resolve_does_not_overtake_a_slow_trigger() -> None:
    """Else the trigger would open an alert anew that nobody ever ends."""

    class Slow(PagerdutyServer):
        here, go = asyncio.Event(), asyncio.Event()

        async def take(self, request: web.Request) -> web.StreamResponse:
            if json.loads(await request.read())["event_action"] == "trigger":
                self.here.set()
                await self.go.wait()
            return await super().take(request)

    async with serving(Slow()) as server:
        channel = pagerduty_to(server)
        first = asyncio.create_task(channel.send(effect(), possible_duplicate=False))
        await server.here.wait()
        resolved = effect(delivery="ntf_aatwo", context=context("incident.resolved", "resolved"))
        second = asyncio.create_task(channel.send(resolved, possible_duplicate=False))
        other = effect(delivery="ntf_other", context=context("incident.resolved", "resolved", id="inc_other"))
        assert (await channel.send(other, possible_duplicate=False)).outcome == "delivered", "another incident does"
        assert not second.done()
        server.go.set()
        assert [(await task).outcome for task in (first, second)] == ["delivered", "delivered"]
        await channel.close()
    assert [event["event_action"] for event in server.journal] == ["resolve", "trigger", "resolve"]
    assert server.status(INCIDENT) == "resolved"


async def test_who_waits_behind_a_slow_event_ends_in_time() -> None:
    async with serving(PagerdutyServer(mode="hang")) as server:
        channel = pagerduty_to(server, timeout_seconds=SHORT)
        sends = [channel.send(effect(delivery=f"ntf_{n}"), possible_duplicate=False) for n in range(3)]
        async with asyncio.timeout(SHORT + 5):
            sents = await asyncio.gather(*sends)
        await channel.close()
    assert {sent.outcome for sent in sents} == {"failed"}


class _Links(NoLinks):
    def page(self, incident_id: str) -> str:
        return f"https://tocsin.example/incidents/{incident_id}"


class _Wording:
    def __init__(self, subject: str) -> None:
        self._subject = subject

    def words(self, channel: str, kind: str, context: Any) -> Words:
        assert (channel, kind) == ("duty", "pagerduty")
        return Words(subject=self._subject)
