"""All mails of an incident are one thread, in readers of every school: by references alone, by references with the same
subject, and for whom the first mail never came."""

import re
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.channel_kits import CONTEXT, effect
from tocsin.notify.channel import Around
from tocsin.notify.channels.email import Email

INCIDENTS = ("inc_aaonlyfortests", "inc_abanotherincident")


def mail(incident: str, n: int, handle: str = "", title: str = "", **context: Any) -> EmailMessage:
    channel = Email("mail", "127.0.0.1", "tocsin@a.example", tls="none", around=Around(instance="prod.a.example"))
    about = {**CONTEXT["incident"], "id": incident, "number": f"INC-{incident}", "title": title or f"About {incident}"}
    given_context = {**CONTEXT, "incident": about, **context}
    one = effect(delivery=f"ntf_{incident[4:]}{n}", context=given_context, handle=handle)
    return channel.mail(one, ["ops@b.example"], possible_duplicate=False)


def story(incident: str, lost_receipts: frozenset[int] = frozenset()) -> list[EmailMessage]:
    """The mails of a life. A receipt that was lost leaves the next mail with the handle of before."""
    kinds: list[dict[str, Any]] = [
        {"type": "incident.opened", "escalation": None},
        {},
        {"escalation": {"level": 2, "team": "lead"}},
        {"type": "incident.reopened", "escalation": None},
        {"type": "incident.acknowledged", "escalation": None},
        {"type": "sla.breached", "escalation": None, "sla": {"target": "resolve", "due_at": "soon"}},
        {"type": "incident.resolved", "escalation": None, "actor": "ana"},
    ]
    mails: list[EmailMessage] = []
    handle = ""
    for n, kind in enumerate(kinds):
        mails.append(mail(incident, n, handle, **kind))
        if n not in lost_receipts:
            handle = mails[-1]["Message-ID"]
    return mails


def identifiers(text: str | None) -> list[str]:
    return re.findall(r"<[^<>\s]+>", text or "")


def plain_subject(subject: str) -> str:
    """Without what was put in front: RFC 5256 §2.1, in short."""
    before = None
    while before != subject:
        before, subject = subject, re.sub(r"^\s*(?:\[[^][]*\]|re:|fwd?:)\s*", "", subject, flags=re.IGNORECASE)
    return subject.strip()


def threads(mails: Sequence[EmailMessage], *, same_subject: bool = False, known_only: bool = False) -> list[set[str]]:
    """Which mails hang together: by References, then In-Reply-To, as J. Zawinski's algorithm has it (an id that no
    mail has is a mail that never came). `same_subject` asks for that, too; `known_only` lets only ids of mails that
    came hold anything together."""
    own = {one["Message-ID"] for one in mails}
    parent: dict[str, str] = {}

    def top(key: str) -> str:
        while (above := parent.get(key, key)) != key:
            key = above
        return key

    for one in mails:
        named = [*identifiers(one["References"]), *identifiers(one["In-Reply-To"])]
        for above in named:
            if known_only and above not in own:
                continue
            suffix = f" {plain_subject(str(one['Subject']))}" if same_subject else ""
            parent[top(one["Message-ID"] + suffix)] = top(above + suffix)
    found: dict[str, set[str]] = {}
    for one in mails:
        suffix = f" {plain_subject(str(one['Subject']))}" if same_subject else ""
        found.setdefault(top(one["Message-ID"] + suffix), set()).add(one["Message-ID"])
    return list(found.values())


SCHOOLS: list[dict[str, bool]] = [{}, {"same_subject": True}, {"known_only": True}]


def test_a_long_title_is_cut_alike_in_all_subjects() -> None:
    long = "Disk of a host with a long name " * 9
    subjects = {
        str(mail(INCIDENTS[0], n, title=long, **more)["Subject"])
        for n, more in enumerate(({}, {"escalation": None}, {"type": "incident.resolved", "escalation": None}))
    }
    assert len(subjects) == 3
    assert len({plain_subject(subject) for subject in subjects}) == 1


@pytest.mark.parametrize("school", SCHOOLS)
def test_each_incident_is_one_thread(school: dict[str, bool]) -> None:
    one, other = story(INCIDENTS[0]), story(INCIDENTS[1])
    found = threads([mail for pair in zip(one, other, strict=True) for mail in pair], **school)
    assert sorted(map(sorted, found)) == sorted(sorted(mail["Message-ID"] for mail in mails) for mails in (one, other))


@settings(max_examples=30)
@given(
    came=st.sets(st.integers(0, 6), min_size=1),
    lost=st.frozensets(st.integers(0, 6)),
    order=st.randoms(use_true_random=False),
)
def test_whichever_mails_came_and_in_which_order(came: set[int], lost: frozenset[int], order: Any) -> None:
    mails = [story(INCIDENTS[0], lost)[n] for n in came]
    order.shuffle(mails)
    assert len(threads(mails)) == 1
    assert len(threads(mails, same_subject=True)) == 1


def test_no_mail_hangs_below_itself_or_in_a_ring() -> None:
    mails = story(INCIDENTS[0])
    for n, one in enumerate(mails):
        before = [earlier["Message-ID"] for earlier in mails[:n]]
        above = identifiers(one["References"])
        assert one["In-Reply-To"] == above[-1]
        assert above == ["<inc_aaonlyfortests@prod.a.example>", *before[-1:]]
    again = mail(INCIDENTS[0], 3, handle=mails[3]["Message-ID"])
    assert again["References"] == "<inc_aaonlyfortests@prod.a.example>"


@pytest.mark.parametrize("handle", ["C012:17.5", "<a@b>\r\nBcc: x@c.example", "<a b@c>", "<" + "x" * 400 + "@a>", "<>"])
def test_a_handle_that_is_no_id_of_a_mail_is_not_used(handle: str) -> None:
    assert mail(INCIDENTS[0], 1, handle)["References"] == "<inc_aaonlyfortests@prod.a.example>"


def test_two_recipients_of_one_incident_get_two_mails() -> None:
    """Equal ids would be taken for the same mail twice by the server of a mailbox that gets both."""
    mails = story(INCIDENTS[0])
    assert len({one["Message-ID"] for one in mails}) == len(mails)
    assert "<inc_aaonlyfortests@prod.a.example>" not in {one["Message-ID"] for one in mails}


def test_who_stands_outside_and_knows_no_id_has_a_thread_by_the_number() -> None:
    about = {"number": "INC-2026-11-21-001", "title": "Shop", "severity": "high", "status": "open"}
    channel = Email("mail", "127.0.0.1", "tocsin@a.example", tls="none")
    context = {"type": "incident.updated_people", "audience": "customers", "incident": about}
    first, second = (
        channel.mail(effect(delivery=f"ntf_aa{n}", context=context), ["c@b.example"], possible_duplicate=False)
        for n in (1, 2)
    )
    assert first["References"] == second["References"] == "<INC-2026-11-21-001@tocsin>"


def test_a_digest_is_in_no_thread() -> None:
    digest = {"count": 3, "incidents": [{"id": INCIDENTS[0], "number": "INC-1", "title": "Disk", "severity": "high"}]}
    one = effect(delivery="ntf_aadigest", context={"type": "digest", "digest": digest}, handle="<ntf_aa0@tocsin>")
    channel = Email("mail", "127.0.0.1", "tocsin@a.example", tls="none")
    written = channel.mail(one, ["ops@b.example"], possible_duplicate=False)
    assert written["References"] is None
    assert written["In-Reply-To"] is None
    assert written["X-Tocsin-Incident"] is None
