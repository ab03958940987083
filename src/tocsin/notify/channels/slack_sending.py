"""One send to Slack: a new message, or the one of the incident as it stands now and a line in its thread.

In: an effect, the channel's client and what it makes of messages. Out: `Sent`. Invariants: of one delivery there is one
message: every message carries its delivery's id as metadata, and an attempt that may be a second one looks for it
first; a channel of the workspace has one message an incident; the handle stays the same while its message stands.
Errors of Slack and of the network go up to the channel.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from tocsin.notify.channel import Sent
from tocsin.notify.channels.slack_answers import FIXED, GONE, sent_of, word_of
from tocsin.notify.channels.slack_blocks import Draft
from tocsin.notify.current import FOLLOWS
from tocsin.notify.message import message_of
from tocsin.notify.plan import CALLS
from tocsin.stage import Effect

if TYPE_CHECKING:
    from tocsin.notify.channels.slack import Slack

LOOKED_AT_MAX: Final = 100
"""Messages among which an earlier attempt is looked for."""
CLOCKS_APART: Final = 300.0
"""Seconds that our clock and Slack's may differ."""
LOOK_SHARE: Final = 0.3
"""Of a send's time-out: for the look whether the channel has a message of the incident."""
EVENT_TYPE: Final = "tocsin_delivery"
"""Of the metadata."""
PERSON: Final = "UW"
"""What members' ids begin with."""

HANDLE: Final = re.compile(r"([CGD][A-Z0-9]{1,30}):([0-9]{1,20}\.[0-9]{1,20})")


class Sending:
    """One send."""

    def __init__(self, slack: "Slack", effect: Effect, target: str, possible_duplicate: bool) -> None:
        self.slack = slack
        self.web = slack.web()
        self.effect = effect
        self.target = target
        self.said = message_of(effect.context)
        self.possible_duplicate = possible_duplicate
        self.again = possible_duplicate or effect.attempt > 1
        self.recorded = _seconds(effect.context.get("recorded_at"))
        self.handle = effect.handle
        self.first: dict[str, str] = {}
        """Whose delivery made the message that is to be changed, where that is known: a change keeps it."""
        self.place = self._place()

    def _place(self) -> tuple[str, str] | None:
        """Channel and time of the message that is to be changed. None when there is none, or it is in another
        channel than the recipient's of today."""
        found = HANDLE.fullmatch(self.effect.handle)
        if not found or not self.said.incident_id:
            return None
        channel, stamp = found.groups()
        return None if self.target[0] not in PERSON and channel != self.target else (channel, stamp)

    async def send(self) -> Sent:
        """Whatever is right: nothing once more, a change, or a new message."""
        unsure = False
        if self.place is None and (self.again or self._may_stand_there()):
            earlier, unsure = await self._look_around()
            if earlier:
                return Sent("delivered", "posted by an earlier attempt", handle=earlier)
        return await (self._change(unsure) if self.place else self._post(unsure))

    def _may_stand_there(self) -> bool:
        """Whether another recipient may have been told of the incident in the same channel."""
        first = self.effect.context.get("type") == "incident.opened"
        return bool(self.said.incident_id) and not first and self.target[0] not in PERSON

    async def _post(self, unsure: bool) -> Sent:
        """A new message."""
        draft = self.slack.draft(self.effect, self.said, repeated=unsure)
        answer = await self.web.chat_postMessage(
            channel=self.target,
            **_parts(draft),
            metadata=self._metadata(delivery_id=self.effect.delivery_id),
            unfurl_links=False,
            unfurl_media=False,
        )
        return Sent("delivered", "posted", handle=_handle_of(answer))

    async def _change(self, unsure: bool) -> Sent:
        """The message of the incident as it stands now, and a line in its thread. What asks for an answer is told in
        the channel, too, and goes out even when the message cannot be changed at the moment."""
        assert self.place is not None
        channel, stamp = self.place
        loud = self.is_loud
        if self.effect.overtaken:
            return await self._tell(channel, stamp, "the message shows what came later", unsure, loud=loud)
        try:
            await self.web.chat_update(
                channel=channel,
                ts=stamp,
                **_parts(self.slack.draft(self.effect, self.said)),
                metadata=self._metadata(changed_by=self.effect.delivery_id, **self.first),
                link_names=False,
            )
            note = "changed in place"
        except SlackApiError as error:
            word = word_of(error)
            if word in GONE:
                return await self._post(unsure)
            if not loud and word not in FIXED:
                raise
            note = f"the message could not be changed: {word or 'no answer of Slack'}"
        return await self._tell(channel, stamp, note, unsure, loud=loud)

    @property
    def is_loud(self) -> bool:
        """Whether somebody has to be told, not only to find it."""
        kind = str(self.effect.context.get("type", ""))
        if FOLLOWS in self.effect.context:
            return False
        calls = kind in CALLS - {"incident.severity_raised"} or kind.startswith(("escalation.", "sla."))
        return self.effect.page or calls

    async def _tell(self, channel: str, stamp: str, note: str, unsure: bool, *, loud: bool) -> Sent:
        if self.again:
            found, doubt = await self._look_in_thread(channel, stamp)
            if found:
                return Sent("delivered", f"{note}; told by an earlier attempt", handle=self.handle)
            unsure = unsure or doubt
        await self.web.chat_postMessage(
            channel=channel,
            thread_ts=stamp,
            reply_broadcast=loud,
            **_parts(self.slack.line(self.effect, self.said, loud=loud, repeated=unsure)),
            metadata=self._metadata(delivery_id=self.effect.delivery_id),
            unfurl_links=False,
            unfurl_media=False,
        )
        return Sent("delivered", note, handle=self.handle)

    async def _channel(self) -> str:
        """Where messages to the target are read: for a person, the conversation with the bot; empty when the bot may
        not ask for it."""
        if self.target[0] not in PERSON:
            return self.target
        try:
            answer = await self.web.conversations_open(users=self.target)
        except SlackApiError as error:
            if sent_of(error).outcome == "failed":
                raise
            return ""
        return str(answer["channel"]["id"])

    async def _look_around(self) -> tuple[str, bool]:
        """The handle of what an earlier attempt of this delivery made, and whether it may be there unseen. Where the
        channel has a message of the incident, that is the place from now on. A first attempt waits no longer for
        this than it has to."""
        channel = await self._channel()
        opened = _seconds(_incident_of(self.effect).get("opened_at"))
        try:
            async with asyncio.timeout(None if self.again else self.slack.timeout_seconds * LOOK_SHARE):
                messages, whole = await self._read(channel, since=self.recorded if opened is None else opened)
        except TimeoutError:
            if self.again:
                raise
            return "", False
        except SlackApiError as error:
            if self.again and sent_of(error).outcome == "failed":
                raise
            return "", self.again  # not permitted: better told twice than never
        for message in messages:
            if payload_of(message).get("delivery_id") == self.effect.delivery_id:
                return f"{channel}:{_root_of(message)}", False
        stands = next((one for one in messages if self._is_of_the_incident(one)), None)
        if stands is not None:
            root = _root_of(stands)
            self.place, self.handle = (channel, root), f"{channel}:{root}"
            maker = next((payload_of(one).get("delivery_id") for one in messages if one.get("ts") == root), None)
            self.first = {"delivery_id": str(maker)} if maker else {}
            return "", self.again and not maker
        return "", self.again and not whole

    def _is_of_the_incident(self, message: Mapping[str, Any]) -> bool:
        return bool(self.said.incident_id) and payload_of(message).get("incident_id") == self.said.incident_id

    async def _look_in_thread(self, channel: str, stamp: str) -> tuple[bool, bool]:
        """Whether an earlier attempt of this delivery said its line, and whether it may have, unseen."""
        try:
            messages, whole = await self._read(channel, stamp, since=self.recorded)
        except SlackApiError as error:
            if sent_of(error).outcome == "failed":
                raise
            return False, True
        return any(payload_of(one).get("delivery_id") == self.effect.delivery_id for one in messages), not whole

    async def _read(
        self, channel: str, thread: str = "", *, since: float | None
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """The messages of a channel, newest first, or of a thread, since an instant of our clock; and whether every
        message that this delivery can have made is among them, with what it carries."""
        if not channel:
            return [], False
        asked: dict[str, Any] = {"limit": LOOKED_AT_MAX, "include_all_metadata": True}
        if since is not None:
            asked["oldest"] = f"{max(0.0, since - CLOCKS_APART):.6f}"
        if thread:
            answer = await self.web.conversations_replies(channel=channel, ts=thread, **asked)
        else:
            answer = await self.web.conversations_history(channel=channel, **asked)
        found: list[Mapping[str, Any]] = list(answer.get("messages") or ())
        whole = self.recorded is not None and not any(_is_bare(message) for message in found)
        if answer.get("has_more"):
            last = float(found[-1].get("ts", "inf")) if found and not thread else float("inf")
            whole = whole and self.recorded is not None and last < self.recorded - CLOCKS_APART
        return found, whole

    def _metadata(self, **delivery: str) -> dict[str, Any]:
        payload = {"incident_id": self.said.incident_id, "possible_duplicate": self.possible_duplicate, **delivery}
        return {"event_type": EVENT_TYPE, "event_payload": payload}


def _parts(draft: Draft) -> dict[str, Any]:
    """`parse`: Slack is not to look for names in the text."""
    return {"text": draft.text, "blocks": draft.blocks, "parse": "none"}


def _handle_of(answer: AsyncSlackResponse) -> str:
    handle = f"{answer.get('channel')}:{answer.get('ts')}"
    return handle if HANDLE.fullmatch(handle) else ""


def _root_of(message: Mapping[str, Any]) -> str:
    """When the message stands, or the first one of its thread: lines that everybody sees stand in the channel, too."""
    return str(message.get("thread_ts") or message.get("ts"))


def payload_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a message of ours carries; nothing for others."""
    metadata = message.get("metadata") or {}
    found = metadata.get("event_payload") if metadata.get("event_type") == EVENT_TYPE else None
    return found if isinstance(found, Mapping) else {}


def _is_bare(message: Mapping[str, Any]) -> bool:
    """Whether it is ours, and Slack does not say which."""
    return (message.get("metadata") or {}).get("event_type") == EVENT_TYPE and not payload_of(message)


def _incident_of(effect: Effect) -> Mapping[str, Any]:
    incident: Any = effect.context.get("incident")
    return incident if isinstance(incident, Mapping) else {}


def status_of(effect: Effect) -> str:
    return str(_incident_of(effect).get("status", ""))


def _seconds(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
