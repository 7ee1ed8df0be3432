"""Any order and any repetition of the same revisions and events gives the same books, byte for byte.

A life is led twice under the same names on empty databases: once in order, once shuffled, repeated, with processes that
die and start again. What matters of every ledger is written down as bytes, and the bytes are compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas import topics
from tests.life import life_checks
from tests.life.cluster import running
from tests.life.life import Life
from tests.life.policies import SITES, holdings, moment, policies, whole
from tests.life.world import Ground, Service

EXAMPLES = int(os.environ.get("AMENDS_LIFE_ORDERS", "60"))
NAME = "same"
Said = tuple[str, dict[str, Any]]
_ground: list[Ground] = []

LEDGERS = {
    "entitlements": {
        "granted": "incident_id, customer_id, rule, target, grant_id, entry_id, choice, kind, days, amount, currency,"
        " stamp, withdraws, honoured, drill",
        "consideration": "incident_id, customer_id, exclusion, drill",
    },
    "billing": {
        "contract": "contract_id, ends_on, terminated_on, extension_days, version",
        "entry": "incident_id, customer_id, entry_id, grant_id, rule, kind, outcome, reason, contract_id, product,"
        " days, amount, currency, reverses, substitutes, drill",
        "addon": "addon_id, incident_id, customer_id, contract_id, product, starts_on, ends_on, withdrawn_on",
        "voucher": "voucher_id, incident_id, customer_id, amount, currency, merchant, valid_until, code_hash,"
        " redeemed_at IS NULL AS good, voided_at IS NULL AS valid",
        "credit": "credit_id, incident_id, customer_id, amount, currency, reverses",
    },
    "notifications": {"letter": "letter_id, incident_id, customer_id, kind, state, drill, cancelled"},
}


@pytest.fixture(scope="module", autouse=True)
def ground() -> Iterator[None]:
    """The databases."""
    with running() as databases:
        _ground.append(Ground(databases))
        yield
        _ground.pop().close()


def dump(life: Life) -> dict[str, bytes]:
    """What matters of every ledger, as bytes."""
    return {
        table: _bytes(life, life.service(service), table, columns)
        for service, tables in LEDGERS.items()
        for table, columns in tables.items()
    }


def _bytes(life: Life, service: Service, table: str, columns: str) -> bytes:
    rows = life.world.rows(service, f"SELECT {columns} FROM {table}")
    return b"\n".join(sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows))


@dataclass
class Play:
    """What is there, and what is said."""

    policy: dict[str, Any]
    facts: list[dict[str, Any]]
    said: list[Said]

    def lead(self, how: Callable[[Life, list[Said]], None]) -> dict[str, bytes]:
        """Lead the life in one way; the oracle looks on."""
        _ground[0].wipe()
        life = Life(_ground[0], [self.policy], 2, NAME)
        for customer in sorted({fact["customer_id"] for fact in self.facts}):
            life.know(customer, "someone@example.com")
        life.hold(self.facts)
        life.deliver_all()
        how(life, self.said)
        life.settle(letters=False)
        life_checks.everything(life, sent=False)
        return dump(life)


def in_order(life: Life, said: list[Said]) -> None:
    """Everything is said in its order, and then it runs."""
    for event_type, body in said:
        life.say(event_type, body)
    life.deliver_all()


def shuffled(data: st.DataObject) -> Callable[[Life, list[Said]], None]:
    """Everything is said in any order and more than once; what follows is delivered in any order and more than once."""

    def lead(life: Life, said: list[Said]) -> None:
        for event_type, body in said:
            life.say(event_type, body)
        heard = data.draw(st.permutations(range(len(life.parcels))), label="order")
        parcels = list(life.parcels)
        for index in heard:
            life.deliver([parcels[index]])
        for index in data.draw(st.lists(st.integers(0, len(parcels) - 1), max_size=3), label="again"):
            life.deliver([parcels[index]])
        _deliver_anyhow(life, data)

    return lead


def _deliver_anyhow(life: Life, data: st.DataObject) -> None:
    """Plan, decide and deliver, step by step, in any order."""
    for _ in range(200):
        todo = [name for name, possible in (("deliver", life.parcels), ("again", life.delivered)) if possible]
        step = data.draw(st.sampled_from(["plan", "decide", "decide", "restart", *todo, *todo]), label="step")
        if step == "deliver":
            parcel = life.parcels[data.draw(st.integers(0, len(life.parcels) - 1))]
            alike = [one for one in life.parcels if (one.reader, one.topic) == (parcel.reader, parcel.topic)]
            life.deliver(alike[::-1] if parcel.topic != topics.INCIDENTS else [parcel])
        elif step == "again":
            life.deliver([life.delivered[data.draw(st.integers(0, len(life.delivered) - 1))]])
        elif step == "restart":
            life.restart()
        elif not getattr(life, step)() and not life.parcels and data.draw(st.booleans(), label="enough"):
            return


def revision(incident_id: str, number: int, event: str, **said: Any) -> Said:
    """One revision of an incident."""
    day = 24 * (10 + number) + (100 if incident_id.endswith("two") else 0)
    body = {"incident_id": incident_id, "revision": number, "declared_by": "desk", "declared_at": moment(day), **said}
    return f"incident.{event}.v1", body


def _declared(policy: str, said: dict[str, Any]) -> dict[str, Any]:
    ends = said["impact"]["ends_at"]
    assume(ends is not None)  # whether a gift of one incident is owned at the window of another must not depend on when
    return {"title": "Black-out", "drill": False, "policy": policy, **said}


def _steady(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Contracts that no extension brings into another incident's window, or over the day of its declaration."""
    for fact in facts:
        assume(fact["ends_on"] is None or not "2011-05-08" < fact["ends_on"] < "2011-06-01")
        assume(fact["terminated_on"] is None or not "2011-05-08" < fact["terminated_on"] < "2011-06-01")
    return facts


@st.composite
def two_incidents(draw: st.DrawFn) -> Play:
    """Two incidents with up to four revisions each, under a policy that pays each by itself."""
    policy = draw(policies("order"))
    for rule in policy["rules"]:
        rule["across_incidents"] = "each"
    facts = _steady(draw(holdings(NAME, draw(st.integers(1, 3)))))
    names = [fact["contract_id"] for fact in facts]
    said: list[Said] = []
    for incident_id in ("order-one", "order-two"):
        for number in range(1, draw(st.integers(1, 4)) + 1):
            event = "declared" if number == 1 else draw(st.sampled_from(["amended", "amended", "retracted"]))
            body = {"reason": "none"} if event == "retracted" else _declared("order@1", draw(whole(names)))
            said.append(revision(incident_id, number, event, **body))
    return Play(policy, facts, said)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(play=two_incidents(), data=st.data())
def test_any_order_and_any_repetition_gives_the_same_books(play: Play, data: st.DataObject) -> None:
    assert play.lead(in_order) == play.lead(shuffled(data))


# ── an incident that only grows ──────────────────────────────────────────────────────────────────────────────────


def _only_grows(policy: dict[str, Any]) -> bool:
    """Whether a longer outage, or one with more sites, never brings less under the policy."""
    return not any(
        "unless" in rule or "less_than" in rule.get("when", {}).get("outage", {}) for rule in policy["rules"]
    )


@st.composite
def growing(draw: st.DrawFn) -> Play:
    """One incident that is declared for a site and grows: longer, and at more sites."""
    policy = draw(policies("order").filter(_only_grows))
    facts = draw(holdings(NAME, draw(st.integers(1, 3))))
    sites, end = [SITES[0]], draw(st.integers(1, 30))
    said: list[Said] = []
    for number in range(1, draw(st.integers(2, 5)) + 1):
        impact = {"starts_at": moment(0), "ends_at": moment(end)}
        body = _declared("order@1", {"impact": impact, "scope": {"sites": list(sites)}})
        said.append(revision("order-one", number, "declared" if number == 1 else "amended", **body))
        sites = list(SITES) if draw(st.booleans()) else sites
        end += draw(st.sampled_from([0, 1, 5, 24]))
    return Play(policy, facts, said)


def run_in_between(data: st.DataObject) -> Callable[[Life, list[Said]], None]:
    """After any revision it runs as far as it goes, or a little, or not at all."""

    def lead(life: Life, said: list[Said]) -> None:
        for event_type, body in said:
            life.say(event_type, body)
            for _ in range(data.draw(st.sampled_from([0, 1, 4, 40]), label="steps")):
                if not (life.deliver_all() or life.plan() or life.decide()):
                    break

    return lead


def _lines(books: dict[str, bytes]) -> dict[str, bytes]:
    """The entries and dates; how often a contract was changed may differ, and which letters said what."""
    return {name: books[name] for name in ("granted", "consideration", "entry", "addon", "voucher", "credit")}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(play=growing(), data=st.data())
def test_an_incident_that_grows_leads_to_the_same_entries_however_it_is_run(play: Play, data: st.DataObject) -> None:
    assert _lines(play.lead(in_order)) == _lines(play.lead(run_in_between(data)))
