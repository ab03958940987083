"""The application: routers, gate, and how everything that goes wrong is answered."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

import tocsin
from tocsin.api import (
    alerting,
    bulk,
    commands,
    explain,
    inbound,
    incidents,
    intake,
    log,
    operations,
    page,
    pages,
    rejected,
    response,
    runbooks,
)
from tocsin.api.alertmanager import routers as alertmanager
from tocsin.api.answer import Failure
from tocsin.api.changes import router as changes
from tocsin.api.channels import router as ways_out
from tocsin.api.context import router as surroundings
from tocsin.api.deliveries import router as deliveries
from tocsin.api.explain_message import router as sayings
from tocsin.api.gate import Gate
from tocsin.api.links import router as one_tap
from tocsin.api.oncall import router as on_call
from tocsin.api.overrides import router as overrides
from tocsin.api.people import router as people
from tocsin.api.serving import Serving
from tocsin.api.settings import router as documents
from tocsin.api.severity import router as severities
from tocsin.api.silences import router as silences
from tocsin.domain.errors import Reject, Retry
from tocsin.notify.links import SignedLinks
from tocsin.persist.sqlite import Unusable
from tocsin.runtime.broker import Unavailable
from tocsin.runtime.clock import Clock, SystemClock
from tocsin.runtime.node import Node
from tocsin.settings import Settings

HTTP_WORDS = {404: "not_found", 405: "method_not_allowed"}


def create(node: Node, *, settings: Settings, clock: Clock | None = None, links: SignedLinks | None = None) -> FastAPI:
    """The application over `node`; `node` may still be starting.

    Args:
        clock: what intake takes for now; the system's by default.
        links: what reads the links of messages; by default made from the settings.
    """
    app = FastAPI(
        title="tocsin",
        version=tocsin.__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.serving = Serving(node, settings, clock or SystemClock(), links)
    # response before incidents: its fixed words would be taken for references.
    writing = (intake, response, alerting, bulk, commands, inbound)
    for part in (*writing, incidents, explain, runbooks, log, rejected, operations, page, pages):
        app.include_router(part.router)
    for router in (
        changes,
        deliveries,
        documents,
        on_call,
        one_tap,
        overrides,
        people,
        severities,
        silences,
        surroundings,
        sayings,
        ways_out,
        *alertmanager,
    ):
        app.include_router(router)
    app.add_exception_handler(Failure, _failure)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Reject, _reject)
    app.add_exception_handler(Retry, _database)
    app.add_exception_handler(Unusable, _database)
    app.add_exception_handler(Unavailable, _log)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(Gate, settings=settings)
    return app


async def _failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, Failure)
    return error.answer()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    problems = [_sentence(one["loc"], str(one["msg"])) for one in error.errors()]
    return Failure(422, "invalid", "; ".join(problems), problems=problems).answer()


def _sentence(loc: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(step) for step in loc)
    text = message.removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


async def _reject(request: Request, error: Exception) -> Response:
    assert isinstance(error, Reject)
    return Failure(422, error.word, str(error)).answer()


async def _database(request: Request, error: Exception) -> Response:
    return Failure(503, "database_unavailable", f"the event log cannot answer now: {error}", retry_after=2).answer()


async def _log(request: Request, error: Exception) -> Response:
    return Failure(503, "log_unavailable", f"the log cannot answer now: {error}", retry_after=2).answer()


async def _bug(request: Request, error: Exception) -> Response:
    """The server logs it with its traceback; the client learns nothing of our inside."""
    return Failure(500, "bug", "this is a bug in tocsin; its log has the traceback").answer()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    word = HTTP_WORDS.get(error.status_code, "error")
    answer = Failure(error.status_code, word, f"{request.method} {request.url.path}: {error.detail}").answer()
    answer.headers.update(error.headers or {})
    return answer
