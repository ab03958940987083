"""ServiceNow with a table API on loopback, for the contract of all channels."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from contract.channel_kits import SHORT, Arrived, Kit
from contract.servicenow_server import PASSWORD, USER, ServiceNowServer, Write, servicenow_server
from tocsin.notify.channels.servicenow import ServiceNow


def servicenow_to(server: ServiceNowServer, **options: Any) -> ServiceNow:
    given = {"username": USER, "password": PASSWORD, "timeout_seconds": 10.0, **options}
    return ServiceNow("tickets", server.url, **given)


def arrived(write: Write) -> Arrived:
    note = write.fields["work_notes"]
    return Arrived(note.partition("]")[0][1:], "(possible duplicate)" in note, json.dumps(write.fields))


@asynccontextmanager
async def servicenow(mode: str) -> AsyncIterator[Kit]:
    """Its notes cannot be read: what can is in tests/contract/test_channel_servicenow.py."""
    async with servicenow_server(mode="ok" if mode == "gone" else mode, notes_readable=False) as server:
        channel = servicenow_to(server, timeout_seconds=SHORT if mode == "hang" else 10.0)
        if mode == "gone":
            await server.stop()
        yield Kit(channel, lambda: [arrived(write) for write in server.writes])
        await channel.close()
