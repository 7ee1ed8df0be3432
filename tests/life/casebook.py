"""Reads the worked cases (`cases/*.yaml`) and plays them: contracts, what happens in order, what comes out.

Times are the wall clock's in Rome. After each step all goes as far as it goes by itself, letters apart, unless the
step is `still`. Beside what a case says, everything is compared with the oracle as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from schemas import topics
from services.entitlements.catalogue import Catalogue
from services.entitlements.policy import SHIPPED
from services.entitlements.story import flaws, story
from tests.life import life_checks
from tests.life.life import Life, now
from tests.life.world import Ground, plain

Case = dict[str, Any]
ROME = ZoneInfo("Europe/Rome")
FOLDER = Path(__file__).parent / "cases"
ARUBA = SHIPPED / "aruba-2011-04-29@1.yaml"
OUTAGE = ("2011-04-29 04:30", "2011-04-29 14:00")
_DATES = ("from", "to", "terminated")
_STILL = ("still", "revision", "incident")


def cases() -> list[Case]:
    """All cases of all files, each with the name of its file."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        found += [{**case, "file": path.name} for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return found


def clock(text: Any) -> str:
    """A moment on Rome's wall clock as an instant with its offset; a day is its noon."""
    at = datetime.fromisoformat(str(text))
    if len(str(text)) == 10:
        at = at.replace(hour=12)
    return at.replace(tzinfo=at.tzinfo or ROME).isoformat()


def policy_of_case(case: Case, number: int) -> dict[str, Any]:
    """The case's policy under a name of its own."""
    said = case["policy"]
    if said == "aruba":
        tree = yaml.safe_load(ARUBA.read_text(encoding="utf-8"))
    else:
        tree = {"version": 1, "title": "For a worked case", "time_zone": "Europe/Rome", **said}
    return {**tree, "name": f"case-{number}"}


@dataclass
class Play:
    """One case on its stage."""

    ground: Ground
    case: Case
    number: int
    revisions: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policy = policy_of_case(self.case, self.number)
        self.life = Life(self.ground, [self.policy], self.case.get("chunk", 100))
        self.late: dict[str, Any] = {}
        contracts = [self._contract(name, said) for name, said in self.case["contracts"].items()]
        for customer in sorted({one["customer_id"] for one in contracts}):
            address = self.case.get("addresses", {}).get(self._short(customer), "someone@example.com")
            self.life.know(customer, address)
        for name, contract in zip(self.case["contracts"], contracts, strict=True):
            said = self.case["contracts"][name]
            if said.get("unknown to billing"):
                self.life.tell_of(contract)
                continue
            parcels = self.life.hold([contract])
            if said.get("late"):
                self.late[name] = parcels
                self.life.parcels = [one for one in self.life.parcels if one not in parcels]
        self.life.deliver_all()

    def play(self) -> None:
        """Step by step; then what came out is compared with what the case says, and all of it with the oracle."""
        for step in self.case["what happens"]:
            word, said = next((word, said) for word, said in step.items() if word not in _STILL)
            getattr(self, "_" + word.replace(" ", "_"))(said, step)
            if not step.get("still"):
                self.life.settle(letters=False)
        self._compare(self.case["what comes out"])
        life_checks.everything(self.life, sent=False)
        self._explained()

    # ── who and what there is ────────────────────────────────────────────────────────────────────────────────────

    def _long(self, name: str) -> str:
        return f"{self.life.prefix}-{name}"

    def _short(self, name: str) -> str:
        return name.removeprefix(f"{self.life.prefix}-")

    def _contract(self, name: str, said: dict[str, Any]) -> dict[str, Any]:
        known = ("of", "family", "product", "site", "fee", "addons", "late", "unknown to billing", *_DATES)
        amount, currency = str(said.get("fee", " ")).split(" ")
        return {
            "contract_id": self._long(name), "customer_id": self._long(said["of"]), "family": said["family"],
            "product": said.get("product", said["family"]), "site": said.get("site", "arezzo"),
            "starts_on": str(said.get("from", "2010-01-01")), "ends_on": _day(said.get("to")),
            "terminated_on": _day(said.get("terminated")),
            "monthly_fee": {"amount": amount, "currency": currency} if amount else None,
            "addons": said.get("addons", []),
            "attributes": {name: value for name, value in said.items() if name not in known}, "version": 1,
        }  # fmt: skip

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _incident(self, step: Case) -> str:
        return self._long(str(step.get("incident", "incident")))

    def _revised(self, event: str, step: Case, said: dict[str, Any], **body: Any) -> None:
        incident_id = self._incident(step)
        revision = step.get("revision") or self.revisions.get(incident_id, 0) + 1
        self.revisions[incident_id] = max(revision, self.revisions.get(incident_id, 0))
        body |= {
            "incident_id": incident_id, "revision": revision, "declared_by": said.get("by", "crisis-desk"),
            "declared_at": clock(said.get("at", "2011-05-13 10:00")),
        }  # fmt: skip
        self.life.say(f"incident.{event}.v1", body)

    def _declare(self, said: dict[str, Any], step: Case, event: str = "declared") -> None:
        before = self.bodies.get(self._incident(step), {"from": OUTAGE[0], "until": OUTAGE[1], "scope": "everyone"})
        whole: dict[str, Any] = {**before, **said}
        self.bodies[self._incident(step)] = {name: one for name, one in whole.items() if name not in ("at", "by")}
        scope: dict[str, Any] = {"everyone": True} if whole["scope"] == "everyone" else dict(whole["scope"])
        if "contracts" in scope:
            scope["contract_ids"] = [self._long(name) for name in scope.pop("contracts")]
        ends = whole["until"]
        impact: dict[str, Any] = {
            "starts_at": clock(whole["from"]),
            "ends_at": None if ends == "not known" else clock(ends),
        }
        if "also" in whole:
            impact["also"] = [{"starts_at": clock(a), "ends_at": clock(b)} for a, b in whole["also"]]
        self._revised(
            event, step, whole, title=whole.get("title", "Black-out"), drill=whole.get("drill", False), impact=impact,
            scope=scope, policy=f"{self.policy['name']}@1",
        )  # fmt: skip

    def _amend(self, said: dict[str, Any], step: Case) -> None:
        self._declare(said, step, "amended")

    def _resolve(self, said: dict[str, Any], step: Case) -> None:
        self._revised("resolved", step, said, ends_at=clock(said["until"]))

    def _retract(self, said: dict[str, Any], step: Case) -> None:
        self._revised("retracted", step, said, reason="it was none")

    def _pause(self, said: Any, step: Case) -> None:
        body = {"incident_id": self._incident(step), "paused_by": "desk", "paused_at": clock(said)}
        self.life.say("incident.paused.v1", body)

    def _resume(self, said: Any, step: Case) -> None:
        body = {"incident_id": self._incident(step), "resumed_by": "desk", "resumed_at": clock(said)}
        self.life.say("incident.resumed.v1", body)

    def _approve(self, said: dict[str, Any], step: Case) -> None:
        waits = self.life.runs.gate(self._incident(step))
        plan = "0" * 64 if said.get("plan") == "another" or waits is None else waits["hash"]
        at = now() + (timedelta(days=30) if said.get("too late") else timedelta(0))
        body = {"incident_id": self._incident(step), "plan": plan, "approved_by": said["by"]}
        self.life.say("incident.approved.v1", {**body, "approved_at": at.isoformat()})

    def _decided(self, said: int, step: Case) -> None:
        """So many chunks are decided, and what follows for their customers is done; the run stands there."""
        self.life.deliver_all()
        for _ in range(9):
            if not any(plan["state"] in ("running", "canary") for plan in self.life.runs.plans.values()):
                self.life.plan()
        for _ in range(said):
            self.life.decide()
        self.life.deliver_all()

    def _everything_arrives_again(self, said: Any, step: Case) -> None:
        for parcel in [one for one in self.life.delivered if one.topic != topics.CUSTOMERS]:
            self.life.deliver([parcel])

    def _the_news_arrives_backwards(self, said: Any, step: Case) -> None:
        for parcel in list(reversed(self.life.parcels)):
            self.life.deliver([parcel])

    def _told_of(self, said: list[str], step: Case) -> None:
        for name in said:
            self.life.deliver(self.late.pop(name))

    def _gone(self, said: list[str], step: Case) -> None:
        for name in said:
            self.life.tell_gone(self._long(name))

    def _run_again(self, said: Any, step: Case) -> None:
        self.life.run_again(self._incident(step))

    def _letters_leave(self, said: Any, step: Case) -> None:
        self.life.settle()

    def _processes_restart(self, said: Any, step: Case) -> None:
        self.life.restart()

    def _forget(self, said: str, step: Case) -> None:
        self.life.forget(self._long(said))

    def _time_passes(self, said: str, step: Case) -> None:
        query = "UPDATE plan SET go_on_at = go_on_at - $2::interval WHERE incident_id = $1"
        count, unit = said.split()
        passed = timedelta(**{unit if unit.endswith("s") else f"{unit}s": int(count)})
        self.ground.run(self.life.world.entitlements.pool.execute(query, self._incident(step), passed))

    def _redeem(self, said: dict[str, Any], step: Case) -> None:
        mine = [one for one in self.life.ledger.vouchers.values() if one.customer_id == self._long(said["of"])]
        voucher = mine[said.get("number", 1) - 1]
        self.life.redeem(voucher.voucher_id, clock(said["at"]), said["works"])

    # ── what comes out ───────────────────────────────────────────────────────────────────────────────────────────

    def _compare(self, out: dict[str, Any]) -> None:
        for name, expected in out.items():
            actual: Any
            if name == "incident":
                actual = self._of_incident(expected)
            elif name == "set aside":
                actual = self.life.set_aside.total()
            else:
                actual = self._of_customer(self._long(name), expected)
            assert actual == _plainly(expected), f"{name}: {actual}"

    def _of_incident(self, expected: dict[str, Any]) -> dict[str, Any]:
        incident_id = self._long(str(expected.get("incident", "incident")))
        plans = [plan for key, plan in sorted(self.life.runs.plans.items()) if key[0] == incident_id]
        books = self.life.oracle.incidents[incident_id]
        chunks = [chunk for key, chunk in self.life.runs.chunks.items() if key[0] == incident_id]
        last = plans[-1] if plans else {"state": "held", "gate": None, "customers": 0}
        row = self.life.world.rows(
            self.life.world.entitlements, "SELECT held, paused, spent FROM incident WHERE incident_id = $1", incident_id
        )[0]
        found = {
            "incident": expected.get("incident"),
            "run": "held" if row["held"] else "paused" if row["paused"] and last["state"] != "done" else last["state"],
            "waits at": last["gate"],
            "spent": [f"{amount} {currency}" for currency, amount in sorted(row["spent"].items())],
            "considered": len(books.exclusions),
            "in force": len(books.in_force),
            "foreseen": sorted(
                f"{amount} {currency}"
                for chunk in chunks
                if (chunk["revision"], chunk["run"]) == (last.get("revision"), last.get("run"))
                for currency, amount in (chunk["foreseen"] or {}).items()
            ),
        }
        return {name: found[name] for name in expected}

    def _of_customer(self, customer_id: str, expected: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Callable[[], Any]] = {
            "books": lambda: self._books(customer_id),
            "because": lambda: self._exclusion(customer_id),
            "contracts": lambda: self._contracts(customer_id),
            "letters": lambda: self._letters(customer_id),
            "account": lambda: self._account(customer_id),
            "explained": lambda: self._sentences(customer_id, expected["explained"]),
        }
        return {name: found[name]() for name in expected}

    def _books(self, customer_id: str) -> list[str]:
        rows = self.life.world.rows(
            self.life.world.billing,
            "SELECT entry.*, addon.ends_on AS until, valid_until FROM entry LEFT JOIN addon USING (entry_id)"
            " LEFT JOIN voucher USING (entry_id) WHERE entry.customer_id = $1",
            customer_id,
        )
        return sorted(self._line(row) for row in rows)

    def _line(self, row: dict[str, Any]) -> str:
        contract = self._short(row["contract_id"]) + " " if row["contract_id"] else ""
        amount = row["amount"] and life_checks.two_decimals(row["amount"], row["currency"])
        what = {
            "extension": f"{contract}{row['days']} days",
            "addon": f"{contract}{row['product']}",
            "voucher": f"voucher {amount} {row['currency']}",
            "credit": f"credit {amount} {row['currency']}",
        }[row["kind"]]
        marks = [
            " until " + row["until"] if row["until"] else "",
            " until " + row["valid_until"] if row["valid_until"] else "",
            ", in its place" if row["substitutes"] else "",
            ", a drill" if row["drill"] else "",
        ]
        if row["reverses"]:
            if row["reason"]:
                return f"{row['rule']}: no longer owed, stands: {row['reason']}"
            return f"{row['rule']}: taken back: {what}"
        return f"{row['rule']}: {what}{''.join(marks)}" + (f", refused: {row['reason']}" if row["reason"] else "")

    def _exclusion(self, customer_id: str) -> Any:
        rows = self.life.world.rows(
            self.life.world.entitlements, "SELECT exclusion FROM consideration WHERE customer_id = $1", customer_id
        )
        reasons = sorted({row["exclusion"] for row in rows}, key=str)
        return (reasons[0] if len(reasons) == 1 else reasons) if rows else "never considered"

    def _contracts(self, customer_id: str) -> dict[str, str]:
        rows = self.life.world.rows(
            self.life.world.billing,
            "SELECT contract_id, ends_on, terminated_on, anchor_day FROM contract WHERE customer_id = $1",
            customer_id,
        )
        return {
            self._short(row["contract_id"]): f"ends {row['ends_on']}"
            + (f", terminated {row['terminated_on']}" if row["terminated_on"] else "")
            + (f", renews on day {row['anchor_day']}" if row["anchor_day"] else "")
            for row in rows
        }

    def _letters(self, customer_id: str) -> list[str]:
        rows = self.life.world.rows(
            self.life.world.notifications, "SELECT kind, state FROM letter WHERE customer_id = $1", customer_id
        )
        return sorted(f"{row['kind']}: {row['state']}" for row in rows)

    def _account(self, customer_id: str) -> list[str]:
        rows = self.life.world.rows(
            self.life.world.billing,
            "SELECT currency, sum(amount) AS amount FROM credit WHERE customer_id = $1 GROUP BY 1 ORDER BY 1",
            customer_id,
        )
        return [f"{life_checks.two_decimals(row['amount'], row['currency'])} {row['currency']}" for row in rows]

    def _sentences(self, customer_id: str, expected: list[str]) -> list[str]:
        """Those of the expected sentences that begin one of his verdicts, else all of these."""
        catalogue = Catalogue(self.life.world.catalogue())
        told = self.ground.run(self._story(catalogue, self._long("incident"), customer_id))
        said = [self._plain(verdict["sentence"]) for run in told["runs"] for verdict in run["verdicts"]]
        found = [one for one in expected if any(sentence.startswith(one) for sentence in said)]
        return sorted(found) if len(found) == len(expected) else sorted(said)

    def _plain(self, sentence: str) -> str:
        return sentence.replace(f"{self.life.prefix}-", "")

    def _explained(self) -> None:
        """Every story of every customer can be judged again by its own facts, and comes out the same."""
        catalogue = Catalogue(self.life.world.catalogue())
        for incident in self.life.oracle.incidents.values():
            for customer_id in incident.exclusions:
                assert flaws(self.ground.run(self._story(catalogue, incident.incident_id, customer_id))) == []

    async def _story(self, catalogue: Catalogue, incident_id: str, customer_id: str) -> Any:
        async with self.life.world.entitlements.pool.acquire() as connection:
            return await story(connection, catalogue, incident_id, customer_id)


def _day(said: Any) -> str | None:
    return None if said is None else str(said)


def _plainly(value: Any) -> Any:
    """What a case says, as it is compared: sorted where the order says nothing, days as text."""
    if isinstance(value, list):
        return sorted(_plainly(one) for one in value)
    if isinstance(value, dict):
        return {name: _plainly(one) for name, one in value.items()}
    return plain(value) if isinstance(value, date) else value
