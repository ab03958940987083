"""A message that only tries the way: to a person, or over one channel, along the path of every page.

In: a target, who asks. Out: what became of it, with the receiver's answer. Invariants: nobody but the target hears of
it; its incident closes by itself; it is written as a command, so the log knows who tried.
"""

import asyncio
import secrets
from typing import Any, Final

from tocsin.api.serving import Serving
from tocsin.domain import ids
from tocsin.domain.command import Command
from tocsin.topics import COMMANDS
from tocsin.wire.command import encode_command
from tocsin.wire.record import Draft

WAIT_SECONDS: Final = 15.0
"""For a page to arrive: a mail server takes some."""
WAIT_SECONDS_MAX: Final = 30.0
LOOK_AGAIN_SECONDS: Final = 0.1
FINAL: Final = frozenset({"delivered", "gave_up", "withdrawn", "suppressed", "bundled"})
"""Statuses of a delivery after which nothing more happens."""
STATUS: Final = {"delivered": 200, "pending": 202, "failed": 502, "rejected": 409}
"""HTTP status of an outcome."""


async def tried(serving: Serving, target: str, *, actor: str, wait: float, channel: str = "") -> dict[str, Any]:
    """Call `target` (`kind:name`) and wait for what becomes of it.

    Args:
        channel: only deliveries over it count: where it fails, another way that the rules name does not help.

    Returns:
        `{target, command_id, outcome, deliveries, incident?, message?}`; `outcome` is a key of `STATUS`.
    """
    command = Command(
        command_id=f"cmd_{secrets.token_hex(12)}", verb="test_page", actor=actor, arguments={"target": target}
    )
    key, value = encode_command(command)
    partition = ids.partition_of_key(f"declared:{command.command_id}", serving.node.partitions)
    ends = asyncio.get_running_loop().time() + wait
    await serving.publish(COMMANDS, partition, [Draft(key, value, (("content-type", b"application/json"),))])
    log = serving.node.event_log
    outcome = None if log is None else await log.wait_outcome(command.command_id, wait)
    answer: dict[str, Any] = {
        "target": target, "command_id": command.command_id, "outcome": "pending", "deliveries": []
    }  # fmt: skip
    if outcome is None:
        return answer
    answer["incident"] = outcome["incident"]
    if outcome["outcome"] == "rejected":
        return {**answer, "outcome": "rejected", "message": outcome["message"]}
    answer["deliveries"] = await _deliveries(serving, outcome["incident"], ends, channel)
    statuses = {one["status"] for one in answer["deliveries"] if channel in ("", one["channel"])}
    if statuses and statuses <= FINAL:
        answer["outcome"] = "delivered" if "delivered" in statuses else "failed"
    return answer


async def _deliveries(serving: Serving, incident: str, ends: float, channel: str) -> list[dict[str, Any]]:
    """The deliveries of the page, once there is nothing more to wait for."""
    loop = asyncio.get_running_loop()
    while True:
        found = await asyncio.to_thread(serving.queries.deliveries, incident)
        counted = [one for one in found if channel in ("", one["channel"])]
        if (counted and all(one["status"] in FINAL for one in counted)) or loop.time() >= ends:
            return found
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
