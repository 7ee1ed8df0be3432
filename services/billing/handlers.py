"""What billing does with a batch: load, decide, store, say what to publish. The runtime does the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from schemas import topics
from services.billing import messages
from services.billing.decide import decide
from services.billing.domain import Contract, Entry
from services.billing.store import Store
from services.billing.vouchers import Codes
from services.runtime import tally
from services.runtime.envelope import Message
from services.runtime.work import Transaction


class Handlers:
    """Billing's handlers, with the secret that voucher codes are derived with."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    async def entitlements(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Apply each remedy once, and answer with what was applied, what was refused, and why."""
        store = Store(transaction.connection)
        seen = await store.recorded(message.data for message in batch)
        contracts = await store.lock_contracts(
            remedy.contract_id
            for message in batch
            for remedy in message.data.remedies
            if remedy.kind in ("extension", "addon") and remedy.entry_id not in seen
        )
        answers, changed = self._decide(batch, seen, contracts)
        if not answers:
            return
        await store.record([entry for _, entries in answers for entry in entries])
        totals = await tally.add(transaction.connection, _counts(answers))
        transaction.publish(topics.ADJUSTMENTS, messages.adjustments(entries for _, entries in answers))
        transaction.publish(topics.CONTRACTS, messages.contracts(changed.values()))
        transaction.publish(topics.PROGRESS, messages.progress(totals))

    def _decide(
        self, batch: Sequence[Message], seen: set[str], contracts: dict[str, Contract]
    ) -> tuple[list[tuple[str, list[Entry]]], dict[str, Contract]]:
        """Each message's entries with its lane, and all contracts that change; a remedy that came twice counts once."""
        answers: list[tuple[str, list[Entry]]] = []
        changed: dict[str, Contract] = {}
        for message in batch:
            entries, after = decide(message.data, seen, contracts, self._codes, message.time)
            if entries:
                answers.append((f"p{message.record.partition}", entries))
                seen.update(entry.entry_id for entry in entries)
                contracts |= after
                changed |= after
        return answers, changed


def _counts(answers: Sequence[tuple[str, list[Entry]]]) -> dict[tally.Lane, dict[str, int]]:
    """What a batch adds to the running totals, by incident and lane."""
    counts: dict[tally.Lane, dict[str, int]] = defaultdict(lambda: {"answers": 0, "applied": 0, "refused": 0})
    for lane, entries in answers:
        count = counts[entries[0].incident_id, lane]
        count["answers"] += 1
        for entry in entries:
            count[entry.outcome] += 1
    return counts
