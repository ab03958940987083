"""One tap: what a link of a message does when it is looked at, pressed, pressed again, too late, or made up."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tocsin.api.rate import Rates
from tocsin.notify.links import SignedLinks
from tocsin.persist.sqlite import Unusable
from tocsin.settings.tree import HttpPart
from unit.api.test_gate import token

ANA = "user:ana"


@pytest.fixture
def http() -> HttpPart:
    return HttpPart(tokens=(token("ops", "secret"),), external_url="https://tocsin.example")


@pytest.fixture
def rig(rig: Any) -> Any:
    rig.client.headers["authorization"] = "Bearer secret"
    return rig


def links_of(rig: Any) -> SignedLinks:
    found: SignedLinks = rig.app.state.serving.links
    return found


def path(url: str) -> str:
    return url.removeprefix("https://tocsin.example")


async def visit(rig: Any, url: str, method: str = "GET", **more: Any) -> Any:
    """As a browser that has no token."""
    headers = {"host": "tocsin.example", "authorization": "", **more.pop("headers", {})}
    request = rig.client.build_request(method, path(url), headers=headers, **more)
    del request.headers["authorization"]
    return await rig.client.send(request)


async def incident(rig: Any, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = (await rig.client.get(f"/api/incident_response/{reference}")).json()
    return found


async def version(rig: Any, reference: str) -> int:
    return int((await incident(rig, reference))["version"])


async def test_looking_at_a_link_changes_nothing_however_often(rig: Any) -> None:
    key = await rig.declared("Disk <b>full</b>")
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    for method in ("GET", "HEAD", "GET"):
        answer = await visit(rig, url, method)
        assert answer.status_code == 200
    assert "Disk &lt;b&gt;full&lt;/b&gt;" in answer.text
    assert "Acknowledge as ana" in answer.text
    assert (await incident(rig, key))["status"] == "open"
    assert await version(rig, key) == 1


async def test_the_button_acknowledges_as_the_recipient_once(rig: Any) -> None:
    key = await rig.declared()
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    answers = await asyncio.gather(*(visit(rig, url, "POST", headers={"origin": "null"}) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert "Acknowledged." in answers[0].text
    found = await incident(rig, key)
    assert (found["status"], found["acknowledged_by"]) == ("acknowledged", ANA)
    assert [line["type"] for line in found["timeline"]].count("incident.acknowledged") == 1
    again = await visit(rig, url)
    assert "Answered by ana" in again.text
    assert "<button" not in again.text


async def test_open_again_the_same_link_answers_again(rig: Any) -> None:
    key = await rig.declared()
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    await visit(rig, url, "POST")
    await rig.command("resolve", key)
    assert "nothing left to acknowledge" in (await visit(rig, url)).text
    await rig.command("reopen", key)
    assert (await incident(rig, key))["status"] == "open"
    assert (await visit(rig, url, "POST")).status_code == 200
    assert (await incident(rig, key))["status"] == "acknowledged"


async def test_two_recipients_each_answer_for_themselves(rig: Any) -> None:
    key = await rig.declared()
    for who in (ANA, "user:bob"):
        await visit(rig, links_of(rig).acknowledge(key, who, "ntf_1"), "POST")
    found = await incident(rig, key)
    actors = [line["actor"] for line in found["timeline"] if line["type"] == "incident.acknowledged"]
    assert actors == [ANA, "user:bob"]


async def test_an_expired_link_says_so_and_offers_the_incident(rig: Any) -> None:
    key = await rig.declared()
    late = links_of(rig).token("acknowledge", key, timedelta(seconds=-10), who=ANA, once="ntf_1")
    for method in ("GET", "POST"):
        answer = await visit(rig, f"/a/{late}", method)
        assert (answer.status_code, "has expired" in answer.text) == (410, True)
        assert f'href="../i/{key}"' in answer.text
    assert (await incident(rig, key))["status"] == "open"


async def test_forged_links_and_links_to_look_acknowledge_nothing(rig: Any) -> None:
    key = await rig.declared()
    good = path(links_of(rig).acknowledge(key, ANA, "ntf_1"))
    view = path(links_of(rig).page(key)).partition("t=")[2]
    form = links_of(rig).form("acknowledge", key, "ops", "1")
    for wrong in (good[:-1], good + "x", f"/a/{view}", f"/a/{form}", "/a/x", "/a/%3Cscript%3E"):
        for method in ("GET", "POST"):
            answer = await visit(rig, wrong, method)
            assert (answer.status_code, "does not work" in answer.text) == (403, True)
            assert "script" not in answer.text
    assert (await incident(rig, key))["status"] == "open"


async def test_too_many_visits_are_put_off_and_forged_ones_take_no_room(rig: Any) -> None:
    rig.app.state.serving.visits = Rates(per_second=0.001, burst=5.0)
    key = await rig.declared()
    forged = [(await visit(rig, "/a/forged")).status_code for _ in range(10)]
    assert forged == [403] * 5 + [429] * 5
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    statuses = [(await visit(rig, url)).status_code for _ in range(10)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


async def test_an_acknowledgement_is_taken_while_the_database_is_down(rig: Any, monkeypatch: Any) -> None:
    key = await rig.declared()
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    log = rig.app.state.serving.node.event_log

    async def down(*args: Any) -> None:
        raise Unusable("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(type(log.queries), "incident", lambda *_: (_ for _ in ()).throw(Unusable("gone")))
        broken.setattr(type(log), "wait_outcome", down)
        assert "Acknowledge as ana" in (await visit(rig, url)).text
        answer = await visit(rig, url, "POST")
        assert (answer.status_code, "It is written down" in answer.text) == (202, True)
    while (await incident(rig, key))["status"] != "acknowledged":  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.002)


async def test_nothing_of_a_page_is_kept_framed_scripted_or_told_to_others(rig: Any) -> None:
    key = await rig.declared()
    answer = await visit(rig, links_of(rig).acknowledge(key, ANA, "ntf_1"))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script" not in policy + answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in answer.headers


async def test_the_token_stands_in_no_log_and_no_metric(rig: Any, caplog: Any) -> None:
    key = await rig.declared()
    url = links_of(rig).acknowledge(key, ANA, "ntf_1")
    with caplog.at_level("DEBUG"):
        await visit(rig, url)
        await visit(rig, url, "POST")
        await visit(rig, url + "x")
    secret = url.rpartition("/")[2]
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("httpx")]
    assert not any(secret[:40] in one for one in ours)
    assert secret[:40] not in (await rig.client.get("/metrics")).text
