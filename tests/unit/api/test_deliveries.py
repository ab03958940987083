"""The ledger over HTTP: what was sent with each attempt, and which channels fail."""

import asyncio
from typing import Any

import pytest

from tocsin.notify.channel import Channel, Sent
from tocsin.stage import Effect


class Broken:
    """A channel whose receiver does not want it."""

    name = "broken"
    kind = "memory"
    in_flight_max = 8
    timeout_seconds = 5.0

    def __init__(self) -> None:
        self.answers: list[Sent] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        return self.answers.pop(0) if self.answers else Sent("refused", "410 gone")

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def channels() -> dict[str, Channel]:
    return {"broken": Broken()}


async def finished(rig: Any, incident: str) -> list[dict[str, Any]]:
    """The deliveries of the incident, as soon as none is under way."""
    while True:
        found = (await rig.client.get("/api/v1/deliveries", params={"incident": incident})).json()["items"]
        if found and all(one["finished_at"] for one in found):
            return list(found)
        await asyncio.sleep(0.002)


async def test_deliveries_are_listed_and_shown_with_their_attempts(rig: Any) -> None:
    incident = await rig.declared()
    [one] = await finished(rig, incident)
    assert (one["channel"], one["status"], one["recipient"]) == ("console", "delivered", "channel:console")
    shown = (await rig.client.get(f"/api/v1/deliveries/{one['delivery_id']}")).json()
    assert [(line["attempt"], line["status"]) for line in shown["attempt_list"]] == [(1, "delivered")]
    assert shown["number"].startswith("INC-")
    found = (await rig.client.get(f"/api/incident_response/{incident}")).json()
    assert found["deliveries"][0]["attempt_list"] == shown["attempt_list"]
    [call] = [row for row in found["calls"] if row["kind"] == "incident.opened"]
    assert [reached["recipient"] for reached in call["reached"]] == ["channel:console"]


async def test_filters_are_checked(rig: Any) -> None:
    await rig.declared()
    answer = await rig.client.get("/api/v1/deliveries", params={"status": "gaveup"})
    assert answer.status_code == 422
    assert "did you mean 'gave_up'?" in answer.json()["message"]
    assert (await rig.client.get("/api/v1/deliveries", params={"incident": "INC-2020-01-01-001"})).status_code == 404
    assert (await rig.client.get("/api/v1/deliveries/ntf_nobody")).status_code == 404
    assert (await rig.client.get("/api/v1/deliveries", params={"status": "gave_up"})).json()["items"] == []


async def test_channels_say_how_they_are(rig: Any) -> None:
    await finished(rig, await rig.declared())
    items = {one["name"]: one for one in (await rig.client.get("/api/v1/channels")).json()["items"]}
    assert items.keys() == {"broken", "console"}
    console = items["console"]
    assert (console["state"], console["delivered"], console["waiting"]) == ("closed", 1, 0)
    for _ in range(5):
        rig.node.lanes.ended("broken", Sent("failed", "503 busy"), rig.app.state.serving.clock)
    items = {one["name"]: one for one in (await rig.client.get("/api/v1/channels")).json()["items"]}
    assert (items["broken"]["state"], items["broken"]["last_error"]) == ("open", "503 busy")
    ready = await rig.client.get("/-/ready")
    assert ready.status_code == 200
    assert [note.partition(" since ")[0] for note in ready.json()["notes"]] == ["channel broken: open"]
    metrics = (await rig.client.get("/metrics")).text
    assert 'tocsin_channel_state{channel="broken",state="open"} 1.0' in metrics
    assert 'tocsin_channel_state{channel="console",state="closed"} 1.0' in metrics


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"deliveries": ["a"], "status": ["gave_up"]},
        {"deliveries": ["a"], "channel": "console"},
        {"deliveries": ["x"] * 501},
        {"unknown": 1},
    ],
)
async def test_a_request_to_send_again_says_what(rig: Any, body: dict[str, Any]) -> None:
    assert (await rig.client.post("/api/v1/deliveries/resend", json=body)).status_code == 422


async def test_what_is_not_there_is_not_sent_again(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/deliveries/resend", json={"deliveries": ["ntf_nobody"]})
    assert answer.status_code == 404


async def test_what_was_sent_is_sent_once_more_when_somebody_asks(rig: Any) -> None:
    incident = await rig.declared()
    [one] = await finished(rig, incident)
    body = {"deliveries": [one["delivery_id"]], "reason": "nobody saw it"}
    answer = await rig.client.post("/api/v1/deliveries/resend", json=body, params={"wait": 20})
    assert answer.status_code == 200, answer.text
    assert answer.json()["resent"] == 1
    again = []
    while len(again) < 2:
        again = await finished(rig, incident)
    assert [(two["status"], two["reason"]) for two in again] == [("delivered", "delivered")] * 2
    assert rig.outbox.sent[-1].context["possible_duplicate"]


async def test_what_is_asked_for_once_is_done_once(rig: Any) -> None:
    incident = await rig.declared()
    await finished(rig, incident)
    body = {"status": ["delivered"], "channel": "console", "once": True}
    first = (await rig.client.post("/api/v1/deliveries/resend", json=body, params={"wait": 20})).json()
    while len(await finished(rig, incident)) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    named = {"deliveries": [one["delivery_id"] for one in first["items"]], "once": True}
    second = (await rig.client.post("/api/v1/deliveries/resend", json=named, params={"wait": 20})).json()
    assert [one["command_id"] for one in first["items"]] == [one["command_id"] for one in second["items"]]
    await rig.command("note", incident, arguments={"text": "a command behind it"})
    assert len(await finished(rig, incident)) == 2
