"""What Slack would refuse of a message, as far as its documentation and its SDK's models say so."""

import re
from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

_LINK = re.compile(r"<https?://[^\s|<>]+(\|[^|<>\n]*)?>")
_ENTITY = re.compile(r"&(amp|lt|gt);")


def problem_of(given: dict[str, Any]) -> str:
    """Why Slack would not take a message: its error word, and what is wrong."""
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        return "no_text"
    if len(text) > 40_000:
        return "msg_too_long"
    metadata = given.get("metadata", {"event_type": "e", "event_payload": {}})
    if set(metadata) != {"event_type", "event_payload"} or not isinstance(metadata["event_payload"], dict):
        return "invalid_metadata_format"
    problem = _problem_of_text("text", text, 40_000) or next(_problems_of(given.get("blocks", [])), "")
    return f"invalid_blocks {problem}" if problem else ""


def _problems_of(blocks: list[dict[str, Any]]) -> Iterator[str]:
    if len(blocks) > 50:
        yield "more than 50 blocks"
    for block, parsed in zip(blocks, Block.parse_all(blocks), strict=True):
        try:
            parsed.validate_json()
            if parsed.to_dict().get("type") != block["type"]:
                yield f"unknown block {block['type']}"
        except SlackObjectFormationError as error:
            yield str(error)
        yield from _problems_of_block(block)
    actions = [one["action_id"] for block in blocks for one in block.get("elements", ()) if "action_id" in one]
    if len(actions) != len(set(actions)):
        yield "an action_id stands twice"


def _problems_of_block(block: dict[str, Any]) -> Iterator[str]:
    kind, limit = block["type"], {"header": 150, "section": 3000}.get(block["type"], 3000)
    for text in [block["text"]] if "text" in block else []:
        yield from filter(None, [_problem_of_object(kind, text, limit)])
    if kind == "header" and block["text"]["type"] != "plain_text":
        yield "a header is plain text"
    if len(block.get("fields", ())) > 10 or len(block.get("elements", ())) > (25 if kind == "actions" else 10):
        yield f"{kind} has too many parts"
    for part in block.get("fields", ()):
        yield from filter(None, [_problem_of_object("field", part, 2000)])
    for element in block.get("elements", ()):
        if kind == "context":
            yield from filter(None, [_problem_of_object("context", element, 3000)])
        elif element["type"] != "button" or element["text"]["type"] != "plain_text":
            yield "no button"
        elif len(element["text"]["text"]) > 75 or len(element.get("value", "")) > 2000:
            yield "the button says too much"
        elif len(element.get("url", "")) > 3000 or element.get("style", "primary") not in ("primary", "danger"):
            yield "the button has a long address or no style"


def _problem_of_object(where: str, text: dict[str, Any], limit: int) -> str:
    if text["type"] not in ("plain_text", "mrkdwn"):
        return f"{where}: no text object"
    if text["type"] == "mrkdwn" and text.get("verbatim") is not True:
        return f"{where}: Slack would look for names in it"
    return _problem_of_text(where, text["text"], limit)


def _problem_of_text(where: str, text: str, limit: int) -> str:
    if not 0 < len(text) <= limit:
        return f"{where}: {len(text)} characters"
    bare = _LINK.sub("", text)
    if "<" in bare or ">" in bare or "&" in _ENTITY.sub("", bare):
        return f"{where}: something is not escaped"
    return ""
