"""Runs the loops of a process; the crash of one is the end of all.

In: coroutines. Out: the first exception that ended one of them. A loop that ends by itself is well.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["Supervisor"]


class Supervisor:
    """Tasks that live together."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

    def start(self, name: str, loop: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(loop, name=name)
        self._tasks[task] = name
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        name = self._tasks.pop(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            error.add_note(f"in the loop {name}")
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Record what ends the process; the first one counts."""
        if self._failure is None:
            self._failure = error
            self._failed.set()

    @property
    def failure(self) -> BaseException | None:
        return self._failure

    async def failed(self) -> BaseException:
        """Wait for the first crash."""
        await self._failed.wait()
        assert self._failure is not None
        return self._failure

    async def join(self, names: str, timeout: float) -> bool:  # noqa: ASYNC109 - the caller divides one time budget
        """Wait until every loop whose name begins with `names` has ended; cancel those that have not in `timeout`
        seconds.

        Returns whether all ended by themselves.
        """
        tasks = [task for task, name in self._tasks.items() if name.startswith(names)]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=max(0.0, timeout))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late
