"""Entitlements' tables, as the handlers and the plan see them; the statements themselves are in `queries.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.events import ContractChanged, IncidentDeclared, Scope
from services.entitlements.domain import Decision, Grant, PriorGrant
from services.runtime.database import Connection, columns, queries, stage
from services.runtime.errors import Conflict

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a plan."""

    incident_id: str
    revision: int
    run: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run's share for one worker: the customers from the first to the last, in the order of their ids."""

    run: Run
    number: int
    first_customer: str
    last_customer: str


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

    # ── declarations and runs ─────────────────────────────────────────────────────────────────────────────────────

    async def declare(self, incident: IncidentDeclared, digest: str) -> str | None:
        """Keep a declaration; None when it is new, else the digest of what this revision said first."""
        body = incident.model_dump(mode="json")
        identity = (incident.incident_id, incident.revision)
        if await self._connection.fetchval(SQL["declare"], *identity, digest, body):
            return None
        first: str = await self._connection.fetchval(SQL["declared_digest"], *identity)
        return first

    async def declaration(self, run: Run) -> IncidentDeclared:
        """What was declared for a run."""
        body = await self._connection.fetchval(SQL["declaration"], run.incident_id, run.revision)
        return IncidentDeclared.model_validate(body, strict=False)

    async def plan(self, incident_id: str, revision: int | None = None) -> Run | None:
        """Plan the next run over a declaration's customers (of the last revision, if none is named); None: no such."""
        row = await self._connection.fetchrow(SQL["new_plan"], incident_id, revision)
        return row and Run(incident_id, row["revision"], row["run"])

    async def start(self, run: Run, chunk_customers: int, scope: Scope) -> int | None:
        """Cut a run into chunks and start it; how many customers it has, None when somebody else did."""
        if await self._connection.fetchval(SQL["start_plan"], *_identity(run)) is None:
            return None
        customers: int = await self._connection.fetchval(SQL["cut"], *_identity(run), chunk_customers, *_lists(scope))
        return customers

    # ── a chunk ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def claim_chunk(self) -> Chunk | None:
        """An open chunk that nobody holds, held until the transaction ends."""
        row = await self._connection.fetchrow(SQL["claim_chunk"])
        return row and Chunk(Run(*row[:3]), *row[3:])

    async def facts(self, chunk: Chunk, scope: Scope) -> list[Sequence[Any]]:
        """All contracts of the chunk's customers, in the customers' order, as rows of `facts.COLUMNS`."""
        rows: list[Sequence[Any]] = await self._connection.fetch(
            SQL["chunk_facts"], chunk.first_customer, chunk.last_customer, *_lists(scope), scope.everyone
        )
        return rows

    async def prior(self, chunk: Chunk) -> dict[str, list[PriorGrant]]:
        """What the incident has given the chunk's customers before, by customer."""
        rows = await self._connection.fetch(
            SQL["prior_grants"], chunk.run.incident_id, chunk.first_customer, chunk.last_customer
        )
        prior: dict[str, list[PriorGrant]] = {}
        for customer_id, *grant in rows:
            prior.setdefault(customer_id, []).append(PriorGrant(*grant))
        return prior

    async def record(self, chunk: Chunk, decisions: Sequence[Decision]) -> None:
        """Write who was considered and what is owed; raises `Conflict` when a grant was written meanwhile."""
        run = chunk.run
        considered = [(decision.customer_id, decision.exclusion) for decision in decisions]
        await self._connection.execute(SQL["consider"], run.incident_id, *columns(considered))
        owed = [_granted(decision.customer_id, grant) for decision in decisions for grant in decision.grants]
        if not owed:
            return
        await stage(self._connection, "new_grant", SQL["new_grant"], owed)
        written = await self._connection.fetchval(SQL["grant"], *_identity(run))
        if written != len(owed):
            raise Conflict(f"{len(owed) - written} grants of chunk {chunk.number} were written by somebody else")

    async def finish(self, chunk: Chunk, facts: bytes) -> None:
        """The chunk is done; `facts` is what it was decided with."""
        await self._connection.execute(SQL["finish_chunk"], *_identity(chunk.run), chunk.number, facts)


def _identity(run: Run) -> tuple[str, int, int]:
    return run.incident_id, run.revision, run.run


def _lists(scope: Scope) -> tuple[list[str], list[str], list[str]]:
    return list(scope.sites), list(scope.families), list(scope.contract_ids)


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
    )
