"""What entitlements does with a batch: it follows the contracts and takes in declarations. The rest is runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson
import structlog

from schemas.events import IncidentDeclared
from services.entitlements.policy import Policies
from services.entitlements.policy_errors import PolicyError
from services.entitlements.prepared import prepare
from services.entitlements.store import Store
from services.runtime import bell
from services.runtime.envelope import Message, Unreadable
from services.runtime.work import Transaction

log = structlog.get_logger()

PLANNED, CUT = "plan", "chunk"
"""The bells: there is a plan to look at, there are chunks to decide."""


class Handlers:
    """Entitlements' handlers, with the policies that a declaration may name."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def contracts(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Follow the contracts: the last telling of each counts, a tombstone ends it."""
        store = Store(transaction.connection)
        last = {message.key if message.data is None else message.data.contract_id: message for message in batch}
        await store.save_contracts(message.data for message in batch if message.data is not None)
        gone = [contract_id for contract_id, message in last.items() if message.data is None]
        if gone:
            await store.remove_contracts(gone)

    async def incidents(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Take in declarations: a new one is planned, a repeated one changes nothing, a contradiction is set aside."""
        store = Store(transaction.connection)
        for message in batch:
            refusal = await self._declare(store, message)
            if refusal:
                log.error("a declaration was refused", event_id=message.event_id, reason=refusal)
                transaction.set_aside([Unreadable(message.record, refusal)])
        await bell.ring(transaction.connection, PLANNED)

    async def _declare(self, store: Store, message: Message) -> str | None:
        """Why the declaration is refused, None when it is planned or was planned before."""
        if message.type != "incident.declared.v1":
            return f"{message.type} is not acted upon by this version of entitlements"
        incident: IncidentDeclared = message.data
        if incident.drill:
            return "drill: this version of entitlements does not run drills, and would have run it in earnest"
        try:
            prepare(self._policies.named(incident.policy), incident)
        except (PolicyError, ValueError) as error:
            return str(error)
        first = await store.declare(incident, digest(incident))
        if first is None:
            await store.plan(incident.incident_id, incident.revision)
            log.info("declared", incident=incident.incident_id, revision=incident.revision, event_id=message.event_id)
        elif first != digest(incident):
            return (
                f"incident {incident.incident_id} revision {incident.revision} was declared before with another body: "
                "declare what has changed as the next revision"
            )
        return None


def digest(incident: IncidentDeclared) -> str:
    """What a declaration says, in short: equal for equal bodies, whatever the order or the spacing of their JSON."""
    body = orjson.dumps(incident.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).hexdigest()
