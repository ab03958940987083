"""No text but ours opens a link, and whatever stands in one comes out as it went in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.notify.links import BadLink, Link, SignedLinks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LINKS = SignedLinks("https://t.example", [b"a secret of this test"], lambda: NOW, form_secret=b"")
TOKEN = LINKS.token("acknowledge", "inc_x", timedelta(hours=1), who="user:ana", once="ntf_1")
WORDS = st.text(max_size=60)


def opened(token: str) -> Link | None:
    try:
        return LINKS.opened(token)
    except BadLink:
        return None


@given(st.one_of(st.text(max_size=300), st.from_regex(r"[A-Za-z0-9_-]{0,200}\.[A-Za-z0-9_-]{0,60}", fullmatch=True)))
def test_no_other_text_is_a_link(text: str) -> None:
    assert opened(text) is None


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_link_with_one_character_changed_is_none(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    assert (opened(changed) is not None) == (changed == TOKEN)


@given(WORDS, WORDS, WORDS)
def test_what_goes_in_comes_out(incident: str, who: str, once: str) -> None:
    link = opened(LINKS.token("view", incident, timedelta(days=7), who=who, once=once))
    assert link is not None
    assert (link.verb, link.incident, link.who, link.once) == ("view", incident, who, once)
