"""Mails of a real `tocsin run` on a real SMTP server: once, as HTML and text, in one thread; and late rather than
never when the server is away."""

import asyncio
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiosmtpd.smtp import SMTP

from contract.receivers import SmtpReceiver, smtp_receiver
from integration.running import Tocsin, free_port
from integration.waiting import incident, incidents, only_incident, post, shown, until

pytestmark = pytest.mark.integration

NASTY = "Disk <b>full</b> & getting fuller"


def installation(directory: Path, port: int) -> Tocsin:
    mail = {"type": "email", "host": "127.0.0.1", "port": port, "tls": "none", "to": ["ops@example.org"]}
    return Tocsin(
        directory,
        notify={
            "channels": {"mail": {**mail, "from": "Tocsin <tocsin@example.org>"}},
            "routes": [{"channels": ["mail"]}],
            "retry_first": "300ms",
            "retry_longest": "500ms",
        },
        correlate={"rules": [{"name": "quick", "resolve_delay": "100ms"}]},
    )


def alert(status: str = "firing") -> dict[str, Any]:
    return {"title": NASTY, "severity": "critical", "service": "shop", "status": status, "key": "disk-7"}


@pytest.mark.timeout(90)
async def test_mails_arrive_once_as_html_and_text_in_one_thread(tmp_path: Path) -> None:
    async with smtp_receiver() as receiver:
        tocsin = installation(tmp_path, receiver.port)
        await tocsin.start()
        try:
            assert (await post(tocsin, alert())).status_code == 202
            await until(lambda: arrived(receiver, 1), "the mail of the opening")
            assert (await post(tocsin, alert())).status_code == 202  # a repeat tells nobody
            assert (await post(tocsin, alert("resolved"))).status_code == 202
            await until(lambda: arrived(receiver, 2), "the mail of the end")
            await tocsin.quiet()
        finally:
            tocsin.stop()
    opened, resolved = receiver.mails  # and no third
    assert receiver.recipients == [["ops@example.org"]] * 2
    assert opened["Message-ID"] != resolved["Message-ID"]
    assert opened["References"] == opened["In-Reply-To"]
    assert resolved["References"].split() == [opened["References"], opened["Message-ID"]]
    assert resolved["In-Reply-To"] == opened["Message-ID"]
    assert opened["Importance"] == "high"
    assert NASTY in opened["Subject"]
    assert "esolved" in resolved["Subject"]
    for mail in (opened, resolved):
        assert mail.get_content_type() == "multipart/alternative"
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        assert NASTY in text.get_content()
        assert "Disk &lt;b&gt;full&lt;/b&gt; &amp; getting fuller" in html.get_content()


@pytest.mark.timeout(90)
async def test_a_mail_server_that_is_away_gets_the_mail_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    tocsin = installation(tmp_path, port)
    await tocsin.start()
    receiver, loop = SmtpReceiver(), asyncio.get_running_loop()
    try:
        assert (await post(tocsin, alert())).status_code == 202
        delivery = await until(lambda: ledger(tocsin, "failed"), "a failed attempt in the ledger")
        assert "connect" in delivery["error"].lower()
        server = await loop.create_server(lambda: SMTP(receiver, hostname="localhost", loop=loop), "127.0.0.1", port)
        try:
            await until(lambda: arrived(receiver, 1), "the mail, late")
            delivery = await until(lambda: ledger(tocsin, "delivered"), "the delivery in the ledger")
            number = (await only_incident(tocsin))["number"]
            printed = await asyncio.to_thread(tocsin.command, "incidents", "show", number)
            assert any("mail" in line and "delivered" in line for line in printed.stdout.splitlines()), printed.stdout
            (same,) = (await shown(tocsin, "incidents", "show", number))["deliveries"]
            assert same["status"] == "delivered"
            await tocsin.quiet()
        finally:
            server.close()
    finally:
        assert tocsin.stop() == 0
    assert delivery["attempts"] >= 2
    assert len(receiver.mails) == 1
    assert receiver.mails[0]["X-Tocsin-Possible-Duplicate"] is None, "nobody took it before"


@pytest.mark.timeout(90)
async def test_the_button_in_a_mail_acknowledges_in_the_name_of_who_got_it(tmp_path: Path) -> None:
    async with smtp_receiver() as receiver:
        tocsin = installation(tmp_path, receiver.port)
        tree = yaml.safe_load(tocsin.config.read_text())
        tree["http"]["external_url"] = tocsin.url
        tree["people"] = {
            "users": {"ana": {"contacts": {"email": "ana@example.org"}, "channels": ["mail"]}},
            "teams": {"shop": {"members": ["ana"]}},
            "catch_all": "shop",
        }
        tree["escalate"] = {"rules": [{"escalate_to": "shop", "escalate_after_minutes": 0, "escalation_level": 1}]}
        tocsin.config.write_text(yaml.safe_dump(tree))
        await tocsin.start()
        try:
            assert (await post(tocsin, alert())).status_code == 202
            mail = await until(lambda: sent_to(receiver, "ana@example.org"), "the mail to ana")
            text = mail.get_body(("plain",))
            assert text is not None
            (link,) = re.findall(r"^Acknowledge: +(\S+)", text.get_content(), re.MULTILINE)
            assert link.startswith(f"{tocsin.url}/a/")
            before = await only_incident(tocsin)
            async with httpx.AsyncClient(timeout=20) as client:
                assert (await client.get(link)).status_code == 200
                assert (await incident(tocsin, before["number"]))["status"] == "open", "opening a link changes nothing"
                assert (await client.post(link, headers={"origin": "null"})).status_code == 200
            after = await incident(tocsin, before["number"])
        finally:
            tocsin.stop()
    assert (after["status"], after["acknowledged_by"]) == ("acknowledged", "user:ana")


async def sent_to(receiver: SmtpReceiver, address: str) -> EmailMessage | None:
    found = zip(receiver.mails, receiver.recipients, strict=True)
    return next((mail for mail, recipients in found if address in recipients), None)


async def arrived(receiver: SmtpReceiver, count: int) -> bool:
    return len(receiver.mails) >= count


async def ledger(tocsin: Tocsin, status: str) -> dict[str, Any]:
    """The one delivery, once it has that status."""
    for one in await incidents(tocsin):
        for delivery in (await incident(tocsin, one["number"]))["deliveries"]:
            if delivery["status"] == status:
                return dict(delivery)
    return {}
