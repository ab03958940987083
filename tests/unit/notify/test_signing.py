"""Signatures after Standard Webhooks: the published example, two keys, and fifty ways to forge one."""

import base64
import hashlib
import hmac
import json
import re
import time
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.notify.channel import Forged
from tocsin.notify.channels.signing import is_token, key_of, keys_of, signature, signatures, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STAMP = "1614265330"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The example that the libraries of Standard Webhooks and of Svix publish and are tested with."""

NOW = datetime.fromtimestamp(int(STAMP), UTC)
KEY = key_of(SECRET)
OTHER = key_of("whsec_" + base64.b64encode(b"another key of another channel").decode())
GOOD = {"webhook-id": ID, "webhook-timestamp": STAMP, "webhook-signature": SIGNATURE}


def test_the_published_example() -> None:
    assert signature(KEY, ID, STAMP, BODY) == SIGNATURE
    assert verify([KEY], GOOD, BODY, NOW) == ID


def test_while_a_key_is_replaced_either_side_may_have_either() -> None:
    both = signatures([OTHER, KEY], ID, STAMP, BODY)
    assert both.split(" ") == [signature(OTHER, ID, STAMP, BODY), SIGNATURE], "the newest first"
    for keys in ([KEY], [OTHER], [OTHER, KEY]):
        assert verify(keys, {**GOOD, "webhook-signature": both}, BODY, NOW) == ID
    assert verify([OTHER, KEY], GOOD, BODY, NOW) == ID


def test_signatures_of_versions_to_come_do_no_harm() -> None:
    mixed = f"v1a,aGVsbG8= v2,x {SIGNATURE} nothing"
    assert verify([KEY], {**GOOD, "webhook-signature": mixed}, BODY, NOW) == ID


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_five_minutes_are_allowed(minutes: int) -> None:
    assert verify([KEY], GOOD, BODY, NOW + timedelta(minutes=minutes)) == ID


def hexed() -> str:
    return "v1," + hmac.new(KEY, f"{ID}.{STAMP}.".encode() + BODY, hashlib.sha256).hexdigest()


def made(key: bytes, text: bytes, algorithm: str = "sha256") -> str:
    return "v1," + base64.b64encode(hmac.new(key, text, algorithm).digest()).decode()


WHOLE = f"{ID}.{STAMP}.".encode() + BODY
FORGED_SIGNATURES = [
    *("", " ", "v1,", "v1", ",", "v1, ", "v1,=", "v1,AAAA", "null", "undefined", "\u00e9", "\ud800"),
    *(SIGNATURE[3:], SIGNATURE.replace("v1", "v0"), SIGNATURE.replace("v1", "V1"), SIGNATURE.replace("v1,", "v1=")),
    *(SIGNATURE.replace("v1,", "v2,"), SIGNATURE.replace("v1,", "v1a,"), SIGNATURE.lower(), SIGNATURE.upper()),
    *(SIGNATURE[:-1], SIGNATURE[:-2], SIGNATURE + "=", SIGNATURE + "A", "=" + SIGNATURE, SIGNATURE[:-5] + "AAAA="),
    *(SIGNATURE.replace("g0h", "h0h"), SIGNATURE.replace(",", ", "), SIGNATURE.replace(",", "\t"), f"{SIGNATURE},"),
    *(SIGNATURE.replace("+", "-").replace("/", "_"), f'"{SIGNATURE}"', SIGNATURE.replace("=", "%3D"), f"{SIGNATURE}\n"),
    *(hexed(), made(OTHER, WHOLE), made(KEY, BODY), made(KEY, STAMP.encode() + b"." + BODY), made(b"", WHOLE)),
    *(made(KEY, ID.encode() + b"." + BODY), made(SECRET.encode(), WHOLE), made(KEY, WHOLE, "sha1")),
    *(made(KEY, WHOLE, "sha512"), made(SECRET[6:].encode(), WHOLE), made(KEY, WHOLE + b"\n"), made(KEY, b"")),
    *(" ".join([SIGNATURE] * 17), " ".join(["v1,AAAA"] * 16), ";".join([SIGNATURE] * 2)),
]


@pytest.mark.parametrize("forged", FORGED_SIGNATURES)
def test_a_forged_signature_is_refused(forged: str) -> None:
    with pytest.raises(Forged) as caught:
        verify([KEY], {**GOOD, "webhook-signature": forged}, BODY, NOW)
    assert SIGNATURE[3:] not in str(caught.value)


def test_there_are_fifty_forged_signatures() -> None:
    assert len(set(FORGED_SIGNATURES)) >= 48


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": ""},
        {"webhook-id": "msg_other"},
        {"webhook-id": ID + " "},
        {"webhook-id": ID + "\n"},
        {"webhook-id": "x" * 129},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": STAMP + ".0"},
        {"webhook-timestamp": " " + STAMP},
        {"webhook-timestamp": "-" + STAMP},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-timestamp": "NaN"},
        {"webhook-timestamp": "2021-02-25T15:02:10Z"},
    ],
)
def test_other_headers_than_those_that_were_signed_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forged):
        verify([KEY], {**GOOD, **headers} if headers else {}, BODY, NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400, -86_400])
def test_a_replay_is_refused_after_five_minutes(seconds: int) -> None:
    with pytest.raises(Forged, match="5 minutes"):
        verify([KEY], GOOD, BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "body", [json.dumps(json.loads(BODY), separators=(",", ":")).encode(), BODY + b" ", BODY[:-1], b"", BODY.upper()]
)
def test_a_body_that_was_written_anew_is_refused(body: bytes) -> None:
    with pytest.raises(Forged):
        verify([KEY], GOOD, body, NOW)


def test_without_a_key_nothing_is_genuine() -> None:
    with pytest.raises(Forged):
        verify([], {**GOOD, "webhook-signature": made(b"", WHOLE)}, BODY, NOW)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_only_the_body_that_was_signed_counts(signed: bytes, sent: bytes) -> None:
    headers = {**GOOD, "webhook-signature": signatures([KEY], ID, STAMP, signed)}
    if signed == sent:
        assert verify([OTHER, KEY], headers, sent, NOW) == ID
    else:
        with pytest.raises(Forged):
            verify([OTHER, KEY], headers, sent, NOW)


def test_keys_are_named_by_their_option_and_never_shown() -> None:
    assert keys_of(("", "a", "whsec_YQ==", "a")) == (b"a",), "each once; empty ones are none"
    with pytest.raises(ValueError, match=r"secrets: 3 keys; at most 2 are active at once"):
        keys_of(("a", "b", "c"), "secrets")
    with pytest.raises(ValueError, match=r"inbound_secret: behind whsec_ there must be base64") as caught:
        keys_of(("whsec_canary!",), "inbound_secret")
    assert "canary" not in str(caught.value)


def test_a_token_is_one_of_those_there_are() -> None:
    assert is_token(["new", "old"], "old")
    assert is_token(["new", "old"], "new")
    for given_one in ("", "ol", "oldd", "OLD", "\udcff"):
        assert not is_token(["new", "old"], given_one)
    assert not is_token([], "")
    assert not is_token([""], "")


def test_the_function_of_the_handbook_tells_what_is_genuine() -> None:
    page = files("tocsin").joinpath("docs/webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(code, "webhooks.md", "exec"), space)  # noqa: S102 - a page of ours
    stamp = str(int(time.time()))
    headers = {**GOOD, "webhook-timestamp": stamp, "webhook-signature": signatures([OTHER, KEY], ID, stamp, BODY)}
    assert space["genuine"](KEY, headers, BODY)
    assert not space["genuine"](KEY, headers, BODY + b" ")
    assert not space["genuine"](KEY, GOOD, BODY), "too old"
