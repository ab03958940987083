"""What people do at PagerDuty comes back, if it is signed; what no person did, or is not ours, asks for nothing."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from contract.channel_kits import CONTEXT
from contract.pagerduty_server import ROUTING_KEY, WEBHOOK_SECRET, signed, webhook
from tocsin.notify.channel import Asked, Forged, Heard, Hears, Malformed
from tocsin.notify.channels.pagerduty import Pagerduty

INCIDENT = CONTEXT["incident"]["id"]
NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)


@cache
def listening(*secrets: str) -> Pagerduty:
    """A channel that only listens. Made once: each reads all certificates."""
    channel = Pagerduty("duty", ROUTING_KEY, webhook_secrets=secrets)
    assert isinstance(channel, Hears)
    return channel


def hear(document: dict[str, Any], *secrets: str) -> Heard:
    channel = listening(WEBHOOK_SECRET, "canary-of-the-next-secret")
    return channel.hear(*signed(document, *secrets), NOW)


@pytest.mark.parametrize(
    ("kind", "verb"),
    [("acknowledged", "acknowledge"), ("resolved", "resolve"), ("reopened", "reopen")],
)
def test_what_people_do_there_is_asked_for_here(kind: str, verb: str) -> None:
    heard = hear(webhook(f"incident.{kind}", INCIDENT))
    assert heard.asked == (
        Asked(
            key="01FAKEEVENT",
            verb=verb,
            incident=INCIDENT,
            reason="over PagerDuty",
            sender="PLH1HKV",
            sender_name="Ana Lima",
        ),
    )
    assert heard.status == 200


@pytest.mark.parametrize(
    "kind",
    [
        "incident.triggered",
        "incident.unacknowledged",
        "incident.escalated",
        "incident.priority_updated",
        "incident.status_update_published",
        "service.updated",
        "pagey.ping",
        "incident.something_new",
    ],
)
def test_what_has_no_verb_here_asks_for_nothing(kind: str) -> None:
    assert hear(webhook(kind, INCIDENT)) == Heard(body=b"{}")


@pytest.mark.parametrize(
    "more",
    [
        {"agent": {"id": "P1", "type": "events_api_v2_inbound_integration_reference", "summary": "tocsin"}},
        {"agent": {"id": "P1", "type": "inbound_integration_reference", "summary": "Prometheus"}},
        {"agent": {"id": "P1", "type": "service_reference", "summary": "shop: auto-resolve"}},
        {"agent": None},
        {"agent": {"id": "P1"}},
        {"data": {"incident_key": "somebody-elses-key", "title": "x"}},
        {"data": {"incident_key": None}},
        {"data": {"incident_key": "inc_UPPER"}},
        {"data": None},
        {"data": {"incident_key": INCIDENT, "resolve_reason": {"type": "merge_resolve_reason"}}},
    ],
)
def test_what_no_person_did_or_concerns_no_incident_of_ours_asks_for_nothing(more: dict[str, Any]) -> None:
    assert hear(webhook("incident.resolved", INCIDENT, **more)).asked == ()


def test_a_note_finds_its_incident_by_the_number_in_the_title() -> None:
    title = "[CRITICAL] INC-2026-11-21-001 Escalation 1: Disk of shop is full"
    incident = {"id": "PGR0VU2", "type": "incident_reference", "summary": title}
    note = {"type": "incident_note", "id": "P2", "content": "I look\ninto it\x00", "incident": incident}
    (asked,) = hear(webhook("incident.annotated", "", data=note)).asked
    assert (asked.verb, asked.incident, asked.arguments) == ("note", "INC-2026-11-21-001", {"text": "I look\ninto it"})
    for wrong in (
        {**note, "content": "  "},
        {**note, "incident": {"summary": "Another alert"}},
        {**note, "incident": 5},
    ):
        assert hear(webhook("incident.annotated", "", data=wrong)).asked == ()


def test_either_secret_counts_while_one_follows_the_other() -> None:
    document = webhook("incident.acknowledged", INCIDENT)
    for secrets in [
        (WEBHOOK_SECRET,),
        ("canary-of-the-next-secret",),
        ("unknown", WEBHOOK_SECRET),
        ("a", "b", WEBHOOK_SECRET),
    ]:
        assert len(hear(document, *secrets).asked) == 1


def test_a_signature_as_the_vendor_computes_it() -> None:
    """Made with `openssl dgst -sha256 -hmac`."""
    body = b'{"event":{"id":"1","event_type":"pagey.ping","occurred_at":"2026-11-21T12:04:50Z"}}'
    channel = listening("s3cr3t")
    mark = "v1=c7e16b92971849ec4ca2fde67915f7e5ac4cc6efdf3ce886468df965c64c1b97"
    assert channel.hear({"x-pagerduty-signature": mark}, body, NOW) == Heard(body=b"{}")


def forgeries() -> list[tuple[str, dict[str, str], bytes]]:
    """What looks like a webhook and is none: headers and bodies, each wrong in one way."""
    headers, body = signed(webhook("incident.resolved", INCIDENT))
    mark = headers["x-pagerduty-signature"]
    found: list[tuple[str, dict[str, str], bytes]] = [
        ("no header", {}, body),
        ("other header", {"x-signature": mark}, body),
        ("empty", {"x-pagerduty-signature": ""}, body),
        ("blank", {"x-pagerduty-signature": "   "}, body),
        ("commas", {"x-pagerduty-signature": ",,,,"}, body),
        ("no version", {"x-pagerduty-signature": mark[3:]}, body),
        ("version 0", {"x-pagerduty-signature": f"v0={mark[3:]}"}, body),
        ("version 2", {"x-pagerduty-signature": f"v2={mark[3:]}"}, body),
        ("upper version", {"x-pagerduty-signature": f"V1={mark[3:]}"}, body),
        ("upper hex", {"x-pagerduty-signature": f"v1={mark[3:].upper()}"}, body),
        ("cut", {"x-pagerduty-signature": mark[:-1]}, body),
        ("half", {"x-pagerduty-signature": mark[:35]}, body),
        ("longer", {"x-pagerduty-signature": f"{mark}0"}, body),
        ("only the version", {"x-pagerduty-signature": "v1="}, body),
        ("beyond ASCII", {"x-pagerduty-signature": f"v1=ä{mark[4:]}"}, body),
        ("a surrogate", {"x-pagerduty-signature": "v1=\udcff"}, body),
        ("one of the many", {"x-pagerduty-signature": ",".join(["v1=00"] * 10 + [mark])}, body),
        ("semicolons", {"x-pagerduty-signature": f"v1=00;{mark}"}, body),
        ("a quote", {"x-pagerduty-signature": f'"{mark}"'}, body),
        ("doubled", {"x-pagerduty-signature": f"v1={mark}"}, body),
        ("empty body", headers, b""),
        ("a blank behind", headers, body + b" "),
        ("a line break behind", headers, body + b"\n"),
        ("a blank before", headers, b" " + body),
        ("a byte order mark", headers, b"\xef\xbb\xbf" + body),
        ("cut body", headers, body[:-1]),
        ("body twice", headers, body + body),
        ("written again", headers, json.dumps(json.loads(body), indent=1).encode()),
        ("without blanks", headers, json.dumps(json.loads(body), separators=(",", ":")).encode()),
        ("sorted", headers, json.dumps(json.loads(body), sort_keys=True).encode()),
        ("another verb", headers, body.replace(b"resolved", b"reopened")),
        ("another incident", headers, body.replace(INCIDENT.encode(), b"inc_aaother")),
        ("another person", headers, body.replace(b"Ana Lima", b"Eve Lima")),
    ]
    for secret in (
        "",
        " ",
        WEBHOOK_SECRET.upper(),
        WEBHOOK_SECRET[:-1],
        f"{WEBHOOK_SECRET} ",
        f"{WEBHOOK_SECRET}\n",
        "x",
    ):
        found.append((f"secret {secret!r}", signed(webhook("incident.resolved", INCIDENT), secret)[0], body))
    for place in range(0, 64, 6):
        other = "0" if mark[3 + place] != "0" else "1"
        wrong = mark[: 3 + place] + other + mark[4 + place :]
        found.append((f"digit {place}", {"x-pagerduty-signature": wrong}, body))
    return found


def test_there_are_fifty_forgeries() -> None:
    assert len(forgeries()) >= 50


@pytest.mark.parametrize(("headers", "body"), [one[1:] for one in forgeries()], ids=[one[0] for one in forgeries()])
def test_a_forgery_is_refused_without_a_word_of_it(headers: dict[str, str], body: bytes) -> None:
    channel = listening(WEBHOOK_SECRET)
    with pytest.raises(Forged) as caught:
        channel.hear(headers, body, NOW)
    assert "canary" not in str(caught.value)


def test_without_a_secret_nothing_is_heard() -> None:
    for secret in ("", WEBHOOK_SECRET):
        headers, body = signed(webhook("incident.resolved", INCIDENT), secret)
        with pytest.raises(Forged):
            listening().hear(headers, body, NOW)


@pytest.mark.parametrize(
    ("age", "good"),
    [
        (timedelta(), True),
        (timedelta(minutes=25), True),
        (timedelta(hours=22), True),
        (timedelta(hours=24), False),
        (timedelta(days=300), False),
        (-timedelta(minutes=4), True),
        (-timedelta(minutes=6), False),
    ],
)
def test_what_was_recorded_long_ago_is_not_played_again(age: timedelta, good: bool) -> None:
    document = webhook("incident.resolved", INCIDENT, occurred_at=(NOW - age).isoformat())
    if good:
        assert len(hear(document).asked) == 1
        return
    with pytest.raises(Forged):
        hear(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"event": []}',
        b'{"event": {}}',
        b'{"event": {"id": "", "event_type": "incident.resolved", "occurred_at": "2026-11-21T12:04:50Z"}}',
        b'{"event": {"id": 5, "event_type": "incident.resolved", "occurred_at": "2026-11-21T12:04:50Z"}}',
        b'{"event": {"id": "1", "event_type": 5, "occurred_at": "2026-11-21T12:04:50Z"}}',
        b'{"event": {"id": "1", "event_type": "incident.resolved", "occurred_at": "soon"}}',
        b'{"event": {"id": "1", "event_type": "incident.resolved", "occurred_at": "2026-11-21T12:04:50"}}',
        b'{"event": {"id": "1", "event_type": "incident.resolved"}}',
        b"\xff",
        b" " * (256 * 1024 + 1),
    ],
)
def test_what_is_signed_and_no_webhook_is_told(body: bytes) -> None:
    mark = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    channel = listening(WEBHOOK_SECRET)
    with pytest.raises(Malformed):
        channel.hear({"x-pagerduty-signature": f"v1={mark}"}, body, NOW)
