"""One connection through a proxy: the client's end, the server's end, and what is on its way between them.

Leaves to `proxy` what is to be done to it, to `acts` what the bytes mean.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy


class Line(asyncio.Protocol):
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._watch = proxy.new_watch()
        self._client: asyncio.Transport | None = None
        self._far: Far | None = None
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
                lambda: Far(self), self._proxy.host, self._proxy.target
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
        loop = asyncio.get_running_loop()
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


class Far(asyncio.Protocol):
    """The server's side of a line."""

    def __init__(self, line: Line) -> None:
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
