"""Whatever a provider signs, it is understood, refused in words, or asks for nothing: no call from outside ends in an
error of ours. Whatever is not signed is forged."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.twilio_server import PUBLIC_URL, TOKEN, signed
from tocsin.notify.channel import Forged, Heard, Hears, Malformed
from tocsin.notify.channels.pagerduty import Pagerduty
from tocsin.notify.channels.phone import SMS, VOICE, Phone

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
SECRET = "the-secret"

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("2026-11-21T12:04:50Z")
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "type": values | st.sampled_from(["user_reference", "service_reference"]),
        "id": values,
        "summary": values | st.just("[X] INC-2026-11-21-001 y"),
        "incident_key": values | st.just("inc_aaonlyfortests"),
        "content": values,
        "incident": values | st.fixed_dictionaries({"summary": st.just("INC-2026-11-21-001")}),
        "resolve_reason": values,
    },
)
kinds = st.sampled_from(["incident.acknowledged", "incident.resolved", "incident.annotated", "incident.triggered"])
events = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("01") | values,
        "event_type": kinds | values,
        "occurred_at": st.just("2026-11-21T12:04:50Z") | values,
        "agent": objects | values,
        "data": objects | values,
    },
)


@cache
def channel(kind: str) -> Hears:
    if kind == "pagerduty":
        return Pagerduty("duty", "a" * 32, webhook_secrets=(SECRET,))
    form = {"To": "{to}", "Body": "{text}"}
    return Phone("phone", kind, "http://a.example/", form=form, auth_tokens=(TOKEN,), public_url=PUBLIC_URL)


def heard(kind: str, headers: dict[str, str], body: bytes) -> Heard | None:
    try:
        return channel(kind).hear(headers, body, NOW)
    except (Forged, Malformed):
        return None


@given(st.fixed_dictionaries({"event": events}) | values)
@example({"event": {"id": "1", "event_type": "incident.resolved", "occurred_at": "0001-01-01T00:00:00+23:59"}})
@example({"event": {"id": "1", "event_type": "incident.resolved", "occurred_at": "9999-12-31T23:59:59-23:59"}})
def test_a_signed_webhook_never_fails(document: Any) -> None:
    body = json.dumps(document).encode()
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    found = heard("pagerduty", {"x-pagerduty-signature": f"v1={mark}"}, body)
    for asked in found.asked if found else ():
        assert asked.key
        assert asked.incident.startswith(("inc_", "INC-"))


@given(
    st.sampled_from([SMS, VOICE]),
    st.fixed_dictionaries(
        {},
        optional={
            "MessageSid": st.text(max_size=40),
            "CallSid": st.text(max_size=40),
            "From": st.text(max_size=20),
            "To": st.text(max_size=20),
            "Direction": st.sampled_from(["inbound", "outbound-api", ""]),
            "Digits": st.text(alphabet="0123456789*#", max_size=12),
            "Body": st.text(max_size=60) | st.builds("{} {}".format, st.sampled_from(["ack", "resolve"]), st.text()),
        },
    ),
)
def test_a_signed_reply_never_fails(kind: str, fields: dict[str, str]) -> None:
    found = heard(kind, *signed(fields))
    if found is not None:
        assert found.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?><Response')
        assert all(asked.incident.startswith("INC-") and asked.key for asked in found.asked)


@given(
    st.sampled_from(["pagerduty", SMS, VOICE]),
    st.dictionaries(st.sampled_from(["x-pagerduty-signature", "x-twilio-signature", "host"]), st.text(max_size=80)),
    st.binary(max_size=200),
)
def test_what_is_not_signed_is_forged(kind: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Forged):
        channel(kind).hear(headers, body, NOW)
