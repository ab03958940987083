"""Settings documents over HTTP: read, written, deleted, with their history; they hold while tocsin runs.

In: a document at `<kind>/<name>`. Out: an event in `settings.events.v1`, and the document as it is in force. The
answer comes when the change is durable and in force in this process; others follow within a second. What a settings
file says can be changed there only.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.choice import chosen
from tocsin.api.incidents import Text
from tocsin.api.serving import CHANGES_PER_SECOND, Served, Serving
from tocsin.domain.rules import DOCUMENTS, KINDS, Rules, Template
from tocsin.domain.soundness import DOCUMENT_BYTES_MAX, NAME_MAX, Unsound, channels_in, check_key
from tocsin.notify import wording
from tocsin.notify.channels.build import TYPES
from tocsin.persist.settings_history import LIMIT_MAX, settings_history
from tocsin.runtime.broker import Doubt
from tocsin.runtime.node import NotReady
from tocsin.runtime.rules import ABSENT, ORIGIN_FILE, Refused, Standing
from tocsin.settings.problem import suggestion
from tocsin.settings.rules import WORDED
from tocsin.wire.events import rfc3339

REASON_MAX: Final = 1000
ORIGIN_DEFAULT: Final = "default"
"""Of a document that nobody has written."""
STATUS: Final = {
    "unknown_key": 404,
    "not_found": 404,
    "managed_by_file": 409,
    "dangling": 409,
    "too_many": 409,
    "version_mismatch": 412,
    "too_large": 413,
}
"""Of a refusal; 422 where none is named."""

Kind = Annotated[str, Path(max_length=NAME_MAX)]
Name = Annotated[str, Path(max_length=NAME_MAX)]
Reason = Annotated[str, Query(max_length=REASON_MAX, description="Why; stands in the history")]
Before = Annotated[int | None, Query(ge=0, description="Only versions below: `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]

router = APIRouter(tags=["settings"])


@router.get("/api/v1/settings", summary="The settings documents, with version and origin")
async def documents(serving: Served, kind: Text = "") -> Response:
    """`kind` chooses one kind, such as `silence`."""
    feed = serving.node.feed
    kinds = chosen("kind", [kind], dict.fromkeys([*KINDS, *(key.partition("/")[0] for key in DOCUMENTS)]))
    found = [
        _about(serving, one.key, one) for one in feed.standing() if not kinds or one.key.partition("/")[0] in kinds
    ]
    return Json({"version": serving.node.rules.version, "items": found})


@router.get("/api/v1/settings/history", summary="Who changed which settings, newest first")
def whole_history(serving: Served, limit: Limit = 100, before: Before = None) -> Response:
    page = settings_history(serving.queries, limit=limit, before=before)
    return Json({"items": page.items, "next": page.next, "total": page.total})


@router.get("/api/v1/settings/{kind}/{name}", summary="One settings document as it is in force")
async def document(serving: Served, kind: Kind, name: Name) -> Response:
    """The `ETag` is its version: give it in `If-Match` to replace what was read and nothing else."""
    return _one(serving, f"{kind}/{name}", 200)


@router.put("/api/v1/settings/{kind}/{name}", summary="Write a settings document")
async def put(request: Request, serving: Served, kind: Kind, name: Name, reason: Reason = "") -> Response:
    """The body is the whole document as JSON. 201 when it is new; `If-Match: "<version>"` or `If-None-Match: *` refuse
    it with 412 when it is not what the client has seen."""
    key = f"{kind}/{name}"
    async with body_of(request, serving, DOCUMENT_BYTES_MAX) as body:
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Failure(400, "bad_json", f"the body is not JSON: {error}") from None
    if given is None:
        raise Failure(422, "invalid", "null is no document; DELETE deletes one")
    new = serving.node.feed.version(key) == ABSENT
    expected = {key: _expected(request)}
    await change(serving, {key: given}, actor=request.state.actor, reason=reason, expected=expected)
    return _one(serving, key, 201 if new else 200)


@router.delete("/api/v1/settings/{kind}/{name}", summary="Delete a settings document")
async def delete(request: Request, serving: Served, kind: Kind, name: Name, reason: Reason = "") -> Response:
    """A single settings document (such as `notify/settings`) goes back to its default."""
    key = f"{kind}/{name}"
    expected = {key: _expected(request)}
    await change(serving, {key: None}, actor=request.state.actor, reason=reason, expected=expected)
    last = serving.node.feed.of(key)
    return Json({"key": key, "version": last.version if last else ABSENT, "deleted": True})


@router.get("/api/v1/settings/{kind}/{name}/history", summary="Every version of one document, newest first")
def history(serving: Served, kind: Kind, name: Name, limit: Limit = 100, before: Before = None) -> Response:
    """Each with who, when, why, the document, and what it replaced. A change shows here as soon as the event log has
    it, within milliseconds."""
    key = f"{kind}/{name}"
    page = settings_history(serving.queries, key, limit=limit, before=before)
    if not page.total:
        _check(key)
        raise not_found("settings document", key, (one.key for one in serving.node.feed.standing()))
    return Json({"items": page.items, "next": page.next, "total": page.total})


async def change(
    serving: Serving,
    changes: Mapping[str, Any],
    *,
    actor: str,
    reason: str = "",
    expected: Mapping[str, int | None] | None = None,
) -> dict[str, Standing]:
    """Write documents (None = delete), all or none; see `Node.change_settings`.

    Raises:
        Failure: refused, with the reason; or the log cannot take it.
    """
    if not serving.changes.take("", serving.clock.monotonic()):
        what = f"more than {CHANGES_PER_SECOND:g} changes of the settings a second, for long"
        raise Failure(503, "busy", what, retry_after=1)
    for key, document in changes.items():
        _check_channels(serving, key, document)
        _check_template(serving, key, document)
    try:
        return await serving.node.change_settings(changes, actor=actor, reason=reason, expected=expected)
    except Unsound as error:
        raise Failure(STATUS.get(error.word, 422), error.word, str(error), problems=error.problems) from error
    except Refused as error:
        raise Failure(STATUS.get(error.word, 422), error.word, str(error)) from error
    except NotReady as error:
        raise Failure(503, "not_ready", f"tocsin is not ready: {error}", retry_after=2) from error
    except Doubt as error:
        what = f"{error}; they may have been written, so read them again"
        raise Failure(503, "log_unavailable", what, retry_after=2) from error


def _check_channels(serving: Serving, key: str, document: Any) -> None:
    known = serving.settings.channels()
    missing = [name for name in dict.fromkeys(channels_in(document)) if name not in known]
    if missing:
        problems = [
            f"{key} names the channel {name!r}, which is not there{suggestion(name, known)}" for name in missing
        ]
        raise Failure(STATUS["dangling"], "dangling", "; ".join(problems), problems=problems)


def _check_template(serving: Serving, key: str, document: Any) -> None:
    """What a template says has to be sayable; its shape is checked with every document's."""
    try:
        template = msgspec.convert(document, Template) if key.startswith("template/") and document else None
    except msgspec.ValidationError:
        return
    if template is None:
        return
    problems = [f"{key}: {one}" for one in wording.problems(template)]
    problems += [
        f"{key}: {event!r} is not an event that notifies{suggestion(event, WORDED)}"
        for event in template.events
        if event not in WORDED
    ]
    known = [*serving.settings.channels(), *TYPES]
    if template.channel and template.channel not in known:
        problems.append(f"{key}: no channel or type {template.channel!r}{suggestion(template.channel, known)}")
    if problems:
        raise Failure(422, "invalid", "; ".join(problems), problems=problems)


def _expected(request: Request) -> int | None:
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if none is not None:
        if none.strip() != "*" or match is not None:
            raise Failure(400, "bad_condition", "If-None-Match takes * and stands alone")
        return ABSENT
    if match is None:
        return None
    version = match.strip().removeprefix("W/").strip('"')
    if not (version.isascii() and version.isdigit() and len(version) < 19):
        raise Failure(400, "bad_condition", f"If-Match takes the version as GET gives it in ETag, not {match!r}")
    return int(version)


def _check(key: str) -> None:
    try:
        check_key(key)
    except Unsound as error:
        if error.word == "unknown_key":
            raise Failure(404, error.word, str(error)) from error


def _one(serving: Serving, key: str, status: int) -> Json:
    found = document_of(serving.node.rules, key)
    if found is None:
        _check(key)
        raise not_found("settings document", key, (one.key for one in serving.node.feed.standing()))
    shown = _about(serving, key, serving.node.feed.of(key))
    return Json(
        {**shown, "document": found}, status, {"ETag": f'"{shown["version"]}"'} if shown["version"] >= 0 else {}
    )


def document_of(rules: Rules, key: str) -> Any:
    """The document of `key` as JSON-ready values, None when there is none."""
    kind, _, name = key.partition("/")
    if key in DOCUMENTS:
        return msgspec.to_builtins(getattr(rules, DOCUMENTS[key][0]), str_keys=True)
    if kind not in KINDS:
        return None
    found = getattr(rules, KINDS[kind][0]).get(name)
    return None if found is None else msgspec.to_builtins(found, str_keys=True)


def _about(serving: Serving, key: str, standing: Standing | None) -> dict[str, Any]:
    kind, _, name = key.partition("/")
    shown: dict[str, Any] = {"key": key, "kind": kind, "name": name}
    if standing is None or standing.deleted:
        return {**shown, "version": ABSENT, "origin": ORIGIN_DEFAULT, "read_only": False}
    managed = serving.node.feed.is_managed_by_file(key)
    return {
        **shown,
        "version": standing.version,
        "origin": standing.origin,
        "read_only": managed and standing.origin == ORIGIN_FILE,
        "actor": standing.actor,
        "reason": standing.reason,
        "changed_at": rfc3339(standing.changed_at),
    }
