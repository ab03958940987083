"""The owner over the toy stage: nothing decided twice, nothing skipped, and the journal gives the state back."""

from collections.abc import Iterable

import pytest

from tocsin.domain import events as ev
from tocsin.domain.instant import Instant
from tocsin.domain.rules import DOCUMENTS, Rules
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.runtime.journal import Lost
from tocsin.runtime.owner import StageBug
from tocsin.runtime.rules import SettingsFeed
from tocsin.stage import Input
from tocsin.testing.broker import Fault
from tocsin.testing.toy import Toy
from tocsin.topics import NORMALIZED, RAW
from tocsin.wire.events import POSITION
from tocsin.wire.position import decode_position
from unit.runtime.desk import JOURNAL, Desk, sighting


async def test_a_batch_is_decided_and_committed_with_its_position() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("b", 0, 1), sighting("a", 1))
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tombstoned", "tallied"]
    last = (await desk.broker.read(JOURNAL, 0, 3))[0]
    position = decode_position(last.header(POSITION) or b"")
    assert position.sources[f"{NORMALIZED.name}/0"][0] == 1
    assert (position.raw[f"{RAW.name}/0"].offset, position.raw[f"{RAW.name}/0"].index) == (1, 0)
    assert desk.owner.state.counts == {"a": 2, "b": 1}
    await desk.check_reload()


async def test_commits_are_cut_between_inputs_and_none_is_too_large() -> None:
    desk = Desk()
    await desk.load()
    for n in range(30):
        await desk.command(f"c{n}", times=3, size=30_000)
    await desk.turn()
    batches = await desk.batches()
    assert len(batches) > 2
    del batches[0][0]  # the claim carries no position
    names = []
    for batch in batches:
        assert sum(len(r.value or b"") + len(r.key or b"") for r in batch) <= BATCH_BYTES_MAX
        ids = [(r.header("ce_id") or b"").decode() for r in batch]
        assert len(ids) % 3 == 0
        names += ids
    assert names == [f"c{n}{tail}" for n in range(30) for tail in ("", ".1", ".2")]
    await desk.check_reload()


async def test_an_input_that_does_not_fit_one_commit_is_a_bug() -> None:
    desk = Desk()
    await desk.load()
    await desk.command("c", times=10, size=100_000)
    with pytest.raises(StageBug, match="one commit holds at most"):
        await desk.turn()
    assert await desk.types() == ["claimed"]


@pytest.mark.parametrize("kafka_like", [False, True])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN])
@pytest.mark.parametrize("which", range(4))
async def test_a_crash_or_a_doubt_at_any_append_changes_nothing(fault: Fault, which: int, kafka_like: bool) -> None:
    desk = Desk(kafka_like=kafka_like)
    countdown = which

    def strike(op: str, topic: str, partition: int) -> Fault | None:
        nonlocal countdown
        if topic != JOURNAL:
            return None
        countdown -= 1
        return fault if countdown == -1 else None

    desk.broker.fault = strike
    for n in range(6):
        await desk.alerts(sighting("a", n), sighting(f"b{n}", n, 1))
        await desk.command(f"c{n}")
        for _ in range(3):
            try:
                if n == 0 or not hasattr(desk, "owner") or desk.owner.journal is None:
                    await desk.load()
                await desk.turn()
                break
            except BaseException as error:
                if type(error).__name__ != "SimulatedCrash":
                    raise
                desk.owner.journal = None
    await desk.turn()
    assert desk.owner.state.counts == {"a": 6, **{f"b{n}": 1 for n in range(6)}}
    assert desk.owner.state.commands == [f"c{n}" for n in range(6)]
    await desk.check_reload()


async def test_new_rules_apply_between_commits_and_the_position_names_them() -> None:
    desk = Desk()
    await desk.load()
    world = desk.world()
    publisher = SettingsFeed(world)
    assert await publisher.publish(Rules()) == len(DOCUMENTS)
    assert await publisher.publish(Rules()) == 0
    await desk.alerts(sighting("a", 0), sighting("a", 1))
    await desk.turn()
    await desk.owner._feed.refresh()
    await desk.command("c")
    await desk.turn()
    events = await desk.events()
    assert [event.rules_version for event in events] == [-1, -1, -1, len(DOCUMENTS)]
    last = (await desk.broker.read(JOURNAL, 0, 3))[0]
    assert decode_position(last.header(POSITION) or b"").sources["settings.events.v1/0"][0] == len(DOCUMENTS) + 1


async def test_an_owner_that_was_replaced_stops_at_its_next_commit() -> None:
    desk = Desk()
    old = await desk.load()
    await desk.load()
    await desk.command("c")
    with pytest.raises(Lost):
        await old.read()
    await desk.turn()
    assert (await desk.types()).count("applied") == 1


async def test_a_release_says_everything() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    await desk.alerts(sighting("a", 1))
    await desk.turn()
    await desk.owner.release()
    assert (await desk.types())[-1] == "tallied"
    await desk.check_reload()


async def test_decide_sees_each_event_evolved_before_the_next() -> None:
    seen: list[int] = []

    class Careful(Toy):
        def decide(self, state: object, given: Input, rules: Rules, now: Instant) -> Iterable[ev.Event]:
            for event in super().decide(state, given, rules, now):  # type: ignore[arg-type]
                yield event
                seen.append(len(state.commands))  # type: ignore[attr-defined]

    desk = Desk()
    await desk.load(Careful())
    await desk.command("c", times=3)
    await desk.turn()
    assert seen == [1, 2, 3]
