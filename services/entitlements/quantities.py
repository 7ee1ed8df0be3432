"""How much a remedy comes to: flat, by bands, per hour or day of the outage, or as a share of the monthly fee.

Everything is reckoned exactly and rounded once, half-up, at the very end. Each reckoning can tell its own arithmetic,
so that what is explained is what was counted. Leaves to `decide` whether it is owed at all, and since when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from schemas.values import plain
from services.entitlements.domain import ONE, ZERO, rounded
from services.entitlements.outage import Outage
from services.entitlements.policy_conditions import Span
from services.entitlements.policy_remedies import Amount, Band, Credit, Extension, Remedy, Voucher

_EXACT = Context(prec=80)
_DAYS_OF_A_MONTH = Decimal(30)
"""What a monthly fee is divided by for the worth of a day, whatever the month."""
MOST_DAYS, MOST_MONEY = Decimal(3660), Decimal("999999999999")
"""What an entry can hold: nothing that a policy or a fee says may come to more."""
_UNITS = {"started hour": timedelta(hours=1), "started day": timedelta(days=1)}


class Fee(NamedTuple):
    """What a contract costs in a month."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What a remedy comes to: `quantity` in days, in `currency`, or 1 for an add-on; and the words for how."""

    quantity: Decimal
    currency: str | None = None
    steps: tuple[str, ...] = ()
    """The arithmetic, empty where there is none: a flat remedy is what it is."""

    @property
    def arithmetic(self) -> str:
        """For example: "3 started hours × 1.00 EUR = 3.00 EUR, at most 2.50 EUR: 2.50 EUR"."""
        return ", ".join(self.steps)


THE_ONE = Reckoned(ONE)
Scaled = Extension | Voucher | Credit


def reckon(remedy: Remedy, outage: Outage, zone: str, fee: Fee | None) -> Reckoned:
    """What the remedy comes to for an outage, in a zone's calendar and for a contract's monthly fee."""
    scaled = remedy.extension or remedy.voucher or remedy.credit
    if scaled is None:
        return THE_ONE
    source: Scaled | Band = scaled
    steps: list[str] = []
    if scaled.bands:
        band = _band(scaled.bands, outage, zone)
        if band is None:
            return Reckoned(ZERO, None, (f"an outage of {spoken(outage.length)} is in none of its bands",))
        source = band
        steps.append(_why_band(band, outage, zone))
    count = _count(scaled, outage, zone)
    if count == 0:
        return Reckoned(
            ZERO, None, (f"an outage of {spoken(outage.length)} is within the {spoken(scaled.after)} of grace",)
        )
    return _reckoned(scaled, source, count, fee, steps)


def worth_of_days(days: Decimal, fee: Fee | None) -> Reckoned:
    """Calendar days in money: days × monthly fee ÷ 30, rounded once."""
    if fee is None:
        return Reckoned(ZERO, None, ("no monthly fee is known",))
    exact = _EXACT.divide(_EXACT.multiply(days, fee.amount), _DAYS_OF_A_MONTH)
    worth = min(rounded(exact, fee.currency), MOST_MONEY)
    told = f"{days} days × {_money(fee.amount, fee.currency)} ÷ 30 = {_money(worth, fee.currency)}"
    return Reckoned(worth, fee.currency, (told,))


def holds(span: Span, length: timedelta) -> bool:
    """Whether a length is in a span: at least the one end, less than the other."""
    return (span.at_least is None or length >= span.at_least) and (span.less_than is None or length < span.less_than)


def spoken(length: timedelta) -> str:
    """A length in words: "1 day 2 hours 30 minutes"."""
    rest = length // timedelta(seconds=1)
    parts = []
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(counted(number, unit))
    return " ".join(parts) or "no time"


def counted(number: int | Decimal, unit: str) -> str:
    """A number of something: "1 day", "2 days"."""
    return f"{number} {unit}{'' if number == 1 else 's'}"


def percent(share: Decimal) -> str:
    """A fraction as people write it: 0.25 is "25 %"."""
    return f"{(share * 100).normalize():f} %"


def _reckoned(scaled: Scaled, source: Scaled | Band, count: int | None, fee: Fee | None, steps: list[str]) -> Reckoned:
    each = source.days if isinstance(source, Extension | Band) else None
    if each is not None:
        return _days(scaled, Decimal(each), count, steps)
    amount, share = (source.amount, source.share) if not isinstance(source, Extension) else (None, None)
    if amount is not None:
        return _money_reckoned(scaled, Fee(amount.amount, amount.currency), "", count, fee, steps)
    assert share is not None, "a remedy is days, an amount or a share"
    if fee is None:
        return Reckoned(ZERO, None, ("no monthly fee is known",))
    part = Fee(_EXACT.multiply(share, fee.amount), fee.currency)
    return _money_reckoned(scaled, part, f"{percent(share)} of {_money(*fee)}", count, fee, steps)


def _days(scaled: Scaled, each: Decimal, count: int | None, steps: list[str]) -> Reckoned:
    days = each
    if count is not None:
        days = each * count
        steps.append(f"{counted(count, scaled.per or '')} × {counted(each, 'day')} = {counted(days, 'day')}")
    cap = scaled.at_most
    most = min(MOST_DAYS, Decimal(cap)) if isinstance(cap, int) else MOST_DAYS
    if days > most:
        days = most
        steps.append(f"at most {counted(most, 'day')}: {counted(most, 'day')}")
    return Reckoned(days, None, tuple(steps))


def _money_reckoned(
    scaled: Scaled, each: Fee, told: str, count: int | None, fee: Fee | None, steps: list[str]
) -> Reckoned:
    exact, currency = each
    if count is not None:
        exact = _EXACT.multiply(exact, Decimal(count))
    told = told or _money(*each)
    if count is not None:
        told = f"{counted(count, scaled.per or '')} × {told}"
    if count is not None or "%" in told:
        steps.append(f"{told} = {_money(rounded(exact, currency), currency)}")
    most = MOST_MONEY
    if isinstance(scaled.at_most, Amount | Decimal):
        cap = _cap(scaled.at_most, fee)
        if cap is None or cap.currency != currency:
            return Reckoned(ZERO, None, (*steps, f"no monthly fee in {currency} is known to cap it by"))
        most = min(most, cap.amount)
    if exact > most:
        exact = most
        capped = _money(rounded(most, currency), currency)
        steps.append(f"at most {capped}: {capped}")
    return Reckoned(rounded(exact, currency), currency, tuple(steps))


def _cap(at_most: Amount | Decimal, fee: Fee | None) -> Fee | None:
    if isinstance(at_most, Amount):
        return Fee(at_most.amount, at_most.currency)
    return None if fee is None else Fee(_EXACT.multiply(at_most, fee.amount), fee.currency)


def _count(scaled: Scaled, outage: Outage, zone: str) -> int | None:
    """How many hours or days of the outage count; None when the remedy is not by them."""
    if scaled.per is None:
        return None
    if scaled.per == "calendar day":
        return outage.dates(zone, scaled.after)
    return -(-outage.past(scaled.after) // _UNITS[scaled.per])


def _band(bands: tuple[Band, ...], outage: Outage, zone: str) -> Band | None:
    """The last band that holds: they are written rising."""
    for band in reversed(bands):
        if band.outage is not None:
            if holds(band.outage, outage.length):
                return band
        elif band.availability_below is not None and outage.worst_month(zone) > 1 - Fraction(band.availability_below):
            return band
    return None


def _why_band(band: Band, outage: Outage, zone: str) -> str:
    if band.outage is not None:
        return f"for an outage of {spoken(outage.length)}"
    assert band.availability_below is not None, "a band is by outage or by availability"
    available = _below(1 - outage.worst_month(zone))
    return f"for an availability of {available}, below {percent(band.availability_below)}"


def _below(share: Fraction) -> str:
    """A share as percent with three decimals, rounded down, so that what is below a limit never looks like it."""
    thousandths = int(share * 100_000)
    return f"{thousandths // 1000}.{thousandths % 1000:03} %"


def _money(amount: Decimal, currency: str) -> str:
    return f"{plain(amount, currency)} {currency}"
