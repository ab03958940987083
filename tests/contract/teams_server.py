"""The webhook of a Teams workflow on loopback. It takes messages that hold one adaptive card as schema 1.5 has it, as
far as our cards go, and no more than 28 KB."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contract.vendor_server import VendorServer

PATH = "/workflows/canary0of0the0workflow/triggers/manual/paths/invoke?sig=canary-of-the-signature"
CARD = "application/vnd.microsoft.card.adaptive"
SIZES = {"Default", "Small", "Medium", "Large", "ExtraLarge"}
COLOURS = {"Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"}
WEIGHTS = {"Default", "Lighter", "Bolder"}
SPACINGS = {"Default", "None", "Small", "Medium", "Large", "ExtraLarge", "Padding"}
RUN = {"type", "text", "size", "color", "weight", "isSubtle"}


@dataclass
class TeamsServer(VendorServer):
    @property
    def url(self) -> str:
        return self.root + PATH

    async def take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        errors = list(problems(raw, request.headers.get("content-type", "")))
        if request.path_qs != PATH:
            return web.json_response({"error": {"code": "DirectApiAuthorizationRequired"}}, status=401)
        if errors:
            self.refusals += errors
            return web.json_response({"error": {"code": "BadRequest", "message": errors[0]}}, status=400)
        self.journal.append(json.loads(raw)["attachments"][0]["content"])
        return web.Response(status=202, headers={"x-ms-workflow-run-id": "0858"})


def problems(raw: bytes, content_type: str) -> Iterator[str]:
    """What Teams would have to say against a message."""
    if len(raw) > 28_000:
        yield "the message is larger than 28 KB"
    if not re.fullmatch(r"application/json; *charset=utf-8", content_type, re.IGNORECASE):
        yield f"content type {content_type!r}"
    message = json.loads(raw)
    if message.get("type") != "message" or len(message.get("attachments", [])) != 1:
        yield "not a message with one attachment"
        return
    attachment = message["attachments"][0]
    if attachment.get("contentType") != CARD:
        yield "the attachment is no adaptive card"
        return
    card = attachment["content"]
    if (card.get("type"), card.get("version")) != ("AdaptiveCard", "1.5"):
        yield "not an adaptive card 1.5"
    if not card.get("body"):
        yield "the card is empty"
    for block in card.get("body", []):
        yield from _problems_of_block(block)
    if len(card.get("actions", [])) > 6:
        yield "more than six actions"
    for action in card.get("actions", []):
        if action.get("type") != "Action.OpenUrl" or not action.get("title"):
            yield f"action {action!r}"
        if not re.fullmatch(r"https?://\S+", action.get("url", "")):
            yield f"an action opens {action.get('url')!r}"


def _problems_of_block(block: dict[str, Any]) -> Iterator[str]:
    if block.get("type") != "RichTextBlock" or not block.get("inlines"):
        yield f"block {block!r}"
    if block.get("spacing", "Default") not in SPACINGS:
        yield f"spacing of {block!r}"
    for run in block.get("inlines", []):
        if run.get("type") != "TextRun" or not isinstance(run.get("text"), str) or not run["text"]:
            yield f"run {run!r}"
        if run.keys() - RUN:
            yield f"run with {sorted(run.keys() - RUN)}"
        if (
            run.get("size", "Default") not in SIZES
            or run.get("color", "Default") not in COLOURS
            or run.get("weight", "Default") not in WEIGHTS
        ):
            yield f"style of {run!r}"


def text_of(card: dict[str, Any]) -> str:
    """What people read, one line a block, then the buttons."""
    lines = ["".join(run["text"] for run in block["inlines"]) for block in card["body"]]
    return "\n".join([*lines, *(f"[{action['title']}] {action['url']}" for action in card.get("actions", []))])
