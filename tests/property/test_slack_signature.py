"""Whatever was changed after Slack signed it is refused; so is what is old, new, or signed by somebody else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.slack_server import SIGNING_SECRET, TOKEN, signed
from tocsin.domain.instant import Instant
from tocsin.notify.channel import Forged, Malformed
from tocsin.notify.channels.slack import Slack

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PAYLOAD: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U0ANA", "username": "ana"},
    "actions": [{"type": "button", "action_id": "acknowledge", "value": "inc_1", "action_ts": "1795262400.1"}],
}
SLACK = Slack("chat", TOKEN, signing_secrets=(SIGNING_SECRET, "the-one-before"))
HEADERS, BODY = signed(PAYLOAD, NOW.timestamp())


def refused(headers: dict[str, str], body: bytes = BODY, now: Instant = NOW) -> None:
    with pytest.raises(Forged) as error:
        SLACK.hear(headers, body, now)
    assert SIGNING_SECRET not in str(error.value)


def test_a_signed_click_is_heard() -> None:
    (asked,) = SLACK.hear(HEADERS, BODY, NOW).asked
    assert (asked.verb, asked.incident, asked.sender, asked.sender_name) == ("acknowledge", "inc_1", "U0ANA", "ana")
    assert asked.key == "U0ANA.1795262400.1.acknowledge"


@pytest.mark.parametrize("secret", [SIGNING_SECRET, "the-one-before"])
@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_both_secrets_and_five_minutes_are_good(secret: str, seconds: int) -> None:
    headers, body = signed(PAYLOAD, NOW.timestamp(), secret)
    answer = SLACK.hear(headers, body, NOW + timedelta(seconds=seconds))
    assert (answer.status, answer.body) == (200, b"")
    assert len(answer.asked) == 1


def _forged() -> list[tuple[str, dict[str, str], bytes, Instant]]:
    """Fifty ways to get it wrong."""
    right, stamp = HEADERS["x-slack-signature"], HEADERS["x-slack-request-timestamp"]
    found = [(f"{seconds} s", HEADERS, BODY, NOW + timedelta(seconds=seconds)) for seconds in (-301, 301, -86400, 1e9)]
    signatures = ["", "v0=", "v0", right[3:], right.upper(), f"{right} ", f" {right}", f"{right}\n", right[:-1]]
    signatures += [right + "0", "v1=" + right[3:], "v0=" + "0" * 64, "v0=" + "é" * 64, "v0=" + right[3:].upper()]
    signatures += [
        f"{right},{right}",
        "sha256=" + right[3:],
        "v0=" + right[-1:2:-1],
        "v0=" + "g" * 64,
        "null",
        "v0:" + right[3:],
    ]
    found += [(f"signature {one!r}", {**HEADERS, "x-slack-signature": one}, BODY, NOW) for one in signatures]
    stamps = [
        "",
        "0",
        "-" + stamp,
        "+" + stamp,
        f" {stamp}",
        f"{stamp}.0",
        stamp[:-1],
        f"0{stamp}",
        "١٧٩٥٢٦٢٤٠٠",
        "1e9",
    ]
    stamps += [f"{stamp[:4]}_{stamp[4:]}", "9" * 12, "NaN", str(int(stamp) + 1), f"{stamp}\n"]
    found += [(f"stamp {one!r}", {**HEADERS, "x-slack-request-timestamp": one}, BODY, NOW) for one in stamps]
    bodies = [b"", BODY + b" ", BODY[:-1], BODY.replace(b"inc_1", b"inc_2"), BODY.lower(), b"\xff" + BODY]
    bodies += [
        BODY + b"&payload=x",
        urlencode({"payload": json.dumps(PAYLOAD, indent=1)}).encode(),
        json.dumps(PAYLOAD).encode(),
    ]
    found += [(f"body {number}", HEADERS, one, NOW) for number, one in enumerate(bodies)]
    for secret in ("another", SIGNING_SECRET[:-1], SIGNING_SECRET + " ", TOKEN):
        found.append((f"signed with {secret!r}", signed(PAYLOAD, NOW.timestamp(), secret)[0], BODY, NOW))
    for missing in ("x-slack-signature", "x-slack-request-timestamp"):
        found.append((f"no {missing}", {name: one for name, one in HEADERS.items() if name != missing}, BODY, NOW))
    return found


def test_there_are_fifty_variants() -> None:
    assert len(_forged()) >= 50


@pytest.mark.parametrize(("headers", "body", "now"), [one[1:] for one in _forged()], ids=[one[0] for one in _forged()])
def test_a_forged_call_is_refused(headers: dict[str, str], body: bytes, now: Instant) -> None:
    refused(headers, body, now)


@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_any_changed_bit_of_the_body_is_refused(place: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= 1 << bit
    refused(HEADERS, bytes(changed))


@given(headers=st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text(max_size=80)), body=st.binary(max_size=200))
def test_what_nobody_signed_is_refused(headers: dict[str, str], body: bytes) -> None:
    refused(headers, body)


def test_without_a_secret_nobody_is_believed() -> None:
    with pytest.raises(Forged):
        Slack("chat", TOKEN).hear(HEADERS, BODY, NOW)
    with pytest.raises(Forged):
        Slack("chat", TOKEN).hear(*signed(PAYLOAD, NOW.timestamp(), ""), NOW)


def test_the_question_of_slack_is_answered() -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1a"}).encode()
    answer = SLACK.hear(signed(body, NOW.timestamp())[0], body, NOW)
    assert json.loads(answer.body) == {"challenge": "3eZbrw1a"}
    assert answer.asked == ()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    payload=st.dictionaries(st.sampled_from(["type", "user", "actions", "container"]), _json)
    | st.fixed_dictionaries(
        {
            "type": st.just("block_actions"),
            "user": _json | st.just(PAYLOAD["user"]),
            "actions": _json
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "type": st.just("button"),
                        "action_id": st.just("resolve"),
                        "value": _json | st.just("inc_1"),
                        "action_ts": _json | st.just("1.2"),
                    }
                ),
                max_size=30,
            ),
        }
    )
)
def test_what_is_signed_and_strange_never_breaks_anything(payload: dict[str, Any]) -> None:
    headers, body = signed(payload, NOW.timestamp())
    try:
        answer = SLACK.hear(headers, body, NOW)
    except Malformed:
        return
    assert all(asked.incident and asked.sender for asked in answer.asked)


@given(body=st.binary(max_size=300))
def test_any_signed_body_is_heard_or_malformed(body: bytes) -> None:
    try:
        answer = SLACK.hear(signed(body, NOW.timestamp())[0], body, NOW)
    except (Malformed, Forged):  # Slack signs texts: what is no UTF-8 is not Slack's
        return
    assert answer.asked == ()
