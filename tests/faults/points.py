"""Points: what the rewritten services pass, and what happens there in a process that was told to die or to fail.

A process that is to die does so, by SIGKILL, at the first point that no process before it has died at; the name is in
a file before. One that is to fail raises a lost connection at each point once, and goes on. One that was told nothing
only notes what it reaches. Imported by rewritten services alone; leaves the rewriting to `boundaries`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Generator
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar

T = TypeVar("T")

Mode: TypeAlias = Literal["note", "die", "fail"]


class LostError(ConnectionResetError):
    """What fails at a point: the connection was lost, before or after the other side has acted."""


class _Course:
    """What this process is to do at its points."""

    def __init__(self) -> None:
        self.mode: Mode = "note"
        self.done: set[str] = set()
        self.spared: frozenset[str] = frozenset()
        self.only = "*"
        self.file = -1
        self.ways = False


_course = _Course()


def begin(mode: Mode, file: Path, *, spared: frozenset[str] = frozenset(), only: str = "*", ways: bool = False) -> None:
    """Begin to note in `file` the points that are struck (or only reached); those in it already are passed.

    `spared` boundaries are never struck, nor points that do not match `only` (as `fnmatch` does). With `ways` a point
    of the runtime is another one for each of its callers.
    """
    _course.mode, _course.spared, _course.only, _course.ways = mode, spared, only, ways
    _course.file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    _course.done = set(file.read_text("utf-8").splitlines())


def reach(boundary: str, moment: str) -> None:
    """A point is reached."""
    point = f"{boundary} {moment}"
    if _course.file < 0:
        return
    if _course.ways and boundary.startswith("runtime."):
        point += _way()
    if point in _course.done or boundary in _course.spared or not fnmatchcase(point, _course.only):
        return
    _course.done.add(point)
    os.write(_course.file, f"{point}\n".encode())
    if _course.mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if _course.mode == "fail":
        raise LostError(f"at {point}")


def _way() -> str:
    """On whose behalf: the nearest function of a service that waits for this one, else the outermost of the runtime."""
    frame: Any = sys._getframe(2)
    outermost = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("services."):
            outermost = f"{module.removeprefix('services.')}:{frame.f_code.co_qualname}"
            if not module.startswith("services.runtime."):
                break
        frame = frame.f_back
    return f" for {outermost}"


async def passing(boundary: str, awaited: Awaitable[T]) -> T:
    """Await something between two points."""
    try:
        reach(boundary, "before")
    except LostError:
        close = getattr(awaited, "close", None)  # a coroutine that nobody will ever await
        if close is not None:
            close()
        raise
    result = await awaited
    try:
        reach(boundary, "after")
    except LostError:
        await _let_go(result)
        raise
    return result


async def _let_go(result: Any) -> None:
    """What was got and is lost on the way is not there: a member of a group, a session, a pool."""
    for end in ("stop", "fail", "terminate"):
        letting_go = getattr(result, end, None)
        if letting_go is not None:
            waiting = letting_go("lost") if end == "fail" else letting_go()
            if waiting is not None:
                await waiting
            return


class Block:
    """An asynchronous block with points on both sides of its beginning and of its end.

    What fails once it was entered, or before it is left, fails within it: it ends as it would with such an error.
    """

    def __init__(self, boundary: str, block: Any) -> None:
        self._boundary, self._block = boundary, block

    async def __aenter__(self) -> Any:
        reach(self._boundary, "entering")
        entered = await self._block.__aenter__()
        await self._within("entered")
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        if error is None:
            await self._within("leaving")
        result = await self._block.__aexit__(kind, error, trace)
        if error is None:
            reach(self._boundary, "left")
        return result

    async def _within(self, moment: str) -> None:
        try:
            reach(self._boundary, moment)
        except LostError as lost:
            await self._block.__aexit__(type(lost), lost, lost.__traceback__)
            raise

    def __await__(self) -> Generator[Any, None, Any]:
        raise TypeError("a block is entered, not awaited")


class Each:
    """What comes one after the other, with points before and after each."""

    def __init__(self, boundary: str, source: Any) -> None:
        self._boundary, self._source = boundary, source

    def __aiter__(self) -> AsyncIterator[Any]:
        self._iterator = self._source.__aiter__()
        return self

    async def __anext__(self) -> Any:
        reach(self._boundary, "before")
        one = await self._iterator.__anext__()
        reach(self._boundary, "after")
        return one
