"""The next deadline, whatever was set, moved and removed before it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.agenda import Agenda, Deadline, Earliest

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.none() | st.integers(0, 9)), max_size=30)


@given(STEPS)
def test_the_next_deadline_is_the_earliest_that_stands(steps: list[tuple[str, str, int | None]]) -> None:
    agenda = Agenda()
    plain: dict[tuple[str, str], datetime] = {}
    for kind, subject, minutes in steps:
        at = None if minutes is None else T0 + timedelta(minutes=minutes)
        agenda.put(kind, subject, at)
        plain.pop((kind, subject), None)
        if at is not None:
            plain[kind, subject] = at
        earliest = min(((at, *key) for key, at in plain.items()), default=None)
        assert agenda.next() == (Deadline(*earliest) if earliest else None)
    while (due := agenda.next()) is not None:
        assert due == Deadline(*min((at, *key) for key, at in plain.items()))
        agenda.put(due.kind, due.subject, None)
        del plain[due.kind, due.subject]
    assert not plain


def test_a_deadline_that_is_put_off_again_and_again_takes_one_place() -> None:
    agenda = Agenda()
    for second in range(1000):
        agenda.put("expire", "alert", T0 + timedelta(seconds=second))
    assert len(agenda._heap) == 1
    assert agenda.next() == Deadline(T0 + timedelta(seconds=999), "expire", "alert")


def test_one_that_comes_and_goes_leaves_nothing_behind() -> None:
    agenda = Agenda()
    for second in range(1000):
        agenda.put("resolve", "incident", T0 + timedelta(seconds=second + 60))
        agenda.put("resolve", "incident", None)
        agenda.put("resolve", "incident", T0 + timedelta(seconds=second + 61))
        due = agenda.next()
        while due is not None and due.at <= T0 + timedelta(seconds=second):
            agenda.put("resolve", "incident", None)
            due = agenda.next()
    assert len(agenda._heap) < 200


@given(STEPS, st.booleans())
def test_the_earliest_of_each_subject_is_enough(steps: list[tuple[str, str, int | None]], filled: bool) -> None:
    """An agenda of everything and one of the first of each subject say the same, whatever is set and removed."""
    everything, earliest = Agenda(), Earliest()
    for kind, subject, minutes in steps:
        everything.put(kind, subject, None if minutes is None else T0 + timedelta(minutes=minutes))
        stands = [(at, kind, subject) for (kind, name), at in everything.items().items() if name == subject]
        earliest.put(subject, stands)
        assert earliest.next() == everything.next()
    if filled:
        again = Earliest()
        again.fill(min(entries) for entries in by_subject(everything).values())
        assert again == earliest
        earliest = again
    while (due := everything.next()) is not None:
        assert earliest.next() == due
        everything.put(due.kind, due.subject, None)
        earliest.put(due.subject, by_subject(everything).get(due.subject, ()))
    assert earliest.next() is None


def by_subject(agenda: Agenda) -> dict[str, list[tuple[datetime, str, str]]]:
    found: dict[str, list[tuple[datetime, str, str]]] = {}
    for (kind, subject), at in agenda.items().items():
        found.setdefault(subject, []).append((at, kind, subject))
    return found
