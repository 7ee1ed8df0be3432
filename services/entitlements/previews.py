"""Previews: what a run would come to, and what the same incident would come to under another policy.

Goes through the customers exactly as a run does (`cases.decide_range`) and changes nothing; tells how far it is as JSON
lines, and ends with one line that has the result.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from schemas.events import IncidentDeclared
from schemas.statements import ImpossibleRevisionError, Statement, following
from services.entitlements import gates, messages, money
from services.entitlements.cases import Case, decide_range, decided, make, merges
from services.entitlements.catalogue import Catalogue
from services.entitlements.comparison import Comparison
from services.entitlements.forecast import Forecast, plan_hash
from services.entitlements.money import Money
from services.entitlements.policy import Policy, parse_policy_text
from services.entitlements.policy_errors import PolicyError
from services.entitlements.register import Register
from services.entitlements.store import SQL, Range, Store
from services.runtime.database import Connection, Pool

_SAMPLES = 5


class Draft(BaseModel):
    """A policy that was not published: its YAML."""

    model_config = ConfigDict(extra="forbid")
    text: str


class Asked(BaseModel):
    """Which incident: one that was declared, as it stands, or a declaration that was not published yet."""

    model_config = ConfigDict(extra="forbid")
    incident_id: str | None = None
    declaration: dict[str, Any] | None = None
    policy: Draft | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Asked:
        if (self.incident_id is None) == (self.declaration is None):
            raise ValueError("name either incident_id or declaration")
        return self


class AskedTwice(Asked):
    """The same incident under two policies: each published (name@version), or a draft."""

    a: str | Draft
    b: str | Draft


def mount(app: FastAPI, pool: Pool, catalogue: Catalogue, operator: Any, size: int) -> None:
    """Serve previews and comparisons, in ranges of `size` customers."""

    @app.post("/previews", dependencies=[operator])
    async def preview(asked: Annotated[Asked, Body()]) -> StreamingResponse:
        async with pool.acquire() as connection:
            statements = await _statements(connection, asked)
            named = asked.policy or statements[-1].policy
            case = await _case(connection, catalogue, statements, named)
        return _stream(_preview(pool, case, size))

    @app.post("/diffs", dependencies=[operator])
    async def diff(asked: Annotated[AskedTwice, Body()]) -> StreamingResponse:
        async with pool.acquire() as connection:
            statements = await _statements(connection, asked)
            a = await _case(connection, catalogue, statements, asked.a)
            b = await _case(connection, catalogue, statements, asked.b)
        return _stream(_diff(pool, a, b, size))


async def _statements(connection: Connection, asked: Asked) -> list[Statement]:
    """What is in force of an incident, or would be with one declaration more."""
    if asked.declaration is None:
        statements = await Register(connection).statements(asked.incident_id or "")
        if not statements:
            raise HTTPException(404, f"no incident {asked.incident_id}")
        return statements
    try:
        said = IncidentDeclared.model_validate_json(orjson.dumps(asked.declaration))
    except ValidationError as error:
        raise HTTPException(422, str(error)) from None
    known = await Register(connection).statements(said.incident_id, said.revision - 1)
    if len(known) != said.revision - 1:
        raise HTTPException(409, f"revision {said.revision} would wait for revision {len(known) + 1}")
    try:
        return [*known, following(known[-1] if known else None, said)]
    except ImpossibleRevisionError as error:
        raise HTTPException(422, str(error)) from None


async def _case(
    connection: Connection, catalogue: Catalogue, statements: Sequence[Statement], named: str | Draft
) -> Case:
    try:
        if isinstance(named, Draft):
            policy = parse_policy_text(named.text)
        else:
            policy = await catalogue.named(connection, named)
        kin = await Register(connection).kin(statements[-1]) if merges(policy) else []
        return make(policy, _under(policy, statements), kin)
    except (PolicyError, ValueError) as error:
        raise HTTPException(422, str(error)) from None


def _under(policy: Policy, statements: Sequence[Statement]) -> list[Statement]:
    """The statements as if they had been declared under this policy."""
    return [replace(statement, policy=policy.key) for statement in statements]


def _stream(lines: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    async def encoded() -> AsyncIterator[bytes]:
        async for line in lines:
            yield orjson.dumps(line) + b"\n"

    return StreamingResponse(encoded(), media_type="application/x-ndjson")


async def _preview(pool: Pool, case: Case, size: int) -> AsyncIterator[dict[str, Any]]:
    forecast = Forecast()
    samples: list[dict[str, Any]] = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    voice = messages.voice(case.prepared, case.policy.letters)

    async def look(store: Store, within: Range) -> None:
        nonlocal forecast
        decisions = (await decide_range(store, case, within)).decisions
        forecast = forecast + Forecast.of(decisions)
        for decision in decisions:
            kind = tuple(sorted({(grant.rule, grant.choice) for grant in decision.grants}))
            if kind and kind not in seen and len(samples) < _SAMPLES:
                seen.add(kind)
                samples.append({"customer_id": decision.customer_id, "granted": messages.granted(voice, decision)})

    async for line in _through(pool, case, size, look):
        yield line
    spent = money.read(await pool.fetchval(SQL["spent"], case.statement.incident_id) or {})
    yield {"preview": _told(case, forecast, spent) | {"samples": samples}}


def _told(case: Case, forecast: Forecast, spent: Money) -> dict[str, Any]:
    """What a run would come to."""
    statement, policy, more = case.statement, case.policy, forecast.money()
    hashed = plan_hash(statement.incident_id, statement.revision, policy.digest, forecast)
    limit = gates.without_approval(policy)
    return {
        "incident_id": statement.incident_id,
        "revision": statement.revision,
        "policy": policy.key,
        "drill": statement.drill,
        "plan": hashed,
        **forecast.to_json(),
        "spent": money.told(spent),
        "budget": {
            "without_approval": money.told(limit),
            "ceiling": money.told(gates.ceiling(policy)),
            "needs_approval": bool(policy.budget) and not statement.drill and bool(gates.beyond(limit, spent, more)),
            "past_ceiling": bool(policy.budget) and bool(gates.beyond(gates.ceiling(policy), spent, more)),
        },
    }


async def _diff(pool: Pool, a: Case, b: Case, size: int) -> AsyncIterator[dict[str, Any]]:
    """As if nothing had been given yet, by this incident or another one."""
    comparison = Comparison(a.policy.key, b.policy.key)

    async def look(store: Store, within: Range) -> None:
        contracts = await store.facts(a.whom, within)
        comparison.add(decided(a, contracts, {}, {}), decided(b, contracts, {}, {}))

    async for line in _through(pool, a, size, look):
        yield line
    yield {"diff": comparison.told()}


async def _through(
    pool: Pool, case: Case, size: int, look: Callable[[Store, Range], Awaitable[None]]
) -> AsyncIterator[dict[str, int]]:
    """Look at the customers range by range, each as of one instant; tells after each how many are done."""
    async with pool.acquire() as connection:
        ranges = await Store(connection).ranges(case.whom, size)
    of, done = sum(one.customers for one in ranges), 0
    for within in ranges:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await look(Store(connection), within)
        done += within.customers
        yield {"done": done, "of": of}
