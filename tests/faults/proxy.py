"""A TCP proxy between a service and what it talks to, that misbehaves when it is told to.

It cuts, refuses, delays, stalls, throttles, and loses the reply to what the server has done already. All proxies of
a harness live in one event loop in a thread of its own; every public method may be called from any thread. Leaves to
`acts` what an act looks like on the wire.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import uvloop

from tests.faults.acts import Watch

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

    def __init__(self, lines: Lines, port: int, target: int, watch: Callable[[], Watch]) -> None:
        """Made by `Lines.proxy`."""
        self.port, self.target = port, target
        self.lost = 0
        """How many replies were lost so far."""
        self.held = 0
        """How many connections were held at a request so far."""
        self.delay_seconds = 0.0
        self.octets_per_second = 0
        self.connections: set[_Line] = set()
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
                self._server = await self._lines.loop.create_server(lambda: _Line(self), HOST, self.port, backlog=256)
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


class _Line(asyncio.Protocol):
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._watch = proxy.new_watch()
        self._client: asyncio.Transport | None = None
        self._far: _Far | None = None
        self._losing = False
        self._early: list[bytes] = []  # what the client said, and the server is not told yet
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast(asyncio.Transport, transport)
        self._proxy.connections.add(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        await self._proxy.flows()
        try:
            _, self._far = await asyncio.get_running_loop().create_connection(
                lambda: _Far(self), HOST, self._proxy.target
            )
        except OSError:
            self.cut()
            return
        if self._client is None or self._client.is_closing():
            self.cut()
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        """Ask what waited."""
        early, self._early = self._early, []
        for data in early:
            self._ask(data)

    def data_received(self, data: bytes) -> None:
        """From the client."""
        waited_for = self._proxy.hold_before
        if waited_for is not None and not self._early and waited_for in data:
            self._proxy.held += 1
            self._early.append(data)
        elif self._far is None or self._early:
            self._early.append(data)
        else:
            self._ask(data)

    def _ask(self, data: bytes) -> None:
        assert self._far is not None
        if self._watch.asked(data) and self._proxy.loses_this():
            self._losing = True
        self._pass_on(self._client, self._far.transport, data)

    def answer(self, data: bytes) -> None:
        """From the server."""
        answered = self._watch.answered(data)
        if not self._losing:
            self._pass_on(None if self._far is None else self._far.transport, self._client, data)
        elif answered:
            self._proxy.lost += 1
            self.cut()

    def _pass_on(self, source: asyncio.Transport | None, sink: asyncio.Transport | None, data: bytes) -> None:
        if sink is None or sink.is_closing():
            return
        loop = self._proxy._lines.loop
        if self._proxy.delay_seconds:
            loop.call_later(self._proxy.delay_seconds, sink.write, data)
        else:
            sink.write(data)
        if self._proxy.octets_per_second and source is not None and not source.is_closing():
            source.pause_reading()
            loop.call_later(len(data) / self._proxy.octets_per_second, self._resume, source)

    def _resume(self, transport: asyncio.Transport) -> None:
        if not self._proxy.stalled and not transport.is_closing():
            transport.resume_reading()

    def _both(self) -> list[asyncio.Transport]:
        ends = (self._client, None if self._far is None else self._far.transport)
        return [end for end in ends if end is not None and not end.is_closing()]

    def hold(self) -> None:
        """Take no more bytes from either side."""
        for end in self._both():
            end.pause_reading()

    def go_on(self) -> None:
        """Take bytes again."""
        if self._far is not None:
            self._catch_up()
            for end in self._both():
                end.resume_reading()

    def cut(self) -> None:
        """Reset both connections."""
        self._proxy.connections.discard(self)
        task = self._connecting
        if task is not None and not task.done() and task is not asyncio.current_task():
            task.cancel()
        for end in self._both():
            end.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end_of(exc)

    def end_of(self, exc: Exception | None) -> None:
        """One side has ended: so does the other, once it has what was written to it."""
        self._proxy.connections.discard(self)
        for end in self._both():
            if exc is None:
                end.close()
            else:
                end.abort()

    def pause_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._resume(self._far.transport)

    def far_pauses(self, paused: bool) -> None:
        """The server takes no more bytes, or takes them again."""
        if self._client is None or self._client.is_closing():
            return
        if paused:
            self._client.pause_reading()
        else:
            self._resume(self._client)


class _Far(asyncio.Protocol):
    """The server's side of a line."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._line.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.end_of(exc)

    def pause_writing(self) -> None:
        self._line.far_pauses(True)

    def resume_writing(self) -> None:
        self._line.far_pauses(False)
