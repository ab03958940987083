"""A message that only tries the way: to a person, or over one channel, along the path of every page.

In: a target, who asks. Out: what became of it, with the receiver's answer. Invariants: nobody but the target hears of
it; its incident closes by itself; it is written as a command, so the log knows who tried.
"""

import asyncio
from typing import Any, Final

from tocsin.api.serving import Serving
from tocsin.domain.events.delivery import FINISHED
from tocsin.runtime.routing import test_page
from tocsin.topics import COMMANDS
from tocsin.wire.command import command_draft

WAIT_SECONDS: Final = 15.0
"""For a page to arrive: a mail server takes some."""
WAIT_SECONDS_MAX: Final = 30.0
LOOK_AGAIN_SECONDS: Final = 0.1
STATUS: Final = {"delivered": 200, "pending": 202, "failed": 502, "rejected": 409}
"""HTTP status of an outcome."""


async def tried(serving: Serving, target: str, *, actor: str, wait: float, channel: str = "") -> dict[str, Any]:
    """Call `target` (`kind:name`) and wait for what becomes of it.

    Args:
        channel: only deliveries over it count: where it fails, another way that the rules name does not help.

    Returns:
        `{target, command_id, outcome, deliveries, incident?, message?}`; `outcome` is a key of `STATUS`.
    """
    partition, command = test_page(target, actor, serving.node.partitions)
    ends = asyncio.get_running_loop().time() + wait
    await serving.publish(COMMANDS, partition, [command_draft(command)])
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
    if statuses and statuses <= FINISHED:
        answer["outcome"] = "delivered" if "delivered" in statuses else "failed"
    return answer


async def _deliveries(serving: Serving, incident: str, ends: float, channel: str) -> list[dict[str, Any]]:
    """The deliveries of the page, once there is nothing more to wait for."""
    loop = asyncio.get_running_loop()
    while True:
        found = await asyncio.to_thread(serving.queries.deliveries, incident)
        counted = [one for one in found if channel in ("", one["channel"])]
        if (counted and all(one["status"] in FINISHED for one in counted)) or loop.time() >= ends:
            return found
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
