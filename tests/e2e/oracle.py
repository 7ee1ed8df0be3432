"""What the promise of 13 May 2011 owes every customer: a straight, slow reading of it over the two CSV files.

It is the other opinion that the whole stack is compared with, so it shares no code with it: the standard
library and `expected` alone, the promise as three ifs, no policy file. Leaves to its readers how dates and
money look in a letter, ids and codes. It knows one declaration, of one incident, that is no drill; of several
incidents each is read with the one before it as `earlier`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e.expected import Addon, Expected, Extension, Letter, Owed, Standing, Voucher

POLICY = "aruba-2011-04-29@1"
POLICY_ZONE = "Europe/Rome"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CLOSENESS = ("terminated_before", "ended_before", "started_after", "not_in_scope")
"""Of several reasons why contracts were spared, the customer's is the first of these."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One row of contracts.csv."""

    contract_id: str
    family: str
    product: str
    site: str
    starts_on: date
    ends_on: date | None
    terminated_on: date | None
    addons: tuple[str, ...]
    includes_email: bool
    zone: str
    complimentary: tuple[tuple[str, date, date], ...] = ()


def read_promise(
    customers_csv: Path,
    contracts_csv: Path,
    declaration: Mapping[str, Any],
    *,
    unknown_to_billing: Collection[str] = (),
    earlier: Expected | None = None,
) -> Expected:
    """What is owed under `declaration` (the data of an `incident.declared.v1`).

    `unknown_to_billing` names contracts that entitlements has heard of and billing has not. `earlier` is an incident
    that was carried out before: its contracts stand as it has left them.
    Raises ValueError for a declaration that is not the case's: another policy, or a drill.
    """
    if declaration["policy"] != POLICY or declaration["drill"]:
        raise ValueError("this oracle knows one promise, and no drills")
    with customers_csv.open(encoding="utf-8", newline="") as lines:
        people = {row["customer_id"]: row for row in csv.DictReader(lines)}
    held: dict[str, list[Contract]] = {}
    with contracts_csv.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            held.setdefault(row["customer_id"], []).append(_contract(row))
    customers = {}
    contracts = {}
    declared_on = _day(declaration["declared_at"], POLICY_ZONE)
    for customer_id, rows in held.items():
        own = [_as_left(contract, earlier) for contract in rows]
        owed = None
        if any(in_scope(contract, declaration) for contract in own):
            owed = _owed(customer_id, own, people.get(customer_id), declaration, unknown_to_billing)
            customers[customer_id] = owed
        for contract in own:
            contracts[contract.contract_id] = _standing(contract, owed, declared_on)
    return Expected(declaration["incident_id"], declaration["revision"], customers, contracts)


def _as_left(contract: Contract, earlier: Expected | None) -> Contract:
    """The contract as an earlier incident has left it, if there was one and it knew the contract."""
    left = None if earlier is None else earlier.contracts.get(contract.contract_id)
    if left is None:
        return contract
    return replace(contract, ends_on=left.ends_on, terminated_on=left.terminated_on, complimentary=left.complimentary)


def _contract(row: Mapping[str, str]) -> Contract:
    attributes = json.loads(row["attributes"]) if row["attributes"] else {}
    return Contract(
        contract_id=row["contract_id"],
        family=row["family"],
        product=row["product"],
        site=row["site"],
        starts_on=date.fromisoformat(row["starts_on"]),
        ends_on=date.fromisoformat(row["ends_on"]) if row["ends_on"] else None,
        terminated_on=date.fromisoformat(row["terminated_on"]) if row["terminated_on"] else None,
        addons=tuple(row["addons"].split(";")) if row["addons"] else (),
        includes_email=attributes.get("includes_email") is True,
        zone=attributes.get("time_zone") or POLICY_ZONE,
    )


def _owed(
    customer_id: str,
    own: Iterable[Contract],
    person: Mapping[str, str] | None,
    declaration: Mapping[str, Any],
    unknown_to_billing: Collection[str],
) -> Owed:
    own = sorted(own, key=lambda contract: contract.contract_id)
    spared = {contract.contract_id: why_spared(contract, declaration) for contract in own}
    hit = [contract for contract in own if spared[contract.contract_id] is None]
    if not hit:
        return Owed(customer_id, next(reason for reason in CLOSENESS if reason in spared.values()))
    owned = {
        addon for contract in own if why_out_of_service(contract, declaration) is None for addon in contract.addons
    }
    for contract in own:
        first_day, last_day = _window(contract, declaration)
        owned |= {gift for gift, since, until in contract.complimentary if since <= last_day and until >= first_day}
    in_a_year = _a_year_after(_day(declaration["declared_at"], POLICY_ZONE))
    extensions = []
    addons = []
    for contract in hit:
        unknown = "unknown_contract" if contract.contract_id in unknown_to_billing else None
        if contract.family in ("hosting", "domain") and contract.includes_email:
            gift = "gigamail" if "business-mail" in owned else "business-mail"
            addons.append(Addon(contract.contract_id, gift, in_a_year, unknown))
        if contract.family in ("dedicated", "housing", "virtual"):
            refused = unknown or why_not_extended(contract, declaration)
            before = contract.ends_on if refused is None else None
            after = before + timedelta(days=15) if before else None
            extensions.append(Extension(contract.contract_id, contract.product, 15, before, after, refused))
    return Owed(customer_id, None, tuple(extensions), tuple(addons), (Voucher(in_a_year),), _letter(person))


def in_scope(contract: Contract, declaration: Mapping[str, Any]) -> bool:
    """Whether every list that the scope gives names the contract; a customer without one that is is not considered."""
    scope = declaration["scope"]
    if scope.get("sites") and contract.site not in scope["sites"]:
        return False
    if scope.get("families") and contract.family not in scope["families"]:
        return False
    return not scope.get("contract_ids") or contract.contract_id in scope["contract_ids"]


def why_spared(contract: Contract, declaration: Mapping[str, Any]) -> str | None:
    """Why the incident did not hit this contract; None: it did."""
    return why_out_of_service(contract, declaration) if in_scope(contract, declaration) else "not_in_scope"


def why_out_of_service(contract: Contract, declaration: Mapping[str, Any]) -> str | None:
    """Why no service day of the contract is one of the window's days in its time zone; None: one is."""
    first_day, last_day = _window(contract, declaration)
    served_to = _last_day_of_service(contract)
    if served_to is not None and served_to < contract.starts_on:
        return "terminated_before"
    if served_to is not None and served_to < first_day:
        return "ended_before" if _ended_first(contract) else "terminated_before"
    if contract.starts_on > last_day:
        return "started_after"
    return None


def _window(contract: Contract, declaration: Mapping[str, Any]) -> tuple[date, date]:
    """The first and the last day of the impact where the contract lives."""
    starts_at = datetime.fromisoformat(declaration["impact"]["starts_at"])
    ends_at = datetime.fromisoformat(declaration["impact"].get("ends_at") or declaration["declared_at"])
    last = max(starts_at, ends_at - timedelta(microseconds=1))
    zone = ZoneInfo(contract.zone)
    return starts_at.astimezone(zone).date(), last.astimezone(zone).date()


def why_not_extended(contract: Contract, declaration: Mapping[str, Any]) -> str | None:
    """Why billing refuses to add days on the declaration's day in the contract's zone; None: it adds them."""
    today = _day(declaration["declared_at"], contract.zone)
    served_to = _last_day_of_service(contract)
    if served_to is not None and served_to < today:
        return "expired" if _ended_first(contract) else "terminated"
    return "open_ended" if contract.ends_on is None else None


def _last_day_of_service(contract: Contract) -> date | None:
    """A contract runs through its `ends_on`; `terminated_on` is the first day without service."""
    days = []
    if contract.ends_on is not None:
        days.append(contract.ends_on)
    if contract.terminated_on is not None:
        days.append(contract.terminated_on - timedelta(days=1))
    return min(days) if days else None


def _ended_first(contract: Contract) -> bool:
    """Whether its end was its last day of service; a termination on or before its `ends_on` cuts it short."""
    if contract.ends_on is None:
        return False
    return contract.terminated_on is None or contract.ends_on < contract.terminated_on


def _standing(contract: Contract, owed: Owed | None, declared_on: date) -> Standing:
    ends_on, terminated_on, gifts = contract.ends_on, contract.terminated_on, contract.complimentary
    for extension in owed.extensions if owed else ():
        if extension.contract_id == contract.contract_id and extension.ends_on is not None:
            ends_on = extension.ends_on
            if terminated_on is not None:  # still ahead, or it would have been refused: it moves with the end
                terminated_on += timedelta(days=extension.days)
    for addon in owed.addons if owed else ():
        if addon.contract_id == contract.contract_id and addon.refused is None:
            gifts += ((addon.product, declared_on, addon.ends_on),)
    return Standing(ends_on, terminated_on, tuple(sorted(gifts)))


def _letter(person: Mapping[str, str] | None) -> Letter:
    if person is None:
        return Letter("pending", None, "en", "")
    language = "it" if person["locale"].lower().startswith("it") else "en"
    if not usable(person["email"]):
        return Letter("no_address", None, language, person["name"])
    return Letter("sent", on_the_envelope(person["email"]), language, person["name"])


def usable(address: str) -> bool:
    """Whether a letter can be sent there at all. A local part with ! or % may be a route, and is not written to."""
    address = on_the_envelope(address)
    if address.count("@") != 1 or len(address) > 254:
        return False
    local, domain = address.split("@")
    if not 1 <= len(local) <= 64 or local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    if any(letter not in LETTERS + "#$&'*+/=?^_`{|}~.-" for letter in local):
        return False
    labels = domain.split(".")
    if len(labels) < 2:
        return False
    for label in labels:
        if not label or label.startswith("-") or label.endswith("-"):
            return False
        if any(letter not in LETTERS + "-" for letter in label):
            return False
    return True


def on_the_envelope(address: str) -> str:
    """The address with a domain that is not ASCII in its form for the wire; as it is where it has none."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return address


def _day(instant: str, zone: str) -> date:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).date()


def _a_year_after(day: date) -> date:
    if (day.month, day.day) == (2, 29):
        return date(day.year + 1, 2, 28)
    return date(day.year + 1, day.month, day.day)
