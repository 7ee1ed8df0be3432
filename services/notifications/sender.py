"""Sending: letters that are due are claimed, written, handed to the relay, and settled by what it said.

Three stages that overlap: while one handful of letters is on the wire, the next is written and the last is settled.
Every letter is a row in this worker's hands while it is neither pending nor settled; what a worker that was killed had
in its hands is judged by its journal when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import orjson
import structlog

from services.notifications.addresses import usable
from services.notifications.correspondence import Correspondence
from services.notifications.decide import Settled, recover, settle
from services.notifications.domain import Deferred, Failed, Letterhead, State
from services.notifications.handlers import address_waiting
from services.notifications.journal import Journal
from services.notifications.letters import Writer
from services.notifications.mailer import Mailer
from services.notifications.metrics import LetterMetrics
from services.notifications.news import content
from services.notifications.rearranging import rearrange
from services.notifications.register import Register
from services.notifications.relay import Mail
from services.notifications.reporting import PENDING, Report
from services.notifications.store import Claimed, Store
from services.runtime import bell
from services.runtime.bell import wait
from services.runtime.work import Transaction, Workbench

log = structlog.get_logger()

_LOOK_AGAIN_SECONDS = 1.0
_TIDY_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_KNOWN_INCIDENTS = 64


class Sender:
    """One worker's part in sending; its journal and its name in the database are its own."""

    def __init__(
        self,
        workbench: Workbench,
        mailer: Mailer,
        journal: Journal,
        head: Letterhead,
        metrics: LetterMetrics,
        *,
        language: str,
        worker: str,
        at_most: int,
        abandoned_after: timedelta,
    ) -> None:
        self._workbench, self._mailer, self._journal, self._metrics = workbench, mailer, journal, metrics
        self._head, self._language, self._worker = head, language, worker
        self._at_most, self._abandoned_after = at_most, abandoned_after
        self._writers: dict[str, Writer] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: claim, write, send and settle; what is in hand then is seen through."""
        await self.recover()
        written: _Line = asyncio.Queue(1)
        answered: _Line = asyncio.Queue(1)
        writing = asyncio.ensure_future(self._write(written, stop))
        sending = asyncio.ensure_future(self._send(written, answered, stop))
        settling = asyncio.ensure_future(self._settle(answered))
        stages = (writing, sending, settling)
        try:
            await asyncio.wait(stages, return_when=asyncio.FIRST_EXCEPTION)
            if not sending.done():  # a stage beside it has failed: cut off now, what is on the wire would be in doubt
                writing.cancel()
                settling.cancel()
                await self._fall_silent(sending, written, answered)
        finally:
            for stage in stages:
                stage.cancel()
            await asyncio.wait(stages)
        for stage in stages:
            if not stage.cancelled():
                stage.result()

    async def _fall_silent(self, sending: asyncio.Future[None], written: _Line, answered: _Line) -> None:
        """See through what is on the wire. Nobody settles it any more: the journal knows what became of it."""
        ending = asyncio.ensure_future(written.put(None))
        while not sending.done():
            dropped: asyncio.Future[_Handful | None] = asyncio.ensure_future(answered.get())
            either: list[asyncio.Future[Any]] = [sending, dropped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            dropped.cancel()
        ending.cancel()

    async def recover(self) -> None:
        """Judge what this worker had in hand when it was stopped: sent, in doubt, or safe to send again."""
        self._journal.flush()
        marks = Journal.read(self._journal.path)
        async with self._workbench.pool.acquire() as connection:
            claimed = await Store(connection).claimed(self._worker)
        if claimed:
            known = recover(claimed, marks) | {letter: State.PENDING for letter, drill in claimed.items() if drill}
            results = [(letter, _RECOVERED[state]) for letter, state in known.items()]
            await self._workbench.run(partial(self._record, results))
            in_doubt = sum(state is State.IN_DOUBT for state in known.values())
            log.info("recovered what was in hand", letters=len(known), in_doubt=in_doubt)
        self._journal.forget(marks or {})

    async def tidy(self, stop: asyncio.Event) -> None:
        """Until `stop`: letters of a worker that never came back are in doubt, those whose profile is there can go."""
        while not stop.is_set():
            await self._workbench.run(partial(address_waiting, metrics=self._metrics))
            async with self._workbench.pool.acquire() as connection:
                abandoned = await Store(connection).abandoned(self._abandoned_after)
            if abandoned:
                results = [(letter, _PUT_BACK if drill else _ABANDONED) for letter, drill in abandoned.items()]
                await self._workbench.run(partial(self._record, results))
                log.warning("letters were abandoned", letters=len(abandoned))
            await wait(stop, _TIDY_SECONDS)

    async def _write(self, written: _Line, stop: asyncio.Event) -> None:
        """Claim what is due and write it."""
        async with bell.listening(self._workbench.pool, PENDING, stop) as rung:
            while not stop.is_set():
                claimed = await self._workbench.run(self._claim)
                if claimed:
                    await written.put(self._written(claimed))
                else:
                    await rung.wait(_LOOK_AGAIN_SECONDS)
        await written.put(None)

    async def _claim(self, transaction: Transaction) -> list[Claimed]:
        store = Store(transaction.connection)
        claimed = await store.claim(self._worker, self._at_most)
        if len(self._writers) > _KNOWN_INCIDENTS:
            self._writers.clear()
        for incident_id in {letter.incident_id for letter in claimed}:
            incident = await Register(transaction.connection).incident(incident_id)
            known = self._writers.get(incident_id)
            if incident is not None and (known is None or known.incident != incident):  # it may have been amended
                self._writers[incident_id] = Writer(self._head, incident, self._language)
        return claimed

    def _written(self, claimed: Sequence[Claimed]) -> _Handful:
        """The letters as mails; one that cannot be written is settled at once."""
        handful = _Handful({letter.letter_id: letter.attempts + 1 for letter in claimed})
        dated = datetime.now(UTC).replace(microsecond=0)
        for letter in claimed:
            address = usable(letter.email)
            if address is None:
                handful.settled.append((letter.letter_id, Settled(State.NO_ADDRESS, None, "no usable address")))
                continue
            said = content(letter.kind, list(map(orjson.loads, letter.news)))
            writer = self._writers[letter.incident_id]
            try:
                octets = writer.write(letter.kind, letter.letter_id, address, letter.recipient, said, dated)
            except ValueError as error:
                handful.settled.append((letter.letter_id, settle(Failed(f"cannot be written: {error}"), 1)))
            else:
                if letter.drill:
                    handful.settled.append((letter.letter_id, _DRILL))
                else:
                    handful.mails.append(Mail(letter.letter_id, self._head.sender, address, octets))
        return handful

    async def _send(self, written: _Line, answered: _Line, stop: asyncio.Event) -> None:
        """Hand the letters to the relay; while it cannot be reached nothing is tried in haste, nor at the end."""
        pause = 0.0
        while (handful := await written.get()) is not None:
            if pause and stop.is_set():
                handful.settled += [(mail.letter_id, _PUT_BACK) for mail in handful.mails]
                await answered.put(handful)
                continue
            reached = not handful.mails
            async with aclosing(self._mailer.send(handful.mails)) as batches:
                async for batch in batches:
                    for letter_id, result in batch:
                        handful.settled.append((letter_id, settle(result, handful.attempts[letter_id])))
                        reached = reached or not (isinstance(result, Deferred) and not result.tried)
            handful.mails.clear()
            await answered.put(handful)
            pause = 0.0 if reached else min(max(_FIRST_PAUSE_SECONDS, pause * 2), _LONGEST_PAUSE_SECONDS)
            if pause:
                log.warning("the relay cannot be reached", next_try_seconds=pause)
                await wait(stop, pause)
        await answered.put(None)

    async def _settle(self, answered: _Line) -> None:
        """Write what became of the letters, and let the journal forget them."""
        while (handful := await answered.get()) is not None:
            await self._workbench.run(partial(self._record, handful.settled))
            self._journal.forget(letter_id for letter_id, _ in handful.settled)

    async def _record(self, results: Sequence[tuple[UUID, Settled]], transaction: Transaction) -> None:
        store = Store(transaction.connection)
        told = Report()
        told.settle(await store.settle(results), self._worker)
        put_back = [letter for letter, settled in results if settled.state is State.PENDING]
        corrected = await store.corrected(put_back) if put_back else ()
        if corrected:  # what was taken back while they were in hand is not told by letters that have not left after all
            await rearrange(corrected, Correspondence.reconsider, transaction, told, self._worker)
        await told.tell(transaction, self._metrics)


@dataclass
class _Handful:
    """Some letters on their way through the stages: how often each was tried, the mails to send, what they came to."""

    attempts: dict[UUID, int]
    mails: list[Mail] = field(default_factory=list)
    settled: list[tuple[UUID, Settled]] = field(default_factory=list)


_Line: TypeAlias = "asyncio.Queue[_Handful | None]"
"""Handfuls from one stage to the next; None is the end."""

_RECOVERED = {
    State.PENDING: Settled(State.PENDING, timedelta(0), "pending: known from the journal", tried=False),
    State.SENT: Settled(State.SENT, None, "sent: known from the journal"),
    State.IN_DOUBT: Settled(State.IN_DOUBT, None, "in_doubt: known from the journal"),
}
_ABANDONED = Settled(State.IN_DOUBT, None, "its worker never came back")
_DRILL = Settled(State.SUPPRESSED, None, "drill")
_PUT_BACK = Settled(State.PENDING, timedelta(0), "not tried: the sender was stopped", tried=False)
