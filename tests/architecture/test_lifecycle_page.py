"""The handbook's page of the lifecycle is drawn from the tables that the code runs."""

import re
from pathlib import Path

import pytest

from tocsin.domain.command import TABLE, VERBS
from tocsin.domain.lifecycle import AFTER, ANY, IN, Status, diagram

PAGE = Path(__file__).parents[2] / "src/tocsin/docs/lifecycle.md"


def verbs() -> str:
    """Every verb: what it is for, when it is possible, what it takes."""
    lines = ["| verb | what it says | while | arguments |", "|---|---|---|---|"]
    for verb in VERBS:
        what = TABLE[verb]
        names = ", ".join(f"**{name}**" if one.required else name for name, one in what.arguments.items())
        lines.append(f"| `{verb}` | {what.help} | {statuses(verb)} | {names} |")
    return "\n".join(lines)


def statuses(verb: str) -> str:
    if verb == "declare":
        return ""
    allowed = IN[verb] if verb in IN else {status for status, one in AFTER if one == verb}
    return "always" if allowed == ANY else ", ".join(status for status in Status if status in allowed)


@pytest.mark.parametrize("drawn", [f"```mermaid\n{diagram()}\n```", verbs()], ids=["diagram", "verbs"])
def test_the_page_shows_the_tables(drawn: str) -> None:
    assert drawn in PAGE.read_text(encoding="utf-8"), f"put this there:\n{drawn}"


def test_every_verb_is_in_one_of_the_tables() -> None:
    moving = {verb for _, verb in AFTER}
    assert moving & set(IN) == set()
    assert {verb for verb in VERBS if verb != "declare"} <= moving | set(IN) <= set(TABLE)


def test_the_words_of_events_in_the_page_exist() -> None:
    from tocsin.domain.events import BY_TYPE

    named = set(re.findall(r"`((?:incident|command)\.[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert named
    assert named <= set(BY_TYPE)
