"""What billing does with a batch: load, decide, store, say what to publish. The runtime does the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from schemas import topics
from services.billing import messages
from services.billing.batch import Answer, Batch, Facts
from services.billing.metrics import BillingMetrics
from services.billing.reversals import Ledger
from services.billing.store import Case, Store
from services.billing.vouchers import Codes
from services.runtime import tally
from services.runtime.database import Connection
from services.runtime.envelope import Message
from services.runtime.relay import Page
from services.runtime.work import Transaction

_GRANTED = "entitlement.granted.v1"
_PAGE = 5_000


class Handlers:
    """Billing's handlers, with the secret that voucher codes are derived with, and what counts for the metrics."""

    def __init__(self, codes: Codes, metrics: BillingMetrics | None = None) -> None:
        self._codes = codes
        self._metrics = metrics or BillingMetrics(CollectorRegistry())

    async def entitlements(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Apply each remedy once and take back what is withdrawn, and answer with what became of it, and why.

        All events of a customer come through one partition: what is held for him here, nobody else looks for meanwhile.
        """
        store = Store(transaction.connection)
        settled = Batch(await _facts(store, batch), self._codes)
        for message in batch:
            lane = f"p{message.record.partition}"
            if message.type == _GRANTED:
                settled.grant(lane, message.data, message.time)
            else:
                settled.withdraw(lane, message.data)
        await store.hold(settled.held)
        answers = [*settled.applied, *settled.reversed]
        if not answers:
            return
        await store.record([entry for answer in answers for entry in answer.entries])
        await store.release(settled.released)
        totals = await tally.add(transaction.connection, _counts(answers))
        drills = {answer.entries[0].incident_id for answer in answers if answer.entries[0].drill}
        transaction.publish(topics.ADJUSTMENTS, messages.adjustments(settled.applied))
        transaction.publish(topics.ADJUSTMENTS, messages.reversals(settled.reversed))
        transaction.publish(topics.CONTRACTS, messages.contracts(settled.changed.values()))
        transaction.publish(topics.PROGRESS, messages.progress(totals, drills))
        self._metrics.count(entry for answer in answers for entry in answer.entries)


async def restate(connection: Connection, after: str) -> Page:
    """The contracts that come after this one, as they stand: their topic keeps the last word on each for ever."""
    found = await Store(connection).contracts_after(after, _PAGE)
    mark = found[-1].contract_id if len(found) == _PAGE else None
    return {topics.CONTRACTS: messages.contracts(found)} if found else {}, mark


async def _facts(store: Store, batch: Sequence[Message]) -> Facts:
    """What the books hold of all that a batch speaks of; its contracts and vouchers are locked."""
    granted = [message.data for message in batch if message.type == _GRANTED]
    withdrawn = [message.data for message in batch if message.type != _GRANTED]
    asked = [(e.incident_id, e.customer_id, remedy.entry_id) for e in granted for remedy in e.remedies]
    asked += [(e.incident_id, e.customer_id, one.entry_id) for e in withdrawn for one in e.withdrawals]
    seen = await store.recorded(asked)
    contract_ids = {
        remedy.contract_id
        for event in granted
        for remedy in event.remedies
        if remedy.kind in ("extension", "addon") and remedy.entry_id not in seen
    }
    waiting = await store.held(granted)
    cases: set[Case] = {(one.incident_id, one.customer_id) for one in [*withdrawn, *waiting]}
    if not cases:
        return Facts(seen, await store.lock_contracts(contract_ids))
    entries = await store.ledger(cases)
    taken = {one.withdraws for e in withdrawn for one in e.withdrawals if not one.honoured and one.entry_id not in seen}
    contract_ids |= {entry.contract_id for entry in entries if entry.contract_id and entry.entry_id in taken}
    return Facts(seen, await store.lock_contracts(contract_ids), Ledger.of(entries), waiting)


def _counts(answers: Sequence[Answer]) -> dict[tally.Lane, dict[str, int]]:
    """What a batch adds to the running totals, by incident and lane."""
    counts: dict[tally.Lane, dict[str, int]] = defaultdict(lambda: {"answers": 0, "applied": 0, "refused": 0})
    for lane, entries, _ in answers:
        count = counts[entries[0].incident_id, lane]
        count["answers"] += 1
        for entry in entries:
            name: str = entry.outcome
            if entry.reverses is not None:
                name = "withdrawals"
            elif entry.substitutes is not None:
                name = "substituted"
            count[name] = count.get(name, 0) + 1
    return counts
