"""Links: what they allow, until when, and that nobody else can make one."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.notify.channel import Links
from tocsin.notify.links import ACKNOWLEDGE, VIEW, BadLink, Expired, SignedLinks

T0 = datetime(2026, 11, 21, 12, 20, tzinfo=UTC)
INCIDENT = "inc_aaabcdefghijklmnopqrst"
DELIVERY = "ntf_aaabcdefghijklmnopqrst"


class Now:
    at = T0

    def __call__(self) -> datetime:
        return self.at


def links(*secrets: bytes, base: str = "https://t.example", now: Now | None = None, signs: bool = True) -> SignedLinks:
    return SignedLinks(base, secrets, now or Now(), form_secret=b"this process", signs_views=signs)


def token_in(url: str) -> str:
    return url.rpartition("t=")[2] if "t=" in url else url.rpartition("/")[2]


def test_a_link_says_who_may_do_what_to_which_incident_and_for_which_message() -> None:
    made: Links = links(b"s" * 16)
    url = made.acknowledge(INCIDENT, "user:ana", DELIVERY)
    assert url.startswith("https://t.example/a/")
    assert len(url) < 220, "it has to fit two short messages"
    link = links(b"s" * 16).opened(token_in(url))
    assert (link.verb, link.incident, link.who, link.once) == (ACKNOWLEDGE, INCIDENT, "user:ana", DELIVERY)
    assert T0 + timedelta(hours=24) <= datetime.fromtimestamp(link.expires, UTC) <= T0 + timedelta(hours=25)


def test_the_page_link_only_shows_and_is_the_same_for_an_hour() -> None:
    now = Now()
    made = links(b"s" * 16, now=now)
    url = made.page(INCIDENT)
    assert made.opened(token_in(url)).verb == VIEW
    now.at = T0 + timedelta(minutes=30)
    assert made.page(INCIDENT) == url


def test_without_an_address_a_secret_or_need_there_is_less() -> None:
    assert links(b"s" * 16, base="").page(INCIDENT) == ""
    assert links(b"s" * 16, base="").acknowledge(INCIDENT, "user:ana", DELIVERY) == ""
    assert links().acknowledge(INCIDENT, "user:ana", DELIVERY) == ""
    assert links().page(INCIDENT) == f"https://t.example/i/{INCIDENT}"
    assert links(b"s" * 16, signs=False).page(INCIDENT) == f"https://t.example/i/{INCIDENT}"


def test_a_link_expires_and_still_says_which_incident_it_was() -> None:
    now = Now()
    made = links(b"s" * 16, now=now)
    token = token_in(made.acknowledge(INCIDENT, "user:ana", DELIVERY))
    now.at = T0 + timedelta(hours=23, minutes=59)
    assert made.opened(token).who == "user:ana"
    now.at = T0 + timedelta(hours=25, seconds=1)
    with pytest.raises(Expired) as expired:
        made.opened(token)
    assert expired.value.link.incident == INCIDENT


def test_of_two_secrets_the_first_signs_and_both_are_valid() -> None:
    old, new = b"old secret of ours", b"new secret of ours"
    before = token_in(links(old).acknowledge(INCIDENT, "user:ana", DELIVERY))
    after = token_in(links(new, old).acknowledge(INCIDENT, "user:ana", DELIVERY))
    assert links(new, old).opened(before) == links(new, old).opened(after)
    assert links(new).opened(after)
    with pytest.raises(BadLink):
        links(new).opened(before)


def test_forged_links_are_refused() -> None:
    made = links(b"s" * 16)
    token = token_in(made.acknowledge(INCIDENT, "user:ana", DELIVERY))
    payload, _, mac = token.partition(".")
    other = token_in(made.acknowledge(INCIDENT, "user:bob", DELIVERY)).partition(".")[0]
    view = token_in(made.page(INCIDENT))
    forged = [
        *("", ".", payload, f"{payload}.", f".{mac}", f"{other}.{mac}", f"{payload}.{mac[:-1]}", f"{payload}.{mac}="),
        *(f"{token}A", f"{token}=", f" {token}", token.swapcase(), f"{payload}.{view.partition('.')[2]}"),
        *("a" * 2000, "ä.ö", "%00.%00", f"{payload}.{'A' * len(mac)}", token.replace(".", "..")),
        *(f"{token[:n]}{'A' if token[n] != 'A' else 'B'}{token[n + 1 :]}" for n in range(len(token))),
        token_in(links(b"another secret!!").acknowledge(INCIDENT, "user:ana", DELIVERY)),
    ]
    for one in forged:
        with pytest.raises(BadLink) as refused:
            made.opened(one)
        assert not isinstance(refused.value, Expired)
        assert len(one) < 2 or one not in str(refused.value)


def test_forms_work_without_a_secret_and_are_no_links() -> None:
    for made in (links(), links(b"s" * 16)):
        link = made.opened(made.form("resolve", INCIDENT, "local", "number"))
        assert (link.verb, link.who, link.once) == ("form:resolve", "local", "number")


def test_the_command_id_is_the_same_for_each_use_and_differs_for_each_message() -> None:
    made = links(b"s" * 16)
    opened = [
        made.opened(token_in(made.acknowledge(INCIDENT, who, delivery)))
        for who, delivery in [("user:ana", DELIVERY), ("user:ana", DELIVERY), ("user:bob", DELIVERY), ("user:ana", "x")]
    ]
    assert len({one.command_id for one in opened}) == 3
