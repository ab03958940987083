"""The incident page: who sees it, who may do what, and that nothing of it can be made to say something else."""

import asyncio
import re
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest

from tocsin.notify.links import Link
from tocsin.settings.tree import HttpPart
from unit.api.test_gate import token
from unit.api.test_links import ANA, incident, links_of, path, visit

HOSTILE = "<script>alert(1)</script> \u202e\"'><img src=x onerror=alert(1)> {{ 12347*7 }} \x1b[31m"


def forms(html: str) -> dict[str, str]:
    """Verb -> the signed value of its form."""
    found = {}
    for value in re.findall(r'name="form" value="([^"]+)"', html):
        payload = value.partition(".")[0]
        link = msgspec.msgpack.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Link)
        found[link.verb.removeprefix("form:")] = value
    return found


async def sent(rig: Any, address: str, **fields: str) -> httpx.Response:
    answer: httpx.Response = await rig.client.post(address, data=fields, headers={"origin": "null"})
    return answer


async def test_on_this_machine_the_page_shows_everything_and_acts(rig: Any) -> None:
    key = await rig.declared("Checkout is slow", severity="critical", service="shop", summary="Since noon.")
    page = await rig.client.get(f"/i/{key}")
    assert page.status_code == 200
    for words in ("Checkout is slow", "critical", "open", "shop", "Since noon.", "What comes next", "Who was told"):
        assert words in page.text
    assert forms(page.text).keys() == {"acknowledge", "note", "resolve"}
    number = (await incident(rig, key))["number"]
    assert (await rig.client.get(f"/i/{number}")).status_code == 200

    answer = await sent(rig, f"/i/{key}", form=forms(page.text)["acknowledge"])
    assert (answer.status_code, "Acknowledged." in answer.text) == (200, True)
    assert "acknowledge" not in forms(answer.text)
    answer = await sent(rig, f"/i/{key}", form=forms(page.text)["note"], text="one\r\ntwo")
    assert "The note is in the timeline" in answer.text
    answer = await sent(rig, f"/i/{key}", form=forms(page.text)["resolve"], text="restarted")
    assert "Resolved." in answer.text
    found = await incident(rig, key)
    assert found["status"] == "resolved"
    assert {line["actor"] for line in found["timeline"] if line["type"] == "incident.noted"} == {"local"}


async def test_a_form_works_once(rig: Any) -> None:
    key = await rig.declared()
    value = forms((await rig.client.get(f"/i/{key}")).text)["note"]
    for _ in range(3):
        assert (await sent(rig, f"/i/{key}", form=value, text="only once")).status_code == 200
    found = await incident(rig, key)
    assert [line["type"] for line in found["timeline"]].count("incident.noted") == 1


async def test_forms_of_others_of_other_incidents_old_and_made_up_ones_do_nothing(rig: Any) -> None:
    key, other = await rig.declared("a"), await rig.declared("b")
    links = links_of(rig)
    old = links.token("form:resolve", key, timedelta(seconds=-5), who="local", once="x")
    for wrong in (
        links.form("resolve", other, "local", "x"),
        links.form("resolve", key, "eve", "x"),
        links.form("void", key, "local", "x"),
        *("", "x", old),
    ):
        assert (await sent(rig, f"/i/{key}", form=wrong)).status_code in (403, 410)
    good = forms((await rig.client.get(f"/i/{key}")).text)["resolve"]
    cross = await rig.client.post(f"/i/{key}", data={"form": good}, headers={"origin": "https://evil.example"})
    assert cross.status_code == 403
    assert (await incident(rig, key))["status"] == "open"


async def test_what_is_no_form_is_refused(rig: Any) -> None:
    key = await rig.declared()
    note = forms((await rig.client.get(f"/i/{key}")).text)["note"]
    assert (await sent(rig, f"/i/{key}", form=note, text=" ")).status_code == 400
    assert (await sent(rig, f"/i/{key}", form=note, text="x" * 4001)).status_code == 400
    assert (await rig.client.post(f"/i/{key}", content=b"a=1&" * 9000)).status_code == 413
    assert (await rig.client.post(f"/i/{key}", content=b"&".join(b"a=1" for _ in range(50)))).status_code == 400
    assert (await rig.client.post(f"/i/{key}", content=b"\xff=%ff")).status_code == 400


async def test_hostile_texts_stay_texts(rig: Any) -> None:
    alert = {
        "title": HOSTILE,
        "service": HOSTILE[:60],
        "severity": "critical",
        "labels": {"host": HOSTILE},
        "annotations": {"summary": HOSTILE, "description": HOSTILE},
        "links": {"runbook": 'https://wiki.example.org/a?b="><script>'},
    }
    assert (await rig.send(alert))["accepted"] == 1
    found = await rig.incident_of_alert("alert(1)")
    await rig.command("note", found["id"], arguments={"text": HOSTILE})
    page = (await rig.client.get(f"/i/{found['id']}")).text
    for bad in ("<script", "<img", "javascript:", "\u202e", "\x1b", "86429"):
        assert bad not in re.sub(r'value="[^"]*"|<time[^>]*>[^<]*|As of[^<]*|INC-[\d-]+', "", page), bad
    assert "&lt;script&gt;" in page


async def test_the_timeline_is_newest_first_and_paged(rig: Any) -> None:
    key = await rig.declared()
    for number in range(35):
        await rig.command("note", key, arguments={"text": f"note number {number}."})
    first = (await rig.client.get(f"/i/{key}")).text
    assert first.index("note number 34.") < first.index("note number 33.")
    assert "note number 0." not in first
    [older] = re.findall(r'href="([^"]*before=[^"]*)"', first)
    second = (await rig.client.get(f"/i/{older}".replace("&amp;", "&"))).text
    assert "note number 0." in second
    assert "note number 34." not in second
    numbers = [int(one) for page in (first, second) for one in re.findall(r"note number (\d+)\.", page)]
    assert numbers == list(range(34, -1, -1))
    assert (await rig.client.get(f"/i/{key}", params={"before": "1.2"})).status_code == 400


async def test_what_is_not_there_is_a_page_too(rig: Any) -> None:
    for reference in ("inc_aaabcdefghijklmnopqrst", "INC-2026-01-01-001", "x", "x" * 200, "%3Cscript%3E"):
        answer = await rig.client.get(f"/i/{reference}")
        assert (answer.status_code, "No such incident" in answer.text) == (404, True)
        assert "<script" not in answer.text


async def test_the_style_sheet_is_the_only_thing_that_is_loaded(rig: Any) -> None:
    key = await rig.declared()
    page = await rig.client.get(f"/i/{key}")
    assert re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', page.text) == ["style.css"]
    sheet = await rig.client.get("/i/style.css")
    assert sheet.headers["content-type"].startswith("text/css")
    assert "url(" not in sheet.text


class TestWithTokens:
    """Beyond this machine: a link shows, another link acknowledges, a token does everything."""

    @pytest.fixture
    def http(self) -> HttpPart:
        return HttpPart(tokens=(token("ops", "secret"),), external_url="https://tocsin.example")

    @pytest.fixture
    def rig(self, rig: Any) -> Any:
        rig.client.headers["authorization"] = "Bearer secret"
        return rig

    async def test_without_a_link_there_is_nothing_to_see(self, rig: Any) -> None:
        key = await rig.declared("secret title")
        for address in (f"/i/{key}", f"/i/{key}?t=", f"/i/{key}?t=x.y", "/i/inc_aaabcdefghijklmnopqrst"):
            answer = await visit(rig, address)
            assert answer.status_code == 403
            assert "secret title" not in answer.text

    async def test_who_may_read_the_incident_is_told_the_address_of_its_page(self, rig: Any) -> None:
        key = await rig.declared("one")
        told = (await rig.client.get(f"/api/incident_response/{key}")).json()["page_url"]
        assert told.startswith(f"https://tocsin.example/i/{key}?t=")
        assert (await visit(rig, told)).status_code == 200

    async def test_a_link_to_look_shows_and_does_nothing(self, rig: Any) -> None:
        key, other = await rig.declared("one"), await rig.declared("two")
        url = links_of(rig).page(key)
        page = await visit(rig, url)
        assert (page.status_code, "<form" in page.text, "<button" in page.text) == (200, False, False)
        query = path(url).partition("?")[2]
        assert (await visit(rig, f"/i/{other}?{query}")).status_code == 403
        form = links_of(rig).form("resolve", key, "ops", "x")
        for who in ("ops", "", "local"):
            value = links_of(rig).form("resolve", key, who, "x")
            assert (await visit(rig, url, "POST", data={"form": value})).status_code == 403
        assert (await visit(rig, f"/i/{key}", "POST", data={"form": form})).status_code == 403
        assert (await incident(rig, key))["status"] == "open"

    async def test_a_link_to_acknowledge_does_that_from_the_page_too(self, rig: Any) -> None:
        key = await rig.declared()
        token_of = path(links_of(rig).acknowledge(key, ANA, "ntf_1")).removeprefix("/a/")
        page = await visit(rig, f"/i/{key}?t={token_of}")
        assert "Acknowledge as ana" in page.text
        assert forms(page.text) == {}
        [action] = re.findall(r'action="\.\.(/a/[^"]+)"', page.text)
        assert (await visit(rig, action, "POST")).status_code == 200
        assert (await incident(rig, key))["acknowledged_by"] == ANA

    async def test_pages_of_the_timeline_keep_the_link(self, rig: Any) -> None:
        key = await rig.declared()
        await asyncio.gather(*(rig.command("note", key, arguments={"text": f"note {n}"}) for n in range(35)))
        page = await visit(rig, links_of(rig).page(key))
        [older] = re.findall(r'href="([^"]*before=[^"]*)"', page.text)
        assert dict(parse_qsl(older.replace("&amp;", "&").partition("?")[2])).keys() == {"t", "before"}
        assert (await visit(rig, f"/i/{older.replace('&amp;', '&')}")).status_code == 200

    async def test_who_has_a_token_does_everything(self, rig: Any) -> None:
        key = await rig.declared()
        page = await rig.client.get(f"/i/{key}")
        assert (await sent(rig, f"/i/{key}", form=forms(page.text)["resolve"])).status_code == 200
        while (await incident(rig, key))["status"] != "resolved":  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.002)
