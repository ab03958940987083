"""Whatever a source wrote, Slack takes the message, nobody is mentioned, and what is shown is what was written."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contract.slack_refusals import problem_of
from tocsin.domain.lifecycle import AFTER, Status
from tocsin.notify.channel import Words
from tocsin.notify.channels import slack_blocks as look
from tocsin.notify.message import message_of

NASTY = ["<!channel>", "<!here|now>", "<@U0ANA>", "<#C0OPS>", "&lt;!channel&gt;", "<https://a.example|b>", "a&b", "```"]
NASTY += ["\r\n\r\n", "x" * 5000, "&" * 4000, "🔥" * 400, "\u202e", "*_~`", "<", ">", "|", "\x00", "@channel", " "]
texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=20), max_size=4).map("".join)
plain = texts | st.none() | st.integers()
incidents = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("number", "title", "severity", "severity_label", "service", "category", "team"), texts),
        "id": st.sampled_from(["", "inc_1"]),
        "status": st.sampled_from([*Status, "asleep", ""]),
        "summary": texts,
        "acknowledged_by": texts,
        "alerts": st.integers(0, 10**9),
        "firing": st.integers(0, 10**9),
        "links": st.dictionaries(
            texts, texts | st.sampled_from(["https://a.example/?a=1&b=<x>|y", "https://b.example/" + "&" * 900])
        ),
    },
)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["incident.opened", "incident.resolved", "escalation.fired", "sla.breached", "x"]),
        "incident": incidents,
        "actor": texts,
        "note": texts,
        "recorded_at": texts,
        "next": st.fixed_dictionaries({"level": st.integers(), "target": texts, "due_at": texts}),
        "digest": st.none()
        | st.fixed_dictionaries({"count": st.integers(0, 10**6), "incidents": st.lists(incidents, max_size=60)}),
    },
)
words = st.none() | st.builds(Words, subject=texts, body=texts)
doors = st.builds(
    look.Doors,
    buttons=st.booleans(),
    page=st.sampled_from(["", "https://t.example/i/1", "https://t.example/" + "x" * 3000]),
    acknowledge=st.sampled_from(["", "https://t.example/a/1"]),
)


def taken(draft: look.Draft) -> list[dict[str, Any]]:
    given = json.loads(json.dumps({"text": draft.text, "blocks": draft.blocks}))
    assert problem_of(given) == ""
    assert not re.search(r"<[!@#]", draft.text + json.dumps(given["blocks"]))
    return draft.blocks


@given(context=contexts, words=words, doors=doors, repeated=st.booleans())
def test_every_message_is_one_that_slack_takes(
    context: dict[str, Any], words: Words | None, doors: look.Doors, repeated: bool
) -> None:
    status = str((context.get("incident") or {}).get("status", ""))
    said = message_of(context)
    blocks = taken(look.message(said, status=status, words=words, doors=doors, repeated=repeated))
    assert ("(possibly a repetition)" in json.dumps(blocks)) is repeated
    for loud in (True, False):
        taken(look.line(said, words=words, loud=loud, repeated=repeated))


@given(text=st.text(), limit=st.integers(1, 200))
def test_an_escaped_text_reads_as_it_was_written(text: str, limit: int) -> None:
    found = look.escaped(text, limit)
    assert len(found) <= limit
    if not found.endswith("…") or text.endswith("…"):
        assert _read(found) == text
    else:
        assert text.startswith(_read(found)[:-1])


def _read(text: str) -> str:
    """What Slack shows."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_buttons_ask_for_what_the_lifecycle_allows() -> None:
    for status in Status:
        verbs = look.verbs_for(status)
        assert all((status, verb) in AFTER for verb in verbs)
        assert bool(verbs) is (status not in ("resolved", "closed"))
    assert look.verbs_for("open") == ["acknowledge", "investigate", "resolve"]
    assert look.verbs_for("nonsense") == []
