"""Letters that have to be looked at again though no event came for them: read, arranged anew, written, reported."""

from __future__ import annotations

from collections.abc import Callable, Collection

from services.notifications.correspondence import Correspondence
from services.notifications.register import Register
from services.notifications.reporting import Report
from services.notifications.store import Matter, Store
from services.runtime.work import Transaction


async def rearrange(
    matters: Collection[Matter],
    anew: Callable[[Correspondence], None],
    transaction: Transaction,
    told: Report,
    lane: str,
) -> None:
    """Do to all that was written in these matters what `anew` does, and take it up in the report under a lane."""
    store = Store(transaction.connection)
    recipients = await store.recipients(customer_id for _, customer_id in matters)
    retracted = await Register(transaction.connection).retracted({incident_id for incident_id, _ in matters})
    found = await store.correspondences(matters, recipients, retracted)
    for correspondence in found.values():
        anew(correspondence)
    await store.save(found.values())
    for correspondence in found.values():
        told.arranged(correspondence, lane)
