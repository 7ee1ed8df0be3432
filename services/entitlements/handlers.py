"""What entitlements does with a batch: it follows the contracts, takes in what is said and ordered of incidents.

The rest is runtime.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.entitlements import orders, revisions
from services.entitlements.catalogue import Catalogue
from services.entitlements.store import Store
from services.runtime.envelope import Message, Unreadable
from services.runtime.work import Transaction

log = structlog.get_logger()


class Handlers:
    """Entitlements' handlers, with the policies that a declaration may name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def contracts(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Follow the contracts: the last telling of each counts, a tombstone ends it."""
        store = Store(transaction.connection)
        last = {message.key if message.data is None else message.data.contract_id: message for message in batch}
        await store.save_contracts(message.data for message in batch if message.data is not None)
        gone = [contract_id for contract_id, message in last.items() if message.data is None]
        if gone:
            await store.remove_contracts(gone)

    async def incidents(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Take in what is said and ordered: what is repeated changes nothing, what cannot be is set aside."""
        for message in batch:
            refusal = await self._hear(message, transaction)
            if refusal:
                log.error("refused", type=message.type, event_id=message.event_id, reason=refusal)
                transaction.set_aside([Unreadable(message.record, refusal)])

    async def _hear(self, message: Message, transaction: Transaction) -> str | None:
        """Why an event is refused, None when it is not."""
        match message.type:
            case "incident.approved.v1":
                return await orders.approve(self._catalogue, message, transaction)
            case "incident.paused.v1" | "incident.resumed.v1":
                await orders.pause(message, transaction)
                return None
            case _:
                return await revisions.take_in(self._catalogue, message, transaction)
