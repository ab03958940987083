"""The incident page and one-tap acknowledge in a real browser: on a telephone and a screen, by day and by night."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from contract.receivers import SmtpReceiver, smtp_receiver
from integration.browser import Browser, Missing, Page, axe, chromium
from integration.running import Tocsin
from tocsin.notify.links import SignedLinks

pytestmark = pytest.mark.integration

SECRET = "a secret of this test only"
TOKEN = "tocsin_token_of_this_test"
SETTINGS: dict[str, Any] = {
    "people": {
        "users": {
            "ana": {"name": "Ana Belmonte", "contacts": {"email": "ana@example.org"}, "channels": ["mail"]},
            "bob": {"name": "Bob"},
        },
        "teams": {"shop": {"members": ["ana"]}, "leads": {"members": ["bob"]}},
        "catch_all": "shop",
    },
    "services": {"checkout": {"team": "shop"}},
    "escalate": {
        "rules": [
            {"escalate_to": "shop", "escalate_after_minutes": 0, "escalation_level": 1},
            {"escalate_to": "leads", "escalate_after_minutes": 15, "escalation_level": 2},
        ]
    },
}
PHONE = (360, 760)
SCREEN = (1280, 900)
TAP_MIN = 44
"""CSS pixels that a finger needs (WCAG 2.2, target size)."""

TARGETS = f"""
[...document.querySelectorAll('a, button, textarea, input:not([type=hidden]), select')]
  .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([_, r]) => r.width && (r.width < {TAP_MIN} || r.height < {TAP_MIN})).map(([html]) => html)
"""
TOO_WIDE = """
[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))
"""


class Rig:
    """A running tocsin with an incident, and a browser."""

    def __init__(self, tocsin: Tocsin, browser: Browser, incident: str, mails: SmtpReceiver) -> None:
        self.tocsin = tocsin
        self.mails = mails
        self.browser = browser
        self.incident = incident
        self.links = SignedLinks(tocsin.url, [SECRET.encode()], lambda: datetime.now(UTC), form_secret=b"")

    async def status(self) -> dict[str, Any]:
        async with client(self.tocsin.url) as asked:
            found: dict[str, Any] = (await asked.get(f"/api/incident_response/{self.incident}")).json()
            return found


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)


def alert(number: int, **more: Any) -> dict[str, Any]:
    return {
        "title": f"Checkout answers slowly in zone {number}",
        "service": "checkout",
        "severity": "critical",
        "labels": {"zone": f"eu-{number}", "alertname": "SlowCheckout"},
        "correlation_id": "checkout",
        **more,
    }


async def storm(url: str) -> str:
    """An incident as they are: alerts, a note, calls; its id."""
    long = "a-name-without-any-blank-that-would-let-a-line-be-broken-" * 3
    first = alert(
        1,
        title="Checkout answers slowly: p99 above 4 s for 10 minutes",
        annotations={"description": "Payments wait for the bank.\nSince the last deployment nothing else was changed."},
        links={"runbook": "https://wiki.example.org/checkout", "dashboard": "https://grafana.example.org/d/checkout"},
    )
    async with client(url) as asked:
        await asked.post("/api/v1/alerts", json=[first])
        more = [alert(number) for number in range(2, 9)]
        await asked.post("/api/v1/alerts", json=[*more, alert(9, title=f"<b>{long}</b>")])
        while True:
            page = (await asked.get("/api/incident_response")).json()
            if page["items"] and page["items"][0]["alerts"] == 9:
                break
        incident: str = page["items"][0]["id"]
        note = {"verb": "note", "incident": incident, "arguments": {"text": "Restarting the pool helped for a minute."}}
        answer = await asked.post("/api/v1/commands", json=note, params={"wait": 20})
        assert answer.status_code == 200, answer.text
        while not (found := (await asked.get(f"/api/incident_response/{incident}")).json())["deliveries"]:
            pass
        assert found["escalation"]["next"]
    return incident


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    try:
        chromium(), axe()
    except Missing as missing:
        pytest.skip(str(missing))
    tocsin = Tocsin(tmp_path / "tocsin", **SETTINGS)
    tree = yaml.safe_load(tocsin.config.read_text())
    named = {"name": "ops", "hash": f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"}
    tree["http"] |= {"external_url": tocsin.url, "link_secret": SECRET, "tokens": [named]}
    async with contextlib.AsyncExitStack() as stack:
        mails = await stack.enter_async_context(smtp_receiver())
        mail = {"type": "email", "host": "127.0.0.1", "port": mails.port, "tls": "none", "from": "tocsin@example.org"}
        tree["notify"] = {"channels": {"mail": mail}}
        tocsin.config.write_text(yaml.safe_dump(tree))
        await tocsin.start()
        stack.callback(tocsin.stop)
        incident = await storm(tocsin.url)
        yield Rig(tocsin, await stack.enter_async_context(Browser(tmp_path / "browser")), incident, mails)


async def check(page: Page, width: int, picture: Path) -> None:
    """What holds for every page."""
    await page.picture(picture)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width, await page.evaluate(TOO_WIDE)
    assert await page.evaluate(TARGETS) == []
    assert await page.violations() == []


async def test_pages_fit_a_telephone_and_a_screen_by_day_and_by_night(rig: Rig, tmp_path: Path) -> None:
    old = rig.links.token("acknowledge", rig.incident, timedelta(seconds=-60), who="user:ana", once="ntf_0")
    acknowledge = rig.links.acknowledge(rig.incident, "user:ana", "ntf_1")
    addresses = {
        "incident": f"{rig.tocsin.url}/i/{rig.incident}?t={acknowledge.rpartition('/')[2]}",
        "acknowledge": acknowledge,
        "expired": f"{rig.tocsin.url}/a/{old}",
    }
    for dark in (False, True):
        for width, height in (PHONE, SCREEN):
            page = await rig.browser.page(width, height, dark=dark)
            for name, address in addresses.items():
                await page.open(address)
                await check(page, width, tmp_path / f"{name}-{width}-{'dark' if dark else 'light'}.png")


async def link_in_the_mail(rig: Rig) -> str:
    """Where the mail to Ana says that she can acknowledge."""
    while not (found := [mail for mail in rig.mails.mails if mail["To"] == "ana@example.org"]):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    text = found[0].get_body(("plain",))
    assert text is not None
    [link] = {one for one in re.findall(r"https?://\S+", text.get_content()) if "/a/" in one}
    return link


async def test_one_tap_acknowledges_without_a_script_and_opening_does_not(rig: Rig, tmp_path: Path) -> None:
    page = await rig.browser.page(*PHONE, scripts=False)
    await page.open(await link_in_the_mail(rig))
    assert "Acknowledge as Ana Belmonte" in await page.text()
    assert (await rig.status())["status"] == "open"
    await page.tap("button.main")
    assert "Acknowledged." in await page.text()
    await page.picture(tmp_path / "acknowledged-360-light.png")
    found = await rig.status()
    assert (found["status"], found["acknowledged_by"]) == ("acknowledged", "user:ana")
    await page.tap("a.button")
    shown = await page.text()
    assert "Answered by Ana Belmonte" in shown
    assert "<b>a-name" in shown


async def test_who_has_a_token_writes_notes_and_resolves_on_the_page(rig: Rig, tmp_path: Path) -> None:
    page = await rig.browser.page(*PHONE)
    await page.call("Network.enable")
    await page.call("Network.setExtraHTTPHeaders", headers={"authorization": f"Bearer {TOKEN}"})
    await page.open(f"{rig.tocsin.url}/i/{rig.incident}")
    await check(page, PHONE[0], tmp_path / "acting-360-light.png")
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(f"{rig.tocsin.url}/i/{rig.incident}")
    await page.evaluate("document.querySelector('#note').value = 'Restarted <i>again</i>'")
    await page.tap("#note ~ button")
    shown = await page.text()
    assert "The note is in the timeline" in shown
    assert "Restarted <i>again</i>" in shown
    await page.tap("#reason ~ button")
    assert "Resolved." in await page.text()
    assert (await rig.status())["status"] == "resolved"
