"""Entitlements' tables, as the plan and the handlers see them; the statements themselves are in `queries.sql`.

Here are the projection of the contracts, the chunks and what is decided in them. Incidents, their revisions and their
runs are in `register`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.events import ContractChanged, Scope
from services.entitlements.domain import Decision, Grant, OtherGrant, PriorGrant, Withdrawn
from services.runtime.database import Connection, columns, queries, stage
from services.runtime.errors import Conflict

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """One run of a plan."""

    incident_id: str
    revision: int
    run: int


def identity(run: Run) -> tuple[str, int, int]:
    """A run as the statements take it."""
    return run.incident_id, run.revision, run.run


@dataclass(frozen=True, slots=True)
class Range:
    """Customers from the first to the last, in the order of their ids."""

    number: int
    first_customer: str
    last_customer: str
    customers: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run's share for one worker: to be decided, or only forecast; `limited` where it must stay within a budget."""

    run: Run
    range: Range
    only_forecast: bool
    limited: bool


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a run considers: the customers in scope, unless it was retracted, and whom the incident gave something."""

    incident_id: str
    scope: Scope
    retracted: bool = False

    @property
    def lists(self) -> tuple[list[str], list[str], list[str]]:
        """The scope's sites, families and contracts."""
        return list(self.scope.sites), list(self.scope.families), list(self.scope.contract_ids)


class Store:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ── the projection ────────────────────────────────────────────────────────────────────────────────────────────

    async def save_contracts(self, contracts: Iterable[ContractChanged]) -> None:
        """Take over contracts; of two tellings of one contract the one with the higher version stays."""
        latest: dict[str, ContractChanged] = {}
        for contract in contracts:
            known = latest.get(contract.contract_id)
            if known is None or known.version <= contract.version:
                latest[contract.contract_id] = contract
        if latest:
            await stage(self._connection, "told_contract", SQL["told_contract"], map(_told, latest.values()))
            await self._connection.execute(SQL["save_contracts"])

    async def remove_contracts(self, contract_ids: Sequence[str]) -> None:
        """Forget contracts that are gone."""
        await self._connection.execute(SQL["remove_contracts"], contract_ids)

    # ── who is considered ─────────────────────────────────────────────────────────────────────────────────────────

    async def ranges(self, whom: Whom, size: int, first: int = 0) -> list[Range]:
        """The customers to consider, in ranges of `size`; the first has `first`, unless that is 0."""
        rows = await self._connection.fetch(
            SQL["ranges"], size, first, not whom.retracted, *whom.lists, whom.incident_id
        )
        return [Range(*row) for row in rows]

    async def cut(self, run: Run, ranges: Sequence[Range], canary: bool) -> int:
        """Make ranges the chunks of a run, the first of them its canary if there is one; how many customers it has."""
        customers = sum(one.customers for one in ranges)
        numbers, firsts, lasts = (
            columns([(r.number, r.first_customer, r.last_customer) for r in ranges]) if ranges else ([], [], [])
        )
        await self._connection.execute(SQL["cut"], *identity(run), canary, customers, numbers, firsts, lasts)
        return customers

    async def claim_chunk(self) -> Chunk | None:
        """An open chunk that nobody holds, held until the transaction ends."""
        row = await self._connection.fetchrow(SQL["claim_chunk"])
        return row and Chunk(Run(*row[:3]), Range(*row[3:6]), row["only_forecast"], row["limited"])

    # ── what is decided with ──────────────────────────────────────────────────────────────────────────────────────

    async def facts(self, whom: Whom, within: Range) -> list[Sequence[Any]]:
        """All contracts of the customers to consider, in the customers' order, as rows of `facts.COLUMNS`."""
        everyone = whom.scope.everyone and not whom.retracted
        rows: list[Sequence[Any]] = await self._connection.fetch(
            SQL["chunk_facts"],
            within.first_customer,
            within.last_customer,
            *whom.lists,
            everyone,
            not whom.retracted,
            whom.incident_id,
        )
        return rows

    async def prior(self, incident_id: str, within: Range) -> dict[str, list[PriorGrant]]:
        """What the incident has given these customers before, by customer."""
        rows = await self._connection.fetch(SQL["entries"], incident_id, within.first_customer, within.last_customer)
        return prior_grants(rows)

    async def others(self, incident_ids: Sequence[str], within: Range) -> dict[str, list[OtherGrant]]:
        """What other incidents have given these customers, by customer."""
        rows = await self._connection.fetch(SQL["others"], incident_ids, within.first_customer, within.last_customer)
        others: dict[str, list[OtherGrant]] = {}
        for customer_id, *grant in rows:
            others.setdefault(customer_id, []).append(OtherGrant(*grant))
        return others

    # ── what was decided ──────────────────────────────────────────────────────────────────────────────────────────

    async def record(self, chunk: Chunk, decisions: Sequence[Decision], drill: bool) -> None:
        """Write who was considered and what is owed; raises `Conflict` when an entry was written meanwhile."""
        run = chunk.run
        considered = [(decision.customer_id, decision.exclusion) for decision in decisions]
        if considered:
            await self._connection.execute(SQL["consider"], run.incident_id, *columns(considered), drill)
        entries = [_granted(decision.customer_id, grant) for decision in decisions for grant in decision.grants]
        entries += [
            _withdrawn(decision.customer_id, withdrawn, run.revision)
            for decision in decisions
            for withdrawn in decision.withdrawals
        ]
        if not entries:
            return
        await stage(self._connection, "new_entry", SQL["new_entry"], entries)
        written = await self._connection.fetchval(SQL["grant"], *identity(run), drill)
        if written != len(entries):
            count = len(entries) - written
            raise Conflict(f"{count} entries of chunk {chunk.range.number} were written by somebody else")

    async def finish(self, chunk: Chunk, facts: bytes) -> None:
        """The chunk is done; `facts` is what it was decided with."""
        await self._connection.execute(SQL["finish_chunk"], *identity(chunk.run), chunk.range.number, facts)

    async def foresee(self, chunk: Chunk, forecast: Mapping[str, Any]) -> None:
        """What the chunk will come to."""
        await self._connection.execute(SQL["forecast_chunk"], *identity(chunk.run), chunk.range.number, forecast)


def prior_grants(rows: Iterable[Sequence[Any]]) -> dict[str, list[PriorGrant]]:
    """Rows of the query `entries` as what each customer was given, with what became of it."""
    rows = list(rows)
    withdrawn = {row[8]: row[9] for row in rows if row[8] is not None}
    prior: dict[str, list[PriorGrant]] = {}
    for customer_id, grant, entry, rule, target, choice, stamp, quantity, withdraws, _, currency in rows:
        if withdraws is None:
            one = PriorGrant(
                grant, entry, rule, target, choice, stamp, Decimal(quantity), entry in withdrawn,
                withdrawn.get(entry, False), currency,
            )  # fmt: skip
            prior.setdefault(customer_id, []).append(one)
    return prior


def _told(contract: ContractChanged) -> tuple[Any, ...]:
    fee = contract.monthly_fee
    return (
        contract.contract_id,
        contract.customer_id,
        contract.family,
        contract.product,
        contract.site,
        contract.starts_on,
        contract.ends_on,
        contract.terminated_on,
        fee and fee.amount,
        fee and fee.currency,
        contract.addons,
        contract.attributes,
        [(gift.product, gift.starts_on, gift.ends_on) for gift in contract.complimentary],
        contract.version,
    )


def _granted(customer_id: str, grant: Grant) -> tuple[Any, ...]:
    terms = grant.terms
    return (
        customer_id,
        terms.rule,
        grant.target,
        grant.grant_id,
        grant.entry_id,
        terms.choice,
        terms.kind,
        terms.days,
        terms.amount,
        terms.currency,
        grant.stamp,
        None,
        False,
    )


def _withdrawn(customer_id: str, withdrawn: Withdrawn, revision: int) -> tuple[Any, ...]:
    quantity, kind = withdrawn.quantity, withdrawn.kind
    return (
        customer_id,
        withdrawn.rule,
        withdrawn.target,
        withdrawn.grant_id,
        withdrawn.entry_id,
        withdrawn.choice,
        kind,
        int(quantity) if kind == "extension" else None,
        quantity if kind in ("voucher", "credit") else None,
        withdrawn.currency,
        revision,
        withdrawn.withdraws,
        withdrawn.honoured,
    )
