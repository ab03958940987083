"""A short message fits and asks for an answer where one is wanted, and its code means the incident it came from."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.notify.channel import Words
from tocsin.notify.channels.phone_body import Body
from tocsin.notify.channels.phone_text import CODE_DAYS, TEXT_MAX, TEXT_MIN, code_of, next_of, number_of, text_of
from tocsin.notify.message import message_of

days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
texts = st.text(max_size=400)


@given(days, st.integers(1, 999_999), st.integers(0, CODE_DAYS * 86_400 - 1))
def test_a_code_means_the_incident_it_was_made_of(day: date, ordinal: int, later: int) -> None:
    number = f"INC-{day.isoformat()}-{ordinal:03d}"
    now = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=later)
    code = code_of(number)
    for word in (code, code.replace("-", "*"), code.replace("-", "/"), number, number.lower()):
        assert number_of(word, now) == number


@given(days, st.text(alphabet="0123456789-*./ inc", max_size=12))
def test_a_code_never_means_an_incident_of_another_time(day: date, word: str) -> None:
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    if number := number_of(word, now):
        meant = date.fromisoformat(number[4:14])
        assert -CODE_DAYS <= (meant - day).days <= 1
        assert int(word.strip().replace("*", "-").replace(".", "-").replace("/", "-").split("-")[0]) == meant.day


contexts = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["incident.opened", "incident.resolved", "escalation.fired", "digest", ""]),
        "incident": st.fixed_dictionaries(
            {},
            optional={
                "id": st.just("inc_aaonlyfortests"),
                "number": st.one_of(st.just("INC-2026-11-21-007"), texts),
                "title": texts,
                "service": texts,
                "severity": st.sampled_from(["critical", "low", ""]),
                "status": st.sampled_from(["open", "resolved"]),
            },
        ),
        "next": st.one_of(st.none(), st.fixed_dictionaries({"target": texts, "due_at": texts})),
    }
)


@given(contexts, st.integers(TEXT_MIN, TEXT_MAX), st.booleans(), st.booleans(), texts, st.sampled_from(["", "x" * 60]))
def test_a_text_fits_and_says_something(
    context: dict[str, Any], limit: int, reply: bool, again: bool, body: str, link: str
) -> None:
    message = message_of(context)
    words = Words(body=body) if body else None
    upcoming = next_of(context["next"])
    text = text_of(message, words, limit=limit, reply=reply, link=link, upcoming=upcoming, possible_duplicate=again)
    assert 0 < len(text) <= limit
    assert text == " ".join(text.split()), "one line"
    code = code_of(message.number) if reply and message.asks else ""
    assert (f"Reply ACK {code}" in text) if code else ("Reply ACK" not in text or "Reply ACK" in body)
    assert (link in text) or not link


@given(texts)
def test_no_text_leaves_its_field(text: str) -> None:
    values = {"to": "+491", "from": "us", "text": text, "delivery_id": "ntf_1", "callback": ""}
    markup = Body({"To": "{to}", "T": "<Say>{text}</Say>"}, {}).filled(values)[0].decode("ascii")
    assert markup.count("&") == 1
    assert markup.count("%3C") == 2, "no element but ours"
