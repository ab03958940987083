"""A tocsin that dies at a named step, as if its machine had been switched off there, or that hurries.

    python -m tocsin.testing.failing append.after:3 run -c tocsin.yaml
    python -m tocsin.testing.failing hurry run -c tocsin.yaml

In: a point `<step>.<before|after>[:<nth>]` of `POINTS`, and the arguments of `tocsin`. Out: SIGKILL of this process by
itself, immediately before or after that step, the nth time. `hurry` (also with a point: `hurry,send.after`) makes
checkpoints every few seconds, so that short runs have many. The steps are wrapped in this process before the command
begins; nobody who starts `tocsin` itself can come here, and it costs the product nothing. It does not judge what is
found afterwards (`checker.py`).
"""

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final, NamedTuple, NoReturn

__all__ = ["POINTS", "NoSuchPoint", "Step", "main", "prepare"]


class Step(NamedTuple):
    """Functions that are one step, each as `module:attribute`, and which of their calls count."""

    functions: tuple[str, ...]
    counts: Callable[[tuple[Any, ...], dict[str, Any]], bool] = lambda given, named: True


def _to_journal(given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return named.get("expected", given[4] if len(given) > 4 else None) is not None


def _is_result(given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return type(given[1]).__name__ == "DeliveryResult"


_BROKERS: Final = ("tocsin.runtime.kafka.broker:KafkaBroker", "tocsin.runtime.embedded.broker:EmbeddedBroker")
_DECIDERS: Final = (
    "tocsin.correlate.decide:Correlate",
    "tocsin.escalate.decide:Escalate",
    "tocsin.notify.decide:Notify",
)

STEPS: Final[dict[str, Step]] = {
    "intake": Step(("tocsin.runtime.node:Node.publish",)),
    "map": Step(("tocsin.ingest.map:Ingest.map",)),
    "publish": Step(("tocsin.runtime.ingest:publish",)),
    "store": Step(
        (
            "tocsin.runtime.ingest:settle",
            "tocsin.runtime.ingest_share:settle",
        )
    ),
    "decode": Step(("tocsin.runtime.owner:read_batch",)),
    "decide": Step(tuple(f"{decider}.decide" for decider in _DECIDERS)),
    "evolve": Step(tuple(f"{decider}.evolve" for decider in _DECIDERS)),
    "append": Step(tuple(f"{broker}.append" for broker in _BROKERS), _to_journal),
    "confirm": Step(("tocsin.runtime.journal:Journal.commit",)),
    "commit": Step(("tocsin.runtime.owner:Owner._commit",)),
    "fold": Step(("tocsin.runtime.owner:fold",)),
    "claim": Step(("tocsin.runtime.journal:Journal.claim",)),
    "fire": Step(("tocsin.runtime.owner:Owner._fire",)),
    "send": Step(("tocsin.runtime.effects:Effects._call",)),
    "record": Step(("tocsin.runtime.owner:Owner._apply",), _is_result),
    "persist": Step(("tocsin.persist.sqlite:EventLog.append",)),
    "release": Step(("tocsin.runtime.owner:Owner.release",)),
    "show": Step(("tocsin.runtime.showing:ShowingFeed._append",)),
    "chunks": Step(("tocsin.runtime.checkpointing:Checkpointing._flush",)),
    "checkpoint": Step(("tocsin.runtime.checkpointing:Checkpointing._close",)),
}
"""Name -> what is wrapped."""

POINTS: Final = tuple(f"{step}.{side}" for step in STEPS for side in ("before", "after"))
"""Every point at which a process can be told to die."""


HURRY: Final = "hurry"
"""In front of a point, or alone."""


class NoSuchPoint(ValueError):
    """The message names those that there are."""


class _Fuse:
    """Burns down by one at each call that counts."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


def prepare(point: str) -> None:
    """Wrap the step of `point` (`<step>.<before|after>[:<nth>]`, the first time if it is not said), or hurry, or both.

    Raises:
        NoSuchPoint: no such step.
    """
    hurry, _, rest = point.partition(",")
    if hurry == HURRY:
        _hurry()
        if not (point := rest):
            return
    name, _, nth = point.partition(":")
    if name not in POINTS or not (nth or "1").isdigit():
        raise NoSuchPoint(f"{point!r} is no point; known are {', '.join(POINTS)}, each with :<nth>")
    step, _, side = name.partition(".")
    fuse = _Fuse(int(nth or 1))
    for function in STEPS[step].functions:
        _wrap(function, STEPS[step].counts, fuse, before=side == "before")


def _hurry() -> None:
    from tocsin.runtime import node
    from tocsin.runtime.pace import Pace
    from tocsin.runtime.world import World

    pace = Pace(records_min=100, seconds=5.0, rest=1.0, shown_within=0.2, counts_within=1.0, look=5.0)
    setattr(node, "World", functools.partial(World, pace=pace))  # noqa: B010 - as the steps are wrapped


def _wrap(place: str, counts: Callable[[tuple[Any, ...], dict[str, Any]], bool], fuse: _Fuse, *, before: bool) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    holder = functools.reduce(getattr, owners, importlib.import_module(module))
    inner = getattr(holder, name)

    @functools.wraps(inner)
    async def awaited(*given: Any, **named: Any) -> Any:
        counted = counts(given, named)
        if before and counted:
            fuse.burn()
        result = await inner(*given, **named)
        if counted and not before:
            fuse.burn()
        return result

    @functools.wraps(inner)
    def generated(*given: Any, **named: Any) -> Any:
        counted = counts(given, named)
        if before and counted:
            fuse.burn()
        yield from inner(*given, **named)
        if counted and not before:
            fuse.burn()

    @functools.wraps(inner)
    def called(*given: Any, **named: Any) -> Any:
        counted = counts(given, named)
        if before and counted:
            fuse.burn()
        result = inner(*given, **named)
        if counted and not before:
            fuse.burn()
        return result

    wrapped: Callable[..., Any] = called
    if inspect.iscoroutinefunction(inner):
        wrapped = awaited
    elif inspect.isgeneratorfunction(inner):
        wrapped = generated
    setattr(holder, name, wrapped)


def main(words: list[str]) -> None:
    """Prepare the point in the first word and run `tocsin` with the others."""
    if len(words) < 2:
        raise SystemExit("usage: python -m tocsin.testing.failing <point>[:<nth>] run -c tocsin.yaml")
    try:
        prepare(words[0])
    except NoSuchPoint as error:
        raise SystemExit(str(error)) from None
    (command,) = entry_points(group="console_scripts", name="tocsin")  # whatever the installed command is
    command.load()(words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
