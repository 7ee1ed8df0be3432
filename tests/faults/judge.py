"""The verdict on a siege, from the outside: topics, mailbox and databases against what the oracle says.

An incident's promise is kept as digests, so that a hundred incidents of twenty thousand customers can be judged in one
reading of the topics. Records may stand there several times; the same id must be the same bytes. Leaves what is owed
to the end-to-end tests' oracle, the databases' own state to `state`.
"""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from tests.e2e import outside
from tests.e2e.comparing import without
from tests.e2e.expected import Expected, Standing, in_order
from tests.e2e.outside import Record
from tests.faults import state
from tests.faults.siege import Siege

_IDS = ("entry_id", "grant_id", "rule", "addon_id", "voucher_id", "credit_id", "code")
_NAMED_AT_MOST = 5
_MESSAGE_ID = re.compile(rb"\nMessage-ID: <([^@>\n]+)@")  # a literal beginning: "^" is ten times slower
_TOPICS = ("amends.entitlements.v1", "amends.adjustments.v1", "amends.letters.v1", "amends.contracts.v1")


def digest(value: object) -> int:
    """Sixty-four bits that stand for a value of JSON."""
    return int.from_bytes(blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Promise:
    """What one incident must have come to, customer by customer, as digests."""

    incident_id: str
    granted: Mapping[str, int]
    outcomes: Mapping[str, int]
    letters: Mapping[str, str]
    recipients: Mapping[str, str]
    """To whom each customer's letter goes."""
    books: Mapping[str, Any]

    @classmethod
    def of(cls, expected: Expected) -> Promise:
        """The promise of an expectation, which may be forgotten then."""
        entitled = {c: owed for c, owed in expected.customers.items() if owed.exclusion is None}
        letters = {c: owed.letter for c, owed in entitled.items() if owed.letter is not None}
        return cls(
            expected.incident_id,
            {customer: digest(owed.granted()) for customer, owed in entitled.items()},
            {customer: digest(owed.outcomes()) for customer, owed in entitled.items()},
            {customer: letter.status for customer, letter in letters.items()},
            {customer: letter.recipient for customer, letter in letters.items() if letter.recipient},
            expected.books(),
        )


@dataclass
class Verdict:
    """How a siege has ended. Nothing is wrong when `complaints` is empty."""

    missed: int = 0
    twice: int = 0
    in_doubt: int = 0
    failed: int = 0
    complaints: list[str] = field(default_factory=list)

    def miss(self, what: str, customers: Iterable[str]) -> None:
        """Count customers who are without what they should have."""
        named = sorted(customers)
        self.missed += len(named)
        self._complain(f"missed: {what}", named)

    def repeat(self, what: str, customers: Iterable[str]) -> None:
        """Count customers who have something twice, or what nobody owes them."""
        named = sorted(customers)
        self.twice += len(named)
        self._complain(f"twice or not owed: {what}", named)

    def _complain(self, what: str, named: list[str]) -> None:
        if named:
            self.complaints.append(f"{what}: {len(named)}, as {', '.join(named[:_NAMED_AT_MOST])}")


class Judge:
    """Reads what is there now; for one reading."""

    def __init__(self, siege: Siege) -> None:
        self._siege = siege
        self.verdict = Verdict()
        self._bytes: dict[str, int] = {}
        self._told: dict[str, dict[str, dict[str, list[Any]]]] = {
            items: defaultdict(lambda: defaultdict(list)) for items in ("remedies", "outcomes")
        }
        self._letters: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        self._standings: dict[str, Any] = {}

    def read(self) -> Judge:
        """Every record of the topics that say what has happened."""
        for topic in _TOPICS:
            outside.each(self._siege.stack.kafka, topic, self._see)
        return self

    def _see(self, record: Record) -> None:
        if record.topic == "amends.contracts.v1":
            self._standings[record.key] = record.data
            return
        # An event that was decided a second time, for it was published and then rolled back, has another ce_time.
        content = hash((record.value, tuple(record.headers.items())))
        known = self._bytes.get(record.event_id)
        if known is not None:
            if known != content:
                self.verdict.complaints.append(f"event {record.event_id} has two contents")
            return
        self._bytes[record.event_id] = content
        data = record.data
        if record.topic == "amends.letters.v1":
            self._letters[data["incident_id"]][data["customer_id"]][data["letter_id"]] = data["status"]
            return
        for items, found in self._told.items():
            if items in data:
                found[data["incident_id"]][data["customer_id"]] += [without(item, _IDS) for item in data[items]]

    def judge(self, promises: Iterable[Promise], contracts: Mapping[str, Standing]) -> Verdict:
        """Compare all that was read with these incidents, and with how the contracts must stand in the end."""
        received = _letter_ids(self._siege)
        settled = {one for letters in self._letters.values() for told in letters.values() for one in told}
        for promise in promises:
            self._judge_remedies(promise)
            self._judge_letters(promise, received)
        self.verdict.repeat("letters in the mailbox", (one for one, times in received.items() if times > 1))
        self.verdict.repeat("letters that nobody has settled", (one for one in received if one not in settled))
        self._judge_contracts(contracts)
        self.verdict.complaints += state.unrest(self._siege)
        return self.verdict

    def _judge_remedies(self, promise: Promise) -> None:
        for items, wanted in (("remedies", promise.granted), ("outcomes", promise.outcomes)):
            found = self._told[items].pop(promise.incident_id, {})
            what = f"{items} of {promise.incident_id}"
            self.verdict.miss(what, wanted.keys() - found.keys())
            other = [c for c, told in found.items() if digest(in_order(told)) != wanted.get(c)]
            self.verdict.repeat(what, other)

    def _judge_letters(self, promise: Promise, received: Mapping[str, int]) -> None:
        found, incident = self._letters.get(promise.incident_id, {}), promise.incident_id
        refused = self._siege.relay.temper.refused | {
            one for one, times in self._siege.relay.temper.deferred.items() if times >= 10
        }
        self.verdict.miss(f"letters of {incident}", promise.letters.keys() - found.keys())
        self.verdict.repeat(f"letters of {incident}", (c for c, told in found.items() if len(told) > 1))
        for customer, told in found.items():
            for letter, status in told.items():
                wanted = promise.letters.get(customer, "nothing")
                if status == "sent" and not received.get(letter):
                    self.verdict.miss(f"a letter of {incident} that is said to be sent", [customer])
                elif status in ("failed", "no_address") and received.get(letter):
                    self.verdict.repeat(f"a letter of {incident} that is said to be {status}", [customer])
                if status == wanted == "sent" or (status == wanted and wanted != "sent"):
                    continue
                if wanted == "sent" and status == "in_doubt":
                    self.verdict.in_doubt += 1
                elif wanted == "sent" and status == "failed" and promise.recipients[customer] in refused:
                    self.verdict.failed += 1
                else:
                    self.verdict.complaints.append(f"{incident}: {customer}'s letter is {status}, not {wanted}")

    def _judge_contracts(self, contracts: Mapping[str, Standing]) -> None:
        ends = state.ends_of_contracts(self._siege)
        stored = [key for key, standing in contracts.items() if ends.get(key) != standing.ends_on]
        self.verdict.repeat("contracts in the database that end on another day", stored)
        told = [
            key
            for key, standing in contracts.items()
            if (self._standings.get(key) or {}).get("ends_on") != (standing.ends_on and standing.ends_on.isoformat())
            or len(self._standings[key].get("complimentary", ())) != len(standing.complimentary)
        ]
        self.verdict.repeat("contracts whose last record says otherwise", told)


def closed_books(siege: Siege, promises: Iterable[Promise]) -> list[str]:
    """Which books do not close, or are not those of the promise but for letters in doubt or refused."""
    complaints = []
    for promise in promises:
        books, wanted = siege.books(promise.incident_id), json.loads(json.dumps(dict(promise.books)))
        letters = books["letters"]["details"]
        wanted["letters"]["details"] |= {name: letters[name] for name in ("in_doubt", "failed")}
        wanted["letters"]["details"]["sent"] -= letters["in_doubt"] + letters["failed"]
        different = sorted(name for name in wanted if books.get(name) != wanted[name])
        if different:
            told = ", ".join(f"{name} is {books.get(name)}, not {wanted[name]}" for name in different)
            complaints.append(f"the books of {promise.incident_id}: {told}")
    return complaints


def _letter_ids(siege: Siege) -> Counter[str]:
    """How often each letter is in the mailbox, however big that is."""
    with siege.stack.mailbox.open("rb") as file:
        if not siege.stack.mailbox.stat().st_size:
            return Counter()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return Counter(found[1].decode() for found in _MESSAGE_ID.finditer(content))


def judged(siege: Siege, expected: Expected, *, in_doubt_at_most: int = 0) -> None:
    """One incident that is over, the last one so far: fails unless all is as if nothing had happened."""
    state.await_rest(siege)
    verdict = Judge(siege).read().judge([Promise.of(expected)], expected.contracts)
    assert (verdict.missed, verdict.twice, verdict.complaints) == (0, 0, [])
    assert verdict.in_doubt <= in_doubt_at_most
    assert closed_books(siege, [Promise.of(expected)]) == []
