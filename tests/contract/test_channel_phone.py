"""Short messages and calls at a local provider like Twilio: who is told, and what is said."""

import base64
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import CONTEXT, effect
from contract.twilio_server import SID, TOKEN, TwilioServer, spoken
from contract.vendor_kits import SMS_FORM, TO, sms_to, voice_to
from contract.vendor_server import VendorServer, serving
from tocsin.notify.channel import Around, NoLinks, Words
from tocsin.notify.channels.phone import SMS, Phone

ANA = "+4915112345678"


class Linked(NoLinks):
    def page(self, incident_id: str) -> str:
        return f"https://t.example/i/{incident_id}"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return f"https://t.example/a/{delivery_id}"


class Worded:
    def words(self, channel: str, kind: str, context: Any) -> Words:
        assert (channel, kind) in {("phone", "sms"), ("phone", "voice")}
        return Words(body="Pay desk\nis down")


async def text_sent(context: dict[str, Any] | None = None, **options: Any) -> str:
    async with serving(TwilioServer()) as server:
        channel = sms_to(server, **options)
        sent = await channel.send(effect(context=CONTEXT if context is None else context), possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "delivered", sent.detail
    return server.journal[0]["Body"]


async def test_a_short_message_reads_like_this() -> None:
    assert await text_sent() == (
        "CRITICAL INC-2026-11-21-001: Nobody has answered: escalation level 1, on_call: Disk of shop is full [shop]. "
        "Next: lead at 12:15 UTC. Reply ACK 21-1"
    )
    assert await text_sent(around=Around(links=Linked())) == (
        "CRITICAL INC-2026-11-21-001: Nobody has answered: escalation level 1, on_call: Disk of shop is full [shop]. "
        "Next: lead at 12:15 UTC. Reply ACK 21-1 or https://t.example/i/inc_aaonlyfortests"
    )


async def test_where_nobody_listens_to_replies_the_link_acknowledges() -> None:
    text = await text_sent(auth_tokens=(), around=Around(links=Linked()))
    assert text.endswith(". https://t.example/a/ntf_aaone")
    assert "Reply" not in text


async def test_good_news_asks_for_nothing() -> None:
    resolved = {**CONTEXT, "type": "incident.resolved", "escalation": None, "next": None}
    text = await text_sent(resolved, around=Around(links=Linked()))
    assert "ACK" not in text
    assert text.endswith("https://t.example/i/inc_aaonlyfortests")


@pytest.mark.parametrize("limit", [160, 320, 480])
async def test_what_is_asked_for_is_never_cut_off(limit: int) -> None:
    incident = {**CONTEXT["incident"], "title": "The “disk” is full – nobody knows why… " * 20}
    text = await text_sent({**CONTEXT, "incident": incident}, text_max=limit, around=Around(links=Linked()))
    assert limit - 40 < len(text) <= limit
    assert ". Reply ACK 21-1" in text
    assert text.isascii(), "an ellipsis would make it a message of 70 characters"


async def test_a_template_says_it_and_the_code_stays() -> None:
    text = await text_sent(around=Around(wording=Worded()))
    assert text == "Pay desk is down. Next: lead at 12:15 UTC. Reply ACK 21-1"


async def test_a_digest_is_one_message_that_asks_for_nothing() -> None:
    rows = [{"number": f"INC-2026-11-21-{n:03d}", "title": f"Disk {n}", "severity": "high"} for n in range(1, 26)]
    digest = {"count": 260, "incidents": rows, "more": 5, "by_severity": {"high": 30}, "by_step": {}}
    text = await text_sent({**CONTEXT, "type": "digest", "digest": digest, "next": None})
    assert text == "[Digest] 30 incidents: INC-2026-11-21-001 Disk 1 and 29 more. This stands for 260 messages"


async def test_a_call_says_this() -> None:
    async with serving(TwilioServer()) as server:
        channel = voice_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, sent.handle) == ("delivered", f"CA{1:032d}")
    assert spoken(server.journal[0]["Twiml"]) == (
        "This is tocsin. Critical incident INC-2026-11-21-001. Nobody has answered: escalation level 1, on_call. "
        "Disk of shop is full. Service shop. Next: lead at 12:15 UTC. "
        "To acknowledge, press 2 1 star 1, then the hash key."
    )


async def test_what_a_source_wrote_is_no_markup_of_a_call() -> None:
    title = "</Say><Dial>+1900666</Dial><Say> & \" ' {to} {password}"
    async with serving(TwilioServer()) as server:
        channel = voice_to(server)
        given = effect(context={**CONTEXT, "incident": {**CONTEXT["incident"], "title": title}})
        sent = await channel.send(given, possible_duplicate=False)
        await channel.close()
    assert sent.outcome == "delivered"
    assert title in spoken(server.journal[0]["Twiml"])


async def test_what_a_source_wrote_is_no_field_of_a_form() -> None:
    title = "x&To=%2B1900666&Body=y\nz={from}"
    async with serving(TwilioServer()) as server:
        channel = sms_to(server)
        given = effect(context={**CONTEXT, "incident": {**CONTEXT["incident"], "title": title}})
        await channel.send(given, possible_duplicate=False)
        await channel.close()
    (form,) = server.journal
    assert (form["To"], set(form)) == (TO, {"To", "From", "Body"})
    assert "x&To=%2B1900666&Body=y z={from}" in form["Body"]


async def test_a_provider_that_wants_json_gets_json() -> None:
    async with serving(_Json()) as server:
        channel = Phone(
            "phone",
            SMS,
            f"{server.root}/messages",
            sender="tocsin",
            to=(TO,),
            headers={"Authorization": "AccessKey canary"},
            json={
                "to": ["{to}"],
                "originator": "{from}",
                "body": "{text}",
                "reference": "{delivery_id}",
                "n": 1,
            },
            receipt="/items/0/id",
        )
        title = '"}], "to": ["+1900666"], {"'
        given = effect(context={**CONTEXT, "incident": {**CONTEXT["incident"], "title": title}})
        sent = await channel.send(given, possible_duplicate=False)
        await channel.close()
    (body,) = server.journal
    assert (sent.outcome, sent.handle) == ("delivered", "m-17")
    assert (body["to"], body["originator"], body["reference"], body["n"]) == ([TO], "tocsin", "ntf_aaone", 1)
    assert title in body["body"]


class _Json(VendorServer):
    async def take(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["authorization"] == "AccessKey canary"
        self.journal.append(await request.json())
        return web.json_response({"items": [{"id": "m-17"}]})


async def test_a_secret_in_the_body_is_put_in_and_never_shown() -> None:
    secret = "canary-of-the-body"
    async with serving(TwilioServer()) as server:
        form = {**SMS_FORM, "api_secret": "{api_secret}"}
        channel = sms_to(server, form=form, secrets={"api_secret": secret})
        title = {**CONTEXT["incident"], "title": "{api_secret}"}
        assert (await channel.send(effect(context={**CONTEXT, "incident": title}), possible_duplicate=False)).handle
        server.scripted.append(web.Response(status=400, text=f"wrong: {secret}"))
        refused = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert server.journal[0]["api_secret"] == secret
    assert "{api_secret}" in server.journal[0]["Body"], "what a source wrote fills in nothing"
    assert secret not in refused.detail


@pytest.mark.parametrize(
    ("contacts", "told"),
    [
        ({"sms": (ANA,)}, [ANA]),
        ({"phone": ("+49 (151) 123-456.78",)}, [ANA]),
        ({"sms": (ANA,), "phone": ("+4930999",)}, [ANA]),
        ({"phone": (ANA, ANA, "+4930999")}, [ANA, "+4930999"]),
        ({"phone": ("call me", "+49x", "12", "+" + "1" * 16)}, [TO]),
        ({"voice": (ANA,)}, [TO]),
        ({"email": ("ana@example.org",)}, [TO]),
        ({}, [TO]),
    ],
)
async def test_who_is_told(contacts: dict[str, tuple[str, ...]], told: list[str]) -> None:
    async with serving(TwilioServer()) as server:
        channel = sms_to(server)
        assert (await channel.send(effect(contacts=contacts), possible_duplicate=False)).outcome == "delivered"
        await channel.close()
    assert sorted(form["To"] for form in server.journal) == sorted(told)
    assert sorted(server.idempotency) == sorted(f"ntf_aaone/{number}" for number in told)


async def test_without_any_number_it_is_refused() -> None:
    async with serving(TwilioServer()) as server:
        channel = sms_to(server, to=())
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, server.journal) == ("refused", [])


async def test_one_number_that_was_reached_is_enough() -> None:
    """A second attempt would only ring the first one again."""
    async with serving(_Picky({ANA: 400, "+4930999": 500})) as server:
        channel = sms_to(server)
        for numbers, outcome in [
            ((ANA, TO), "delivered"),
            (("+4930999", TO), "delivered"),
            ((ANA, "+4930999"), "failed"),
            ((ANA,), "refused"),
        ]:
            sent = await channel.send(effect(contacts={"sms": numbers}), possible_duplicate=False)
            assert sent.outcome == outcome
            assert len(sent.detail) <= 300
        await channel.close()


class _Picky(TwilioServer):
    def __init__(self, statuses: dict[str, int]) -> None:
        super().__init__()
        self._statuses = statuses

    async def take(self, request: web.Request) -> web.StreamResponse:
        status = self._statuses.get(str((await request.post())["To"]))
        return web.Response(status=status) if status else await super().take(request)


@pytest.mark.parametrize(
    ("status", "text", "outcome", "handle"),
    [
        (201, '{"sid": "SM17"}', "delivered", "SM17"),
        (201, '{"sid": 17}', "delivered", "17"),
        (201, "{}", "failed", ""),
        (201, '{"sid": ""}', "failed", ""),
        (201, "<html>", "failed", ""),
        (204, "", "failed", ""),
        (400, '{"code": 21211}', "refused", ""),
        (429, "", "failed", ""),
        (503, "", "failed", ""),
    ],
)
async def test_what_the_provider_answers_is_told(status: int, text: str, outcome: str, handle: str) -> None:
    async with serving(TwilioServer()) as server:
        server.scripted.append(web.Response(status=status, text=text, headers={"retry-after": "3"}))
        channel = sms_to(server)
        sent = await channel.send(effect(), possible_duplicate=False)
        await channel.close()
    assert (sent.outcome, sent.handle) == (outcome, handle)
    assert sent.retry_after_seconds == (3 if status in (429, 503) else None)


async def test_an_answer_that_quotes_everything_betrays_nothing() -> None:
    async with serving(TwilioServer()) as server:
        pair = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        text = f"no {TOKEN}, {pair}, canary-of-a-header at {server.messages_url}"
        channel = sms_to(server, headers={"x-key": "AccessKey canary-of-a-header"})
        for status in (400, 503, 204, 201):
            server.scripted.append(web.Response(status=status, text=text))
            sent = await channel.send(effect(), possible_duplicate=False)
            assert not [word for word in (TOKEN, pair, "canary-of-a-header") if word in sent.detail]
        await channel.close()
