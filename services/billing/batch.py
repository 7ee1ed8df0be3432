"""One batch of events in its order: remedies decided, withdrawals carried out, or left waiting for what they withdraw.

Pure: what the database holds comes in as `Facts`, and what is to be written and told is there to be read afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from schemas.events import EntitlementGranted, EntitlementWithdrawn, LetterKind
from services.billing.decide import decide
from services.billing.domain import Contract, Entry, Withdrawn
from services.billing.reversals import Ledger, take_back, withdrawals
from services.billing.vouchers import CodeSource


class Answer(NamedTuple):
    """What became of one event: its entries, the lane it came on, the letters that its policy wants."""

    lane: str
    entries: list[Entry]
    letters: tuple[LetterKind, ...] | None


@dataclass
class Facts:
    """What the books hold before a batch.

    `seen`: which of the batch's entries are in the ledger already. `contracts`: those that the batch concerns, locked.
    `ledger`: all entries of the customers whom withdrawals concern, None when there are none in the batch or waiting.
    `waiting`: withdrawals that came before what they withdraw, of customers in the batch.
    """

    seen: set[str] = field(default_factory=set)
    contracts: dict[str, Contract] = field(default_factory=dict)
    ledger: Ledger | None = None
    waiting: Sequence[Withdrawn] = ()


class Batch:
    """Takes events one after the other; a remedy or a withdrawal that came twice counts once.

    `applied` and `reversed` are the answers, `changed` the contracts as they stand afterwards, `held` the withdrawals
    that came and have to wait, `released` the ids of those that waited and need not any more.
    """

    def __init__(self, facts: Facts, codes: CodeSource) -> None:
        self._seen, self._contracts, self._ledger = facts.seen, dict(facts.contracts), facts.ledger
        self._codes = codes
        self._waiting: dict[str, dict[str, Withdrawn]] = defaultdict(dict)
        for one in facts.waiting:
            self._waiting[one.withdraws][one.entry_id] = one
        self._waited = {one.entry_id for one in facts.waiting}
        self.applied: list[Answer] = []
        self.reversed: list[Answer] = []
        self.changed: dict[str, Contract] = {}
        self.released: list[str] = []

    @property
    def held(self) -> list[Withdrawn]:
        """The withdrawals of this batch that wait for what they withdraw."""
        everyone = (one for waiting in self._waiting.values() for one in waiting.values())
        return [one for one in everyone if one.entry_id not in self._waited]

    def grant(self, lane: str, event: EntitlementGranted, received_at: datetime) -> None:
        """Decide one customer's remedies, and carry out the withdrawals that have waited for them."""
        entries, changed = decide(event, self._seen, self._contracts, self._codes, received_at)
        if not entries:
            return
        self._seen.update(entry.entry_id for entry in entries)
        self.applied.append(Answer(lane, entries, event.letters))
        self._contracts |= changed
        self.changed |= changed
        if self._ledger is not None:
            self._ledger.add(entries)
            self._release(lane, entries, self._ledger)

    def withdraw(self, lane: str, event: EntitlementWithdrawn) -> None:
        """Carry out what one customer is no longer owed; what is not in the ledger yet is waited for."""
        if self._ledger is None:
            raise ValueError("a withdrawal is judged by the customer's ledger: give it with the facts")
        due = []
        for one in withdrawals(event):
            if self._ledger.given(one.withdraws) is None:
                self._waiting[one.withdraws].setdefault(one.entry_id, one)
            else:
                due.append(one)
        self._take_back(lane, due, self._ledger)

    def _release(self, lane: str, entries: Iterable[Entry], ledger: Ledger) -> None:
        """The withdrawals that waited for these entries, one answer for each revision that they came with."""
        by_revision: dict[int, list[Withdrawn]] = defaultdict(list)
        for entry in entries:
            for one in self._waiting.pop(entry.entry_id, {}).values():
                by_revision[one.revision].append(one)
                if one.entry_id in self._waited:
                    self.released.append(one.entry_id)
        for _, due in sorted(by_revision.items()):
            self._take_back(lane, due, ledger)

    def _take_back(self, lane: str, due: Collection[Withdrawn], ledger: Ledger) -> None:
        entries = []
        letters = None
        for one in due:
            given = ledger.given(one.withdraws)
            if given is None or one.entry_id in self._seen:
                continue
            entry, after = take_back(one, given, ledger, self._contracts, self._codes)
            if after is not None:
                self._contracts[after.contract_id] = self.changed[after.contract_id] = after
            ledger.add([entry])
            self._seen.add(entry.entry_id)
            entries.append(entry)
            letters = one.letters
        if entries:
            self.reversed.append(Answer(lane, entries, letters))
