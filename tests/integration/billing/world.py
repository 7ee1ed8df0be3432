"""Billing's world for its tests: contracts in the table, events as records, the books as the database has them.

Leaves to the tests what is done with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas import topics
from schemas.events import AdjustmentReversed, EntitlementGranted, EntitlementWithdrawn
from schemas.ids import event_id
from services.billing import messages
from services.billing.domain import Contract
from services.billing.handlers import Handlers
from services.runtime.broker import end_offsets
from services.runtime.database import Pool
from services.runtime.envelope import Encoder, Message, Record
from services.runtime.outbox import unpack
from services.runtime.work import Transaction, Workbench
from tests.unit.billing.builders import CODES

HANDLERS = Handlers(CODES)
Books = dict[str, list[tuple[Any, ...]]]
_GRANTED = Encoder("entitlement.granted.v1", "urn:amends:entitlements")
_WITHDRAWN = Encoder("entitlement.withdrawn.v1", "urn:amends:entitlements")
_AT = datetime(2011, 5, 13, 10, 0, tzinfo=UTC)

_BOOKS = {
    "contract": "SELECT contract_id, ends_on, terminated_on, extension_days, version FROM contract ORDER BY 1",
    "entry": "SELECT entry_id::text, grant_id::text, incident_id, customer_id, revision, rule, kind, outcome, reason,"
    " contract_id, product, days, amount, currency, reverses::text, substitutes::text, drill FROM entry ORDER BY 1",
    "addon": "SELECT addon_id::text, entry_id::text, incident_id, customer_id, contract_id, product, starts_on,"
    " ends_on, withdrawn_on FROM addon ORDER BY 1",
    "voucher": "SELECT voucher_id::text, entry_id::text, incident_id, customer_id, amount, currency, merchant,"
    " shipping_cap, handling_covered, valid_until, code_hash, redeemed_at, voided_at FROM voucher ORDER BY 1",
    "credit": "SELECT credit_id::text, incident_id, customer_id, amount, currency, reverses::text FROM credit"
    " ORDER BY 1",
    "held": "SELECT entry_id::text, withdraws::text FROM held_withdrawal ORDER BY 1",
    "tally": "SELECT subject, name, sum(total) FROM tally GROUP BY 1, 2 ORDER BY 1, 2",
}


async def tamper(pool: Pool, statement: str) -> None:
    """Change what is append-only, as one can who owns the tables; nothing is changed when the statement fails."""
    async with pool.acquire() as connection, connection.transaction():
        for what in ("DISABLE", "ENABLE"):
            for table in ("entry", "credit"):
                await connection.execute(f"ALTER TABLE {table} {what} TRIGGER append_only")
            if what == "DISABLE":
                await connection.execute(statement)


async def got(http: httpx.AsyncClient, path: str) -> Any:
    """What billing answers to this path."""
    answer = await http.get(path)
    assert answer.status_code == 200
    return answer.json()


async def hold(pool: Pool, contracts: Iterable[Contract]) -> None:
    """Put contracts into the table as they were agreed, without any extension."""
    await pool.executemany(
        "INSERT INTO contract (contract_id, customer_id, family, product, site, starts_on, base_ends_on,"
        " base_terminated_on, monthly_fee, currency, addons, attributes, version)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        [tuple(contract)[:13] for contract in contracts],
    )


def granted(events: Iterable[EntitlementGranted | EntitlementWithdrawn]) -> list[Record]:
    """The events as entitlements publishes them."""
    return [record for one in events for record in _records(one)]


def _records(event: EntitlementGranted | EntitlementWithdrawn) -> list[Record]:
    data = event.model_dump(mode="json")
    if isinstance(event, EntitlementGranted):
        key = event_id("entitlement", *[remedy.entry_id for remedy in event.remedies])
        return _GRANTED.records([(event.customer_id, key, data)], _AT)
    key = event_id("withdrawal", *[one.entry_id for one in event.withdrawals])
    return _WITHDRAWN.records([(event.customer_id, key, data)], _AT)


def consumed(records: Sequence[Record], partition: int = 0) -> list[ConsumerRecord]:
    """The records as the broker's client hands them over."""
    at_ms = int(_AT.timestamp() * 1000)
    return [
        ConsumerRecord("entitlements", partition, n, at_ms, 0, r.key, r.value, None, 0, 0, tuple(r.headers))
        for n, r in enumerate(records)
    ]


def read(records: Sequence[Record], partition: int = 0) -> list[Message]:
    """The records as billing's handler gets them; all of them must be good."""
    understood, bad = messages.ENTITLEMENTS.decode(consumed(records, partition))
    assert bad == []
    return understood


async def take(workbench: Workbench, batch: Sequence[Message]) -> None:
    """One batch through billing's handler, in one transaction, and what it publishes to the broker."""

    async def work(transaction: Transaction) -> None:
        await HANDLERS.entitlements(batch, transaction)

    await workbench.run(work)


async def come(workbench: Workbench, *events: EntitlementGranted | EntitlementWithdrawn) -> None:
    """One batch of these events."""
    await take(workbench, read(granted(events)))


async def reversals(pool: Pool) -> list[AdjustmentReversed]:
    """What billing has told of withdrawals."""
    told = (await written(pool)).get(topics.ADJUSTMENTS, [])
    return [
        AdjustmentReversed.model_validate_json(record.value or b"")
        for record in told
        if dict(record.headers)["ce_type"] == b"adjustment.reversed.v1"
    ]


async def books_of(pool: Pool) -> Books:
    """All that billing has written, but for what depends on the order (which dates an entry moved from and to)."""
    return {name: [tuple(row) for row in await pool.fetch(query)] for name, query in _BOOKS.items()}


async def ends_of(pool: Pool) -> dict[str, str | None]:
    """Each contract's end."""
    rows = await pool.fetch("SELECT contract_id, ends_on FROM contract")
    return {name: end and end.isoformat() for name, end in rows}


async def written(pool: Pool) -> dict[str, list[Record]]:
    """What billing's outbox holds, by topic, in the order of writing."""
    found: dict[str, list[Record]] = defaultdict(list)
    for (payload,) in await pool.fetch("SELECT payload FROM outbox ORDER BY outbox_id"):
        for topic, records in unpack(payload).items():
            found[topic] += records
    return found


class Log:
    """A topic read by a plain consumer, from where it stood at the start of the test."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._since: dict[str, dict[int, int]] = {}

    async def follow(self, *topics: str) -> None:
        """Remember where these topics end now."""
        for topic in topics:
            self._since[topic] = await end_offsets(self._kafka, topic)

    async def since(self, topic: str) -> list[Any]:
        """All records that came since; in the order of each partition."""
        ends = await end_offsets(self._kafka, topic)
        missing = {p: self._since[topic].get(p, 0) for p, end in ends.items() if end > self._since[topic].get(p, 0)}
        if not missing:
            return []
        consumer = AIOKafkaConsumer(bootstrap_servers=self._kafka, auto_offset_reset="none", enable_auto_commit=False)
        records: list[Any] = []
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, p) for p in missing])
            for p, start in missing.items():
                consumer.seek(TopicPartition(topic, p), start)
            while missing:
                for tp, share in (await consumer.getmany(timeout_ms=500)).items():
                    records += share
                    if share[-1].offset + 1 >= ends[tp.partition]:
                        missing.pop(tp.partition, None)
        finally:
            await consumer.stop()
        return records


def heads(records: Iterable[Any]) -> list[tuple[str, bytes | None]]:
    """The id and the bytes of each record."""
    return [(dict(record.headers)["ce_id"].decode(), record.value) for record in records]
