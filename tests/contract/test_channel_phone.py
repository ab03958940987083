"""Short messages and calls at a local provider like Twilio: who is told, what is said, what an answer does."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import CONTEXT, effect
from contract.twilio_server import OURS, PUBLIC_URL, SID, TOKEN, TwilioServer, pressed, reply, signed, spoken
from contract.vendor_kits import CALL_FORM, SMS_FORM, TO, sms_to, voice_to
from contract.vendor_server import VendorServer, serving
from tocsin.notify.channel import Around, Forged, Heard, Hears, Malformed, NoLinks, Words
from tocsin.notify.channels.phone import SMS, VOICE, Phone

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
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


# ---- out -------------------------------------------------------------------------------------------------------------


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
        text = f"no {TOKEN} canary-of-a-header QUMwMGNhbmFyeW9m {server.messages_url}"
        channel = sms_to(server, headers={"x-key": "canary-of-a-header"})
        for status in (400, 503, 204, 201):
            server.scripted.append(web.Response(status=status, text=text))
            sent = await channel.send(effect(), possible_duplicate=False)
            assert TOKEN not in sent.detail
            assert "canary-of-a-header" not in sent.detail
        await channel.close()


# ---- in --------------------------------------------------------------------------------------------------------------


@cache
def listening(kind: str = SMS, *tokens: str) -> Phone:
    form = SMS_FORM if kind == SMS else CALL_FORM
    channel = Phone(
        "phone",
        kind,
        "http://a.example/",
        sender=OURS,
        to=(TO,),
        form=form,
        auth_tokens=tokens or (TOKEN, "canary-of-the-next-token"),
        public_url=PUBLIC_URL,
    )
    assert isinstance(channel, Hears)
    return channel


def hear(text: str, now: datetime = NOW, **more: str) -> Heard:
    return listening().hear(*reply(text, **more), now)


@pytest.mark.parametrize(
    ("text", "verb", "number"),
    [
        ("ACK 21-1", "acknowledge", "INC-2026-11-21-001"),
        ("ack 21-1", "acknowledge", "INC-2026-11-21-001"),
        ("  Ack   21-1  ", "acknowledge", "INC-2026-11-21-001"),
        ("ACK: 21-1.", "acknowledge", "INC-2026-11-21-001"),
        ("Ack 21 1", "acknowledge", "INC-2026-11-21-001"),
        ("ack #21/1", "acknowledge", "INC-2026-11-21-001"),
        ("ack 21-001", "acknowledge", "INC-2026-11-21-001"),
        ("acknowledge 20-1234", "acknowledge", "INC-2026-11-20-1234"),
        ("ack inc-2026-11-21-007", "acknowledge", "INC-2026-11-21-007"),
        ("ACK INC-2026-03-01-007", "acknowledge", "INC-2026-03-01-007"),
        ("resolve 21-1", "resolve", "INC-2026-11-21-001"),
        ("RESOLVED 15-2", "resolve", "INC-2026-11-15-002"),
        ("ack 22-1", "acknowledge", "INC-2026-11-22-001"),
    ],
)
def test_a_reply_names_verb_and_incident(text: str, verb: str, number: str) -> None:
    heard = hear(text)
    (asked,) = heard.asked
    assert (asked.verb, asked.incident, asked.sender, asked.key) == (verb, number, ANA, "SM0001")
    assert asked.known_only, "anybody can send a short message"
    assert heard.content_type == "text/xml"
    assert number.encode() in heard.body


def test_words_behind_the_code_are_the_reason() -> None:
    (asked,) = hear("ACK 21-1 on my way & <b>fast</b>").asked
    assert asked.reason == "on my way & <b>fast</b>"
    (asked,) = hear("ACK 21 1 on my way").asked
    assert asked.reason == "on my way"


def test_the_channels_own_number_may_answer_for_itself() -> None:
    (asked,) = hear("ACK 21-1", From=TO).asked
    assert not asked.known_only


@pytest.mark.parametrize("text", ["ACK", "ack 7", "ack it", "resolve", "ack 13-1", "ack 0-1", "ack 21-0", "ack 32-1"])
def test_what_names_no_incident_is_asked_for_and_never_guessed(text: str) -> None:
    """7 would be another incident after midnight, and the 13th is more than a week ago."""
    heard = hear(text)
    assert heard.asked == ()
    assert b"Which one?" in heard.body


@pytest.mark.parametrize(
    "text", ["", "  ", "STOP", "thanks!", "I am on holiday until Monday", "-", "\U0001f44d", "close 21-1"]
)
def test_other_words_get_no_answer(text: str) -> None:
    """Whoever answers automatically would be answered all night."""
    heard = hear(text)
    assert (heard.asked, heard.body) == ((), b'<?xml version="1.0" encoding="UTF-8"?><Response/>')


def test_a_code_means_the_same_through_the_night_and_the_turn_of_the_month() -> None:
    for now, text, number in [
        (datetime(2026, 11, 22, 0, 1, tzinfo=UTC), "ack 21-1", "INC-2026-11-21-001"),
        (datetime(2026, 12, 1, 3, 0, tzinfo=UTC), "ack 30-4", "INC-2026-11-30-004"),
        (datetime(2027, 1, 2, 3, 0, tzinfo=UTC), "ack 31-4", "INC-2026-12-31-004"),
        (datetime(2028, 3, 1, 0, 0, tzinfo=UTC), "ack 29-4", "INC-2028-02-29-004"),
    ]:
        assert hear(text, now).asked[0].incident == number
    later = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=8)
    assert hear("ack 21-1", later).asked == (), "an old message never means an incident of another month"


def test_the_vendors_own_example_is_signed_as_we_check_it() -> None:
    """From the vendor's page on security: address, fields, token and signature of its example."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "From": "+12349013030",
        "Digits": "1234",
        "To": "+18005551212",
        "Caller": "+12349013030",
    }
    channel = Phone(
        "phone",
        VOICE,
        "http://a.example/",
        form=CALL_FORM,
        auth_tokens=("12345",),
        public_url="https://mycompany.com/myapp.php?foo=1&bar=2",
    )
    headers, body = signed(fields, token="12345", url="https://mycompany.com/myapp.php?foo=1&bar=2")
    assert headers["x-twilio-signature"] == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    assert channel.hear(headers, body, NOW).asked == ()


@pytest.mark.parametrize(
    ("digits", "number"),
    [("21*1", "INC-2026-11-21-001"), ("20*12", "INC-2026-11-20-012"), ("1", ""), ("", ""), ("*", "")],
)
def test_keys_pressed_in_a_call_acknowledge(digits: str, number: str) -> None:
    heard = listening(VOICE).hear(*pressed(digits), NOW)
    assert [(asked.verb, asked.incident, asked.sender) for asked in heard.asked] == (
        [("acknowledge", number, ANA)] if number else []
    )
    assert (b"Thank you" in heard.body) == bool(number)


def test_who_calls_us_is_the_one_who_calls() -> None:
    (asked,) = listening(VOICE).hear(*pressed("21*1", Direction="inbound", From=ANA, To=OURS), NOW).asked
    assert asked.sender == ANA


def test_either_token_counts_while_one_follows_the_other() -> None:
    assert len(hear("ack 21-1", token="canary-of-the-next-token").asked) == 1


def forgeries() -> list[tuple[str, dict[str, str], bytes]]:
    """What looks like a reply and is none."""
    headers, body = reply("ACK 21-1")
    mark = headers["x-twilio-signature"]
    found: list[tuple[str, dict[str, str], bytes]] = [
        ("no header", {}, body),
        ("other header", {"x-signature": mark}, body),
        ("empty", {"x-twilio-signature": ""}, body),
        ("cut", {"x-twilio-signature": mark[:-1]}, body),
        ("longer", {"x-twilio-signature": mark + "="}, body),
        ("lower", {"x-twilio-signature": mark.lower()}, body),
        ("beyond ASCII", {"x-twilio-signature": "ä" + mark[1:]}, body),
        ("a surrogate", {"x-twilio-signature": "\udcff"}, body),
        ("a prefix", {"x-twilio-signature": f"v1={mark}"}, body),
        ("several", {"x-twilio-signature": f"{mark},{mark}"}, body),
        ("no body", headers, b""),
        ("a field more", headers, body + b"&x=1"),
        ("a field twice", headers, body + b"&Body=resolve+21-1"),
        ("no form", headers, b"ACK 21-1"),
        ("json", headers, json.dumps({"Body": "ACK 21-1"}).encode()),
        ("beyond ASCII in it", headers, body + "ä".encode()),
        ("no UTF-8 in it", headers, body + b"&y=%ff"),
        ("half an escape", headers, body + b"&y=%f"),
        ("large", headers, body + b"&x=" + b"y" * 70_000),
        ("many fields", headers, b"&".join([body, *[b"x=1"] * 300])),
    ]
    changes = {
        b"21-1": b"21-2",
        b"ACK": b"RESOLVE",
        b"5112345678": b"5100000000",
        b"SM0001": b"SM0002",
        b"AC00": b"AC01",
    }
    found += [(f"{old!r}", headers, body.replace(old, new)) for old, new in changes.items()]
    for token in ("", " ", "x", TOKEN.upper(), TOKEN[:-1], f"{TOKEN} ", f"{TOKEN}\n", SID):
        found.append((f"token {token!r}", reply("ACK 21-1", token=token)[0], body))
    for url in (
        PUBLIC_URL + "/",
        PUBLIC_URL + "?",
        PUBLIC_URL.replace("https", "http"),
        PUBLIC_URL.replace(".org", ".org:443"),
        PUBLIC_URL.upper(),
        PUBLIC_URL.replace("phone", "duty"),
        "https://evil.example/",
        "",
    ):
        found.append((f"address {url!r}", reply("ACK 21-1", url=url)[0], body))
    for place in range(0, 27, 2):
        wrong = mark[:place] + ("A" if mark[place] != "A" else "B") + mark[place + 1 :]
        found.append((f"sign {place}", {"x-twilio-signature": wrong}, body))
    return found


def test_there_are_fifty_forgeries() -> None:
    assert len(forgeries()) >= 50


@pytest.mark.parametrize(("headers", "body"), [one[1:] for one in forgeries()], ids=[one[0] for one in forgeries()])
def test_a_forgery_is_refused_without_a_word_of_it(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Forged) as caught:
        listening(SMS, TOKEN).hear(headers, body, NOW)
    assert "canary" not in str(caught.value)


def test_without_a_token_nothing_is_heard() -> None:
    channel = Phone("phone", SMS, "http://a.example/", form=SMS_FORM, public_url=PUBLIC_URL)
    for token in ("", TOKEN):
        with pytest.raises(Forged):
            channel.hear(*reply("ACK 21-1", token=token), NOW)


@pytest.mark.parametrize(
    "fields", [{"a": "b"}, {"MessageSid": "SM1"}, {"From": ANA, "Body": "ack 21-1"}, {"MessageSid": ""}]
)
def test_what_is_signed_and_no_reply_is_told(fields: dict[str, str]) -> None:
    for kind in (SMS, VOICE):
        with pytest.raises(Malformed):
            listening(kind).hear(*signed(fields), NOW)
