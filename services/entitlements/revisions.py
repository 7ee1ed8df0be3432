"""Taking in what is said of an incident: declared, amended, resolved, taken back, in whatever order it comes.

What is in force are the revisions 1, 2, … without a gap; one that waits for an earlier one holds the incident. When
the revision in force moves, the runs of the earlier ones end and the next one is planned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from schemas.events import IncidentDeclared
from schemas.statements import IncidentEvent, Statement, fold
from services.entitlements.bells import PLANNED
from services.entitlements.catalogue import Catalogue
from services.entitlements.policy_errors import PolicyError
from services.entitlements.prepared import prepare
from services.entitlements.register import Register
from services.entitlements.reports import Step, tell, tell_run
from services.runtime import bell
from services.runtime.envelope import Message
from services.runtime.work import Transaction


async def take_in(catalogue: Catalogue, message: Message, transaction: Transaction) -> str | None:
    """Take in one revision; returns why it is refused, None when it counts now, waits, or was taken in before."""
    said: IncidentEvent = message.data
    register = Register(transaction.connection)
    if isinstance(said, IncidentDeclared):
        try:
            await catalogue.named(transaction.connection, said.policy)
        except PolicyError as error:
            return str(error)
    held = await register.meet(said.incident_id, isinstance(said, IncidentDeclared) and said.drill)
    body = said.model_dump(mode="json")
    in_short = digest(body)
    first = await register.declare(said, message.type, in_short, body)
    if first == in_short:
        return None
    if first is not None:
        return await _refuse(
            transaction,
            message,
            f"incident {said.incident_id} revision {said.revision} was declared before with another body: "
            "declare what has changed as the next revision",
        )
    events = await register.events(said.incident_id)
    statements, impossible = fold(events.values(), await _check(catalogue, register, events.get(1)))
    if impossible is not None:
        number, reason = impossible.event.revision, str(impossible.error)
        await register.drop(said.incident_id, number)
        if number == said.revision:
            return await _refuse(transaction, message, reason)
        await tell(transaction, said.incident_id, Step("refused", {"revision": number, "reason": reason}))
        del events[number]
    detail = {"revision": said.revision, "event_id": message.event_id, "digest": in_short}
    await tell(transaction, said.incident_id, Step(_action(message), detail, said.declared_by, said.declared_at))
    waits = any(number > len(statements) for number in events)
    if statements:
        await _put_in_force(transaction, register, statements[-1], waits, held["revision"])
    elif waits:
        await register.hold_back(said.incident_id)
    return None


async def _check(
    catalogue: Catalogue, register: Register, first: IncidentEvent | None
) -> Callable[[Sequence[Statement]], object]:
    """What a statement must stand up to beside the ones before it: the policy that the first one names."""
    if not isinstance(first, IncidentDeclared):
        return lambda _: None  # the fold itself refuses it, or waits for it
    policy = await catalogue.named(register.connection, first.policy)
    return partial(prepare, policy)


async def _put_in_force(
    transaction: Transaction, register: Register, statement: Statement, held: bool, before: int
) -> None:
    """The incident is what the statement says by now; a revision that was not in force before gets a run."""
    await register.put_in_force(statement, held)
    if statement.revision == before:
        return
    for run in await register.supersede(statement):
        reason = f"revision {statement.revision} is in force"
        step = Step("superseded", {"by_revision": statement.revision})
        await tell_run(transaction, run, "superseded", step, drill=statement.drill, reason=reason)
    await register.plan(statement.incident_id)
    await bell.ring(transaction.connection, PLANNED)


async def _refuse(transaction: Transaction, message: Message, reason: str) -> str:
    """Keep that it was refused, and why."""
    said = message.data
    detail = {"revision": said.revision, "event_id": message.event_id, "reason": reason}
    await tell(transaction, said.incident_id, Step("refused", detail, said.declared_by, said.declared_at))
    return reason


def _action(message: Message) -> str:
    return str(message.type).split(".")[1]


def digest(body: Mapping[str, Any]) -> str:
    """What a declaration says, in short: equal for equal bodies, whatever the order or the spacing of their JSON.

    A field that came later and says nothing does not count, so that what was declared before it stays the same.
    """
    impact = body.get("impact")
    if impact is not None and not impact.get("also"):
        body = {**body, "impact": {name: value for name, value in impact.items() if name != "also"}}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
