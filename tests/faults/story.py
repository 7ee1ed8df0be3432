"""A story in which everything happens: a small customer base, and incidents that bring every kind of remedy and order.

What is told, in its order, and what of it must be set aside. Leaves the telling to `crashes`, what it must come to to
`verdict`.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.customer_base import EDGE_EVERY, generate
from tests.e2e import outside
from tests.e2e.world import policies_beside

ORDINARY, EDGES = 24, (0, 3, 6, 8, 12, 18, 20, 21, 34, 37, 38, 44, 45, 47, 52, 69, 71, 92, 96)
"""How many ordinary customers there are, and which of those at the edges of the promise."""

EVERYTHING = """
name: everything
version: 1
title: Everything that an incident can bring
time_zone: Europe/Rome
rules:
  - rule: extra-days
    per: contract
    across_incidents: each
    when: {families: [dedicated, housing, virtual]}
    give: {extension: {days: 15}}
    if_refused:
      - reasons: [expired, terminated, open_ended]
        give: {credit: {same_worth: true}}
  - rule: mail
    per: contract
    across_incidents: each
    when: {families: [hosting, domain], attributes: {includes_email: true}}
    give: {addon: {product: business-mail, for: 1 year}}
    if_owned: {product: business-mail, instead: {addon: {product: gigamail, for: 1 year}}}
  - rule: photos
    per: customer
    across_incidents: each
    give:
      voucher: {amount: {amount: "5.00", currency: EUR}, merchant: Fotoaruba, valid_for: 1 year, handling_covered: true,
                shipping_cap: {amount: "1.90", currency: EUR}}
  - rule: by-the-hour
    per: customer
    across_incidents: each
    give:
      credit: {amount: {amount: "0.50", currency: EUR}, per: started hour, at_most: {amount: "4.00", currency: EUR}}
letters: [announcement, details]
when_narrowed: reverse
"""
GATED = """
name: gated
version: 1
title: Somebody answers for it
time_zone: Europe/Rome
rules:
  - rule: sorry
    per: customer
    across_incidents: each
    give: {credit: {amount: {amount: "2.00", currency: EUR}}}
budget: [{currency: EUR, ceiling: "40.00", approval_above: "10 %"}]
canary: {customers: 5, then: approval}
when_narrowed: reverse
"""
GOES_ON = """
name: goes-on
version: 1
title: A few first, and the rest follows by itself
time_zone: Europe/Rome
rules:
  - rule: sorry
    per: customer
    across_incidents: each
    give: {credit: {amount: {amount: "1.00", currency: EUR}}}
canary: {customers: 3, then: 1 minute}
"""
MERGED = """
name: merged
version: 1
title: An hour is paid once
time_zone: Europe/Rome
rules:
  - rule: hours
    per: contract
    give: {credit: {amount: {amount: "0.30", currency: EUR}, per: started hour}}
    across_incidents: merged
letters: [details]
when_narrowed: reverse
"""
POLICIES = {"everything@1": EVERYTHING, "gated@1": GATED, "goes-on@1": GOES_ON, "merged@1": MERGED}
CASE = "aruba-2011-04-29@1"

LASTING = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}
OVER = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T10:10:00+02:00"}
BESIDE = {"starts_at": "2011-04-29T08:00:00+02:00", "ends_at": "2011-04-29T14:00:00+02:00"}
EVERYONE: Mapping[str, Any] = {"everyone": True}
AREZZO, BERGAMO = {"sites": ["arezzo"]}, {"sites": ["bergamo"]}
FORGOTTEN, LATEST = "C0000005", "C0000007"
"""Customers without a profile while their letters are written: one is forgotten, the other's comes in the end."""
OUTSIDER = "S0000001"
"""A customer of whom only billing hears, from a withdrawal that comes before what it withdraws."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is told from outside; `data` None is a tombstone, `raw` goes as it is."""

    topic: str
    type: str
    key: str
    data: Mapping[str, Any] | None
    raw: bytes | None = None

    @property
    def event_id(self) -> str:
        said = json.dumps(self.data, sort_keys=True).encode()
        return f"{self.type}/{self.key}/{hashlib.sha256(said).hexdigest()[:16]}"

    def tell(self, kafka: str) -> None:
        """Publish it as any program outside would."""
        headers = outside.binary(id=self.event_id, source="urn:tests:story", type=self.type, specversion="1.0")
        value = self.raw if self.data is None else json.dumps(self.data).encode()
        outside.publish(kafka, f"amends.{self.topic}.v1", self.key.encode(), value, headers)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some events that are told at once, and then seen through.

    `revised` is the incident that is another one afterwards, `again` those that are decided once more because of it.
    `set_aside` says how many records each service sets aside, `set_aside_late` what more when it reads all once more.
    """

    events: Sequence[Event]
    revised: str | None = None
    again: Sequence[str] = ()
    set_aside: Mapping[str, int] = field(default_factory=dict)
    set_aside_late: Mapping[str, int] = field(default_factory=dict)


def said(
    incident_id: str,
    policy: str,
    revision: int,
    *,
    kind: str | None = None,
    impact: Mapping[str, Any] = OVER,
    scope: Mapping[str, Any] = EVERYONE,
    drill: bool = False,
) -> Event:
    """A declaration (revision 1), or an amendment of it."""
    kind = kind or ("declared" if revision == 1 else "amended")
    data: dict[str, Any] = {
        "incident_id": incident_id, "revision": revision, "declared_by": "crisis-desk",
        "declared_at": f"2011-05-{12 + revision}T10:00:00+02:00",
    }  # fmt: skip
    if kind in ("declared", "amended"):
        data |= {"title": "Black-out", "drill": drill, "impact": impact, "scope": scope, "policy": policy}
    elif kind == "resolved":
        data |= {"ends_at": impact["ends_at"]}
    else:
        data |= {"reason": "a false alarm"}
    return Event("incidents", f"incident.{kind}.v1", incident_id, data)


def ordered(incident_id: str, kind: str, day: int) -> Event:
    """A pause or its end."""
    who, at = {"paused": ("paused_by", "paused_at"), "resumed": ("resumed_by", "resumed_at")}[kind]
    data = {"incident_id": incident_id, who: "crisis-desk", at: f"2011-06-{day:02}T10:00:00+02:00"}
    return Event("incidents", f"incident.{kind}.v1", incident_id, data)


def approved(incident_id: str, plan: str, at: str) -> Event:
    """Somebody else answers for a plan."""
    data = {"incident_id": incident_id, "plan": plan, "approved_by": "second-desk", "approved_at": at}
    return Event("incidents", "incident.approved.v1", incident_id, data)


def _chapters() -> list[Chapter]:
    everything, merged = "everything@1", "merged@1"
    return [
        Chapter([said("all-of-it", everything, 1, impact=LASTING, scope=AREZZO)], "all-of-it"),
        Chapter([said("all-of-it", everything, 2, impact=LASTING)], "all-of-it"),
        Chapter([said("all-of-it", everything, 3, kind="resolved")], "all-of-it"),
        Chapter([said("all-of-it", everything, 4, scope=BERGAMO)], "all-of-it"),
        Chapter([said("all-of-it", everything, 5, kind="retracted")], "all-of-it"),
        Chapter([said("all-of-it", everything, 6)], "all-of-it"),
        Chapter([said("answered-for", "gated@1", 1)], "answered-for"),
        Chapter([said("answered-for", "gated@1", 2, scope=AREZZO)], "answered-for"),
        Chapter([said("goes-on", "goes-on@1", 1)], "goes-on"),
        Chapter([said("one", merged, 1)], "one"),
        Chapter([said("other", merged, 1, impact=BESIDE)], "other"),
        Chapter([said("one", merged, 2, kind="retracted")], "one", again=["other"]),
        Chapter([said("drill", CASE, 1, drill=True)], "drill"),
        Chapter([said("case", CASE, 1)], "case"),
        # What comes early waits; what cannot be is refused.
        Chapter([said("early", everything, 3, kind="resolved"), said("early", everything, 2, impact=LASTING)]),
        Chapter([said("early", everything, 1, impact=LASTING, scope=AREZZO)], "early"),
        Chapter([said("early", everything, 4, kind="resolved", impact={"ends_at": "2011-04-01T00:00:00Z"})],
                set_aside={"entitlements": 1}),
        # (It has waited, and is dropped when it comes to it; told again, it can be refused at once.)
        Chapter([said("early", everything, 5, kind="resolved", impact={"ends_at": "2011-04-01T00:00:00Z"})],
                set_aside_late={"entitlements": 1}),
        Chapter([said("early", everything, 4)], "early"),
        Chapter([said("early", everything, 4, scope=BERGAMO)], set_aside={"entitlements": 1}),
        Chapter([approved("early", "0" * 64, "2011-06-01T10:00:00+02:00")], set_aside={"entitlements": 1}),
        # An order stops an incident, and it goes on.
        Chapter([ordered("case", "paused", 1), said("case", CASE, 2, impact=BESIDE)]),
        Chapter([ordered("case", "resumed", 2)], "case"),
        Chapter([ordered("stopped", "paused", 1)]),
        Chapter([said("stopped", everything, 1)]),
        Chapter([said("stopped", everything, 2, scope=AREZZO)]),
        Chapter([ordered("stopped", "resumed", 2)], "stopped"),
        # Taken back while letters wait for a profile, and it stands again.
        Chapter([said("taken-back", everything, 1)], "taken-back"),
        Chapter([said("taken-back", everything, 2, kind="retracted")], "taken-back"),
        Chapter([said("taken-back", everything, 3)], "taken-back"),
        Chapter([Event("customers", "customer.changed.v1", FORGOTTEN, None)]),
        Chapter(_OUTSIDE, set_aside={"entitlements": 3, "billing": 1, "notifications": 1}),
        Chapter([said("nobody-knows", everything, 1)], "nobody-knows"),
        Chapter([_ENTITLED]),
        Chapter([Event("customers", "customer.changed.v1", LATEST, {
            "customer_id": LATEST, "name": "Vera", "email": "vera@example.com", "locale": "it"})]),
    ]  # fmt: skip


def _remedy(entry: str, amount: str) -> dict[str, Any]:
    return {"entry_id": entry, "grant_id": entry, "rule": "r", "kind": "credit",
            "amount": {"amount": amount, "currency": "EUR"}}  # fmt: skip


_ENTRY, _TAKEN, _TOO_MUCH = (f"00000000-0000-5000-8000-00000000000{n}" for n in (1, 2, 3))
_ABOUT = {"incident_id": "elsewhere", "revision": 1, "policy": CASE, "customer_id": OUTSIDER,
          "declared_at": "2011-05-13T10:00:00+02:00", "time_zone": "Europe/Rome"}  # fmt: skip
_WITHDRAWN = {"entry_id": _TAKEN, "grant_id": _ENTRY, "rule": "r", "kind": "credit", "withdraws": _ENTRY,
              "honoured": False}  # fmt: skip
_OUTSIDE = [
    Event("incidents", "incident.declared.v1", "torn", None, b'{"incident_id": "torn"'),
    said("nobody-knows", "no-such-policy@1", 1),
    Event("contracts", "contract.changed.v1", "K-poison", {
        "contract_id": "K-poison", "customer_id": "C-poison", "family": "hosting", "product": "hosting-linux",
        "starts_on": "2010-01-01", "attributes": {"label": "\x00"}}),
    Event("contracts", "contract.changed.v1", "K-nobody", None),
    Event("entitlements", "entitlement.withdrawn.v1", OUTSIDER, {**_ABOUT, "withdrawals": [_WITHDRAWN]}),
    Event("entitlements", "entitlement.granted.v1", OUTSIDER, {
        **_ABOUT, "incident_id": "too-much", "remedies": [_remedy(_TOO_MUCH, "1000000000000000.00")]}),
]  # fmt: skip

_ENTITLED = Event("entitlements", "entitlement.granted.v1", OUTSIDER, {
    **_ABOUT, "remedies": [_remedy(_ENTRY, "1.00")]})  # fmt: skip
CHAPTERS = _chapters()


def once_more(number: int) -> list[Chapter]:
    """Another incident, for those who could not die everywhere in the ones before."""
    name = f"once-more-{number}"
    return [
        Chapter([said(name, "everything@1", 1)], name),
        Chapter([said(name, "everything@1", 2, scope=BERGAMO)], name),
    ]


class Base:
    """The customer base: two files, the second half of the customers in a third one, and the policies' folder."""

    def __init__(self, folder: Path) -> None:
        whole = generate(folder / "whole", (max(EDGES) + 2) * EDGE_EVERY)
        wanted = {f"C{number:07d}" for number in range(1, ORDINARY + 1)}
        wanted |= {f"C{number * EDGE_EVERY + EDGE_EVERY - 1:07d}" for number in EDGES}
        self.contracts = _only(whole.contracts_csv, folder / "contracts.csv", wanted)
        names = sorted(wanted)
        never = {FORGOTTEN, LATEST}
        self.early = _only(whole.customers_csv, folder / "customers.csv", set(names[::2]) - never)
        self.late = _only(whole.customers_csv, folder / "late.csv", set(names[1::2]) - never)
        self.policies = policies_beside(POLICIES, folder / "policies")


def _only(source: Path, target: Path, customers: set[str]) -> Path:
    with source.open(encoding="utf-8", newline="") as rows, target.open("w", encoding="utf-8", newline="") as kept:
        reader = csv.DictReader(rows)
        assert reader.fieldnames is not None
        writer = csv.DictWriter(kept, reader.fieldnames, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in reader if row["customer_id"] in customers)
    return target
