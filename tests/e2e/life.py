"""What a whole incident must come to for each customer, revision by revision: the oracle and its ledger, one by one.

A customer is nobody else's business, so each has a book of his own; that keeps fifty thousand of them quick. Leaves to
`tests/life` the rules, to the test the comparison with what the services told.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.life.oracle import Oracle
from tests.life.oracle_billing import Ledger

Data = dict[str, Any]
Told = tuple[str, str, Data]

POLICY = """
name: whole-life
version: 1
title: Everything that an incident can bring
time_zone: Europe/Rome
rules:
  - rule: extra-days
    per: contract
    when: {families: [dedicated, housing, virtual]}
    give: {extension: {days: 15}}
    if_refused:
      - reasons: [expired, terminated, open_ended]
        give: {credit: {same_worth: true}}
  - rule: by-the-hour
    per: customer
    give:
      credit:
        amount: {amount: "0.50", currency: EUR}
        per: started hour
        at_most: {amount: "4.00", currency: EUR}
letters: [announcement, details]
when_narrowed: reverse
"""


@dataclass
class Book:
    """One customer's book: what the services must tell of him, and which letters he must have been written."""

    customer_id: str
    oracle: Oracle
    ledger: Ledger = field(default_factory=Ledger)
    told: list[Told] = field(default_factory=list)
    news: list[list[Told]] = field(default_factory=list)
    """What was told, step by step."""

    def hold(self, contract: Data) -> None:
        self._hear(self.ledger.hold(contract)[2])

    def step(self, event_type: str, event_id: str, said: Data) -> None:
        """A revision is heard and seen through: decided, applied, and the contracts that changed told again."""
        self.oracle.hear(event_type, event_id, said)
        incident = self.oracle.incidents[said["incident_id"]]
        news: list[Told] = []
        if self.customer_id in self.oracle.considered(incident):
            news = self.oracle.decide(said["incident_id"], self.customer_id, self.customer_id)
            for kind, _, data in list(news):
                if kind in ("entitlement.granted.v1", "entitlement.withdrawn.v1"):
                    answers, changed = self.ledger.hear(kind, data)
                    news += answers
                    for account in changed.values():
                        self._hear(account.told())
        self.news.append(news)
        self.told += news

    def _hear(self, contract: Data) -> None:
        gifts = [{**gift} for gift in contract.get("complimentary", ())]
        self.oracle.hear_contract({**contract, "complimentary": gifts})

    def letters(self, reachable: bool) -> list[str]:
        """The kinds of letters that he must have, each step's written before the next one."""
        kinds: list[str] = []
        for news in self.news:
            types = {event_type for event_type, _, _ in news}
            if "announcement.requested.v1" in types and "announcement" not in kinds:
                kinds.append("announcement")
            corrected = reachable and any(
                one["outcome"] == "applied" for _, _, data in news for one in data.get("reversals", ())
            )
            if "adjustment.applied.v1" in types:
                if "details" not in kinds:
                    kinds.append("details")
                else:
                    corrected = corrected or reachable
            if corrected:
                kinds.append("correction")
        return sorted(kinds)


def books(contracts_csv: Path) -> dict[str, Book]:
    """A book for each customer with a contract in the file."""
    policy = yaml.safe_load(POLICY)
    found: dict[str, Book] = {}
    for contract in _contracts(contracts_csv):
        name = contract["customer_id"]
        book = found.get(name)
        if book is None:
            book = found[name] = Book(name, Oracle([policy]))
        book.hold(contract)
    return found


def _contracts(path: Path) -> Iterable[Data]:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            told: Data = {name: value or None for name, value in row.items()}
            fee, currency = told.pop("monthly_fee"), told.pop("currency")
            told["monthly_fee"] = None if fee is None else {"amount": fee, "currency": currency}
            told["addons"] = row["addons"].split(";") if row["addons"] else []
            told["attributes"] = json.loads(row["attributes"]) if row["attributes"] else {}
            yield told


def by_customer(records: Iterable[Any]) -> dict[str, list[Told]]:
    """What the services told, customer by customer."""
    found: dict[str, list[Told]] = defaultdict(list)
    for record in records:
        found[record.key].append((record.headers["ce_type"], record.key, record.data))
    return found
