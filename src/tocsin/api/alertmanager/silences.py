"""Silences as Alertmanager has them. Each is the settings document `silence/<id>`, with its history.

A silence that cannot be changed in place (other matchers, another start) is expired, and a new one takes its place, in
one step of the log. Source: Alertmanager's `silence.go` (`Set`, `canUpdate`, `Expire`) and its OpenAPI file.
"""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tocsin.api.alertmanager.answer import Invalid, Refusal, filters
from tocsin.api.alertmanager.shape import PostedSilence, SilenceState, names_matchers, order_of, silence_json, state_of
from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.gate import ACTOR_MAX, LOCAL_ACTOR
from tocsin.api.serving import Served, Serving
from tocsin.api.settings import REASON_MAX, change
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Silence
from tocsin.domain.soundness import NAME_MAX

BODY_BYTES_MAX: Final = 64 * 1024
ATTEMPTS_MAX: Final = 5
"""Two who change one silence at once: the second looks again at what the first has made of it."""
MOMENT: Final = timedelta(microseconds=1)

Identifier = Annotated[str, Path(max_length=NAME_MAX)]
Filter = Annotated[list[str], Query()]

router = APIRouter(tags=["alertmanager"])


@router.get("/api/v2/silences", summary="Silences, as Alertmanager lists them")
async def silences(serving: Served, filter: Filter = []) -> Response:  # noqa: B006 - their name; FastAPI copies it
    now, wanted = serving.clock.now(), filters(filter)
    found = [(name, one) for name, one in serving.node.rules.silences.items() if names_matchers(one, wanted)]
    found.sort(key=lambda pair: (order_of(pair[1], now), pair[0]))
    return Json([silence_json(name, one, now) for name, one in found])


@router.post("/api/v2/silences", summary="Add or change a silence, as Alertmanager does")
async def post(request: Request, serving: Served) -> Response:
    """200 with `silenceID`: a new one when the old one could not be changed in place."""
    async with body_of(request, serving, BODY_BYTES_MAX) as body:
        try:
            posted = msgspec.json.decode(body, type=PostedSilence)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, f"bad silence: {error}") from None
    for attempt in range(ATTEMPTS_MAX):
        try:
            return Json({"silenceID": await _set(request, serving, posted)})
        except Failure as failure:
            if failure.word != "version_mismatch" or attempt == ATTEMPTS_MAX - 1:
                raise _refusal(failure) from failure
    raise AssertionError("unreachable")


async def _set(request: Request, serving: Serving, posted: PostedSilence) -> str:
    """Write it; the id under which it stands."""
    now = serving.clock.now()
    if not posted.matchers:
        raise Invalid("matchers in body should have at least 1 items")
    try:
        wanted = posted.silence(now)
    except ValueError as error:
        raise Refusal(400, f"failed to create silence: {error}") from None
    if wanted.starts_at >= wanted.ends_at:
        raise Refusal(400, "failed to create silence: start time must be before end time")
    if wanted.ends_at < now:
        raise Refusal(400, "failed to create silence: end time can't be in the past")
    changes: dict[str, Any] = {}
    name, before = posted.id or "", None
    if name:
        before = serving.node.rules.silences.get(name)
        if before is None:
            raise Refusal(404, f"silence {name} not found")
    if before is not None and can_update(before, wanted, now):
        changes[f"silence/{name}"] = wanted
    else:
        old, name = name, str(uuid4())
        # The new one first: who has read no further yet must not take the place of the old one for empty.
        changes[f"silence/{name}"] = msgspec.structs.replace(wanted, starts_at=max(wanted.starts_at, now))
        if before is not None and state_of(before, now) is not SilenceState.EXPIRED:
            changes[f"silence/{old}"] = ended(before, now)
    feed = serving.node.feed
    await change(
        serving,
        {key: msgspec.to_builtins(one) for key, one in changes.items()},
        actor=_actor(request, serving, wanted),
        reason=wanted.comment[:REASON_MAX],
        expected={key: feed.version(key) for key in changes},
    )
    return name


@router.get("/api/v2/silence/{identifier}", summary="One silence")
async def silence(serving: Served, identifier: Identifier) -> Response:
    found = serving.node.rules.silences.get(identifier)
    if found is None:
        return Response(status_code=404)  # without a word, as there
    return Json(silence_json(identifier, found, serving.clock.now()))


@router.delete("/api/v2/silence/{identifier}", summary="Expire a silence")
async def expire(request: Request, serving: Served, identifier: Identifier) -> Response:
    """It stays listed as expired for some days. One that has expired is left as it is."""
    now = serving.clock.now()
    found = serving.node.rules.silences.get(identifier)
    if found is None:
        raise Refusal(404, f"silence {identifier} not found")
    if state_of(found, now) is not SilenceState.EXPIRED:
        document = msgspec.to_builtins(ended(found, now))
        try:
            await change(serving, {f"silence/{identifier}": document}, actor=request.state.actor, reason="expired")
        except Failure as failure:
            raise _refusal(failure) from failure
    return Response(status_code=200)


def _actor(request: Request, serving: Serving, silence: Silence) -> str:
    """Who acts: without tokens our clients are believed what they say, and these say it in the silence."""
    actor, author = str(request.state.actor), silence.created_by.strip()
    is_name = 0 < len(author) <= ACTOR_MAX and author.isprintable()
    return author if is_name and actor == LOCAL_ACTOR and not serving.settings.http.tokens else actor


def can_update(before: Silence, wanted: Silence, now: Instant) -> bool:
    """Whether `before` may become `wanted` under its id."""
    if before.matchers != wanted.matchers:
        return False
    state = state_of(before, now)
    if state is SilenceState.ACTIVE:
        return int(wanted.starts_at.timestamp()) == int(before.starts_at.timestamp()) and wanted.ends_at >= now
    return state is SilenceState.PENDING and wanted.starts_at >= now


def ended(silence: Silence, now: Instant) -> Silence:
    """`silence` as it is once somebody has expired it. A document ends after it starts, so one that has not begun
    begins a moment ago."""
    starts = min(silence.starts_at, now - MOMENT)
    return msgspec.structs.replace(silence, starts_at=starts, ends_at=now, updated_at=now)


def _refusal(failure: Failure) -> Failure:
    """The same in Alertmanager's shape."""
    if isinstance(failure, Refusal):
        return failure
    status = 400 if failure.status == 422 else failure.status
    return Refusal(status, str(failure), retry_after=int(failure.headers.get("Retry-After", 0)))
