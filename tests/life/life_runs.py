"""The runs of a life: where each plan stands, which customers were decided, and whether it may stand there.

Who comes first is the planner's and the workers' affair: it is read from their tables. Whether it was allowed, whom a
run has to consider, and what each chunk comes to is the oracle's.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.life import oracle_gates as gates
from tests.life.oracle import Incident, Money, Oracle, Told, add
from tests.life.world import World

Row = dict[str, Any]
Key = tuple[Any, ...]
_PLANS = """
SELECT incident_id, revision, run, state, gate, hash, allowed, expires_at, customers FROM plan
WHERE incident_id = ANY($1::text[]) ORDER BY incident_id, revision, run
"""
_CHUNKS = """
SELECT incident_id, revision, run, chunk, first_customer, last_customer, canary, forecast -> 'money' AS foreseen,
       done_at IS NOT NULL AS done
FROM chunk WHERE incident_id = ANY($1::text[]) ORDER BY incident_id, revision, run, chunk
"""
OVER = ("superseded", "done")
AT_A_GATE = ("approval", "halted")


class Runs:
    """The plans and chunks as they were when they were last looked at."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self.world, self.oracle = world, oracle
        self.plans: dict[Key, Row] = {}
        self.chunks: dict[Key, Row] = {}
        self._published: list[Told] = []
        self._approving: Key | None = None

    def taken(self) -> list[Told]:
        """What ought to have been published of the chunks that were decided since this was last asked."""
        published, self._published = self._published, []
        return published

    def gate(self, incident_id: str) -> Row | None:
        """The plan that waits for a person."""
        waiting = [
            plan for key, plan in sorted(self.plans.items()) if key[0] == incident_id and plan["state"] in AT_A_GATE
        ]
        return waiting[-1] if waiting else None

    def waiting(self) -> list[Row]:
        """What waits for a person, incident by incident."""
        waits = [self.gate(incident_id) for incident_id in sorted({key[0] for key in self.plans})]
        return [plan for plan in waits if plan is not None]

    def approve(self, body: dict[str, Any], waits: Row | None) -> bool:
        """Whether an approval counts, and what it allows then."""
        incident = self.oracle.incidents.get(body["incident_id"])
        if incident is None:
            return False
        until = datetime.fromisoformat(waits["expires_at"]) if waits else None
        at = datetime.fromisoformat(body["approved_at"])
        plan = waits["hash"] if waits else None
        counts = gates.may_approve(incident, body["approved_by"], at, body["plan"], plan, until)
        if counts and waits is not None:
            self._approving = (waits["incident_id"], waits["revision"], waits["run"])
        return counts

    def look(self) -> bool:
        """See what has moved since, and whether it may; whether anything has."""
        mine = list(self.world.incidents)
        plans = {_key(row): row for row in self.world.rows(self.world.entitlements, _PLANS, mine)}
        chunks = {(*_key(row), row["chunk"]): row for row in self.world.rows(self.world.entitlements, _CHUNKS, mine)}
        moved = plans != self.plans or chunks != self.chunks
        for key, chunk in chunks.items():
            before = self.chunks.get(key)
            if before is not None and chunk["foreseen"] != before["foreseen"]:
                self._foreseen(chunk)
            if before is not None and chunk["done"] and not before["done"]:
                self._decided(chunk)
        for plan_key, plan in plans.items():
            earlier = self.plans.get(plan_key)
            if earlier is None or plan["state"] != earlier["state"]:
                mine_now = [chunk for key, chunk in chunks.items() if key[:3] == plan_key]
                self._moved(plan, earlier["state"] if earlier else None, earlier, mine_now)
        self.plans, self.chunks = plans, chunks
        self._approving = None
        return moved

    # ── chunks ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _decided(self, chunk: Row) -> None:
        """A chunk was decided: it was its time, and it kept within what is allowed."""
        incident = self.oracle.incidents[chunk["incident_id"]]
        plan = self.plans[_key(chunk)]
        assert not incident.paused, "nobody is decided while the incident is paused"
        assert not incident.held, "nobody is decided while a revision waits for an earlier one"
        assert chunk["revision"] == incident.now.revision, "nobody is decided by a revision that is not in force"
        assert plan["state"] == "running" or (plan["state"] == "canary" and chunk["canary"]), plan
        if plan["allowed"] is not None:
            more = self.oracle.foresee(chunk["incident_id"], chunk["first_customer"], chunk["last_customer"])
            assert not gates.beyond(_money(plan["allowed"]), incident.spent, more), "past what is allowed"
        self._published += self.oracle.decide(chunk["incident_id"], chunk["first_customer"], chunk["last_customer"])

    def _foreseen(self, chunk: Row) -> None:
        """What a chunk was foreseen to come to is what it comes to."""
        more = self.oracle.foresee(chunk["incident_id"], chunk["first_customer"], chunk["last_customer"])
        assert _money(chunk["foreseen"] or {}) == _some(more)

    # ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _moved(self, plan: Row, before: str | None, earlier: Row | None, chunks: list[Row]) -> None:
        incident = self.oracle.incidents[plan["incident_id"]]
        state = plan["state"]
        if state == "superseded":
            assert plan["revision"] < incident.now.revision
            return
        if before is None:
            assert plan["revision"] == incident.now.revision, "a run is of the revision in force"
        elif before in AT_A_GATE:
            assert _key(plan) == self._approving, f"{before} → {state} without a person"
            self._approved(incident, plan, earlier or {}, chunks)
        else:
            stands_still = incident.paused or incident.held
            assert not stands_still, f"{before} → {state} while it stands still"
            {
                "waiting": self._cut, "forecasting": self._offered, "canary": self._after_canary, "running": self._ended
            }.get(before, self._nothing)(incident, plan, chunks)  # fmt: skip

    def _nothing(self, incident: Incident, plan: Row, chunks: list[Row]) -> None:
        assert plan["state"] == "waiting"

    def _cut(self, incident: Incident, plan: Row, chunks: list[Row]) -> None:
        """Everybody who has to be considered is in one chunk, the first ones in the canary."""
        considered = self.oracle.considered(incident)
        assert plan["customers"] == len(considered)
        inside = [[c for c in considered if one["first_customer"] <= c <= one["last_customer"]] for one in chunks]
        assert sorted(customer for chunk in inside for customer in chunk) == considered, (
            "somebody is missed, or comes twice"
        )
        first = gates.first_customers(incident, plan["run"])
        canary = [len(customers) for one, customers in zip(chunks, inside, strict=True) if one["canary"]]
        assert sum(canary) == min(first, len(considered))
        if gates.wants_to_know(incident):
            assert plan["state"] == "forecasting"
        else:
            assert plan["state"] == ("canary" if first and chunks else "running")

    def _offered(self, incident: Incident, plan: Row, chunks: list[Row]) -> None:
        """What it comes to goes by itself, or a person is asked."""
        foreseen = _sum(chunks)
        limit = gates.by_itself(incident.policy)
        if incident.policy.get("budget") and gates.beyond(limit, incident.spent, foreseen):
            assert (plan["state"], plan["gate"]) == ("approval", "start")
            return
        assert plan["state"] == ("canary" if any(chunk["canary"] for chunk in chunks) else "running")
        assert _money_or_none(plan["allowed"]) == (_some(limit) if incident.policy.get("budget") else None)

    def _after_canary(self, incident: Incident, plan: Row, chunks: list[Row]) -> None:
        if plan["state"] == "halted":
            self._ended(incident, plan, chunks)
            return
        assert all(chunk["done"] for chunk in chunks if chunk["canary"])
        rest = [chunk for chunk in chunks if not chunk["done"]]
        asks = gates.then(incident.policy["canary"]) == "approval" and not incident.drill and rest
        assert (plan["state"], plan["gate"]) == (("approval", "rest") if asks else ("running", plan["gate"]))

    def _ended(self, incident: Incident, plan: Row, chunks: list[Row]) -> None:
        if plan["state"] == "done":
            assert all(chunk["done"] for chunk in chunks)
            return
        assert (plan["state"], plan["gate"]) == ("halted", "ceiling")
        following = next(chunk for chunk in chunks if not chunk["done"])
        more = _money(following["foreseen"])
        assert gates.beyond(_money(plan["allowed"]), incident.spent, more), "it could have gone on"

    def _approved(self, incident: Incident, plan: Row, earlier: Row, chunks: list[Row]) -> None:
        open_chunks = [chunk for chunk in chunks if not chunk["done"]]
        allowed = gates.allowed_by(
            earlier["gate"], incident.policy, _money_or_none(earlier["allowed"]), incident.spent, _sum(open_chunks)
        )
        assert _money_or_none(plan["allowed"]) == (None if allowed is None else _some(allowed))
        assert plan["state"] == ("canary" if any(chunk["canary"] for chunk in open_chunks) else "running")


def _key(row: Row) -> Key:
    return row["incident_id"], row["revision"], row["run"]


def _money(told: dict[str, str]) -> Money:
    return _some({currency: Decimal(amount) for currency, amount in told.items()})


def _money_or_none(told: dict[str, str] | None) -> Money | None:
    return None if told is None else _money(told)


def _some(money: Money) -> Money:
    """Without the currencies in which there is nothing."""
    return {currency: amount for currency, amount in money.items() if amount}


def _sum(chunks: list[Row]) -> Money:
    total: Money = {}
    for chunk in chunks:
        add(total, _money(chunk["foreseen"] or {}))
    return total
