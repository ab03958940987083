"""What providers send: signed or not at all, once however often it comes, in the name of who did it."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import pytest

from tocsin.domain.instant import Instant
from tocsin.domain.rules import Route, Rules, User
from tocsin.notify.channel import Asked, Channel, Forged, Heard, Malformed, Sent
from tocsin.settings import Settings
from tocsin.settings.tree import HttpPart
from tocsin.stage import Effect
from tocsin.topics import COMMANDS
from unit.api.test_gate import token

KEY = b"shared with the provider"


class Chat:
    """A provider whose calls are JSON with an HMAC."""

    name, kind, in_flight_max, timeout_seconds = "ops", "chat", 1, 1.0

    def __init__(self) -> None:
        self.told: list[str] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.told.append(str(effect.context["type"]))
        return Sent("delivered")

    async def close(self) -> None:
        """Nothing to give back."""

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        if not hmac.compare_digest(headers.get("x-signature", ""), signed(body)):
            raise Forged("unsigned")
        try:
            asked = msgspec.json.decode(body, type=list[Asked])
        except msgspec.MsgspecError:
            raise Malformed("not a list of requests") from None
        return Heard(body=b"thanks", content_type="text/plain", asked=tuple(asked))


def signed(body: bytes) -> str:
    return hmac.new(KEY, body, hashlib.sha256).hexdigest()


@pytest.fixture
def channels() -> dict[str, Channel]:
    return {"ops": Chat()}


@pytest.fixture
def rules() -> Rules:
    found = Settings().rules()
    notify = msgspec.structs.replace(found.notify, routes=(Route(channels=("ops", "console")),))
    return msgspec.structs.replace(found, notify=notify, users={"ana": User(contacts={"chat": ("UANA",)})})


async def call(
    rig: Any, *asked: dict[str, Any], channel: str = "ops", body: bytes = b"", **more: str
) -> httpx.Response:
    body = body or msgspec.json.encode([{"key": "one", "sender": "UANA", **one} for one in asked])
    headers = {"x-signature": signed(body), **{name.replace("_", "-"): value for name, value in more.items()}}
    answer: httpx.Response = await rig.client.post(f"/api/v1/inbound/{channel}", content=body, headers=headers)
    return answer


async def commands(rig: Any) -> int:
    return sum([await rig.broker.end(COMMANDS.name, partition) for partition in range(2)])


async def timeline(rig: Any, incident: str, until: str) -> list[dict[str, Any]]:
    while True:
        found = (await rig.client.get(f"/api/incident_response/{incident}")).json()["timeline"]
        if until in {line["type"] for line in found}:
            return list(found)
        await asyncio.sleep(0.002)


async def test_a_click_acknowledges_in_the_name_of_who_clicked_and_a_replay_changes_nothing(rig: Any) -> None:
    incident = await rig.declared()
    click = {"verb": "acknowledge", "incident": incident}
    answer = await call(rig, click)
    assert (answer.status_code, answer.text) == (200, "thanks")
    assert answer.headers["content-type"].startswith("text/plain")
    [line] = [one for one in await timeline(rig, incident, "incident.acknowledged") if one["type"].endswith("wledged")]
    assert line["actor"] == "user:ana"
    written = await commands(rig)
    for _ in range(3):
        assert (await call(rig, click)).status_code == 200
    assert await commands(rig) == written


async def test_unsigned_wrongly_signed_and_changed_calls_are_refused_without_a_word(rig: Any) -> None:
    incident = await rig.declared()
    written = await commands(rig)
    good = msgspec.json.encode([{"key": "k", "verb": "resolve", "incident": incident}])
    for body, signature in [(good, ""), (good, "0" * 64), (good + b" ", signed(good)), (b"", signed(good))]:
        answer = await call(rig, body=body or b"[]", x_signature=signature)
        assert answer.status_code == 401
        assert answer.json() == {"error": "unauthorized", "message": "unauthorized"}
    assert await commands(rig) == written


async def test_what_cannot_be_done_is_400_and_nothing_of_the_call_is(rig: Any) -> None:
    incident = await rig.declared()
    written = await commands(rig)
    good = {"verb": "note", "incident": incident, "arguments": {"text": "x"}}
    for wrong in (
        {"verb": "void", "incident": incident},
        {"verb": "declare", "arguments": {"title": "x"}},
        {"verb": "note", "incident": incident},
        {"verb": "acknowledge", "incident": "inc_zz"},
        {"verb": "acknowledge", "incident": incident, "key": ""},
    ):
        assert (await call(rig, good, wrong)).status_code == 400
    assert (await call(rig, body=b"{}")).status_code == 400
    assert (await call(rig, body=b"{" * 300_000)).status_code == 413
    assert await commands(rig) == written


async def test_only_channels_that_hear_are_called(rig: Any) -> None:
    assert (await call(rig, channel="console")).status_code == 404
    assert (await call(rig, channel="nobody")).status_code == 404
    assert (await rig.client.get("/api/v1/inbound/ops")).status_code == 405


async def test_forged_calls_take_no_room_from_good_ones(rig: Any) -> None:
    incident = await rig.declared()
    answers = [await call(rig, body=b"[]", x_signature="no") for _ in range(150)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert (await call(rig, {"verb": "acknowledge", "incident": incident})).status_code == 200
    metrics = (await rig.client.get("/metrics")).text
    assert 'tocsin_inbound_total{channel="ops",outcome="forged"} 150.0' in metrics
    assert 'tocsin_inbound_total{channel="ops",outcome="taken"} 1.0' in metrics


async def test_what_another_system_did_is_told_to_the_others_and_not_to_it_again(rig: Any, channels: Any) -> None:
    incident = await rig.declared()
    assert (await call(rig, {"verb": "resolve", "incident": incident})).status_code == 200
    await timeline(rig, incident, "incident.resolved")
    console = [effect.context["type"] for effect in rig.outbox.sent]
    while console.count("incident.resolved") < 1:
        await asyncio.sleep(0.002)
        console = [effect.context["type"] for effect in rig.outbox.sent]
    await rig.command("reopen", incident)
    while "incident.reopened" not in channels["ops"].told:  # noqa: ASYNC110 - a condition of the channel
        await asyncio.sleep(0.002)
    assert channels["ops"].told == ["incident.opened", "incident.reopened"], "it said resolved itself"


class TestWithTokens:
    """A provider has no token, and needs none."""

    @pytest.fixture
    def http(self) -> HttpPart:
        return HttpPart(tokens=(token("ops", "secret"),))

    async def test_the_signature_is_enough_for_this_and_for_nothing_else(self, rig: Any) -> None:
        assert (await call(rig, host="hooks.example.org")).status_code == 200
        assert (await rig.client.get("/api/incident_response")).status_code == 401
        assert (await rig.client.post("/api/v1/inbound/../alerts", json=[])).status_code == 401
        assert (await rig.client.get("/api/v1/inbound/%2e%2e/topics")).status_code in (401, 404, 405)
