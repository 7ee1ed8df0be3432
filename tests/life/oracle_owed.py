"""The oracle's judgement of one customer: what he is owed since which revision, beyond what he was given before.

For every revision in force, every rule and target there is a level: how much is owed under that revision alone. Owed
since a revision is the least of the levels from there on, so that what was narrowed away before anybody was decided is
never given, and what is widened is given as a difference. Leaves to `oracle` who is decided when, and with what facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tests.life.oracle_days import SMALLEST, Interval, an_id, merged
from tests.life.oracle_promise import (
    NEARER,
    Facts,
    Much,
    Said,
    Tree,
    ends_of_validity,
    held,
    how_much,
    is_for,
    lasted_long_enough,
    needs_the_end,
    why_not_hit,
    worth_of_days,
    zone_of,
)

CUSTOMER = "customer"


@dataclass(frozen=True)
class Substitute:
    """What takes the place of an entry that billing has to refuse for one of these reasons."""

    reasons: tuple[str, ...]
    grant_id: str
    entry_id: str
    kind: str
    amount: Decimal
    currency: str
    remedy: Tree
    valid_until: date | None


@dataclass
class Entry:
    """One entry in the book of what is owed, and what became of it since."""

    incident_id: str
    customer_id: str
    rule: str
    target: str
    grant_id: str
    entry_id: str
    stamp: int
    choice: str
    kind: str
    quantity: Decimal
    currency: str | None
    remedy: Tree
    contract_id: str | None = None
    product: str | None = None
    until: date | None = None
    substitutes: tuple[Substitute, ...] = ()
    withdrawn_by: int | None = None
    honoured: bool = False

    @property
    def stands(self) -> bool:
        """Neither withdrawn nor taken back."""
        return self.withdrawn_by is None

    @property
    def counts(self) -> bool:
        """It is part of what the customer has: it was not taken back."""
        return self.withdrawn_by is None or self.honoured


@dataclass
class Judgement:
    """What follows for a customer: new entries, entries that are withdrawn, or why he gets nothing."""

    given: list[Entry] = field(default_factory=list)
    withdrawn: list[Entry] = field(default_factory=list)
    exclusion: str | None = None


@dataclass(frozen=True)
class Beside:
    """Another incident under a policy of the same name: what is in force of it, its hours, what it gave this customer.

    `gave` holds by rule, target and choice what it gave and did not take back.
    """

    now: Said
    hours: tuple[Interval, ...]
    gave: dict[tuple[str, str, str], Decimal]


@dataclass
class Customer:
    """One customer before his judges: his contracts as they are told now, and what the incident gave him before."""

    incident_id: str
    customer_id: str
    policy: Tree
    contracts: list[Facts]
    entries: list[Entry]
    beside: list[Beside] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contracts = sorted(self.contracts, key=lambda one: str(one["contract_id"]))
        self.own_gifts = {entry.entry_id for entry in self.entries}
        self.before = list(self.entries)
        self._targets: dict[tuple[str, int], dict[str, list[Facts]]] = {}

    # ── whom a rule is for ───────────────────────────────────────────────────────────────────────────────────────

    def hit(self, said: Said) -> list[Facts]:
        """His contracts that the outage has hit, as this revision tells it."""
        return [] if said.retracted else [c for c in self.contracts if why_not_hit(c, said, self.policy) is None]

    def eligible(self, rule: Tree, said: Said) -> list[Facts]:
        """The contracts that were hit and that a rule is for, whatever the outage's length."""
        return [
            contract
            for contract in self.hit(said)
            if is_for(rule, contract, said, self.policy, held(contract, said, self.policy, self.own_gifts))
        ]

    def targets(self, rule: Tree, said: Said) -> dict[str, list[Facts]]:
        """Whom a rule is for under a revision, with the contracts because of which it is."""
        key = (rule["rule"], said.revision)
        if key not in self._targets:  # asked for each of hundreds of contracts
            found = self.eligible(rule, said)
            each = {contract["contract_id"]: [contract] for contract in found}
            self._targets[key] = each if rule["per"] == "contract" else {CUSTOMER: found} if found else {}
        return self._targets[key]

    # ── the level of one rule under one revision ─────────────────────────────────────────────────────────────────

    def level(self, rule: Tree, choice: str, target: str, said: Said) -> Much | None:
        """How much is owed under this revision alone, paid by nobody else; None while it waits for the outage's end."""
        gross = self.gross(rule, choice, target, said)
        if gross is None or gross.quantity == 0:
            return gross
        contract, zone = self._reckoned_for(rule, target, said)
        paid = Decimal(0)
        for one in self.near(rule, target, said):
            for (name, whom, chosen), quantity in one.gave.items():
                if (name, whom) == (rule["rule"], target) and chosen == choice:
                    paid += quantity
                elif (name, whom) == (rule["rule"], target):
                    # He got the other one of gift and alternative: it counts as what this one is worth for those hours.
                    paid += how_much(_remedy(rule, choice), contract, zone, list(one.hours)).quantity
        return replace(gross, quantity=max(gross.quantity - paid, Decimal(0)))

    def gross(self, rule: Tree, choice: str, target: str, said: Said) -> Much | None:
        """The same, before what other incidents have paid for these hours."""
        if target not in self.targets(rule, said):
            return Much(Decimal(0))
        barred = self._barred(rule, target, said)
        if barred:
            return Much(Decimal(0))
        if barred is None or (said.ends_at is None and needs_the_end(rule)):
            return None
        hours = self.hours(rule, target, said)
        if not lasted_long_enough(rule, hours):
            return Much(Decimal(0))
        contract, zone = self._reckoned_for(rule, target, said)
        return how_much(_remedy(rule, choice), contract, zone, hours)

    def _reckoned_for(self, rule: Tree, target: str, said: Said) -> tuple[Facts | None, str]:
        """The contract whose fee counts, and the calendar: the policy's for what belongs to the customer."""
        if rule["per"] == "customer":
            return None, str(self.policy["time_zone"])
        contract = self.targets(rule, said)[target][0]
        return contract, zone_of(contract, self.policy)

    def _barred(self, rule: Tree, target: str, said: Said) -> bool | None:
        """Whether an earlier rule gives the target something already; None while that is not known."""
        known: bool | None = False
        for earlier in self.policy["rules"]:
            if earlier["rule"] not in rule.get("unless", ()):
                continue
            choice = self.choice(earlier, self.statements)
            for whom in self.targets(earlier, said):
                # What belongs to the customer counts for all his contracts, and what any of them has for him.
                if target in (whom, CUSTOMER) or whom == CUSTOMER:
                    gross = self.gross(earlier, choice, whom, said)
                    if gross is None:
                        known = None
                    elif gross.quantity > 0:
                        return True
        return known

    # ── other incidents ──────────────────────────────────────────────────────────────────────────────────────────

    def near(self, rule: Tree, target: str, said: Said) -> list[Beside]:
        """The others whose hours count with this one's: that gave the target something, or hit it as well.

        Their hours overlap this incident's, or those of one of them that do, and so on.
        """
        if rule.get("across_incidents", "merged") == "each" or target not in self.targets(rule, said):
            return []
        contracts = self.targets(rule, said)[target]
        rest = [one for one in self.beside if self._counts(one, rule, target, contracts)]
        hours, found = hours_of(said), list[Beside]()
        while connected := [one for one in rest if overlap(hours, list(one.hours))]:
            found += connected
            hours = hours + [hour for one in connected for hour in one.hours]
            rest = [one for one in rest if one not in connected]
        return found

    def _counts(self, one: Beside, rule: Tree, target: str, contracts: list[Facts]) -> bool:
        gave = any((name, whom) == (rule["rule"], target) for name, whom, _ in one.gave)
        hit = not one.now.retracted and any(why_not_hit(c, one.now, self.policy) is None for c in contracts)
        return gave or hit

    def hours(self, rule: Tree, target: str, said: Said) -> list[Interval]:
        """The hours that count for a target, this incident's and the others', none of them twice."""
        return merged([*said.stretches, *(hour for one in self.near(rule, target, said) for hour in one.hours)])

    # ── gift or alternative ──────────────────────────────────────────────────────────────────────────────────────

    def choice(self, rule: Tree, statements: list[Said]) -> str:
        """The gift, or its alternative for a customer who owned it: judged once, at the first window that owes it."""
        if "if_owned" not in rule:
            return "give"
        before = {entry.choice for entry in self.before if entry.rule == rule["rule"]}
        if before:
            return "instead" if "instead" in before else "give"
        choice = "give"
        for said in statements:
            if not self.targets(rule, said):
                continue
            owned = any(
                rule["if_owned"]["product"] in held(contract, said, self.policy, self.own_gifts)
                for contract in self.contracts
            )
            choice = "instead" if owned else "give"
            for target in self.targets(rule, said):
                owed = self.level(rule, choice, target, said)
                if owed is not None and owed.quantity > 0:
                    return choice
        return choice

    # ── the judgement ────────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, statements: list[Said]) -> Judgement:
        """Compare what he has with what is owed since each revision; withdraw first, then give what is missing."""
        found = Judgement()
        self.statements = statements
        waits = False
        for rule in self.policy["rules"]:
            choice = self.choice(rule, statements)
            targets = {target for said in statements for target in self.targets(rule, said)}
            targets |= {entry.target for entry in self.entries if entry.rule == rule["rule"]}
            for target in sorted(targets):
                levels = [self.level(rule, choice, target, said) for said in statements]
                waits = waits or levels[-1] is None
                taken = self._withdraw(rule, target, levels, statements[-1], found)
                # What a reversal took too much of is given anew, by the revision that reversed.
                since = len(statements) - 1 if taken else 0
                self._give(rule, target, choice, levels, since, found)
        if not self.entries:
            found.exclusion = self._exclusion(statements[-1], waits)
        return found

    def _mine(self, rule: Tree, target: str) -> list[Entry]:
        return [entry for entry in self.entries if (entry.rule, entry.target) == (rule["rule"], target)]

    def _withdraw(self, rule: Tree, target: str, levels: list[Much | None], now: Said, found: Judgement) -> bool:
        """Withdraw whole entries, the last first, while he has more than is owed; whether any is taken back."""
        last = levels[-1]
        if last is None:
            return False
        honour = self.policy.get("when_narrowed", "honour") == "honour"
        mine = self._mine(rule, target)
        has = sum((entry.quantity for entry in mine if entry.counts), Decimal(0))
        for entry in sorted(mine, key=lambda one: -one.stamp):
            owed = levels[entry.stamp - 1]
            narrowed = owed is not None and owed.quantity > last.quantity
            if entry.stands and (now.retracted or (narrowed and has > last.quantity)):
                entry.withdrawn_by, entry.honoured = now.revision, honour
                has -= entry.quantity
                found.withdrawn.append(entry)
            elif not entry.stands and entry.honoured:
                has -= entry.quantity  # it was withdrawn before, and is his all the same: it need not be again
        return not honour and any(entry.withdrawn_by == now.revision for entry in mine if entry in found.withdrawn)

    def _give(
        self, rule: Tree, target: str, choice: str, levels: list[Much | None], since: int, found: Judgement
    ) -> None:
        """Give what is missing to what is owed since each revision, once for each."""
        mine = self._mine(rule, target)
        has = sum((entry.quantity for entry in mine if entry.counts), Decimal(0))
        for index, said in list(enumerate(self.statements))[since:]:
            known = [level for level in levels[index:] if level is not None]
            if levels[index] is None or any(entry.stamp == said.revision for entry in mine):
                continue
            owed = min(known, key=lambda much: much.quantity)
            if owed.quantity > has:
                much = Much(owed.quantity - has, known[0].currency)
                entry = self._entry(rule, target, choice, much, said)
                has += much.quantity
                self.entries.append(entry)
                found.given.append(entry)

    def _entry(self, rule: Tree, target: str, choice: str, much: Much, said: Said) -> Entry:
        remedy = _remedy(rule, choice)
        kind, body = next(iter(remedy.items()))
        grant = an_id(self.incident_id, self.customer_id, target, rule["rule"])
        carrier = self.targets(rule, said)[target][0]
        product = {"extension": carrier["product"], "addon": body.get("product")}.get(kind)
        substitutes = tuple(self._substitutes(rule, target, grant, kind, much, said))
        return Entry(
            self.incident_id, self.customer_id, rule["rule"], target, grant, an_id(grant, str(said.revision)),
            said.revision, choice, kind, much.quantity, much.currency, remedy,
            None if kind in ("voucher", "credit") else carrier["contract_id"], product,
            ends_of_validity(remedy, said, self.policy), substitutes,
        )  # fmt: skip

    def _substitutes(
        self, rule: Tree, target: str, grant: str, kind: str, much: Much, said: Said
    ) -> Iterator[Substitute]:
        """What takes the place of days or an add-on that are refused; where it grows by revisions, the difference."""
        place, contract = an_id(grant, "substitute"), self._reckoned_for(rule, target, said)[0]
        if kind not in ("extension", "addon"):
            return
        earlier = [e.stamp for e in self._mine(rule, target) if e.counts and e.stamp < said.revision]
        for refused in rule.get("if_refused", ()):
            remedy = refused["give"]
            if next(iter(remedy.values())).get("same_worth"):
                worth = worth_of_days(kind, much.quantity, contract)
            else:
                worth = self._in_place(rule, remedy, target, said)
                before = [stamp for stamp in earlier if self._has_hours(rule, target, self.statements[stamp - 1])]
                if before:
                    last = self._in_place(rule, remedy, target, self.statements[max(before) - 1])
                    worth = replace(worth, quantity=worth.quantity - last.quantity)
            if worth.quantity > 0:
                yield Substitute(
                    tuple(refused["reasons"]), place, an_id(place, str(said.revision)), next(iter(remedy)),
                    worth.quantity, str(worth.currency), remedy, ends_of_validity(remedy, said, self.policy),
                )  # fmt: skip

    def _has_hours(self, rule: Tree, target: str, said: Said) -> bool:
        """Whether a revision owes a target at all, so that it is known what takes the place."""
        waits = said.ends_at is None and needs_the_end(rule)
        return target in self.targets(rule, said) and self._barred(rule, target, said) is False and not waits

    def _in_place(self, rule: Tree, remedy: Tree, target: str, said: Said) -> Much:
        """What a substitute comes to for a revision's hours, without the share that other incidents pay for."""
        contract, zone = self._reckoned_for(rule, target, said)
        much = how_much(remedy, contract, zone, self.hours(rule, target, said))
        theirs = [how_much(remedy, contract, zone, list(one.hours)).quantity for one in self.near(rule, target, said)]
        return replace(much, quantity=max(much.quantity - sum(theirs, Decimal(0)), Decimal(0)))

    def _exclusion(self, now: Said, waits: bool) -> str:
        """Why he gets nothing: of all that spared him, what came nearest."""
        reasons = [why_not_hit(contract, now, self.policy) for contract in self.contracts]
        nearest = [reason for reason in reasons if reason is not None] or ["not_in_scope"]
        if waits:
            nearest.append("waits_for_end")
        if any(self._due(rule, target, now) for rule in self.policy["rules"] for target in self.targets(rule, now)):
            nearest.append("nothing_due")
        return max(nearest, key=NEARER.index)

    def _due(self, rule: Tree, target: str, now: Said) -> bool:
        """Whether a rule is for a target by the outage's length too; what another rule bars would be due as well."""
        if self._barred(rule, target, now):
            return True
        return lasted_long_enough(rule, self.hours(rule, target, now))


def hours_of(said: Said) -> list[Interval]:
    """The hours of an incident; one that lasts reaches to its declaration."""
    if said.ends_at is not None:
        return said.stretches
    return merged([*said.also, (said.starts_at, max(said.declared_at, said.starts_at + SMALLEST))])


def overlap(left: list[Interval], right: list[Interval]) -> bool:
    """Whether some moment is in both."""
    return any(a < d and c < b for a, b in left for c, d in right)


def _remedy(rule: Tree, choice: str) -> Tree:
    remedy: Tree = rule["give"] if choice == "give" else rule["if_owned"]["instead"]
    return remedy
