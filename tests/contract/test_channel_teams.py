"""Teams on a local workflow: cards that it takes, texts that stay texts, answers that are understood."""

import json
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import CONTEXT, effect
from contract.teams_server import PATH, TeamsServer, problems, text_of
from contract.vendor_kits import teams_to
from contract.vendor_server import serving
from tocsin.notify.channel import Around, NoLinks, Words
from tocsin.notify.channels.teams import BODY_BYTES_MAX, Teams
from tocsin.notify.message import message_of

FAILED = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error"


class Linked(NoLinks):
    def page(self, incident_id: str) -> str:
        return f"https://tocsin.example/incidents/{incident_id}"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return f"https://tocsin.example/ack/{incident_id}?for={recipient}&d={delivery_id}"


class Worded:
    def __init__(self, subject: str, body: str) -> None:
        self._words = Words(subject=subject, body=body)

    def words(self, channel: str, kind: str, context: Any) -> Words:
        assert (channel, kind) == ("team", "teams")
        return self._words


async def sent_card(context: dict[str, Any], around: Around | None = None) -> dict[str, Any]:
    async with serving(TeamsServer()) as server:
        channel = teams_to(server, around=around)
        sent = await channel.send(effect(context=context), possible_duplicate=False)
        await channel.close()
    assert (server.refusals, sent.outcome) == ([], "delivered"), sent.detail
    return server.journal[0]


async def test_a_card_reads_like_this() -> None:
    card = await sent_card(CONTEXT, Around(links=Linked()))
    assert text_of(card) == "\n".join(
        [
            "CRITICAL INC-2026-11-21-001",
            "Disk of shop is full",
            "Nobody has answered: escalation level 1, on_call",
            "Service: shop",
            "Status: open",
            "Alerts: 3, 2 firing",
            "Opened: 2026-11-21 12:00:00 UTC",
            "Happened: 2026-11-21 12:05:00 UTC",
            "97 % used",
            "Without an answer, lead is called at 2026-11-21 12:15:00 UTC (level 2)",
            "Delivery ntf_aaone",
            "[Open incident] https://tocsin.example/incidents/inc_aaonlyfortests",
            "[Acknowledge] https://tocsin.example/ack/inc_aaonlyfortests?for=team:on_call&d=ntf_aaone",
            "[runbook] https://runbooks.example/disk",
        ]
    )
    assert card["fallbackText"] == message_of(CONTEXT).subject


async def test_good_news_has_nothing_to_acknowledge() -> None:
    card = await sent_card({**CONTEXT, "type": "incident.resolved", "escalation": None}, Around(links=Linked()))
    assert [action["title"] for action in card["actions"]] == ["Open incident", "runbook"]


async def test_there_are_never_more_buttons_than_teams_shows() -> None:
    links = {f"link {number}": f"https://a.example/{number}" for number in range(30)}
    card = await sent_card({**CONTEXT, "incident": {**CONTEXT["incident"], "links": links}}, Around(links=Linked()))
    assert [action["title"] for action in card["actions"]][:3] == ["Open incident", "Acknowledge", "link 0"]
    assert len(card["actions"]) == 6


async def test_what_a_source_wrote_stands_in_runs_that_read_no_markup() -> None:
    hostile = "**bold** [click](https://evil.example) <at>everyone</at> ![](https://evil.example/x.png) # h"
    incident = {**CONTEXT["incident"], "title": hostile, "service": hostile, "summary": hostile}
    card = await sent_card({**CONTEXT, "incident": incident, "note": hostile})
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert sum(hostile in run["text"] for run in runs) == 4
    assert {run["type"] for run in runs} == {"TextRun"}
    assert [action["url"] for action in card["actions"]] == ["https://runbooks.example/disk"]
    assert "entities" not in card["msteams"]


async def test_a_template_writes_the_card_line_by_line() -> None:
    card = await sent_card(CONTEXT, Around(wording=Worded("Pay desk is down", "We look into it.\n\nPlease wait.")))
    assert text_of(card).split("\n")[:3] == ["Pay desk is down", "We look into it.", "Please wait."]


@pytest.mark.parametrize("worded", [True, False])
def test_the_largest_message_is_one_that_teams_takes(worded: bool) -> None:
    links = {f"link {number}": f"https://a.example/{number}/" + "x" * 1900 for number in range(12)}
    long = "\U0001f525 is on fire, and so on. " * 400
    incident = {**CONTEXT["incident"], "title": long, "summary": long, "links": links}
    wording = {"wording": Worded(long, long)} if worded else {}
    channel = Teams("team", "https://a.example/", around=Around(links=Linked(), **wording))
    body = channel.body(
        effect(context={**CONTEXT, "incident": incident, "note": long * 3}, recipient="r" * 3000),
        possible_duplicate=True,
    )
    assert list(problems(body, "application/json; charset=utf-8")) == []
    assert len(body) <= BODY_BYTES_MAX
    titles = [action["title"] for action in json.loads(body)["attachments"][0]["content"]["actions"]]
    assert titles[0] == "Open incident"


@pytest.mark.parametrize(
    ("status", "text", "outcome"),
    [
        (202, "", "delivered"),
        (202, "anything", "delivered"),
        (200, "", "delivered"),
        (200, "1", "delivered"),
        (200, " \n", "delivered"),
        (200, '{"id": "17"}', "delivered"),
        (200, f"{FAILED} 429", "failed"),
        (200, f"{FAILED} 502", "failed"),
        (
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413",
            "refused",
        ),
        (
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 404",
            "refused",
        ),
        (200, "Some error we have never seen", "failed"),
        (302, "", "refused"),
        (400, "Bad payload received by generic incoming webhook.", "refused"),
        (401, "", "denied"),
        (404, "", "refused"),
        (413, "", "refused"),
        (429, "", "failed"),
        (500, "", "failed"),
    ],
)
async def test_what_teams_answers_is_told(status: int, text: str, outcome: str) -> None:
    async with serving(TeamsServer()) as server:
        server.scripted.append(web.Response(status=status, text=text, headers={"retry-after": "9"}))
        channel = teams_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == outcome
    assert sent.retry_after_seconds == (9 if status in (429, 500) else None)


async def test_an_answer_that_quotes_the_address_betrays_nothing() -> None:
    async with serving(TeamsServer()) as server:
        for status in (200, 400, 500):
            server.scripted.append(web.Response(status=status, text=f"error at {server.root}{PATH} and {PATH}"))
        channel = teams_to(server)
        for _ in range(3):
            assert "canary" not in (await channel.send(effect(), possible_duplicate=False)).detail
        await channel.close()


async def test_a_digest_names_its_incidents_in_the_order_of_the_digest() -> None:
    rows = [{"number": f"INC-2026-11-21-{n:03d}", "title": f"Disk {n}", "severity": "high"} for n in range(1, 26)]
    digest = {"count": 260, "incidents": rows, "more": 5, "by_severity": {"high": 30}, "by_step": {}}
    card = await sent_card({**CONTEXT, "type": "digest", "digest": digest}, Around(links=Linked()))
    lines = text_of(card).split("\n")
    assert "HIGH INC-2026-11-21-001 Disk 1" in lines
    assert "and 10 more" in lines
    assert "actions" not in card, "there is no one incident to open"
