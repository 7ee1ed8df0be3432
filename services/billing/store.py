"""Billing's tables, as the handlers see them; the statements themselves are in `queries.sql`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.events import EntitlementGranted
from services.billing.domain import Addon, Contract, Entry, Voucher
from services.runtime.database import Connection, columns, queries, stage
from services.runtime.errors import Conflict

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))


class Store:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def recorded(self, events: Iterable[EntitlementGranted]) -> set[str]:
        """The entry ids among the events' remedies that stand in the ledger already."""
        asked = [(e.incident_id, e.customer_id, remedy.entry_id) for e in events for remedy in e.remedies]
        rows = await self._connection.fetch(SQL["recorded_entries"], *columns(asked))
        return {row[0] for row in rows}

    async def lock_contracts(self, contract_ids: Iterable[str]) -> dict[str, Contract]:
        """The contracts by id, held until the transaction ends; an unknown id is not in the answer."""
        ids = list(set(contract_ids))
        if not ids:
            return {}
        rows = await self._connection.fetch(SQL["lock_contracts"], ids)
        return {contract.contract_id: contract for contract in await self.contracts(rows)}

    async def contracts(self, rows: Sequence[Mapping[str, Any]]) -> list[Contract]:
        """Rows of the contract table as contracts, with their complimentary add-ons."""
        given = await self._connection.fetch(SQL["complimentary"], [row["contract_id"] for row in rows])
        complimentary: dict[str, list[Addon]] = defaultdict(list)
        for contract_id, *addon in given:
            complimentary[contract_id].append(Addon(*addon))
        return [Contract(**row, complimentary=tuple(complimentary.get(row["contract_id"], ()))) for row in rows]

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write entries and all that they put into the world; raises `Conflict` when one was written meanwhile."""
        await stage(self._connection, "new_entry", SQL["new_entry"], map(_entry, entries))
        written = await self._connection.fetchval(SQL["record_entries"])
        if written != len(entries):
            raise Conflict(f"{len(entries) - written} of {len(entries)} entries were written by somebody else")
        await self._issue("new_addon", "issue_addons", [_addon(e) for e in entries if isinstance(e.issued, Addon)])
        await self._issue(
            "new_voucher", "issue_vouchers", [_voucher(e) for e in entries if isinstance(e.issued, Voucher)]
        )
        await self._issue("new_credit", "book_credits", [_credit(e) for e in entries if e.kind == "credit"])

    async def _issue(self, table: str, query: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await stage(self._connection, table, SQL[table], rows)
            await self._connection.execute(SQL[query])


def _entry(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.incident_id,
        entry.customer_id,
        entry.entry_id,
        entry.grant_id,
        entry.revision,
        entry.rule,
        entry.kind,
        entry.outcome,
        entry.reason,
        entry.contract_id,
        entry.product,
        entry.days,
        entry.ends_on_before,
        entry.ends_on_after,
        entry.amount,
        entry.currency,
    )


def _addon(entry: Entry) -> tuple[Any, ...]:
    addon = entry.issued
    assert isinstance(addon, Addon)
    return (
        addon.addon_id,
        entry.entry_id,
        entry.incident_id,
        entry.customer_id,
        entry.contract_id,
        addon.product,
        addon.starts_on,
        addon.ends_on,
    )


def _voucher(entry: Entry) -> tuple[Any, ...]:
    voucher = entry.issued
    assert isinstance(voucher, Voucher)
    return (
        voucher.voucher_id,
        entry.entry_id,
        entry.incident_id,
        entry.customer_id,
        voucher.amount,
        voucher.currency,
        voucher.merchant,
        voucher.shipping_cap,
        voucher.handling_covered,
        voucher.valid_until,
        voucher.code_hash,
    )


def _credit(entry: Entry) -> tuple[Any, ...]:
    return (entry.grant_id, entry.incident_id, entry.customer_id, entry.amount, entry.currency)
