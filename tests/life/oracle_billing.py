"""The oracle's ledger: what billing has to make of what it is asked, as a bookkeeper would write it down.

A contract's dates are what was agreed and the sum of the days in the ledger. Nothing is rewritten: what is taken back
is a new entry. Leaves to `oracle` what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.life.oracle_days import ZONES, day_at, instant

Data = dict[str, Any]
Told = tuple[str, str, Data]


@dataclass
class Account:
    """One contract: as it was agreed, and what remedies have added."""

    agreed: Data
    days: int = 0
    gifts: dict[str, Data] = field(default_factory=dict)
    version: int = 1

    def day(self, name: str) -> date | None:
        """A date of the contract as it stands: what was agreed and the days in the ledger."""
        agreed = self.agreed.get(name)
        return None if agreed is None else date.fromisoformat(agreed) + timedelta(days=self.days)

    def zone(self, policy_zone: str) -> str:
        """Where its days are counted."""
        own = self.agreed.get("attributes", {}).get("time_zone")
        # A zone that nobody knows is as good as none.
        return own if isinstance(own, str) and own in ZONES else policy_zone

    @property
    def last_day(self) -> date:
        """The last day of service: whichever of the end and the day before the termination comes first."""
        ends, terminated = self.day("ends_on"), self.day("terminated_on")
        return min(ends or date.max, terminated - timedelta(days=1) if terminated else date.max)

    def news(self) -> Told:
        """The contract as it is told when it has changed."""
        return "contract.changed.v1", self.agreed["contract_id"], self.told()

    def told(self) -> Data:
        """The contract as it is told."""
        dates = {name: self.day(name) for name in ("ends_on", "terminated_on")}
        return {
            **self.agreed,
            **{name: day and day.isoformat() for name, day in dates.items()},
            "version": self.version,
            "complimentary": [dict(self.gifts[name]) for name in sorted(self.gifts)],
        }


@dataclass
class Line:
    """One line of the ledger: what was asked, what became of it, and what is told of that."""

    incident_id: str
    customer_id: str
    revision: int
    entry_id: str
    grant_id: str
    rule: str
    kind: str
    drill: bool
    reason: str | None = None
    contract_id: str | None = None
    product: str | None = None
    days: int | None = None
    amount: Decimal | None = None
    currency: str | None = None
    merchant: str | None = None
    substitutes: str | None = None
    reverses: str | None = None
    besides: Data = field(default_factory=dict)
    """What is told of it beside what every line has."""

    @property
    def applied(self) -> bool:
        return self.reason is None

    @property
    def told(self) -> Data:
        """What is told of it."""
        known = ("entry_id", "grant_id", "kind", "reason", "contract_id", "product", "reverses")
        outcome = "applied" if self.applied else "refused"
        told = {name: getattr(self, name) for name in known}
        return {**told, "substitutes": self.substitutes, "outcome": outcome, **self.besides}


@dataclass
class Voucher:
    """A voucher: worth so much until it is redeemed or void."""

    voucher_id: str
    customer_id: str
    incident_id: str
    amount: Decimal
    currency: str
    valid_until: date
    redeemed: bool = False
    void: bool = False


class Ledger:
    """All that billing holds."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.lines: dict[str, Line] = {}
        self.vouchers: dict[str, Voucher] = {}
        self.waiting: list[tuple[Data, Data]] = []
        """Withdrawals that came before what they withdraw, with the events that told of them."""

    def hold(self, contract: Data) -> Told:
        """A contract is imported; it is told."""
        account = Account({name: value for name, value in contract.items() if name != "version"})
        self.accounts[contract["contract_id"]] = account
        return account.news()

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, event_type: str, event: Data) -> tuple[list[Told], dict[str, Account]]:
        """What is owed, or no longer owed, by one customer; the answers, and the contracts that change by their ids."""
        changed: dict[str, Account] = {}
        answers: list[Told] = []
        if event_type == "entitlement.granted.v1":
            lines = [line for remedy in event["remedies"] for line in self._apply(event, remedy, changed)]
            answers.append(_answer("adjustment.applied.v1", event, "outcomes", lines))
            # What was withdrawn before it came is taken back now, revision by revision.
            waited = sorted(
                (said["revision"], number)
                for number, (said, one) in enumerate(self.waiting) if one["withdraws"] in {x.entry_id for x in lines}
            )  # fmt: skip
            for revision in sorted({revision for revision, _ in waited}):
                due = [self.waiting[number] for one, number in waited if one == revision]
                lines = [line for said, one in due for line in self._take_back(said, one, changed)]
                answers.append(_answer("adjustment.reversed.v1", due[0][0], "reversals", lines))
            self.waiting = [one for number, one in enumerate(self.waiting) if number not in {n for _, n in waited}]
        else:
            lines = []
            for one in event["withdrawals"]:
                if one["withdraws"] in self.lines:
                    lines += self._take_back(event, one, changed)
                elif one["entry_id"] not in {known["entry_id"] for _, known in self.waiting}:
                    self.waiting.append((event, one))
            answers.append(_answer("adjustment.reversed.v1", event, "reversals", lines))
        return [answer for answer in answers if answer[2].get("outcomes") or answer[2].get("reversals")], changed

    def _apply(self, event: Data, remedy: Data, changed: dict[str, Account]) -> list[Line]:
        """A remedy is applied once; one that has to be refused is followed by what the policy names in its place."""
        if remedy["entry_id"] in self.lines:
            return []
        if "declared_at" in remedy:  # it is owed since another revision than the event's
            event = {**event, "declared_at": remedy["declared_at"]}
        line = self._line(event, remedy)
        if line.kind in ("voucher", "credit"):
            self._pay(line, remedy)
            return [line]
        account = self.accounts.get(remedy["contract_id"])
        if account is None or account.agreed["customer_id"] != event["customer_id"]:
            line.reason = "unknown_contract"
        elif line.kind == "extension":
            line.reason = cannot_extend(account, remedy["days"], event)
        if line.reason is None and account is not None:
            self._put_on(account, event, remedy, line)
            if not line.drill:
                changed[remedy["contract_id"]] = account
        for substitute in remedy.get("substitutes", ()):
            if line.reason in substitute["reasons"]:
                other = self._line(event, substitute["remedy"])
                other.substitutes = line.entry_id
                self._pay(other, substitute["remedy"])
                return [line, other]
        return [line]

    def _line(self, event: Data, remedy: Data) -> Line:
        line = Line(
            event["incident_id"], event["customer_id"], event["revision"], remedy["entry_id"], remedy["grant_id"],
            remedy["rule"], remedy["kind"], event.get("drill", False), contract_id=remedy.get("contract_id"),
            product=remedy.get("product"), days=remedy.get("days"),
        )  # fmt: skip
        self.lines[line.entry_id] = line
        return line

    def _pay(self, line: Line, remedy: Data) -> None:
        line.amount, line.currency = Decimal(remedy["amount"]["amount"]), remedy["amount"]["currency"]
        line.besides |= {"amount": remedy["amount"]}
        if line.kind == "credit":
            line.besides["credit_id"] = line.entry_id
            return
        told: Data = {name: remedy[name] for name in ("merchant", "shipping_cap", "valid_until") if name in remedy}
        line.besides |= {**told, "voucher_id": line.entry_id, "handling_covered": remedy.get("handling_covered", False)}
        line.merchant = remedy["merchant"]
        if not line.drill:
            until = date.fromisoformat(remedy["valid_until"])
            self.vouchers[line.entry_id] = Voucher(
                line.entry_id, line.customer_id, line.incident_id, line.amount, line.currency, until
            )

    def _put_on(self, account: Account, event: Data, remedy: Data, line: Line) -> None:
        """The days, or the gift; a drill only says what it would have been."""
        if line.kind == "extension":
            before = account.day("ends_on")
            assert before is not None
            line.besides["ends_on"] = change(before, remedy["days"])
            account.days += 0 if line.drill else remedy["days"]
        else:
            starts = day_at(instant(event["declared_at"]), event["time_zone"])
            ends = max(starts, date.fromisoformat(remedy["ends_on"])).isoformat()
            line.besides |= {"addon_id": line.entry_id, "ends_on": ends}
            if not line.drill:
                gift = {"addon_id": line.entry_id, "product": remedy["product"], "starts_on": starts.isoformat()}
                account.gifts[line.entry_id] = {**gift, "ends_on": ends}
        account.version += 0 if line.drill else 1

    # ── what is no longer owed ───────────────────────────────────────────────────────────────────────────────────

    def _take_back(self, event: Data, withdrawal: Data, changed: dict[str, Account]) -> list[Line]:
        """What has an effect because of an entry is taken back: its own, or that of what took its place."""
        if withdrawal["entry_id"] in self.lines:
            return []
        given = self.lines[withdrawal["withdraws"]]
        place = [line for line in self.lines.values() if line.substitutes == given.entry_id]
        about = given if given.applied or not place else place[0]
        line = Line(
            event["incident_id"], event["customer_id"], event["revision"], withdrawal["entry_id"],
            withdrawal["grant_id"], withdrawal["rule"], about.kind, event.get("drill", False),
            contract_id=about.contract_id, product=about.product, reverses=given.entry_id, merchant=about.merchant,
        )  # fmt: skip
        account = self.accounts.get(about.contract_id or "")
        line.reason = self._why_it_stands(event, withdrawal, about, account)
        self.lines[line.entry_id] = line
        if line.reason == "refused_before":
            return [line]
        line.days, line.amount, line.currency = about.days, about.amount, about.currency
        line.besides["days"] = about.days
        if about.amount is not None:
            line.besides["amount"] = about.besides["amount"]
        if line.reason is None:
            self._undo(event, about, account, line)
            if account is not None and about.contract_id:
                changed[about.contract_id] = account
        return [line]

    def _why_it_stands(self, event: Data, withdrawal: Data, about: Line, account: Account | None) -> str | None:
        """What the policy honours stands, what never had an effect stays so, and what was used is not taken back."""
        if withdrawal["honoured"]:
            return "honoured"
        if about.drill or not about.applied or event.get("drill"):
            return "refused_before"
        if about.kind == "voucher":
            return "redeemed" if self.vouchers[about.entry_id].redeemed else None
        if about.kind == "extension":
            assert account is not None
            today = day_at(instant(event["declared_at"]), account.zone(event["time_zone"]))
            return "used" if account.last_day - timedelta(days=about.days or 0) < today else None
        return None

    def _undo(self, event: Data, about: Line, account: Account | None, line: Line) -> None:
        if about.kind == "voucher":
            self.vouchers[about.entry_id].void = True
        if account is None:
            return
        account.version += 1
        if about.kind == "extension":
            ends = account.day("ends_on")
            assert ends is not None
            line.besides["ends_on"] = change(ends, -(about.days or 0))
            account.days -= about.days or 0
        elif about.kind == "addon":
            # It has run until today, and today is its last day.
            gift = account.gifts[about.entry_id]
            today = day_at(instant(event["declared_at"]), event["time_zone"]).isoformat()
            gift["ends_on"] = max(gift["starts_on"], min(gift["ends_on"], today))

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def balance(self, customer_id: str) -> dict[str, Decimal]:
        """A customer's credit by currency: the sum of his lines."""
        total: dict[str, Decimal] = {}
        for line in self.lines.values():
            if line.customer_id == customer_id and line.kind == "credit" and line.applied and not line.drill:
                sign = -1 if line.reverses else 1
                total[str(line.currency)] = total.get(str(line.currency), Decimal(0)) + sign * (line.amount or 0)
        return total


def _answer(event_type: str, event: Data, name: str, lines: list[Line]) -> Told:
    answer = {
        "incident_id": event["incident_id"], "revision": event["revision"], "customer_id": event["customer_id"],
        "drill": event.get("drill") or None, "letters": event.get("letters"), name: [line.told for line in lines],
    }  # fmt: skip
    return event_type, event["customer_id"], answer


def cannot_extend(account: Account, days: int, event: Data) -> str | None:
    """Why a contract cannot be extended: it is over by whichever day comes first, or it has no end to move."""
    today = day_at(instant(event["declared_at"]), account.zone(event["time_zone"]))
    ends, terminated = account.day("ends_on"), account.day("terminated_on")
    if terminated is not None and (ends is None or terminated <= ends) and terminated <= today:
        return "terminated"
    if ends is None:
        return "open_ended"
    if ends < today:
        return "expired"
    # A day such as 31 December 9999 stands for never.
    return "open_ended" if max(ends, terminated or ends) > date.max - timedelta(days=days) else None


def change(before: date, days: int) -> Data:
    """An end before and after."""
    return {"before": before.isoformat(), "after": (before + timedelta(days=days)).isoformat()}
