"""A storm: 20,000 alerts become 200 incidents, and at most fifty messages a channel, the critical ones one by one.

Played in memory only: what it shows does not depend on the log.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest

from scenarios.sending import over_channels
from scenarios.transports import in_memory
from scenarios.words import Play, alert
from tocsin.domain.rules import Limit, Rules
from tocsin.testing.scenario import Receiver, Story, StoryFunction, play

GROUPS, EACH, CRITICAL = 200, 100, 20
MESSAGES_MAX = 50
SEVERITIES = ("high", "medium", "low")


def limited() -> Rules:
    rules = over_channels("mail", "chat")
    limits = {name: Limit() for name in ("mail", "chat")}
    return msgspec.structs.replace(rules, notify=msgspec.structs.replace(rules.notify, limits=limits))


def mail_and_chat() -> Sequence[Receiver]:
    return Receiver("mail"), Receiver("chat")


async def storm(play: Play, each: int) -> None:
    """Every service of a data centre fails within four minutes, with `each` alerts."""
    for minute in range(4):
        await play.at(f"10:0{minute}")
        await play.alertmanager(
            *(
                alert(
                    f"Down {group}", f"{group}-{n}", f"10:0{minute}", severity=severity_of(group), service=f"s{group}"
                )
                for group in range(minute, GROUPS, 4)
                for n in range(each)
            )
        )


def severity_of(group: int) -> str:
    return "critical" if group < CRITICAL else SEVERITIES[group % 3]


async def nobody_answers(play: Play) -> None:
    await storm(play, EACH)
    await play.at("10:12")
    await told(play)


async def somebody_answers(play: Play) -> None:
    await storm(play, 2)
    await play.at("10:04")
    for header in await play.headers():
        if header["severity"] == "critical":
            await play.person("acknowledge", header["title"])
    await play.at("10:12")
    await told(play)


async def told(play: Play) -> None:
    """What arrived, and what the log says became of everything that was planned."""
    lines = [line.value | {"word": line.type} for line in await play.lines() if line.type.startswith("delivery.")]
    for name, receiver in play.receivers.items():
        own = [line for line in lines if line["channel"] == name]
        contexts = {effect.delivery_id: effect.context for _, effect, _ in receiver.arrived}
        assert len(contexts) <= MESSAGES_MAX, Counter(context["type"] for context in contexts.values())
        paged = [
            context["incident"]["title"]  # type: ignore[index]
            for context in contexts.values()
            if context["type"] == "incident.opened" and context["incident"]["severity"] == "critical"  # type: ignore[index]
        ]
        assert sorted(paged) == sorted(f"Down {group}" for group in range(CRITICAL))
        counts = {one: context["digest"]["count"] for one, context in contexts.items() if "digest" in context}  # type: ignore[index]
        bundled = Counter(line["digest"] for line in own if line["word"] == "delivery.bundled")
        assert counts == bundled
        assert sum(counts.values()) >= GROUPS - CRITICAL - MESSAGES_MAX
        opened = {line["incident_id"] for line in own if line.get("step") == "incident.opened"}
        assert len(opened) == GROUPS
        last = {line["delivery_id"]: line["word"] for line in own}
        assert set(last.values()) <= {"delivery.delivered", "delivery.bundled", "delivery.withdrawn"}, last


THE_WHOLE: Final = (pytest.mark.slow, pytest.mark.timeout(300))
"""20,000 alerts are read, decided, exported and checked."""


@pytest.mark.parametrize(
    ("tell", "partitions"),
    [
        pytest.param(nobody_answers, 1, id="nobody answers", marks=THE_WHOLE),
        pytest.param(somebody_answers, 1, id="somebody answers"),
        pytest.param(somebody_answers, 4, id="on four partitions"),
    ],
)
def test_a_storm_is_told_in_few_messages_and_nothing_critical_is_lost_in_them(
    tell: StoryFunction, partitions: int, tmp_path: Path
) -> None:
    assert play(Story(tell, limited(), mail_and_chat), in_memory(partitions), tmp_path).problems == []
