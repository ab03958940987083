"""Mails of a real `tocsin run` through Debian's Postfix over STARTTLS into a mailbox."""

from pathlib import Path
from typing import Any

import pytest

from contract.channel_kits import effect
from integration.postfix import DOMAIN, THERE, Postfix
from integration.running import Tocsin
from integration.waiting import only_incident, post, until
from tocsin.notify.channels.email import Email

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not THERE, reason="needs Postfix, and root to start it"),
]

TITLE = "Plattenplatz für «shop» geht zu Ende: 97 %, 3 GB von 100 GB sind frei, und es werden in jeder Minute weniger"


def alert(status: str = "firing") -> dict[str, Any]:
    return {"title": TITLE, "severity": "critical", "service": "shop", "status": status, "key": "disk-7"}


@pytest.mark.timeout(120)
async def test_mails_lie_in_the_mailbox_as_they_were_meant(tmp_path: Path) -> None:
    async with Postfix() as postfix:
        mail = {"type": "email", "host": "127.0.0.1", "port": postfix.port, "to": [f"ops@{DOMAIN}"]}
        mail |= {"from": "tocsin <tocsin@a.example>", "ca_file": str(postfix.certificates.authority)}
        tocsin = Tocsin(
            tmp_path,
            notify={"channels": {"mail": mail}, "routes": [{"channels": ["mail"]}]},
            correlate={"rules": [{"name": "quick", "resolve_delay": "100ms"}]},
        )
        await tocsin.start()
        try:
            assert (await post(tocsin, alert())).status_code == 202
            await until(lambda: lie(postfix, 1), "the mail of the opening")
            number = (await only_incident(tocsin))["number"]
            assert (await post(tocsin, alert("resolved"))).status_code == 202
            await until(lambda: lie(postfix, 2), "the mail of the end")
            await tocsin.quiet()
        finally:
            tocsin.stop()
        # Two mails of one second have no order in a Maildir.
        opened, resolved = sorted(postfix.mails(), key=lambda one: one["Subject"].startswith("[Resolved]"))
        log = postfix.log()
    assert opened["Subject"] == f"[CRITICAL] {number} {TITLE}"
    assert resolved["Subject"] == f"[Resolved] {number} {TITLE}"
    assert resolved["References"].split() == [opened["References"], opened["Message-ID"]]
    assert log.count(opened["Message-ID"]) == 1
    for one in (opened, resolved):
        assert "using TLSv1.3" in one["Received"]
        assert one["Delivered-To"] == f"ops@{DOMAIN}"
        text, html = one.get_body(("plain",)), one.get_body(("html",))
        assert text is not None
        assert html is not None
        assert TITLE in text.get_content()
        assert TITLE in html.get_content()


@pytest.mark.timeout(60)
async def test_what_postfix_refuses_and_whom_it_cannot_convince() -> None:
    async with Postfix() as postfix:

        def channel(name: str, ca_file: Path, **options: Any) -> Email:
            return Email(name, "127.0.0.1", "a@a.example", port=postfix.port, ca_file=str(ca_file), **options)

        trusted = postfix.certificates.authority
        foreign = channel("mail", trusted, to=("somebody@elsewhere.example",))
        sent = await foreign.send(effect(), possible_duplicate=False)
        assert (sent.outcome, "elsewhere.example" in sent.detail) == ("refused", True), sent
        clear = channel("mail", trusted, to=(f"ops@{DOMAIN}",), tls="none")
        sent = await clear.send(effect(), possible_duplicate=False)
        assert (sent.outcome, "STARTTLS" in sent.detail) == ("denied", True), sent
        deceived = channel("mail", postfix.certificates.directory / "stranger.pem", to=(f"ops@{DOMAIN}",))
        sent = await deceived.send(effect(), possible_duplicate=False)
        assert (sent.outcome, "certificate" in sent.detail) == ("failed", True), sent
        assert postfix.mails() == []


async def lie(postfix: Postfix, count: int) -> bool:
    return len(postfix.mails()) >= count
