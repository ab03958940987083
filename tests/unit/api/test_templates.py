"""Templates and channels over the API: written, refused, listed, tried before they are used."""

from typing import Any

import pytest

from tocsin.domain.rules import NotifyRules, Route, Rules


@pytest.fixture
def rules() -> Rules:
    routes = (Route(channels=("console",)), Route(channels=("console",), audience="customers"))
    return Rules(notify=NotifyRules(routes=routes))


async def put(rig: Any, name: str = "short", **document: Any) -> Any:
    return await rig.client.put(f"/api/v1/settings/template/{name}", json=document)


# ---- written and listed ----------------------------------------------------------------------------------------------


async def test_a_template_is_written_listed_and_deleted(rig: Any) -> None:
    answer = await put(rig, subject_template="{severity}: {title}", events=["incident.opened"])
    assert answer.status_code == 201, answer.text
    items = (await rig.client.get("/api/alerting/templates")).json()["items"]
    assert items[0] == {
        "name": "short",
        "origin": "settings",
        "subject_template": "{severity}: {title}",
        "body_template": "",
        "channel": "",
        "events": ["incident.opened"],
        "audience": "team",
        "when": {},
    }
    assert {one["origin"] for one in items[1:]} == {"built_in"}
    assert {tuple(one) for one in items} == {tuple(items[0])}
    deleted = await rig.client.delete("/api/v1/settings/template/short")
    assert deleted.status_code == 200
    items = (await rig.client.get("/api/alerting/templates")).json()["items"]
    assert {one["origin"] for one in items} == {"built_in"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"subject_template": "{titel}"}, "subject_template, line 1: no variable 'titel', did you mean 'title'?"),
        ({"body_template": "{{ title"}, "body_template, line 1: unexpected end of template"),
        ({"body_template": "{{ ''.__class__ }}"}, "names that begin with an underscore"),
        ({"body_template": "x", "events": ["incident.opend"]}, "did you mean 'incident.opened'?"),
        ({"body_template": "x", "channel": "consle"}, "no channel or type 'consle', did you mean 'console'?"),
        ({"body_template": "x", "audience": "tem"}, "no audience 'tem', did you mean 'team'?"),
        ({"body_template": "x" * 20_000}, "more than 16384 bytes"),
        ({}, "needs a subject_template or a body_template"),
        ({"body_tmplate": "x"}, "did you mean 'body_template'?"),
    ],
)
async def test_what_cannot_be_said_is_refused(rig: Any, document: dict[str, Any], problem: str) -> None:
    answer = await put(rig, **document)
    assert answer.status_code == 422
    assert problem in answer.json()["message"]


async def test_every_built_in_text_may_be_written_as_it_is_listed(rig: Any) -> None:
    items = (await rig.client.get("/api/alerting/templates")).json()["items"]
    for number, one in enumerate(items):
        fields = ("subject_template", "body_template", "events", "audience")
        answer = await put(rig, f"t{number}", **{name: one[name] for name in fields})
        assert answer.status_code == 201, answer.text


# ---- tried -----------------------------------------------------------------------------------------------------------


async def explained(rig: Any, **asked: Any) -> dict[str, Any]:
    answer = await rig.client.get("/api/v1/explain/message", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_would_be_said_of_an_incident(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow", severity="critical")
    found = await explained(rig, incident=incident, channel="console")
    assert (found["event"], found["template"], found["problem"]) == ("incident.opened", "", "")
    assert "Checkout is slow" in found["subject"]
    await put(rig, subject_template="{severity}: {title}", channel="console")
    found = await explained(rig, incident=incident, channel="console")
    assert (found["subject"], found["template"]) == ("critical: Checkout is slow", "short")
    assert "Checkout is slow" in found["body"]


async def test_what_would_be_said_of_the_example_of_an_event(rig: Any) -> None:
    for event in ("incident.resolved", "escalation.fired", "sla.breached", "incident.updated_people"):
        found = await explained(rig, event=event)
        assert (found["event"], found["channel"]) == (event, "console")
        assert found["subject"]


async def test_what_a_delivery_said(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow")
    while not (rows := (await rig.client.get("/api/v1/deliveries", params={"incident": incident})).json()["items"]):
        pass
    found = await explained(rig, incident=rows[0]["delivery_id"])
    assert (found["event"], found["channel"]) == ("incident.opened", "console")


async def test_an_audience_outside_reads_little(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow", summary="password leaked")
    assert "leaked" in (await explained(rig, incident=incident))["body"]
    assert "leaked" not in (await explained(rig, incident=incident, audience="customers"))["body"]


async def test_one_that_is_not_written_yet_is_tried(rig: Any) -> None:
    async def tried(**document: Any) -> Any:
        path = "/api/v1/explain/message"
        return await rig.client.post(path, params={"event": "incident.opened"}, json=document)

    answer = await tried(subject_template="{title|upper}", body_template="{{ title|upper }}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["body"] == "DISK OF ORDERS-DB WILL BE FULL IN 4 HOURS"
    for document, problem in (
        ({"body_template": "{{ titel }}"}, "did you mean 'title'?"),
        ({"body_template": "{{ alerts / 0 }}"}, "ZeroDivisionError"),
        ({"body": "x"}, "the body is no template"),
    ):
        answer = await tried(**document)
        assert (answer.status_code, problem in answer.json()["message"]) == (422, True), answer.text


@pytest.mark.parametrize(
    ("asked", "status", "problem"),
    [
        ({"event": "incident.opend"}, 422, "did you mean 'incident.opened'?"),
        ({"audience": "tem"}, 422, "did you mean 'team'?"),
        ({"channel": "consle"}, 404, "did you mean 'console'?"),
        ({"incident": "INC-2026-01-01-001"}, 404, "no incident, alert or delivery"),
        ({"incident": "ntf_aanothere"}, 404, "no incident, alert or delivery"),
    ],
)
async def test_what_is_not_there_is_named(rig: Any, asked: dict[str, str], status: int, problem: str) -> None:
    answer = await rig.client.get("/api/v1/explain/message", params=asked)
    assert (answer.status_code, problem in answer.json()["message"]) == (status, True), answer.text


async def test_the_variables_are_listed(rig: Any) -> None:
    items = (await rig.client.get("/api/v1/explain/message/variables")).json()["items"]
    assert {"title", "description", "severity", "timestamp", "incident.labels"} <= {one["name"] for one in items}


# ---- used ------------------------------------------------------------------------------------------------------------


async def test_an_update_for_customers_goes_out_to_them(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow", summary="password leaked")
    answer = await rig.command("post_update", incident, arguments={"text": "We are on it", "audience": "customers"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["told_over"] == ["console"]
    while not (told := [one for one in rig.outbox.sent if one.context["type"] == "incident.updated_people"]):
        await rig.client.get("/-/ready")
    (sent,) = told
    assert (sent.context["audience"], sent.context["note"]) == ("customers", "We are on it")
    assert "leaked" not in str(sent.context)


async def test_who_posts_an_update_that_nobody_hears_is_told_so(rig: Any) -> None:
    incident = await rig.declared("Checkout is slow")
    for audience, missing in (("regulator", "no route is for the audience regulator"), ("", "notify.events")):
        arguments = {"text": "We are on it", **({"audience": audience} if audience else {})}
        answer = (await rig.command("post_update", incident, arguments=arguments)).json()
        assert (answer["outcome"], answer["told_over"]) == ("applied", [])
        assert missing in answer["message"]
        again = (await rig.client.get(f"/api/v1/commands/{answer['command_id']}")).json()
        assert again == answer


# ---- channels --------------------------------------------------------------------------------------------------------


async def test_a_channel_is_tried_along_the_way_of_every_page(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/channels/console/test", params={"wait": 20})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["channel"], found["outcome"]) == ("console", "delivered")
    assert [one["recipient"] for one in found["deliveries"]] == ["channel:console"]
    (sent,) = rig.outbox.sent
    assert "Test page for channel:console" in str(sent.context)


async def test_a_channel_that_is_not_there_is_named(rig: Any) -> None:
    answer = await rig.client.post("/api/v1/channels/consle/test")
    assert (answer.status_code, answer.json()["message"]) == (404, "no channel 'consle', did you mean 'console'?")
    answer = await rig.client.post("/api/v1/channels/console/test", params={"to": "a@b.example"})
    assert (answer.status_code, "takes no address" in answer.json()["message"]) == (422, True)


async def test_the_list_says_where_channels_lead_and_which_templates_fail(rig: Any) -> None:
    rig.node.templates.adopt(Rules())
    await put(rig, body_template="{{ 1 / (alerts - alerts) }}")
    rig.node.templates.words("console", "console", {"incident": {"alerts": 1}})
    (console,) = (await rig.client.get("/api/v1/channels")).json()["items"]
    assert console["templates"] == ["short: ZeroDivisionError while it was rendered"]
    assert console["target"] == ""
    assert "template short: ZeroDivisionError" in (await rig.client.get("/-/ready")).text
