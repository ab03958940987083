"""Evolving a sum of tallies equals evolving the tallies one by one, in any order (RECORDS §3)."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain import events as ev
from tocsin.domain.incident import Span, see
from tocsin.runtime.pending import Pending
from tocsin.testing.story import Desk, alert, at, fold

STRETCH = st.tuples(
    st.sampled_from("ab"), st.integers(0, 90), st.integers(0, 12), st.none() | st.integers(0, 120), st.booleans()
)
Stretch = tuple[str, int, int, int | None, bool]


def tallied(one: Stretch, ids: dict[str, str]) -> ev.Tallied:
    name, start, length, expires, resolved = one
    tally = ev.Tally(
        ids[name],
        1,
        at(start),
        at(start + length),
        None if expires is None else at(expires),
        at(start + length) if resolved else None,
    )
    return ev.Tallied(recorded_at=at(100), reason="repeat", tallies=(tally,))


@settings(max_examples=300, deadline=None)
@given(st.lists(STRETCH, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_sum_of_tallies_is_the_tallies_one_by_one(stretches: list[Stretch], random: Random) -> None:
    desk = Desk().read_all([alert("a", 0, expires=200), alert("b", 1)])
    ids = {member.title[-1]: member.alert_id for member in desk.state.alerts.values()}
    singles = [tallied(one, ids) for one in stretches]
    pending = Pending("/test/incidents.events.v1/0")
    assert pending.take(singles, 0)
    summed = [record.event for record in pending.records()]
    random.shuffle(singles)
    assert fold(desk.stage, [*desk.events, *summed], {}) == fold(desk.stage, [*desk.events, *singles], {})


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 15)), min_size=1, max_size=10))
def test_stretches_join_the_same_way_in_any_order(stretches: list[tuple[int, int]]) -> None:
    def seen(order: list[tuple[int, int]]) -> list[Span]:
        spans = [Span(at(50), at(50))]
        for start, length in order:
            see(spans, at(start), at(start + length))
        return spans

    assert seen(stretches) == seen(stretches[::-1])
    assert seen(stretches) == seen(sorted(stretches))
