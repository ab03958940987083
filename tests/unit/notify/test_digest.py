"""Notify: limits of a place, digests, bundles."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.rules import Limit
from tocsin.domain.severity import Severity
from tocsin.notify.digest import MEMBERS_MAX
from tocsin.notify.message import message_of
from tocsin.notify.state import Ledger
from tocsin.stage import Fact, Room
from tocsin.topics import INCIDENTS
from unit.escalate.story import Story, Subject, at, words
from unit.notify.desk import CRITICAL, HIGH, LOW, call, called, notify, room

LIMIT = Limit(messages=2, pages=3)


def limited(**limit: object) -> Story[Ledger]:
    return notify(limits={"ops": Limit(**{"messages": 2, "pages": 3, **limit})})  # type: ignore[arg-type]


def opens(story: Story[Ledger], severity: Severity, minutes: float, *names: str) -> list[ev.Event]:
    return [
        event
        for name in names
        for event in story.reads(Subject(severity, incident_id=f"inc_{name}", title=name, number=name).opened(minutes))
    ]


def joined(events: list[ev.Event]) -> list[bool]:
    return [event.joined is not None for event in events if isinstance(event, ev.DeliveryPlanned)]


def test_below_the_limit_each_has_its_own_message_and_beyond_it_they_become_one() -> None:
    story = limited()
    assert joined(opens(story, HIGH, 0, *"abcde")) == [False, False, True, True, True]
    assert len(room(story, 4, 9)) == 2
    assert story.stage.due(story.state).at == at(5)  # type: ignore[union-attr]
    written = story.until(5)
    assert words(written) == [("delivery.planned", "over_limit"), *[("delivery.bundled", "in_digest")] * 3]
    digest, *members = written
    assert isinstance(digest, ev.DeliveryPlanned)
    assert (digest.step, digest.recipient, digest.incident_id, digest.page) == ("digest", "channel:ops", "", False)
    assert [one.digest for one in members if isinstance(one, ev.DeliveryBundled)] == [digest.delivery_id] * 3
    assert digest.context["digest"]["count"] == 3
    assert [one["number"] for one in digest.context["digest"]["incidents"]] == ["c", "d", "e"]
    assert len(room(story, 5, 9)) == 1
    assert message_of(digest.context).subject == "[Digest] 3 incidents: c c and 2 more"


def test_the_limit_counts_over_its_time_and_starts_no_digest_of_one() -> None:
    story = limited()
    assert joined(opens(story, HIGH, 0, *"abc")) == [False, False, True]
    assert len(room(story, 4.9, 9)) == 2
    (alone,) = room(story, 5, 9)
    assert alone.incident_id == "inc_c"
    assert story.state.bundles == {}
    assert joined(opens(story, HIGH, 9.9, "d")) == [True]
    assert joined(opens(story, HIGH, 10.1, "e")) == [True], "what waits already is followed"
    story.until(14.9)
    assert joined(opens(story, HIGH, 30, "f")) == [False]


def test_pages_wait_only_for_pages_and_only_beyond_a_limit_of_their_own() -> None:
    story = limited()
    opens(story, HIGH, 0, *"abc")
    assert joined(opens(story, CRITICAL, 0, *"defgh")) == [False, False, False, True, True]
    written = story.until(1)
    assert words(written)[0] == ("delivery.planned", "over_page_limit")
    assert isinstance(written[0], ev.DeliveryPlanned)
    assert written[0].page
    assert written[0].context["digest"]["count"] == 2
    attempted = room(story, 1, 9)
    assert [one.incident_id for one in attempted[:4]] == ["inc_d", "inc_e", "inc_f", ""]


def test_a_digest_of_pages_that_are_all_answered_calls_nobody_any_more() -> None:
    story = limited(pages=1)
    subjects = [Subject(CRITICAL, incident_id=f"inc_{n}") for n in range(4)]
    for subject in subjects:
        story.reads(subject.opened(0))
    story.until(1)
    assert len(room(story, 1, 1)) == 1
    for subject in subjects[1:3]:
        story.reads(subject.acknowledged(2))
    assert story.stage.wants(story.state) != []
    story.reads(subjects[3].acknowledged(3))
    assert words(story.give(Room("ops", 9), 3)) == [("delivery.withdrawn", "answered")]


def test_what_is_answered_meanwhile_leaves_the_digest() -> None:
    story = limited()
    subjects = [Subject(HIGH, incident_id=f"inc_{n}") for n in range(5)]
    for subject in subjects:
        story.reads(subject.opened(0))
    assert words(story.reads(subjects[2].acknowledged(1)))[1] == ("delivery.withdrawn", "acknowledged")
    story.reads(subjects[3].acknowledged(1))
    assert story.stage.due(story.state) is None
    attempted = room(story, 5, 9)
    assert [one.incident_id for one in attempted] == ["inc_0", "inc_1", "inc_4"]


def test_a_place_is_an_address_of_its_own_or_that_of_the_channel() -> None:
    story = limited(pages=1)
    calls = [call(Subject(CRITICAL, incident_id=f"inc_{n}"), 0, channels=("ops",), contacts={}) for n in range(2)]
    own = call(Subject(CRITICAL, incident_id="inc_9"), 0, channels=("ops",))
    assert [joined(called(story, one)) for one in calls] == [[False], [True]]
    assert joined(called(story, own)) == [False]


def test_what_a_person_asked_for_waits_for_nobody() -> None:
    story = limited(pages=1)
    opens(story, CRITICAL, 0, "a")
    asked = call(Subject(CRITICAL, incident_id="inc_9"), 0, channels=("ops",), contacts={}, reason="requested")
    assert joined(called(story, asked)) == [False]


def test_a_bundle_waits_for_others_also_below_the_limit() -> None:
    story = limited(messages=0, bundle=timedelta(minutes=1))
    assert joined(opens(story, LOW, 0, "a")) == [True]
    assert joined(opens(story, LOW, 0.5, "b")) == [True]
    assert joined(opens(story, CRITICAL, 0.5, "c")) == [False]
    assert words(story.until(1))[0] == ("delivery.planned", "bundle")
    opens(story, LOW, 2, "d")
    assert room(story, 2.9, 1)[0].incident_id == "inc_c"
    assert room(story, 2.9, 9)[0].incident_id == ""
    assert room(story, 3, 9)[0].incident_id == "inc_d"


def test_a_full_bundle_is_closed_before_it_is_due() -> None:
    story = limited(messages=1)
    stage, state = story.stage, story.state
    for n in range(MEMBERS_MAX + 2):  # not by the story, which would fold all of it each time
        fact = Fact(Subject(HIGH, incident_id=f"inc_{n}").opened(0), INCIDENTS.name, 0, n)
        for one in stage.decide(state, fact, story.rules, at(0)):
            stage.evolve(state, one)
    digests = [one for one in state.deliveries.values() if one.step == "digest"]
    assert [one.context["digest"]["count"] for one in digests] == [MEMBERS_MAX]
    assert [len(bundle.members) for bundle in state.bundles.values()] == [1]


def test_each_partition_has_its_share_of_the_messages() -> None:
    story = limited(messages=4)
    story.stage.partitions = 4  # type: ignore[attr-defined]
    assert joined(opens(story, HIGH, 0, *"ab")) == [False, True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([HIGH, LOW, CRITICAL]),
            st.sampled_from(["open", "open", "open", "acknowledge", "resolve", "send", "wait"]),
            st.integers(0, 30),
        ),
        max_size=60,
    )
)
def test_every_message_ends_once_and_the_digests_count_what_was_bundled(
    steps: list[tuple[Severity, str, int]],
) -> None:
    story = limited(bundle=timedelta(seconds=20))
    minutes, subjects = 0.0, list[Subject]()
    for severity, what, number in steps:
        if what == "open":
            subjects.append(Subject(severity, incident_id=f"inc_{len(subjects)}"))
            story.reads(subjects[-1].opened(minutes))
        elif what == "wait":
            minutes += number / 4
            story.until(minutes)
        elif what == "send":
            story.give(Room("ops", number), minutes)
        elif subjects:
            subject = subjects[number % len(subjects)]
            if subject.header.status == "open":
                story.reads(subject.acknowledged(minutes) if what == "acknowledge" else subject.resolved(minutes))
    story.until(minutes + 60)
    story.give(Room("ops", 1000), minutes + 60)
    planned = [event for event in story.journal if isinstance(event, ev.DeliveryPlanned)]
    attempted, bundled_ones, withdrawn = (
        [event.delivery_id for event in story.journal if isinstance(event, kind)]
        for kind in (ev.DeliveryAttempted, ev.DeliveryBundled, ev.DeliveryWithdrawn)
    )
    ends = Counter(attempted + bundled_ones + [one for one in withdrawn if one not in attempted])
    assert ends == Counter(event.delivery_id for event in planned)
    counts = {event.delivery_id: event.context["digest"]["count"] for event in planned if event.step == "digest"}
    bundled = Counter(event.digest for event in story.journal if isinstance(event, ev.DeliveryBundled))
    assert counts == bundled
    assert all(count > 1 for count in counts.values())
    assert story.state.bundles == {}
