"""The life of an incident, led at random: whatever happens in whatever order, the books are what the oracle says.

Declared, amended, resolved, retracted, reopened, paused, approved; delivered early, late, twice and out of order; run
chunk by chunk; processes that die between their commit and their publishing; vouchers redeemed meanwhile; two incidents
over the same customers; drills. After every step what was published is compared, at the end all that is in the books.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schemas import topics
from tests.life import life_checks
from tests.life.cluster import running
from tests.life.life import Life, Parcel, now
from tests.life.policies import CUSTOMERS, contract, holdings, moment, policies, whole
from tests.life.world import Ground

RUNS = int(os.environ.get("AMENDS_LIFE_RUNS", "1000"))
"""For each of the two processes; set it higher for a night of it."""
LENGTHS = {10: 60, 20: 30, 50: 10}
"""Up to how many steps a life has, and how many lives in a hundred: a long one costs as much as five short ones."""
_ground: list[Ground] = []
T = TypeVar("T")


def step(when: Callable[[Any], Any] = lambda _: True, **draws: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that may be taken when it is so."""

    def make(taken: Callable[..., None]) -> Any:
        return precondition(when)(rule(**draws)(taken))  # type: ignore[no-untyped-call]

    return make


class Lives(RuleBasedStateMachine):
    """Two incidents at most, four customers at most; what is said is heard when the machine delivers it."""

    def __init__(self) -> None:
        super().__init__()
        self.revisions: dict[str, int] = {}
        self.bodies: dict[str, dict[str, Any]] = {}
        self.hours = 0

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """There is a policy, and there are customers who hold contracts."""
        self.drill = data.draw(st.integers(1, 6), label="drill") == 6
        number = next(life_checks.numbers)
        policy = data.draw(policies(f"chance-{number}", gated=True), label="policy")
        self.policy = f"{policy['name']}@1"
        self.life = Life(_ground[0], [policy], data.draw(st.sampled_from([1, 2, 5]), label="chunk"))
        facts = data.draw(
            holdings(self.life.prefix, data.draw(st.integers(1, 4)), euros="budget" in policy), label="contracts"
        )
        for customer in CUSTOMERS:
            self.life.know(f"{self.life.prefix}-{customer}", None if customer == "dario" else f"{customer}@example.com")
        self.life.hold(facts)
        self.names = [fact["contract_id"] for fact in facts]
        self.euros = "budget" in policy
        if data.draw(st.booleans(), label="told"):
            self.life.deliver_all()

    def teardown(self) -> None:
        """All is quiet; then everything is compared."""
        if not hasattr(self, "life"):
            return
        try:
            self.life.restart()
            self.life.settle()
            life_checks.everything(self.life)
            self._let_go()
            life_checks.everything(self.life)
        finally:
            self.life.world.end()

    def _let_go(self) -> None:
        """Whatever stands still may go on: who paused resumes, and whoever is asked approves."""
        for incident_id, incident in self.life.oracle.incidents.items():
            if incident.paused:
                self.life.say(
                    "incident.resumed.v1",
                    {"incident_id": incident_id, "resumed_by": "desk", "resumed_at": moment(999)},
                )
        self.life.settle()
        for _ in range(40):
            waiting = self.life.runs.waiting()
            if not waiting:
                return
            for waits in waiting:
                self._approve(waits)
            self.life.settle()
        raise AssertionError("an approval leads to the next question for ever")

    def _approve(self, waits: dict[str, Any], how: str = "right") -> list[Parcel]:
        body = {
            "incident_id": waits["incident_id"],
            "plan": "0" * 64 if how == "wrong plan" else waits["hash"],
            "approved_by": "desk" if how == "by its declarer" else "controller",
            "approved_at": (now() + timedelta(days=9 if how == "too late" else 0)).isoformat(),
        }
        return self.life.say("incident.approved.v1", body)

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────

    def _next(self, data: st.DataObject, incident_id: str, **said: Any) -> dict[str, Any]:
        self.revisions[incident_id] = self.revisions.get(incident_id, 0) + 1
        self.hours += data.draw(st.sampled_from([1, 7, 30, 120]), label="hours later")
        return {
            "incident_id": incident_id, "revision": self.revisions[incident_id], "declared_by": "desk",
            "declared_at": moment(24 * 10 + self.hours), **said,
        }  # fmt: skip

    def _incident(self, number: int) -> str:
        return f"{self.life.prefix}-incident-{number}"

    @step(lambda self: len(self.revisions) < 2, data=st.data())
    def declare(self, data: st.DataObject) -> None:
        """An incident is declared, perhaps early and vaguely."""
        incident_id = self._incident(len(self.revisions) + 1)
        said = {"title": "Black-out", "drill": self.drill, "policy": self.policy, **data.draw(whole(self.names))}
        self.bodies[incident_id] = said
        self._heard(data, self.life.say("incident.declared.v1", self._next(data, incident_id, **said)))

    @step(lambda self: self.revisions, data=st.data())
    def amend(self, data: st.DataObject) -> None:
        """It is stated anew: wider, narrower, longer, shorter, reopened."""
        incident_id = data.draw(st.sampled_from(sorted(self.revisions)))
        said = {**self.bodies[incident_id], **data.draw(whole(self.names))}
        keep = data.draw(st.sampled_from(["impact", "scope", None]))
        if keep is not None:
            said[keep] = self.bodies[incident_id][keep]
        self.bodies[incident_id] = said
        self._heard(data, self.life.say("incident.amended.v1", self._next(data, incident_id, **said)))

    @step(lambda self: self.revisions, data=st.data(), hours=st.sampled_from([0, 61, 66, 90]))
    def resolve(self, data: st.DataObject, hours: int) -> None:
        """Its end is known; an end before its start is none."""
        incident_id = data.draw(st.sampled_from(sorted(self.revisions)))
        body = self._next(data, incident_id, ends_at=moment(hours))
        parcels = self.life.say("incident.resolved.v1", body)
        if hours == 0:
            self.revisions[incident_id] -= 1  # if it is refused, another takes its place; if not, that one is refused
        self._heard(data, parcels)

    @step(lambda self: self.revisions, data=st.data())
    def retract(self, data: st.DataObject) -> None:
        """It is taken back, perhaps just after a customer has redeemed his voucher."""
        vouchers = list(self.life.ledger.vouchers)
        if vouchers and data.draw(st.sampled_from(["redeemed", "not redeemed"])) == "redeemed":
            self.life.redeem(vouchers[data.draw(st.integers(0, len(vouchers) - 1))], moment(400))
        incident_id = data.draw(st.sampled_from(sorted(self.revisions)))
        body = self._next(data, incident_id, reason="a false alarm")
        self._heard(data, self.life.say("incident.retracted.v1", body))

    @step(data=st.data(), pause=st.booleans(), at=st.integers(0, 99))
    def order(self, data: st.DataObject, pause: bool, at: int) -> None:
        """It is paused or resumed, declared or not; of two orders the later one counts, whichever comes first."""
        body: dict[str, Any] = {"incident_id": self._incident(data.draw(st.integers(1, 2), label="incident"))}
        word = "paused" if pause else "resumed"
        body |= {f"{word}_by": "desk", f"{word}_at": moment(300 + at)}
        self._heard(data, self.life.say(f"incident.{word}.v1", body))

    @step(
        lambda self: self.life.runs.waiting(),
        data=st.data(),
        how=st.sampled_from(["right", "right", "right", "wrong plan", "by its declarer", "too late"]),
    )
    def approve(self, data: st.DataObject, how: str) -> None:
        """Somebody answers for what waits."""
        waits = self._one_of(data, self.life.runs.waiting())
        self._heard(data, self._approve(waits, how))

    def _heard(self, data: st.DataObject, parcels: list[Parcel]) -> None:
        """It is still on its way, or heard at once; then all goes as far as it goes by itself, or nothing does."""
        then = data.draw(st.sampled_from(["heard", "on its way", "runs", "runs", "runs, letters leave"]), label="then")
        if then == "on its way":
            return
        for parcel in parcels:
            self.life.deliver([parcel])
        if then != "heard":
            self.life.settle(letters="letters" in then)

    @staticmethod
    def _one_of(data: st.DataObject, things: list[T]) -> T:
        """One of some things, drawn by its number: a story that fails is to be read."""
        return things[data.draw(st.integers(0, len(things) - 1))]

    # ── what is delivered ────────────────────────────────────────────────────────────────────────────────────────

    @step(lambda self: self.life.parcels, data=st.data())
    def deliver_some(self, data: st.DataObject) -> None:
        """Some of what is on its way arrives, in any order; one topic's to one reader as one batch."""
        first = self._one_of(data, self.life.parcels)
        alike = [p for p in self.life.parcels if (p.reader, p.topic) == (first.reader, first.topic)]
        if first.topic == topics.INCIDENTS:
            self.life.deliver([first])
            return
        count = data.draw(st.integers(1, len(alike)))
        order = data.draw(st.permutations(range(len(alike))))
        self.life.deliver([alike[index] for index in order[:count]])

    @step(lambda self: self.life.parcels)
    def deliver_all(self) -> None:
        """All that is on its way arrives."""
        self.life.deliver_all()

    @step(lambda self: self.life.delivered, data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """Something arrives once more."""
        self.life.deliver([self._one_of(data, self.life.delivered)])

    # ── what the services do ─────────────────────────────────────────────────────────────────────────────────────

    @step(lambda self: self.revisions, looks=st.integers(1, 3))
    def plan(self, looks: int) -> None:
        """The planner looks."""
        for _ in range(looks):
            self.life.plan()

    @step(lambda self: self.revisions)
    def decide(self) -> None:
        """A chunk is taken, and if there is none the planner looks."""
        if not self.life.decide():
            self.life.plan()

    @step(lambda self: self.revisions)
    def go_on(self) -> None:
        """Everything goes as far as it goes by itself."""
        self.life.settle(letters=False)

    @step(lambda self: self.revisions, data=st.data())
    def run_again(self, data: st.DataObject) -> None:
        """An operator has it run once more."""
        incident_id = data.draw(st.sampled_from(sorted(self.revisions)))
        if incident_id in self.life.oracle.incidents and self.life.oracle.incidents[incident_id].in_force:
            self.life.run_again(incident_id)

    @step(lambda self: self.revisions)
    def send_letters(self) -> None:
        """What is due leaves."""
        self.life.send_letters()

    @step(lambda self: self.life.ledger.vouchers, data=st.data())
    def redeem(self, data: st.DataObject) -> None:
        """A customer redeems a voucher, once more perhaps."""
        self.life.redeem(self._one_of(data, list(self.life.ledger.vouchers)), moment(400))

    @step(lambda self: len(self.names) < 12, data=st.data())
    def another_contract(self, data: st.DataObject) -> None:
        """A contract that nobody knew of."""
        customer = f"{self.life.prefix}-{data.draw(st.sampled_from(CUSTOMERS))}"
        fact = data.draw(contract(f"{customer}-{len(self.names) + 10}", customer, euros=self.euros))
        self.names.append(fact["contract_id"])
        self.life.hold([fact])

    @step(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A process dies between its commit and its publishing; all start again."""
        service = data.draw(st.sampled_from(["entitlements", "billing", "notifications"]))
        self.life.die(self.life.service(service))
        getattr(self.life, data.draw(st.sampled_from(["decide", "plan", "send_letters", "deliver_all"])))()
        self.life.restart()

    @step()
    def restart(self) -> None:
        """All processes start again."""
        self.life.restart()

    @invariant()
    def the_days_add_up(self) -> None:
        """Whatever has happened so far, a contract's end is what was agreed and the days in the ledger."""
        if hasattr(self, "life") and self.life.billed:
            life_checks.contracts(self.life)
            self.life.billed = False


def main() -> None:
    """Lead as many lives as this process has to; what goes wrong is told on its stderr."""
    with running() as databases:
        _ground.append(Ground(databases))
        for steps, share in LENGTHS.items():
            run_state_machine_as_test(
                Lives,
                settings=settings(
                    max_examples=max(RUNS * share // 100, 1), stateful_step_count=steps, deadline=None,
                    suppress_health_check=list(HealthCheck), database=None,
                ),
            )  # fmt: skip
        _ground.pop().close()


if __name__ == "__main__":
    main()
