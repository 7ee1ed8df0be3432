"""Billing's tables, as the handlers see them; the statements themselves are in `queries.sql`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

from schemas.events import EntitlementGranted
from services.billing.domain import Addon, Contract, Entry, Voucher, Withdrawn
from services.runtime.database import Connection, columns, queries, stage
from services.runtime.errors import Conflict, Poison

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))


HELD_AT_MOST = 100_000
"""How many withdrawals may wait for what they withdraw: it comes before them, but for a log that was lost in part."""

Case: TypeAlias = tuple[str, str]
"""An incident and one of its customers."""


class Store:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def recorded(self, asked: Iterable[tuple[str, str, str]]) -> set[str]:
        """Which of these (incident, customer, entry_id) stand in the ledger already, by their entry ids."""
        rows = await self._connection.fetch(SQL["recorded_entries"], *columns(asked))
        return {row[0] for row in rows}

    async def held(self, events: Collection[EntitlementGranted]) -> list[Withdrawn]:
        """The withdrawals that wait for what these events grant; hardly ever does any wait at all."""
        if not events or not await self._connection.fetchval(SQL["anything_held"]):
            return []
        cases = {(event.incident_id, event.customer_id) for event in events}
        return [
            Withdrawn(*row)._replace(letters=row["letters"] and tuple(row["letters"]))
            for row in await self._connection.fetch(SQL["held"], *columns(sorted(cases)))
        ]

    async def ledger(self, cases: Collection[Case]) -> list[Entry]:
        """All entries of these cases; a voucher's with the voucher as it stands, locked until the transaction ends."""
        rows = await self._connection.fetch(SQL["ledger"], *columns(sorted(cases)))
        entries = [Entry(*row) for row in rows]
        issued = [e.entry_id for e in entries if e.kind == "voucher" and e.is_effective and e.reverses is None]
        if not issued:
            return entries
        vouchers = {row[0]: Voucher(*row) for row in await self._connection.fetch(SQL["lock_vouchers"], issued)}
        return [entry._replace(issued=vouchers.get(entry.entry_id)) for entry in entries]

    async def hold(self, withdrawals: Sequence[Withdrawn]) -> None:
        """Let these wait for what they withdraw; raises `Poison` when too many would wait."""
        if not withdrawals:
            return
        await self._connection.executemany(SQL["hold"], withdrawals)
        if await self._connection.fetchval(SQL["held_count"]) > HELD_AT_MOST:
            raise Poison(f"more than {HELD_AT_MOST} withdrawals wait for what they withdraw")

    async def release(self, entry_ids: Sequence[str]) -> None:
        """These need not wait any more."""
        if entry_ids:
            await self._connection.execute(SQL["release"], entry_ids)

    async def lock_contracts(self, contract_ids: Iterable[str]) -> dict[str, Contract]:
        """The contracts by id, held until the transaction ends; an unknown id is not in the answer."""
        ids = list(set(contract_ids))
        if not ids:
            return {}
        rows = await self._connection.fetch(SQL["lock_contracts"], ids)
        return {contract.contract_id: contract for contract in await self.contracts(rows)}

    async def read_contracts(self, contract_ids: Collection[str]) -> dict[str, Contract]:
        """The contracts by id, as they stand; nobody has to wait for it."""
        rows = await self._connection.fetch(SQL["read_contracts"], list(contract_ids))
        return {contract.contract_id: contract for contract in await self.contracts(rows)}

    async def contracts_after(self, contract_id: str, at_most: int) -> list[Contract]:
        """The contracts that come after this one in the order of ids, held until the transaction ends."""
        return await self.contracts(await self._connection.fetch(SQL["contracts_after"], contract_id, at_most))

    async def contracts(self, rows: Sequence[Mapping[str, Any]]) -> list[Contract]:
        """Rows of the contract table as contracts, with their complimentary add-ons."""
        given = await self._connection.fetch(SQL["complimentary"], [row["contract_id"] for row in rows])
        complimentary: dict[str, list[Addon]] = defaultdict(list)
        for contract_id, *addon in given:
            complimentary[contract_id].append(Addon(*addon))
        return [Contract(**row, complimentary=tuple(complimentary.get(row["contract_id"], ()))) for row in rows]

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write entries and all that they put into the world or take out of it; a drill's have no effect.

        Raises `Conflict` when one was written meanwhile, or something was taken back before us.
        """
        await stage(self._connection, "new_entry", SQL["new_entry"], map(_entry, entries))
        written = await self._connection.fetchval(SQL["record_entries"])
        if written != len(entries):
            raise Conflict(f"{len(entries) - written} of {len(entries)} entries were written by somebody else")
        effective = [entry for entry in entries if entry.is_effective]
        await self._issue("new_addon", "issue_addons", [_addon(e) for e in effective if isinstance(e.issued, Addon)])
        await self._issue(
            "new_voucher", "issue_vouchers", [_voucher(e) for e in effective if isinstance(e.issued, Voucher)]
        )
        await self._issue("new_credit", "book_credits", [_credit(e) for e in effective if e.kind == "credit"])
        taken = [(entry.kind, entry.target) for entry in effective if entry.target is not None]
        await self._take("withdraw_addons", [(t.day, t.entry_id) for kind, t in taken if kind == "addon"])
        await self._take("void_vouchers", [(t.at, t.entry_id) for kind, t in taken if kind == "voucher"])

    async def _issue(self, table: str, query: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await stage(self._connection, table, SQL[table], rows)
            await self._connection.execute(SQL[query])

    async def _take(self, query: str, taken: Sequence[tuple[date | datetime, str]]) -> None:
        """By the moment: a revision has one, and a batch hardly ever more than two."""
        at_once: dict[date | datetime, list[str]] = defaultdict(list)
        for moment, entry_id in taken:
            at_once[moment].append(entry_id)
        for moment, entry_ids in at_once.items():
            if len(await self._connection.fetch(SQL[query], entry_ids, moment)) != len(entry_ids):
                raise Conflict(f"{query}: somebody else was there before")


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
        entry.reverses,
        entry.substitutes,
        entry.drill,
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
    return (entry.entry_id, entry.incident_id, entry.customer_id, entry.amount, entry.currency, entry.reverses)
