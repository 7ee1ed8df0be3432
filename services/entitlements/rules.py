"""A policy's rules, compiled: conditions as sets, remedies as offers.

Leaves to `levels` which revision owes what by them, and to `quantities` how much an offer comes to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from schemas.events import RefusalReason
from services.entitlements.domain import Choice, Condition, Contract, Kind, Terms
from services.entitlements.outage import Outage
from services.entitlements.policy import IfRefused, Policy, Rule
from services.entitlements.policy_conditions import FeeRange, Span, Tenure
from services.entitlements.policy_remedies import Remedy, Scale
from services.entitlements.quantities import Fee, Reckoned, reckon
from services.entitlements.reach import Window, out_of_service

NO_HOURS = Outage(())
Gifts = Collection[tuple[str, str]]
"""What this very incident gave before: (contract id or `customer`, product)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One choice of a rule: its remedy, and what has to be known to say how much that is.

    `flat` is how much when nothing has to be known. `number` tells the offers of a policy apart.
    """

    number: int
    rule: str
    choice: Choice
    kind: Kind
    remedy: Remedy
    product: str | None
    needs_end: bool
    by_calendar: bool
    by_fee: bool
    currency: str | None
    """The one that it names, if it names one; a share is in the contract's own."""
    flat: Reckoned | None

    def terms(self, quantity: Decimal, currency: str | None, declared_on: date, stamp: int) -> Terms:
        """As much of it as that, owed since a revision that was declared on that day in the policy's zone."""
        rule, choice, remedy = self.rule, self.choice, self.remedy
        if remedy.extension:
            return Terms(rule, choice, "extension", days=int(quantity), stamp=stamp)
        if remedy.addon:
            ends_on = remedy.addon.length.after(declared_on)
            return Terms(rule, choice, "addon", product=self.product, ends_on=ends_on, stamp=stamp)
        if remedy.credit:
            return Terms(rule, choice, "credit", amount=quantity, currency=currency, stamp=stamp)
        voucher = remedy.voucher
        assert voucher is not None, "a remedy is one of four"
        shipping = voucher.shipping_cap
        return Terms(
            rule,
            choice,
            "voucher",
            amount=quantity,
            currency=currency,
            merchant=voucher.merchant,
            shipping_cap=shipping.amount if shipping and shipping.currency == currency else None,
            handling_covered=voucher.handling_covered,
            valid_until=voucher.valid_for.after(declared_on),
            stamp=stamp,
        )


@dataclass(frozen=True, slots=True)
class Substitution:
    """What takes the place of a remedy that is refused; `same_worth` is the worth of its days."""

    reasons: tuple[RefusalReason, ...]
    offer: Offer
    same_worth: bool


@dataclass(frozen=True, slots=True)
class PreparedRule:
    """A rule with its conditions as sets. `None` for a condition means any."""

    name: str
    per_contract: bool
    families: frozenset[str] | None
    products: frozenset[str] | None
    sites: frozenset[str] | None
    attributes: tuple[tuple[str, tuple[Any, ...]], ...]
    addons: tuple[str, ...]
    tenure: Tenure | None
    monthly_fee: FeeRange | None
    outage: Span | None
    give: Offer
    owned: str | None
    instead: Offer | None
    substitutes: tuple[Substitution, ...]
    unless: tuple[str, ...]
    merged: bool
    needs_end: bool
    by_window: bool
    """Whether a condition asks what was at the window: `unmet_then` has something to say."""

    def offer(self, choice: Choice) -> Offer:
        """The gift, or its alternative."""
        return self.instead if choice == "instead" and self.instead is not None else self.give

    def unmet(self, contract: Contract) -> Condition | None:
        """The first condition on what the contract is that it does not meet, or None when it meets them all."""
        if self.families is not None and contract.family not in self.families:
            return "family"
        if self.products is not None and contract.product not in self.products:
            return "product"
        if self.sites is not None and contract.site not in self.sites:
            return "site"
        for name, wanted in self.attributes:
            has = contract.attributes.get(name)
            for value in wanted:
                if same(has, value):
                    break
            else:
                return "attributes"
        if self.monthly_fee is not None and not _in_range(contract, self.monthly_fee):
            return "monthly_fee"
        return None

    def unmet_then(self, contract: Contract, window: Window, gifts: Gifts) -> Condition | None:
        """The same for what was at the window. The outage's length is judged apart: it may not be known yet."""
        if self.addons and not any(owns(contract, product, window, gifts) for product in self.addons):
            return "addons"
        tenure = self.tenure
        if tenure is not None:
            if tenure.at_least is not None and tenure.at_least.after(contract.starts_on) > window.first_day:
                return "tenure"
            if tenure.less_than is not None and tenure.less_than.after(contract.starts_on) <= window.first_day:
                return "tenure"
        return None


def owns(
    contract: Contract, product: str | None, window: Window, gifts: Gifts
) -> Literal["addon", "complimentary"] | None:
    """How the customer had the product through this contract at the window, if he had.

    He had it when the contract was in service at the window with that add-on, or when a complimentary one ran on a
    day of it. What this very incident gave him he did not own before.
    """
    if not contract.addons and not contract.complimentary:
        return None
    if product in contract.addons and out_of_service(contract, window) is None:
        return "addon"
    for gift in contract.complimentary:
        if gift.product == product and window.meets(gift.starts_on, gift.ends_on):
            given = (contract.contract_id, product) in gifts or ("customer", product) in gifts
            if not (given and gift.starts_on >= window.first_day):
                return "complimentary"
    return None


def same(has: object, wanted: object) -> bool:
    """Whether an attribute has the value that a rule wants; true is not 1, although Python says so."""
    return has == wanted and isinstance(has, bool) is isinstance(wanted, bool)


def fits(has: object, wanted: tuple[Any, ...]) -> bool:
    """Whether an attribute has one of the values that a rule wants."""
    return any(same(has, value) for value in wanted)


def fee_of(contract: Contract | None) -> Fee | None:
    """What the contract costs in a month, if that is known."""
    if contract is None or contract.monthly_fee is None or contract.currency is None:
        return None
    return Fee(contract.monthly_fee, contract.currency)


def prepared_rules(policy: Policy) -> tuple[PreparedRule, ...]:
    """The policy's rules in their order."""
    numbers = iter(range(100_000))
    return tuple(_rule(rule, numbers) for rule in policy.rules)


def _rule(rule: Rule, numbers: Iterable[int]) -> PreparedRule:
    when, owned, number = rule.when, rule.if_owned, iter(numbers)
    give = _offer(next(number), rule.rule, "give", rule.give)
    instead = _offer(next(number), rule.rule, "instead", owned.instead) if owned else None
    substitutes = tuple(_substitution(next(number), rule.rule, one) for one in rule.if_refused)
    offers = [give, *([instead] if instead else []), *(substitute.offer for substitute in substitutes)]
    return PreparedRule(
        name=rule.rule,
        per_contract=rule.per == "contract",
        families=frozenset(when.families) if when.families else None,
        products=frozenset(when.products) if when.products else None,
        sites=frozenset(when.sites) if when.sites else None,
        attributes=tuple((name, _values(wanted)) for name, wanted in (when.attributes or {}).items()),
        addons=when.addons or (),
        tenure=when.tenure,
        monthly_fee=when.monthly_fee,
        outage=when.outage,
        give=give,
        owned=owned.product if owned else None,
        instead=instead,
        substitutes=substitutes,
        unless=tuple(rule.unless),
        merged=rule.across_incidents == "merged",
        needs_end=when.outage is not None or any(offer.needs_end for offer in offers),
        by_window=bool(when.addons) or when.tenure is not None,
    )


def _substitution(number: int, rule: str, refused: IfRefused) -> Substitution:
    offer = _offer(number, rule, "give", refused.give)
    credit = refused.give.credit
    return Substitution(tuple(refused.reasons), offer, same_worth=credit is not None and bool(credit.same_worth))


def _offer(number: int, rule: str, choice: Choice, remedy: Remedy) -> Offer:
    product = remedy.addon.product if remedy.addon else None
    scaled, money = remedy.extension or remedy.money, remedy.money
    needs_end = scaled is not None and not scaled.is_flat
    by_fee = money is not None and money.asks_for_the_fee
    return Offer(
        number,
        rule,
        choice,
        remedy.kind,
        remedy,
        product,
        needs_end=needs_end,
        by_calendar=scaled is not None and _by_calendar(scaled),
        by_fee=by_fee,
        currency=min(money.currencies, default=None) if money is not None else None,
        flat=None if needs_end or by_fee else reckon(remedy, NO_HOURS, "UTC", None),
    )


def _by_calendar(scaled: Scale) -> bool:
    """Whether it depends on where days and months begin."""
    return scaled.per == "calendar day" or any(band.availability_below is not None for band in scaled.bands)


def _values(wanted: object) -> tuple[Any, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _in_range(contract: Contract, fee: FeeRange) -> bool:
    known = fee_of(contract)
    return (
        known is not None
        and known.currency == fee.currency
        and (fee.at_least is None or known.amount >= fee.at_least)
        and (fee.less_than is None or known.amount < fee.less_than)
    )
