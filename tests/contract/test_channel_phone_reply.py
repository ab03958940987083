"""What people answer over the phone: a reply or keys, signed by the provider, that name one incident."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from contract.twilio_server import OURS, PUBLIC_URL, SID, TOKEN, pressed, reply, signed
from contract.vendor_kits import CALL_FORM, SMS_FORM, TO
from tocsin.notify.channel import Forged, Heard, Hears, Malformed
from tocsin.notify.channels.phone import SMS, VOICE, Phone

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
ANA = "+4915112345678"


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
