"""The owner counts repeats: each once, summed for a second, in order with what stands beside them."""

from datetime import timedelta

from tocsin.domain import events as ev
from unit.runtime.desk import JOURNAL, T0, Desk, sighting


async def test_repeats_wait_a_second_and_go_out_as_one_sum() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    for n in range(1, 8):
        await desk.alerts(sighting("a", n), sighting("a", n, 1))
        await desk.turn()
        desk.wait(0.1)
    assert await desk.types() == ["claimed", "tombstoned"]
    assert 0 < desk.owner.idle_for() <= 0.31
    desk.wait(0.31)
    await desk.turn()
    tallied = (await desk.events())[-1]
    assert isinstance(tallied, ev.Tallied)
    assert [(t.alert_id, t.count) for t in tallied.tallies] == [("a", 14)]
    assert (tallied.tallies[0].start, tallied.tallies[0].last) == (
        T0 + timedelta(seconds=1),
        T0 + timedelta(seconds=7),
    )
    await desk.check_reload()


async def test_pending_repeats_go_in_front_of_the_next_commit() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    await desk.alerts(sighting("a", 1))
    await desk.turn()
    await desk.command("c1")
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tallied", "applied"]
    await desk.check_reload()


async def test_a_repeat_in_the_commit_of_its_first_sighting_stands_behind_it() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(*[sighting(name, n) for n, name in enumerate("aabab")])
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tallied", "tombstoned", "tallied"]
    assert desk.owner.state.counts == {"a": 3, "b": 2}
    await desk.check_reload()


async def test_stretches_more_than_ten_minutes_apart_stay_apart_in_a_sum() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("a", 10), sighting("a", 610), sighting("a", 1211))
    await desk.turn()
    tallied = (await desk.events())[-1]
    assert isinstance(tallied, ev.Tallied)
    assert [t.count for t in tallied.tallies] == [2, 1]
    assert desk.owner.state.counts == {"a": 4}
    await desk.check_reload()


async def test_a_repeat_of_ingest_is_not_applied_twice() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("a", 0, 1))
    await desk.alerts(sighting("a", 0), sighting("a", 0, 1), sighting("a", 1))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 3}
    await desk.load()
    await desk.alerts(sighting("a", 0, 1), sighting("a", 1), sighting("a", 1, 1))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 4}


async def test_a_raw_topic_created_anew_starts_its_own_marks() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 7))
    await desk.alerts(sighting("a", 0, incarnation="i2"))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 2}


async def test_tallies_beyond_one_record_are_split() -> None:
    desk = Desk()
    await desk.load()
    names = [f"alt_{n:028d}" for n in range(9000)]
    await desk.alerts(*[sighting(name, 0, n) for n, name in enumerate(names)])
    await desk.turn()
    await desk.alerts(*[sighting(name, 1, n) for n, name in enumerate(names)])
    desk.wait(1)
    await desk.turn()
    desk.wait(1)
    await desk.turn()
    records = await desk.broker.read(JOURNAL, 0, 0, records_max=100_000, bytes_max=10**9)
    tallies = [r for r in records if b"tallied" in (r.header("ce_type") or b"")]
    assert len(tallies) == 8  # in two commits
    assert max(len(r.value or b"") for r in tallies) <= 200 * 1024
    assert set(desk.owner.state.counts.values()) == {2}
    await desk.check_reload()
