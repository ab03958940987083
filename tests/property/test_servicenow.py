"""One incident, one ticket, whatever is lost between the question, the write and the answer."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.channel_kits import CONTEXT, effect
from contract.servicenow_kit import servicenow_to
from contract.servicenow_server import ServiceNowServer, servicenow_server
from tocsin.notify.channel import Sent
from tocsin.stage import Effect

STORY = ("incident.opened", "escalation.fired", "incident.acknowledged", "incident.resolved")
ATTEMPTS_MAX = 12

FATES = st.lists(st.sampled_from(["ok", "before", "after"]), max_size=14)
CRASHES = st.lists(st.booleans(), min_size=ATTEMPTS_MAX * len(STORY), max_size=ATTEMPTS_MAX * len(STORY))


async def attempted(server: ServiceNowServer, one: Effect, *, crashed: bool) -> Sent:
    """One attempt by a process that has just started: it knows what is in the log, and nothing else."""
    channel = servicenow_to(server)
    try:
        return await channel.send(one, possible_duplicate=crashed)
    finally:
        await channel.close()


async def lived(server: ServiceNowServer, fates: list[str], crashes: list[bool]) -> dict[str, int]:
    """Send the story as notify does: an attempt that failed is tried again under the next number; one whose result a
    crash swallowed is sent again under the same number, as a possible duplicate. Gives how often each was sent."""
    server.fates.extend(fates)
    handle, crashed, sends = "", iter(crashes), {}
    for number, kind in enumerate(STORY):
        delivery, attempt, again = f"ntf_aa{'abcd'[number]}", 1, False
        sends[delivery] = 0
        while sends[delivery] < ATTEMPTS_MAX:
            context = {**CONTEXT, "type": kind}
            one = effect(attempt, delivery, context=context, handle=handle)
            sent = await attempted(server, one, crashed=again)
            sends[delivery] += 1
            again = next(crashed)
            if again and server.fates:
                continue  # the result is lost with the process
            if sent.outcome == "delivered":
                handle = sent.handle
                break
            assert sent.outcome == "failed", sent
            attempt += 1
    return sends


@settings(max_examples=12)
@given(fates=FATES, crashes=CRASHES)
def test_there_is_one_ticket_and_each_note_is_in_it_once(fates: list[str], crashes: list[bool]) -> None:
    async def story() -> None:
        async with servicenow_server() as server:
            sends = await lived(server, fates, crashes)
            ticket = server.only()
            notes = server.notes[ticket["sys_id"]]
            assert [note.partition("]")[0][1:] for note in notes] == list(sends)
            assert ticket["state"] == "6"

    asyncio.run(story())


@settings(max_examples=12)
@given(fates=FATES, crashes=CRASHES)
def test_where_notes_cannot_be_read_every_repetition_is_marked(fates: list[str], crashes: list[bool]) -> None:
    async def story() -> None:
        async with servicenow_server(notes_readable=False) as server:
            sends = await lived(server, fates, crashes)
            ticket = server.only()
            notes = server.notes[ticket["sys_id"]]
            for delivery, count in sends.items():
                mine = [note for note in notes if note.startswith(f"[{delivery}]")]
                assert 1 <= len(mine) <= count
                assert all(note.startswith(f"[{delivery}] (possible duplicate)") for note in mine[1:])
            assert ticket["state"] == "6"

    asyncio.run(story())
