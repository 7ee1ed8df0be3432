"""Makes a customer base in the proportions of the case, invented: customers.csv and contracts.csv.

Nobody in it exists: names are drawn from two lists, addresses end in the domains reserved for examples (RFC
2606).

From the case: more than 1,500,000 active customers to a little over 1,000,000 registered domains; the
families hosting, domain, dedicated, housing, virtual, pec and adsl; the black-out of 29 April 2011 from
04:30 to 14:00 in Rome, declared on 13 May. Assumptions, all of them ours: that most customers hold one or
two contracts and one in 2,000 is a reseller with 50 to 400; the mix of families (`_SHAPES`); that 85 % of
the hosting and 55 % of the domain contracts include e-mail and 6 % of those two families have
business-mail; that contracts run for whole years, 1 % each ended, were terminated or started outside the
incident, 0.6 % were terminated between it and the declaration and 1.5 % have a cancellation ahead; the
open-ended shares (`_OPEN_ENDED`); 92 % of contracts in Arezzo; locales (93 % it); 0.5 % without an address,
0.3 % with a bad one; that 2 % of the customers are the edges of `customer_edges`.

The base depends on (customers, seed) and nothing else, and a smaller base is the beginning of a larger one.
Leaves the edges to `customer_edges` and what anyone is owed to the services.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from deploy.local.customer_edges import EDGES, FEES, MAIL, NO_MAIL, PRODUCTS, Edge, columns, quoted

CUSTOMERS_AT_MOST = 1_500_000
SEED = 20110429
RESELLER_EVERY = 2_000
EDGE_EVERY = 50
_BLOCK = 10_000
_POOL_BITS = 12

_GIVEN = (
    "Ada Aldo Alba Bruno Carla Cesare Chiara Corrado Dario Delia Elio Elsa Enzo Fabio Flora Franca Furio "
    "Gemma Gino Ilaria Irene Ivo Lara Lino Livia Luca Mara Mirco Nadia Nico Nicolò Olga Oreste Pia Rita "
    "Sara Silvio Tea Ugo Vera"
)
_FAMILY = (
    "Acquarossa|Altomonte|Bellacqua|Boscoverde|Campolungo|Casanuova|Chiarafonte|Collebianco|D'Acquaviva|"
    "De' Colli|Fontebassa|Fortebraccio|Granduva|Lagoscuro|Lungarotta|Malaspiga|Mezzaluna|Montechiaro|"
    "Nocelunga|Oltrefiume|Ortonero|Pietrabuona|Pontevecchi|Pratofiorito|Quattrosassi|Rivalta|Roccasparta|"
    "Saltafossi|Selvapiana|Settecase|Solecaldo|Terrarossa|Torrebassa|Valdombra|Ventofreddo|Vignalta"
)
_FIRMS = ("", "", "", "", "", "", "", " S.r.l.", " & Figli S.n.c.", ", Studio Associato")

# Families per customer, in thousandths of the ordinary customers; domains each: 0.63 here, 0.07 by resellers.
_SHAPES: Mapping[str, int] = {
    "domain": 160,
    "domain hosting": 270,
    "hosting": 130,
    "domain domain": 40,
    "domain domain hosting": 20,
    "domain domain domain hosting": 5,
    "domain pec": 24,
    "domain hosting pec": 10,
    "domain hosting dedicated": 5,
    "hosting pec": 20,
    "pec": 140,
    "adsl": 70,
    "adsl pec": 30,
    "dedicated": 12,
    "dedicated domain": 10,
    "virtual": 30,
    "virtual domain": 20,
    "housing": 4,
}
_RESELLER = ("domain",) * 12 + ("hosting",) * 6 + ("virtual", "pec")
_OPEN_ENDED: Mapping[str, float] = {"dedicated": 0.10, "housing": 0.30, "virtual": 0.15, "adsl": 0.20}
_INCLUDES_EMAIL: Mapping[str, float] = {"hosting": 0.85, "domain": 0.55}
_ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo", "Pacific/Auckland")
_INCIDENT = date(2011, 4, 29)
_DECLARED = date(2011, 5, 13)

Pools = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Base:
    """The two files and how many rows each has below its header."""

    customers_csv: Path
    contracts_csv: Path
    customers: int
    contracts: int


def incident(
    *,
    incident_id: str = "aruba-2011-04-29",
    revision: int = 1,
    declared_by: str = "crisis-desk",
    drill: bool = False,
) -> dict[str, Any]:
    """The declaration of the case, as the data of an `incident.declared.v1`."""
    return {
        "incident_id": incident_id,
        "revision": revision,
        "title": "Black-out, Arezzo",
        "drill": drill,
        "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T14:00:00+02:00"},
        "scope": {"everyone": True},
        "policy": "aruba-2011-04-29@1",
        "declared_by": declared_by,
        "declared_at": "2011-05-13T10:00:00+02:00",
    }


def generate(
    folder: Path,
    customers: int,
    seed: int = SEED,
    on_progress: Callable[[int, int], None] | None = None,
) -> Base:
    """Write customers.csv and contracts.csv (UTF-8, a header, LF) into `folder`; whole files or none.

    `on_progress(done, total)` is called after every 10,000 customers and at the end.
    Raises ValueError when `customers` is not between 1 and 1,500,000.
    """
    if not 1 <= customers <= CUSTOMERS_AT_MOST:
        raise ValueError(f"{customers} customers: write a number from 1 to {CUSTOMERS_AT_MOST}")
    folder.mkdir(parents=True, exist_ok=True)
    base = (folder / "customers.csv", folder / "contracts.csv")
    drafts = tuple(path.with_suffix(".csv.part") for path in base)
    maker = _Maker(random.Random(seed))
    contracts = 0
    with (
        drafts[0].open("w", encoding="utf-8", newline="") as people,
        drafts[1].open("w", encoding="utf-8", newline="") as held,
    ):
        people.write("customer_id,name,email,locale\n")
        held.write(
            "contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,monthly_fee,currency,"
            "addons,attributes\n"
        )
        for first in range(1, customers + 1, _BLOCK):
            last = min(first + _BLOCK - 1, customers)
            profiles, rows = maker.block(first, last)
            people.write("".join(profiles))
            held.write("".join(rows))
            contracts += len(rows)
            if on_progress is not None:
                on_progress(last, customers)
    for draft, path in zip(drafts, base, strict=True):
        os.replace(draft, path)
    return Base(*base, customers=customers, contracts=contracts)


class _Maker:
    """Deals out rows from pools made beforehand: a customer costs one draw, a contract one more."""

    def __init__(self, rng: random.Random) -> None:
        self._draw = rng.getrandbits
        self._pools: Pools = {
            family: [_contract(rng, family) + "\n" for _ in range(1 << _POOL_BITS)] for family in PRODUCTS
        }
        self._people = _people()
        self._profiles = _profiles()
        self._shapes = [
            tuple(self._pools[family] for family in shape.split())
            for shape, thousandths in _SHAPES.items()
            for _ in range(thousandths)
        ]

    def block(self, first: int, last: int) -> tuple[list[str], list[str]]:
        """The rows of customers.csv and of contracts.csv for the customers numbered `first` to `last`."""
        draw, people, profiles, shapes = self._draw, self._people, self._profiles, self._shapes
        customers: list[str] = []
        contracts: list[str] = []
        for number in range(first, last + 1):
            bits = draw(64)
            customer_id = f"C{number:07d}"
            name, mailbox = people[(bits & 0xFFFFF) % len(people)]
            address, locale = profiles[(bits >> 20 & 0xFFFFF) % len(profiles)]
            if address[:1] == "@":
                address = f"{mailbox}.{number}{address}"
            if number % EDGE_EVERY == EDGE_EVERY - 1:
                edge = EDGES[number // EDGE_EVERY % len(EDGES)]
                customers.append(_edge_customer(customer_id, edge, name, f"{mailbox}.{number}@example.com"))
                contracts += [
                    f"K{number:07d}-{nth},{customer_id},{held}\n" for nth, held in enumerate(edge.contracts, 1)
                ]
                continue
            customers.append(f"{customer_id},{name},{address},{locale}\n")
            shape = shapes[(bits >> 40) % len(shapes)]
            if number % RESELLER_EVERY == RESELLER_EVERY // 4:
                shape = self._reseller()
            for nth, pool in enumerate(shape, 1):
                contracts.append(f"K{number:07d}-{nth},{customer_id},{pool[draw(_POOL_BITS)]}")
        return customers, contracts

    def _reseller(self) -> tuple[Sequence[str], ...]:
        draw = self._draw
        return tuple(self._pools[_RESELLER[draw(20) % len(_RESELLER)]] for _ in range(50 + draw(20) % 351))


def _edge_customer(customer_id: str, edge: Edge, name: str, address: str) -> str:
    shown = name if edge.name is None else quoted(edge.name)
    written = address if edge.email is None else quoted(edge.email)
    return f"{customer_id},{shown},{written},{'it' if edge.locale is None else edge.locale}\n"


def _people() -> list[tuple[str, str]]:
    """Every name as a CSV field, and the beginning of its mailbox in ASCII."""
    made = []
    for given, family, firm in product(_GIVEN.split(), _FAMILY.split("|"), _FIRMS):
        mailbox = f"{given}.{family}".lower().replace("ò", "o").replace("'", "").replace(" ", "")
        made.append((quoted(f"{given} {family}{firm}"), mailbox))
    return made


def _profiles() -> list[tuple[str, str]]:
    """A thousand pairs of an address (from its @ on where it is an ordinary one) and a locale."""
    locales = ["it"] * 186 + ["en"] * 8 + ["de"] * 3 + [""] * 3
    addresses = [""] * 5 + ["posta non attiva", "cliente@", "cliente@@example.com"]
    made = [("@example.org" if nth % 4 == 0 else "@example.com", locales[nth % 200]) for nth in range(992)]
    return made + [(address, "it") for address in addresses]


def _contract(rng: random.Random, family: str) -> str:
    starts_on, ends_on, terminated_on = _term(rng, family)
    attributes: dict[str, object] | None = None
    addons = "backup" if rng.random() < 0.08 else ""
    if family in _INCLUDES_EMAIL:
        attributes = dict(MAIL if rng.random() < _INCLUDES_EMAIL[family] else NO_MAIL)
        if rng.random() < 0.06:
            addons = f"{addons};business-mail" if addons else "business-mail"
        elif rng.random() < 0.005:
            addons = "gigamail"
    if rng.random() < 0.003:
        attributes = (attributes or {}) | {"time_zone": rng.choice(_ZONES)}
    return columns(
        family,
        starts_on.isoformat(),
        ends_on.isoformat() if ends_on else "",
        terminated_on.isoformat() if terminated_on else "",
        addons=addons,
        attributes=attributes,
        product=rng.choice(PRODUCTS[family]),
        site="arezzo" if rng.random() < 0.92 else "bergamo",
        fee=rng.choice(FEES[family]),
    )


def _term(rng: random.Random, family: str) -> tuple[date, date | None, date | None]:
    """When a contract starts, ends and is terminated; it is renewed some day of the year that follows."""
    ends_on = _INCIDENT + timedelta(days=1 + rng.randrange(365))
    kind = rng.random()
    if kind < 0.01:
        ends_on = _INCIDENT - timedelta(days=1 + rng.randrange(400))
        return _years_before(ends_on, 1 + rng.randrange(8)), ends_on, None
    if kind < 0.02:
        starts_on = _INCIDENT + timedelta(days=1 + rng.randrange(14))
        return starts_on, _years_before(starts_on, -1) - timedelta(days=2), None
    starts_on = _years_before(ends_on, 1 + rng.randrange(10))
    last_day = None if rng.random() < _OPEN_ENDED.get(family, 0.01) else ends_on
    if kind < 0.03:
        return (
            _years_before(ends_on, 2 + rng.randrange(9)),
            last_day,
            _INCIDENT - timedelta(days=rng.randrange(90)),
        )
    later = ends_on + timedelta(days=60)
    if kind < 0.036:
        return starts_on, last_day and later, _INCIDENT + timedelta(days=1 + rng.randrange(14))
    if kind < 0.051:
        return (
            starts_on,
            last_day and later,
            _DECLARED + timedelta(days=1 + rng.randrange((later - _DECLARED).days)),
        )
    return starts_on, last_day, None


def _years_before(ends_on: date, years: int) -> date:
    """The first day of a term of whole `years` that ends on that day."""
    following = ends_on + timedelta(days=1)
    if (following.month, following.day) == (2, 29):
        following -= timedelta(days=1)
    return following.replace(year=following.year - years)
