"""People and services over the API, and a page to try the way."""

from typing import Any

import pytest

from tocsin.domain.rules import Layer, Rules, Schedule, Service, Team, User


@pytest.fixture
def rules() -> Rules:
    return Rules(
        users={"ana": User(contacts={"email": ("ana@example.org",)}, channels=("console",)), "bob": User()},
        teams={"dba": Team(schedule="dba", members=("ana", "bob"), manager="bob"), "everyone": Team()},
        schedules={"dba": Schedule(layers=(Layer(users=("ana",), starts_at="2026-01-01T00:00"),))},
        services={
            "shop": Service(team="dba", depends_on=("bank",), runbook="https://wiki.example/shop"),
            "bank": Service(team="everyone", depends_on=("power",)),
        },
    )


async def test_people_are_shown_with_their_duty(rig: Any) -> None:
    found = (await rig.client.get("/api/v1/people")).json()
    assert found["catch_all"] == "everyone"
    assert found["users"]["ana"]["on_duty"] == ["dba"]
    assert found["users"]["ana"]["contacts"] == {"email": ["ana@example.org"]}
    assert found["users"]["bob"]["unreachable"] == ""
    assert found["teams"]["dba"]["on_duty"] == ["ana"]
    services = (await rig.client.get("/api/v1/services")).json()
    assert (services["bank"]["needed_by"], services["shop"]["team"]) == (["shop"], "dba")


async def test_who_is_reached_for_a_target(rig: Any) -> None:
    found = (await rig.client.get("/api/v1/people/reached", params={"target": "dba"})).json()
    assert [one["recipient"] for one in found["recipients"]] == ["user:ana"]
    found = (await rig.client.get("/api/v1/people/reached", params={"target": "management", "team": "dba"})).json()
    assert [one["recipient"] for one in found["recipients"]] == ["user:bob"]
    found = (await rig.client.get("/api/v1/people/reached", params={"target": "nobody"})).json()
    assert (found["by"], found["skipped"]) == (
        "catch_all",
        [{"recipient": "team:nobody", "why": "not in the directory"}],
    )


async def test_a_test_page_reaches_one_person_and_nobody_else(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/people/ana/page", params={"wait": 20})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["target"], found["outcome"]) == ("user:ana", "delivered")
    assert [(one["recipient"], one["channel"]) for one in found["deliveries"]] == [("user:ana", "console")]
    assert [sent.recipient for sent in rig.outbox.sent] == ["user:ana"]
    incident = (await rig.client.get(f"/api/incident_response/{found['incident']}")).json()
    assert (incident["title"], incident["severity"], incident["source"]) == (
        "Test page for user:ana",
        "info",
        "test_page",
    )
    assert incident["close_due_at"]


async def test_a_page_to_nobody_is_refused_with_the_nearest_name(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/people/anna/page")
    assert answer.status_code == 404
    assert answer.json()["message"] == "no user, team or schedule 'anna', did you mean 'ana'?"
    assert (await rig.client.post("/api/v1/people/channel:ops/page")).status_code == 422
    assert (await rig.command("test_page", arguments={"target": "ana"})).status_code == 422


async def test_what_is_around_an_incident(rig: Any) -> None:
    async def declare(title: str, service: str) -> str:
        answer = await rig.command("declare", arguments={"title": title, "service": service})
        return str(answer.json()["incident"])

    shop, bank = await declare("shop down", "shop"), await declare("bank down", "bank")
    found = (await rig.client.get(f"/api/v1/incidents/{shop}/context")).json()
    assert found["service"]["runbook"] == "https://wiki.example/shop"
    assert found["service"]["open"] == []
    assert [(one["service"], one["distance"]) for one in found["upstream"]] == [("bank", 1), ("power", 2)]
    assert [one["id"] for one in found["upstream"][0]["open"]] == [bank]
    found = (await rig.client.get(f"/api/v1/incidents/{bank}/context")).json()
    assert [(one["service"], [two["title"] for two in one["open"]]) for one in found["downstream"]] == [
        ("shop", ["shop down"])
    ]
    assert (await rig.client.get("/api/v1/incidents/inc_x/context")).status_code == 404
