"""Taking in what is said of an incident: declared, amended, resolved, taken back, in whatever order it comes.

What is in force are the revisions 1, 2, … without a gap; one that waits for an earlier one holds the incident. When
the revision in force moves, the runs of the earlier ones end and the next one is planned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from schemas.events import IncidentDeclared
from schemas.statements import ImpossibleRevisionError, IncidentEvent, Statement, following
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
    first = await register.declare(said, message.type, digest(body), body)
    if first is not None:
        if first == digest(body):
            return None
        return await _refuse(
            transaction,
            message,
            f"incident {said.incident_id} revision {said.revision} was declared before with another body: "
            "declare what has changed as the next revision",
        )
    step = Step(_action(message), _detail(said, message), said.declared_by, said.declared_at)
    statements, impossible = await _in_force(catalogue, register, said.incident_id)
    for number, reason in impossible.items():
        await register.drop(said.incident_id, number)
        if number != said.revision:
            held_back = Step("refused", {"revision": number, "reason": reason})
            await tell(transaction, said.incident_id, held_back)
    if said.revision in impossible:
        return await _refuse(transaction, message, impossible[said.revision])
    await tell(transaction, said.incident_id, step)
    waiting = [number for number in await register.events(said.incident_id) if number > len(statements)]
    if statements:
        await _put_in_force(transaction, register, statements[-1], bool(waiting), held["revision"])
    elif waiting:
        await register.hold_back(said.incident_id)
    return None


async def _in_force(
    catalogue: Catalogue, register: Register, incident_id: str
) -> tuple[list[Statement], dict[int, str]]:
    """The statements in force, and the revision that cannot follow them, if there is one, with the reason."""
    events = await register.events(incident_id)
    statements: list[Statement] = []
    while (said := events.get(len(statements) + 1)) is not None:
        try:
            statement = following(statements[-1] if statements else None, said)
            policy = await catalogue.named(register.connection, statement.policy)
            prepare(policy, [*statements, statement])
        except (ImpossibleRevisionError, ValueError) as error:
            return statements, {said.revision: str(error)}
        statements.append(statement)
    return statements, {}


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


def _detail(said: IncidentEvent, message: Message) -> Mapping[str, Any]:
    return {"revision": said.revision, "event_id": message.event_id, "digest": digest(said.model_dump(mode="json"))}


def digest(body: Mapping[str, Any]) -> str:
    """What a declaration says, in short: equal for equal bodies, whatever the order or the spacing of their JSON.

    A field that came later and says nothing does not count, so that what was declared before it stays the same.
    """
    impact = body.get("impact")
    if impact is not None and not impact.get("also"):
        body = {**body, "impact": {name: value for name, value in impact.items() if name != "also"}}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
