"""What a retraction, and a statement after it, make of letters that have not left: some at a time, until all are done.

The sender does not claim a letter about what was taken back from the moment that the statement is kept; here it is
written down. The handlers look at every letter that comes later.
"""

from __future__ import annotations

import asyncio

import structlog

from services.notifications.correspondence import Correspondence
from services.notifications.metrics import LetterMetrics
from services.notifications.rearranging import rearrange
from services.notifications.reporting import RETRACTIONS, STATED, Report
from services.notifications.store import Store
from services.runtime import bell
from services.runtime.work import Transaction, Workbench

log = structlog.get_logger()

_AT_A_TIME = 2_000
_LOOK_AGAIN_SECONDS = 10.0


class Retractions:
    """Cancels the letters about what was taken back, and lets them go when the incident stands again."""

    def __init__(self, workbench: Workbench, metrics: LetterMetrics, *, at_most: int = _AT_A_TIME) -> None:
        self._workbench, self._metrics, self._at_most = workbench, metrics, at_most

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: whenever an incident was stated anew, and every few seconds for what came in beside it."""
        async with bell.listening(self._workbench.pool, STATED, stop) as rung:
            while not stop.is_set():
                if not await self._workbench.run(self.see_to_some):
                    await rung.wait(_LOOK_AGAIN_SECONDS)

    async def see_to_some(self, transaction: Transaction) -> int:
        """Cancel some letters, let some go, look closer at others; how many there were."""
        store = Store(transaction.connection)
        told = Report()
        cancelled, in_question = await store.cancel_retracted(self._at_most)
        told.settle(cancelled, RETRACTIONS)
        freed = await store.stopped_in_vain(self._at_most)
        if freed or in_question:
            await rearrange(freed | in_question, Correspondence.judge, transaction, told, RETRACTIONS)
        await told.tell(transaction, self._metrics)
        if cancelled or freed or in_question:
            log.info(
                "saw to letters after a statement",
                cancelled=len(cancelled), freed=len(freed), in_question=len(in_question),
            )  # fmt: skip
        return len(cancelled) + len(freed) + len(in_question)
