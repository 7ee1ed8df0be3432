"""Cases: what the customers of a run are decided with: the statements in force, the policy, the incidents beside it.

Compiled once per run, and anew when another incident under the same policy has changed. Leaves the deciding to
`decide`, the reading to `store` and `register`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.statements import Statement
from services.entitlements.catalogue import Catalogue
from services.entitlements.decide import decide
from services.entitlements.domain import Decision, Neighbour, OtherGrant, PriorGrant
from services.entitlements.facts import Facts, by_customer
from services.entitlements.outage import lasted
from services.entitlements.policy import Policy
from services.entitlements.prepared import Prepared, prepare
from services.entitlements.register import Register
from services.entitlements.store import SQL, Range, Run, Store, Whom
from services.runtime.database import Connection

_KNOWN_RUNS = 16


@dataclass(frozen=True, slots=True)
class Case:
    """One revision of an incident, ready to be decided for any number of customers."""

    statements: tuple[Statement, ...]
    policy: Policy
    neighbours: tuple[Neighbour, ...]
    prepared: Prepared

    @property
    def statement(self) -> Statement:
        """What is in force."""
        return self.statements[-1]

    @property
    def whom(self) -> Whom:
        """Whom it considers."""
        return Whom(self.statement.incident_id, self.statement.scope, self.statement.retracted)


def make(policy: Policy, statements: Sequence[Statement], kin: Iterable[Statement] = ()) -> Case:
    """Compile a case; `kin` are the other incidents under the same policy. Raises ValueError as `prepare` does."""
    around = [_neighbour(one) for one in kin]
    prepared = prepare(policy, statements, around)
    near = tuple(one for one in around if one.incident_id in prepared.neighbours)
    return Case(tuple(statements), policy, near, prepared)


def merges(policy: Policy) -> bool:
    """Whether some rule of the policy pays for an hour once, whatever the number of incidents."""
    return any(rule.across_incidents == "merged" for rule in policy.rules)


def _neighbour(statement: Statement) -> Neighbour:
    """An incident beside: its hours count for whomever it hit; when it was taken back, for whom it still pays."""
    scope = None if statement.retracted else statement.scope
    return Neighbour(statement.incident_id, lasted(statement), scope)


class Cases:
    """The cases of the runs that a worker has in hand."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[Run, Case] = {}

    async def of(self, connection: Connection, run: Run) -> Case:
        """A run's case, as of this transaction: what other incidents have paid for is not paid while it lasts."""
        register = Register(connection)
        known = self._known.get(run)
        if known is not None and not merges(known.policy):
            return known
        statements = known.statements if known else await register.statements(run.incident_id, run.revision)
        policy = known.policy if known else await self._catalogue.named(connection, statements[-1].policy)
        case = await self.compile(connection, policy, statements)
        if known is not None and known.neighbours == case.neighbours:
            case = known
        if len(self._known) >= _KNOWN_RUNS:
            self._known.clear()
        self._known[run] = case
        return case

    async def compile(self, connection: Connection, policy: Policy, statements: Sequence[Statement]) -> Case:
        """A case with the incidents beside it, deciding alone until the transaction ends if there are any."""
        if not merges(policy):
            return make(policy, statements)
        case = make(policy, statements, await Register(connection).kin(statements[-1]))
        alone = "decide_alone" if case.neighbours else "decide_beside_others"
        await connection.execute(SQL[alone], policy.name)
        return case


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided for a range of customers, and with what."""

    decisions: list[Decision]
    facts: Facts


async def decide_range(store: Store, case: Case, within: Range) -> Decided:
    """Decide every customer to consider between two: the run, its forecast and a preview go through here."""
    incident_id = case.statement.incident_id
    rows = await store.facts(case.whom, within)
    prior = await store.prior(incident_id, within)
    beside = [neighbour.incident_id for neighbour in case.neighbours]
    others = await store.others(beside, within) if beside else {}
    return Decided(decided(case, rows, prior, others), Facts(rows, others, case.neighbours))


def decided(
    case: Case,
    rows: Sequence[Sequence[object]],
    prior: dict[str, list[PriorGrant]],
    others: dict[str, list[OtherGrant]],
) -> list[Decision]:
    """Decide customers from what was read of them; one whose contracts are gone is decided by what he was given."""
    contracts = by_customer(rows)
    prepared = case.prepared
    decisions = [
        decide(prepared, customer, held, prior.get(customer, ()), others.get(customer, ()))
        for customer, held in contracts.items()
    ]
    gone = prior.keys() - contracts.keys()
    decisions += [
        decide(prepared, customer, (), prior[customer], others.get(customer, ())) for customer in sorted(gone)
    ]
    return decisions
