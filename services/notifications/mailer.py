"""Sends many letters over a few long connections and says of each what became of it.

Bounds what is held in memory on both sides, reconnects with backoff, gives up on a relay that cannot be reached.
Leaves the conversation to `smtp`, and what follows from a result (another attempt, and when) to `decide.settle`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from types import TracebackType
from uuid import UUID

from services.notifications.domain import Deferred, Result
from services.notifications.relay import Mail, Marks, Relay, UnreachableError
from services.notifications.smtp import Session

CONNECTIONS = 4
HELD_AT_MOST = 512
RESULTS_PER_BATCH = 64
RESULTS_WAIT_SECONDS = 0.02
ATTEMPTS_TO_CONNECT = 5
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0

Letters = Iterable[Mail] | AsyncIterable[Mail]
Results = list[tuple[UUID, Result]]


class Mailer:
    """A few connections to one relay, kept from one `send` to the next. For one `send` at a time."""

    def __init__(
        self,
        relay: Relay,
        marks: Marks | None = None,
        connections: int = CONNECTIONS,
        held_at_most: int = HELD_AT_MOST,
        attempts_to_connect: int = ATTEMPTS_TO_CONNECT,
    ) -> None:
        """`held_at_most` bounds the letters fetched and not yet begun, and the results not yet taken."""
        self._relay = relay
        self._marks = marks
        self._held_at_most = held_at_most
        self._attempts_to_connect = attempts_to_connect
        self._sessions: list[Session | None] = [None] * connections
        self._sending = False

    async def send(self, letters: Letters) -> AsyncGenerator[Results, None]:
        """Send the letters; yields batches of (letter_id, result), each letter once, in the order they settle.

        If no connection can be had, the letters are deferred. An error of `letters` itself is raised after all that
        were under way have settled. If the caller stops listening, connections with a letter under way are cut:
        what their letters came to is for the journal to say. Use it with `contextlib.aclosing`.
        """
        if self._sending:
            raise RuntimeError("this mailer is sending already: make another one")
        self._sending = True
        run = _Run(self._sessions, self._held_at_most)
        feeder = asyncio.create_task(run.feed(letters))
        slots = [asyncio.create_task(self._keep(slot, run)) for slot in range(len(self._sessions))]
        for task in (feeder, *slots):
            task.add_done_callback(run.wake)
        try:
            while not (feeder.done() and run.empty):
                if run.results:
                    yield run.take()
                elif all(slot.done() for slot in slots):
                    for slot_task in slots:
                        slot_task.result()
                    run.defer_what_is_held()
                    if not run.results and not feeder.done():
                        await run.changed()
                else:
                    await run.changed()
            feeder.result()
        finally:
            for task in (feeder, *slots):
                task.cancel()
            await asyncio.wait((feeder, *slots))
            for session in self._sessions:
                if session is not None and not session.idle:
                    session.fail("given up by us")
            self._sending = False

    async def close(self) -> None:
        """Say goodbye on every connection; bounded by the deadline of a reply."""
        await asyncio.gather(*(session.quit() for session in self._sessions if session is not None))
        self._sessions = [None] * len(self._sessions)

    async def __aenter__(self) -> Mailer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _keep(self, slot: int, run: _Run) -> None:
        """Keep one connection at work; ends when the relay failed it too often in a row."""
        failures = 0
        while failures < self._attempts_to_connect:
            await run.stocked.wait()
            if failures:
                await asyncio.sleep(min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS))
            session = self._sessions[slot]
            answered = 0
            try:
                if session is None or session.lost.done():
                    session = self._sessions[slot] = await Session.open(self._relay, self._marks)
                answered = session.answered
                session.work(run)
                await asyncio.wait([session.lost])
                run.trouble = session.lost.result()
                failures = 0 if session.answered > answered else failures + 1
            except UnreachableError as trouble:
                run.trouble = str(trouble)
                failures += 1


class _Run:
    """One `send`: the letters that wait, the results that wait, and who waits for either."""

    def __init__(self, sessions: list[Session | None], held_at_most: int) -> None:
        self.results: Results = []
        self.trouble = ""
        self.stocked = asyncio.Event()
        self._sessions = sessions
        self._held_at_most = held_at_most
        self._queue: deque[Mail] = deque()
        self._under_way = 0
        self._hungry = False
        self._room: asyncio.Future[None] | None = None
        self._change: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def empty(self) -> bool:
        """Whether no letter waits or is under way, and no result waits."""
        return not (self._queue or self._under_way or self.results)

    async def feed(self, letters: Letters) -> None:
        """Fetch letters as there is room for them."""
        if isinstance(letters, AsyncIterable):
            async for mail in letters:
                self._queue.append(mail)
                self._stock()
                await self._make_room()
            return
        try:
            for mail in letters:
                self._queue.append(mail)
                if len(self._queue) >= self._held_at_most:
                    self._stock()
                    await self._make_room()
        finally:
            self._stock()

    async def _make_room(self) -> None:
        """Wait, if all is held that may be, until half of it is gone."""
        if len(self._queue) < self._held_at_most:
            return
        self._room = self._loop.create_future()
        await self._room

    def _stock(self) -> None:
        """There are letters: wake who waits for them."""
        if not self._queue:
            return
        if not self.stocked.is_set():
            self.stocked.set()
            self.wake()
        if self._hungry:
            self._hungry = False
            for session in self._sessions:
                if session is not None:
                    session.kick()

    def pull(self) -> Mail | None:
        """The next letter; None if none waits, or if the caller is too slow in taking results."""
        if not self._queue or len(self.results) >= self._held_at_most:
            self._hungry = True
            return None
        mail = self._queue.popleft()
        self._under_way += 1
        if not self._queue:
            self.stocked.clear()
        if self._room is not None and len(self._queue) <= self._held_at_most // 2:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None
        return mail

    def settle(self, mail: Mail, result: Result) -> None:
        """Note what became of a letter."""
        self._under_way -= 1
        self.results.append((mail.letter_id, result))
        if len(self.results) >= RESULTS_PER_BATCH or not self._under_way:
            self.wake()
        elif self._timer is None:
            self._timer = self._loop.call_later(RESULTS_WAIT_SECONDS, self.wake)

    def take(self) -> Results:
        """The results so far; there is room for more now."""
        results, self.results = self.results, []
        self._stock()
        return results

    def defer_what_is_held(self) -> None:
        """No connection is to be had: the letters that wait were certainly not sent."""
        while (mail := self.pull()) is not None:
            self.settle(mail, Deferred(f"the relay cannot be reached: {self.trouble}", tried=False))

    async def changed(self) -> None:
        """Wait for a batch of results, the end of the letters, or the end of a connection's slot."""
        self._change = self._loop.create_future()
        await self._change

    def wake(self, _: object = None) -> None:
        """Wake the caller of `send`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._change is not None and not self._change.done():
            self._change.set_result(None)
