"""A TCP proxy between a service and what it talks to, that misbehaves when it is told to.

It cuts, refuses, delays, stalls, throttles, and loses the reply to what the server has done already. All proxies of
a harness live in one event loop in a thread of its own; every public method may be called from any thread. Leaves to
`acts` what an act looks like on the wire.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from tests.faults.acts import Watch
from tests.faults.line import Line

HOST = "127.0.0.1"
_SECONDS = 10.0
_REOPEN_SECONDS = 5.0

T = TypeVar("T")


class Lines:
    """The thread with the event loop in which proxies live."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._proxies: list[Proxy] = []
        self._thread = threading.Thread(target=self._live, name="lines", daemon=True)
        self._thread.start()
        assert self._started.wait(_SECONDS)

    def _live(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self.loop = runner.get_loop()
            self._over = asyncio.Event()
            self._started.set()
            runner.run(self._until_over())

    async def _until_over(self) -> None:
        await self._over.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)

    def proxy(self, port: int, target: int, watch: Callable[[], Watch]) -> Proxy:
        """A proxy that listens on `port` and passes everything on to `target`, both on this machine."""
        proxy = Proxy(self, port, target, watch)
        self.run(proxy.listen())
        self._proxies.append(proxy)
        return proxy

    def close(self) -> None:
        """End the loop and all connections in it."""
        for proxy in self._proxies:
            proxy.close()
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive(), "the proxies do not end"


class Proxy:
    """One way from a service to one of the parts it stands on."""

    host = HOST

    def __init__(self, lines: Lines, port: int, target: int, watch: Callable[[], Watch]) -> None:
        """Made by `Lines.proxy`."""
        self.port, self.target = port, target
        self.lost = 0
        """How many replies were lost so far."""
        self.held = 0
        """How many connections were held at a request so far."""
        self.delay_seconds = 0.0
        self.octets_per_second = 0
        self.connections: set[Line] = set()
        self.new_watch = watch
        self._lines = lines
        self._server: Any = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._to_pass = self._to_lose = self._every = 0
        self.hold_before: bytes | None = None

    # ── What a test tells it ─────────────────────────────────────────────────────────────────────────────────────

    def cut(self) -> int:
        """Cut all connections; returns how many there were."""
        return self._lines.run(self._cut())

    def refuse(self) -> None:
        """Cut all connections and refuse new ones, until `mend`."""
        self._lines.run(self._refuse())

    def stall(self) -> None:
        """Take connections and bytes and pass on nothing, until `mend`."""
        self._lines.run(self._stall())

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, until `mend`."""
        self.delay_seconds = seconds

    def throttle(self, octets_per_second: int) -> None:
        """Pass on no more than this on each connection, either way, until `mend`."""
        self.octets_per_second = octets_per_second

    def mend(self) -> None:
        """Pass everything on again, at once."""
        self._lines.run(self._mend())

    def lose_replies(self, times: int = 1, *, after: int = 0, every: int = 1) -> None:
        """Lose the reply to an act, and the connection with it, so many times.

        The first act is the one after `after` others from now, whichever connection they come on; then every so many.
        The server has done what it was asked: only nobody hears of it.
        """
        self._to_pass, self._to_lose, self._every = after, times, every

    def hold_at(self, request: bytes) -> None:
        """Hold a connection when its client asks for this, before the server hears of it, until `mend`."""
        self.hold_before = request

    @property
    def still_to_lose(self) -> int:
        """How many replies are still to be lost."""
        return self._to_lose

    def close(self) -> None:
        """Listen no more, and cut what is there."""
        self._lines.run(self._refuse())

    # ── In the loop ──────────────────────────────────────────────────────────────────────────────────────────────

    async def listen(self) -> None:
        """Take connections from now on."""
        deadline = self._lines.loop.time() + _REOPEN_SECONDS
        while self._server is None:
            try:
                self._server = await self._lines.loop.create_server(lambda: Line(self), HOST, self.port, backlog=256)
            except OSError:
                if self._lines.loop.time() > deadline:
                    raise
                await asyncio.sleep(0.05)

    async def flows(self) -> None:
        """Wait while it is stalled."""
        await self._flowing.wait()

    @property
    def stalled(self) -> bool:
        """Whether nothing is passed on."""
        return not self._flowing.is_set()

    def loses_this(self) -> bool:
        """An act was asked for: whether it is one whose reply is to be lost."""
        if not self._to_lose:
            return False
        if self._to_pass:
            self._to_pass -= 1
            return False
        self._to_lose -= 1
        self._to_pass = self._every - 1
        return True

    async def _cut(self) -> int:
        cut = list(self.connections)
        for line in cut:
            line.cut()
        return len(cut)

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()
        await self._cut()

    async def _stall(self) -> None:
        self._flowing.clear()
        for line in self.connections:
            line.hold()

    async def _mend(self) -> None:
        self.delay_seconds, self.octets_per_second, self.hold_before = 0.0, 0, None
        self._flowing.set()
        for line in self.connections:
            line.go_on()
        await self.listen()
