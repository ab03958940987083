"""What Slack alone does: change in place, threads, direct messages, refusals in words, no second message."""

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.channel_kits import CONTEXT, effect, slack_to
from contract.slack_kit import about, buttons, context, first
from contract.slack_server import CHANNEL, TEST_NOW, SlackServer, slack_server
from tocsin.notify.channel import Sent, Shows
from tocsin.notify.channels.slack import Slack
from tocsin.stage import Effect


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with slack_server(clock=lambda: TEST_NOW) as one:
        yield one


@pytest.fixture
async def slack(server: SlackServer) -> AsyncIterator[Slack]:
    channel = slack_to(server, signing_secrets="s", app_token="xapp-1")
    yield channel
    await channel.close()


# ---- in place --------------------------------------------------------------------------------------------------------


async def test_the_first_message_has_buttons_and_its_place_is_told(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    (message,) = server.standing()
    assert sent == Sent("delivered", "posted", handle=f"{CHANNEL}:{message['ts']}")
    assert buttons(message) == ["Acknowledge", "Investigate", "Resolve"]
    assert message["metadata"]["event_type"] == "tocsin_delivery"
    assert message["metadata"]["event_payload"]["delivery_id"] == "ntf_aaone"


async def test_an_acknowledgement_changes_the_message_and_stands_in_its_thread(
    server: SlackServer, slack: Slack
) -> None:
    sent = await first(slack)
    more = {"context": context("incident.acknowledged", "acknowledged", actor="ana")}
    again = await slack.send(
        about("incident.acknowledged", "acknowledged", sent.handle, **more), possible_duplicate=False
    )
    assert (again.outcome, again.handle) == ("delivered", sent.handle)
    (message,) = server.standing()
    assert message["edited"]
    assert "Acknowledged by ana" in json.dumps(message["blocks"])
    assert buttons(message) == ["Investigate", "Resolve"]
    (line,) = server.thread(CHANNEL, message["ts"])
    assert line["reply_broadcast"] is False
    assert "Acknowledged by ana" in line["text"]


@pytest.mark.parametrize("kind", ["incident.resolved", "incident.closed"])
async def test_good_news_have_no_buttons(server: SlackServer, slack: Slack, kind: str) -> None:
    sent = await first(slack)
    await slack.send(about(kind, kind.partition(".")[2], sent.handle), possible_duplicate=False)
    (message,) = server.standing()
    assert buttons(message) == []
    assert "✅" in message["blocks"][0]["text"]["text"]


@pytest.mark.parametrize(
    ("kind", "page", "loud"),
    [
        ("escalation.fired", True, True),
        ("incident.reopened", False, True),
        ("incident.severity_raised", False, False),
        ("incident.severity_raised", True, True),
        ("sla.breached", False, True),
        ("incident.investigating", False, False),
    ],
)
async def test_who_has_to_act_is_told_in_the_channel(
    server: SlackServer, slack: Slack, kind: str, page: bool, loud: bool
) -> None:
    sent = await first(slack)
    await slack.send(about(kind, "open", sent.handle, page=page), possible_duplicate=False)
    (line,) = server.thread(CHANNEL, sent.handle.partition(":")[2])
    assert line["reply_broadcast"] is loud
    assert ("Disk of shop is full" in json.dumps(line["blocks"])) is loud


async def test_a_message_that_is_gone_is_posted_anew(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    server.messages[CHANNEL].clear()
    again = await slack.send(about("incident.acknowledged", "acknowledged", sent.handle), possible_duplicate=False)
    (message,) = server.standing()
    assert again.outcome == "delivered"
    assert again.handle == f"{CHANNEL}:{message['ts']}" != sent.handle


async def test_a_message_that_may_not_be_changed_gets_a_line(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    server.scripted["chat.update"] = deque(["edit_window_closed"])
    again = await slack.send(about("incident.acknowledged", "acknowledged", sent.handle), possible_duplicate=False)
    assert again.outcome == "delivered"
    assert "edit_window_closed" in again.detail
    assert len(server.thread(CHANNEL, sent.handle.partition(":")[2])) == 1


@pytest.mark.parametrize(("page", "outcome", "lines"), [(True, "delivered", 1), (False, "failed", 0)])
async def test_a_page_does_not_wait_for_a_change(
    server: SlackServer, slack: Slack, page: bool, outcome: str, lines: int
) -> None:
    sent = await first(slack)
    server.scripted["chat.update"] = deque(["internal_error"])
    again = await slack.send(
        about("incident.severity_raised", "open", sent.handle, page=page), possible_duplicate=False
    )
    assert again.outcome == outcome
    assert len(server.thread(CHANNEL, sent.handle.partition(":")[2])) == lines


async def test_a_channel_that_was_changed_gets_a_message_of_its_own(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    server.messages["C0NEW"] = {}
    moved = about("incident.reopened", "open", sent.handle, contacts={"slack": ("C0NEW",)})
    assert (await slack.send(moved, possible_duplicate=False)).handle.startswith("C0NEW:")
    assert len(server.standing("C0NEW")) == 1


async def test_what_would_be_sent_is_shown_and_not_sent(server: SlackServer, slack: Slack) -> None:
    assert isinstance(slack, Shows)
    shown = json.loads(slack.shown(effect(context=context())))
    assert server.calls == []
    await first(slack)
    (message,) = server.standing()
    assert shown == {"text": message["text"], "blocks": message["blocks"]}


# ---- to whom ---------------------------------------------------------------------------------------------------------


async def test_a_person_gets_a_direct_message_that_is_changed_in_place(server: SlackServer, slack: Slack) -> None:
    ana = {"slack": ("ana@b.example", "U0ANA")}
    sent = await slack.send(effect(contacts=ana, context=context()), possible_duplicate=False)
    assert sent.handle.startswith("D0ANA:")
    again = about("incident.acknowledged", "acknowledged", sent.handle, contacts=ana)
    assert (await slack.send(again, possible_duplicate=False)).handle == sent.handle
    assert server.standing() == []
    assert len(server.standing("D0ANA")) == 1


async def test_what_was_overtaken_says_its_line_and_leaves_the_message(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    late = about("incident.acknowledged", "acknowledged", sent.handle, overtaken=True)
    again = await slack.send(late, possible_duplicate=False)
    assert (again.outcome, again.handle) == ("delivered", sent.handle)
    (message,) = server.standing()
    assert (message.get("edited"), buttons(message)) == (None, ["Acknowledge", "Investigate", "Resolve"])
    assert len(server.thread(CHANNEL, message["ts"])) == 1


async def test_who_is_not_called_by_a_reopening_finds_the_buttons_again(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    await slack.send(about("incident.resolved", "resolved", sent.handle), possible_duplicate=False)
    follows = about("incident.reopened", "open", sent.handle, context=context("incident.reopened", follows=True))
    await slack.send(follows, possible_duplicate=False)
    (message,) = server.standing()
    assert buttons(message) == ["Acknowledge", "Investigate", "Resolve"]
    assert [line["reply_broadcast"] for line in server.thread(CHANNEL, message["ts"])] == [False, False]


async def test_nobody_to_write_to_is_refused(server: SlackServer) -> None:
    slack = slack_to(server, channel="")
    sent = await slack.send(effect(contacts={"slack": ("ana",)}), possible_duplicate=False)
    assert sent.outcome == "refused"
    assert "contact" in sent.detail
    await slack.close()


# ---- no second message -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contacts", [{}, {"slack": ("U0ANA",)}])
async def test_what_an_earlier_attempt_posted_is_not_posted_again(
    server: SlackServer, slack: Slack, contacts: dict[str, tuple[str, ...]]
) -> None:
    server.scripted["chat.postMessage"] = deque(["lost"])
    lost = await slack.send(effect(contacts=contacts), possible_duplicate=False)
    assert lost.outcome == "failed"
    sent = await slack.send(effect(2, contacts=contacts), possible_duplicate=False)
    assert sent.outcome == "delivered"
    channel = sent.handle.partition(":")[0]
    (message,) = server.messages[channel].values()
    assert sent.handle == f"{channel}:{message['ts']}"


async def test_a_page_whose_line_was_lost_is_said_again(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    server.scripted["chat.postMessage"] = deque(["internal_error"])
    page = {"delivery": "ntf_team", "contacts": {"slack": (CHANNEL,)}}
    assert (await slack.send(effect(**page), possible_duplicate=False)).outcome == "failed"
    assert (await slack.send(effect(2, **page), possible_duplicate=False)).handle == sent.handle
    (line,) = server.thread(CHANNEL, sent.handle.partition(":")[2])
    assert "repetition" not in line["text"]


async def test_a_message_that_was_changed_since_leaves_it_open_whose_it_was(server: SlackServer, slack: Slack) -> None:
    server.scripted["chat.postMessage"] = deque(["lost"])
    assert (await first(slack)).outcome == "failed"
    team = {"contacts": {"slack": (CHANNEL,)}}
    sent = await slack.send(effect(delivery="ntf_team", **team), possible_duplicate=False)
    again = await slack.send(effect(2, context=context()), possible_duplicate=False)
    assert again == Sent("delivered", "posted by an earlier attempt", handle=sent.handle)
    await slack.send(about("incident.acknowledged", "acknowledged", sent.handle, **team), possible_duplicate=False)
    assert (await slack.send(effect(2, context=context()), possible_duplicate=False)).handle == sent.handle
    (message,) = server.standing()
    assert "(possibly a repetition)" in server.thread(CHANNEL, message["ts"])[-1]["text"]


async def test_a_line_of_an_earlier_attempt_is_not_said_again(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    news = about("incident.reopened", "open", sent.handle)
    server.scripted["chat.postMessage"] = deque(["lost"])
    assert (await slack.send(news, possible_duplicate=False)).outcome == "failed"
    assert (await slack.send(news, possible_duplicate=True)).handle == sent.handle
    assert len(server.thread(CHANNEL, sent.handle.partition(":")[2])) == 1


async def test_what_is_surely_not_there_is_posted_without_a_mark(server: SlackServer, slack: Slack) -> None:
    await slack.send(effect(), possible_duplicate=True)
    (message,) = server.standing()
    assert "repetition" not in json.dumps(message["blocks"])
    assert message["metadata"]["event_payload"]["possible_duplicate"] is True


@pytest.mark.parametrize("contacts", [{}, {"slack": ("U0ANA",)}])
async def test_a_bot_that_may_not_read_marks_what_may_be_a_repetition(contacts: dict[str, tuple[str, ...]]) -> None:
    async with slack_server(scopes=frozenset({"chat:write"}), clock=lambda: TEST_NOW) as server:
        slack = slack_to(server)
        sent = await slack.send(effect(contacts=contacts), possible_duplicate=True)
        (message,) = server.standing(sent.handle.partition(":")[0])
        assert "(possibly a repetition)" in message["text"]
        assert "(possibly a repetition)" in json.dumps(message["blocks"])
        await slack.close()


async def test_a_channel_full_of_later_messages_leaves_it_open(server: SlackServer, slack: Slack) -> None:
    for _ in range(101):
        server._post({"channel": CHANNEL, "text": "chatter"})
    await slack.send(effect(), possible_duplicate=True)
    assert "(possibly a repetition)" in server.standing()[-1]["text"]


# ---- one message an incident in a channel --------------------------------------------------------------------------


def to_the_team(**more: Any) -> Effect:
    return effect(delivery="ntf_team", contacts={"slack": (CHANNEL,)}, **more)


async def test_a_call_to_a_team_in_the_same_channel_stands_with_the_message(server: SlackServer, slack: Slack) -> None:
    sent = await first(slack)
    for number in (1, 2):
        called = await slack.send(to_the_team(), possible_duplicate=number == 2)
        assert called.handle == sent.handle
    (message,) = server.standing()
    (line,) = server.thread(CHANNEL, message["ts"])
    assert line["reply_broadcast"] is True
    assert buttons(line) == ["Acknowledge"]
    again = await slack.send(effect(delivery="ntf_other", contacts={"slack": (CHANNEL,)}), possible_duplicate=False)
    assert again.handle == sent.handle, "the newest of the channel is a line now"


async def test_another_incident_gets_a_message_of_its_own(server: SlackServer, slack: Slack) -> None:
    await first(slack)
    other = {**CONTEXT, "incident": {**CONTEXT["incident"], "id": "inc_other"}}
    await slack.send(to_the_team(context=other), possible_duplicate=False)
    assert len(server.standing()) == 2


@pytest.mark.parametrize("answer", ["missing_scope", "internal_error", "ratelimited"])
async def test_a_page_does_not_wait_for_a_look(server: SlackServer, slack: Slack, answer: str) -> None:
    await first(slack)
    server.scripted["conversations.history"] = deque([answer])
    assert (await slack.send(to_the_team(), possible_duplicate=False)).outcome == "delivered"
    assert len(server.standing()) == 2
