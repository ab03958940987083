"""Mails in a real browser: on a telephone and a screen, by day and by night, and with no style sheet."""

import re
from pathlib import Path
from typing import Any

import pytest

from contract.channel_kits import CONTEXT, effect, text_of
from integration.browser import Browser, Missing, Page, axe, chromium
from tocsin.notify.channel import Around, Words
from tocsin.notify.channels.email import Email

pytestmark = pytest.mark.integration

WIDTHS = (360, 1280)
ON_A_SCREEN = ("page", "digest")
"""A screen has room for all of them; two of them show that it is used well."""
TAP_MIN = 44
SMALL = f"""
[...document.querySelectorAll('a')].map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([_, r]) => r.width < {TAP_MIN} || r.height < {TAP_MIN}).map(([html]) => html)
"""
LONG = "a-name-without-any-blank-that-would-let-a-line-be-broken-" * 3
INCIDENT: dict[str, Any] = CONTEXT["incident"] | {
    "category": "database",
    "team": "shop-platform",
    "links": {name: f"https://{name}.a.example/d" for name in ("runbook", "dashboard", "generator")},
}
PAGE: dict[str, Any] = {
    **CONTEXT,
    "incident": INCIDENT,
    "since": {"recorded_at": "2026-11-21T12:00:00Z", "severity": "high", "status": "open", "alerts": 1},
    "also": [{"recipient": "user:ana", "channel": "slack"}, {"recipient": "team:dba", "channel": "sms"}],
}
GOOD = {
    **CONTEXT,
    "type": "incident.resolved",
    "escalation": None,
    "next": None,
    "actor": "ana",
    "note": "The volume is larger.\nAn alert at 80 % comes next.",
    "incident": INCIDENT | {"status": "resolved", "severity_label": "SEV1", "acknowledged_by": "ana"},
}
LONG_WORDS = {**PAGE, "incident": INCIDENT | {"title": LONG, "service": LONG, "summary": LONG, "severity": "medium"}}
ROWS = [
    {"id": f"inc_aa{n}", "number": f"INC-2026-11-21-{n:03}", "title": title, "severity": word, "status": "open"}
    for n, (title, word) in enumerate(
        [("Disk of shop is full", "critical"), ("Checkout answers slowly", "high"), (LONG, "low"), ("So what", "info")]
    )
]
DIGEST = {
    "type": "digest",
    "digest": {
        "count": 57,
        "since": "2026-11-21T12:00:00Z",
        "until": "2026-11-21T12:05:00Z",
        "incidents": ROWS,
        "more": 33,
        "by_severity": {"critical": 1, "high": 12, "low": 23, "info": 1},
    },
}
MAILS = {"page": PAGE, "good": GOOD, "long": LONG_WORDS, "digest": DIGEST, "template": PAGE}


class Addresses:
    def page(self, incident_id: str) -> str:
        return f"https://tocsin.a.example/i/{incident_id}"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return f"https://tocsin.a.example/a/{delivery_id}"


class Template:
    def words(self, channel: str, kind: str, context: Any) -> Words | None:
        return Words(subject="Shop", body="Please look at the shop.\n\nWe know <b>nothing</b> more.")


def written(directory: Path) -> dict[str, Path]:
    """The mails as files, and the first one without its style sheet, as some readers show it."""
    found = {}
    for name, context in MAILS.items():
        around = Around(links=Addresses(), wording=Template()) if name == "template" else Around(links=Addresses())
        channel = Email("mail", "127.0.0.1", "a@b.example", tls="none", around=around)
        one = channel.mail(effect(context=context), ["ops@b.example"], possible_duplicate=name == "long")
        found[name] = directory / f"{name}.html"
        found[name].write_text(text_of(one, "html"), encoding="utf-8")
    bare = re.sub(r"<style>.*?</style>", "", found["page"].read_text(), flags=re.DOTALL)
    found["bare"] = directory / "bare.html"
    found["bare"].write_text(bare, encoding="utf-8")
    return found


async def judge(page: Page, width: int) -> dict[str, Any]:
    """What is wrong with the mail that is open."""
    wide = await page.evaluate("document.documentElement.scrollWidth")
    return {
        "too wide": wide if wide > width else None,
        "too small for a finger": await page.evaluate(SMALL),
        "not accessible": await page.violations(),
    }


@pytest.mark.timeout(180)
async def test_mails_can_be_read_and_answered_everywhere(tmp_path: Path) -> None:
    try:
        chromium(), axe()
    except Missing as missing:
        pytest.skip(str(missing))
    mails = written(tmp_path)
    problems: dict[str, Any] = {}
    async with Browser(tmp_path / "browser") as browser:
        for dark in (False, True):
            for width in WIDTHS:
                page = await browser.page(width, 900, dark=dark)
                for name, file in mails.items():
                    if width > WIDTHS[0] and name not in ON_A_SCREEN:
                        continue
                    await page.open(file.as_uri())
                    shown = f"mail-{name}-{width}-{'dark' if dark else 'light'}"
                    await page.picture(tmp_path / f"{shown}.png")
                    problems |= {
                        f"{shown}: {what}": found for what, found in (await judge(page, width)).items() if found
                    }
    assert problems == {}
