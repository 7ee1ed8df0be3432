"""The oracle, compared with tables worked out by hand: it must be right before anything is compared with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.expected import Expected, Letter, Standing, Voucher
from tests.e2e.oracle import read_promise

DECLARATION: dict[str, Any] = {
    "incident_id": "aruba-2011-04-29",
    "revision": 1,
    "title": "Black-out",
    "drill": False,
    "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T14:00:00+02:00"},
    "scope": {"everyone": True},
    "policy": "aruba-2011-04-29@1",
    "declared_by": "crisis-desk",
    "declared_at": "2011-05-13T10:00:00+02:00",
}
CUSTOMERS = """customer_id,name,email,locale
anna,Anna,anna@example.com,it
bruno,Bruno,bruno@example.com,en
carla,Carla,,it
dario,Dario,dario@@example.com,de
elsa,Elsa,elsa@example.org,
fabio,"Fabio
Bcc: x",fabio@example.com,it-IT
gino,Gino,gino@example.com,it
ida,Ida,ida@example.com,it
lino,Lino,lino@example.com,it
mara,Mara,mara@example.com,it
nico,Nico,nico@example.com,it
olga,Olga,olga@example.com,it
pia,Pia,pia@example.com,it
nobody,Without contracts,nobody@example.com,it
"""
CONTRACTS = """contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,\
monthly_fee,currency,addons,attributes
a1,anna,hosting,hosting-linux,arezzo,2009-06-01,2011-05-31,,4.99,EUR,,"{""includes_email"": true}"
a2,anna,domain,domain-it,arezzo,2009-06-01,2011-05-31,,0.99,EUR,,"{""includes_email"": false}"
b1,bruno,dedicated,dedicated-server,arezzo,2007-01-01,2011-12-31,2011-09-01,99.00,EUR,business-mail,
b2,bruno,hosting,hosting-linux,bergamo,2009-06-01,2011-05-12,,4.99,EUR,,"{""includes_email"": true}"
b3,bruno,domain,domain-it,arezzo,2011-04-30,2012-04-29,,0.99,EUR,,"{""includes_email"": true}"
c1,carla,virtual,virtual-server,arezzo,2010-05-13,2011-05-12,,10.00,EUR,,{}
c2,carla,virtual,virtual-server,arezzo,2010-05-14,2011-05-13,,10.00,EUR,,{}
d1,dario,housing,housing,arezzo,2005-01-01,,,480.00,EUR,,
d2,dario,housing,housing,arezzo,2005-01-01,,2011-05-13,480.00,EUR,,
d3,dario,housing,housing,arezzo,2005-01-01,2011-12-20,2011-05-14,480.00,EUR,,
e1,elsa,pec,pec-mailbox,arezzo,2011-04-29,2012-04-28,,0.42,EUR,,"{""includes_email"": true}"
f1,fabio,hosting,hosting-linux,arezzo,2009-04-01,2011-03-31,,4.99,EUR,business-mail,"{""includes_email"": true}"
f2,fabio,hosting,hosting-linux,arezzo,2009-06-01,2011-05-31,,4.99,EUR,,"{""includes_email"": true}"
g1,gino,hosting,hosting-linux,arezzo,2009-04-01,2011-04-28,,4.99,EUR,,"{""includes_email"": true}"
g2,gino,domain,domain-it,arezzo,2011-05-01,2012-04-30,,0.99,EUR,,"{""includes_email"": true}"
i1,ida,dedicated,dedicated-server,arezzo,2008-01-01,2011-12-31,2011-04-29,99.00,EUR,,
i2,ida,hosting,hosting-linux,arezzo,2009-04-01,2011-03-31,,4.99,EUR,,"{""includes_email"": true}"
l1,lino,dedicated,dedicated-server,arezzo,2008-05-06,2011-05-05,2011-05-10,99.00,EUR,,
l2,lino,dedicated,dedicated-server,arezzo,2008-05-11,2011-05-10,2011-05-05,99.00,EUR,,
l3,lino,dedicated,dedicated-server,arezzo,2008-05-11,2011-05-10,2011-05-11,99.00,EUR,,
l4,lino,dedicated,dedicated-server,arezzo,2008-05-11,2011-05-10,2011-05-10,99.00,EUR,,
m1,mara,dedicated,dedicated-server,arezzo,2011-04-30,2012-04-29,,99.00,EUR,,"{""time_zone"": ""Pacific/Auckland""}"
n1,nico,dedicated,dedicated-server,arezzo,2011-04-30,2012-02-14,,99.00,EUR,,"{""time_zone"": ""Pacific/Kiritimati""}"
o1,olga,dedicated,dedicated-server,arezzo,2010-04-29,2011-04-28,,99.00,EUR,,"{""time_zone"": ""America/New_York""}"
o2,olga,virtual,virtual-server,arezzo,2010-05-13,2011-05-12,,10.00,EUR,,"{""time_zone"": ""Pacific/Honolulu""}"
p1,pia,dedicated,dedicated-server,arezzo,2011-04-29,2012-04-28,2011-04-29,99.00,EUR,,
p2,pia,dedicated,dedicated-server,arezzo,2011-04-29,2012-04-28,2011-04-29,99.00,EUR,,"{""time_zone"": ""America/Lima""}"
z1,unheard,hosting,hosting-linux,arezzo,2009-06-01,2011-05-31,,4.99,EUR,,"{""includes_email"": false}"
"""
YEAR = (date(2011, 5, 13), date(2012, 5, 13))
# By hand. The window is 29 April in Rome; a year from the declaration is 13 May 2012.
#  anna     a1 has e-mail: business-mail; a2 has none: nothing. Voucher.
#  bruno    owns business-mail on b1, in service: gigamail on b2, which expired since (the add-on stands all the same).
#           b1: 31 Dec + 15 = 15 Jan; its cancellation of 1 Sep moves to 16 Sep. b3 started the day after: nothing.
#  carla    c1 ran through 12 May, declared on the 13th: expired. c2 runs through the 13th: 28 May. No address.
#  dario    d1 has no end. d2's first day without service is the 13th: terminated. d3's is the 14th: it moves to the
#           29th, its end from 20 Dec to 4 Jan. A bad address.
#  elsa     pec gets no add-on though it has e-mail; started on the day: hit. Voucher alone, in English.
#  fabio    his business-mail ended with f1 in March: business-mail on f2.
#  gino     g1 ended on the 28th, g2 started in May: excluded, ended_before is closer.
#  ida      i1's last day was the 28th by termination, i2 ended in March: excluded, terminated_before is closer.
#  lino     l1 ended on 5 May, before its termination: expired. l2 was terminated on 5 May, before its end: terminated.
#           l3 ran through its end, the 10th, the day before its termination: expired. l4's termination took that day.
#  mara     in Auckland (+12) the window is 14:30 to midnight of the 29th: not yet started on the 30th. Excluded.
#  nico     in Kiritimati (+14) it is 16:30 of the 29th to 02:00 of the 30th: hit. 14 Feb + 15 = 29 Feb 2012.
#  olga     in New York (-4) the window starts at 22:30 of the 28th: o1 is hit, and expired by 13 May.
#           In Honolulu (-10) it was declared at 22:00 of 12 May: o2 runs through that day: 27 May.
#  pia      p1 was cancelled on its first day and never ran; nor did p2, though the 28th and the 29th are both days of
#           its window in Lima: excluded, terminated_before.
#  nobody   has no contract: not considered. unheard: has one, and no profile: his letter waits.


@pytest.fixture(scope="module")
def promise(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return promised(tmp_path_factory.mktemp("promise"))


def promised(
    folder: Path,
    declaration: dict[str, Any] = DECLARATION,
    contracts: str = CONTRACTS,
    unknown: tuple[str, ...] = (),
    earlier: Expected | None = None,
) -> Expected:
    (folder / "customers.csv").write_text(CUSTOMERS, encoding="utf-8", newline="")
    (folder / "contracts.csv").write_text(contracts, encoding="utf-8", newline="")
    people, held = folder / "customers.csv", folder / "contracts.csv"
    return read_promise(people, held, declaration, unknown_to_billing=unknown, earlier=earlier)


@pytest.mark.parametrize(
    ("customer_id", "exclusion"),
    [
        ("anna", None),
        ("elsa", None),
        ("gino", "ended_before"),
        ("ida", "terminated_before"),
        ("mara", "started_after"),
        ("nico", None),
        ("olga", None),
        ("pia", "terminated_before"),
        ("unheard", None),
    ],
)
def test_who_is_entitled_and_why_not(promise: Expected, customer_id: str, exclusion: str | None) -> None:
    owed = promise.customers[customer_id]
    assert owed.exclusion == exclusion
    assert (owed.remedies == ()) == (exclusion is not None)
    assert (owed.letter is None) == (exclusion is not None)


def test_a_customer_without_contracts_is_not_considered(promise: Expected) -> None:
    assert "nobody" not in promise.customers


@pytest.mark.parametrize(
    ("customer_id", "addons"),
    [
        ("anna", [("a1", "business-mail")]),
        ("bruno", [("b2", "gigamail")]),
        ("carla", []),
        ("elsa", []),
        ("fabio", [("f2", "business-mail")]),
        ("unheard", []),
    ],
)
def test_the_addon_of_each(promise: Expected, customer_id: str, addons: list[tuple[str, str]]) -> None:
    given = promise.customers[customer_id].addons
    assert [(addon.contract_id, addon.product) for addon in given] == addons
    assert all(addon.ends_on == date(2012, 5, 13) and addon.refused is None for addon in given)


@pytest.mark.parametrize(
    ("customer_id", "contract_id", "ends_on", "refused"),
    [
        ("bruno", "b1", date(2012, 1, 15), None),
        ("carla", "c1", None, "expired"),
        ("carla", "c2", date(2011, 5, 28), None),
        ("dario", "d1", None, "open_ended"),
        ("dario", "d2", None, "terminated"),
        ("dario", "d3", date(2012, 1, 4), None),
        ("lino", "l1", None, "expired"),
        ("lino", "l2", None, "terminated"),
        ("lino", "l3", None, "expired"),
        ("lino", "l4", None, "terminated"),
        ("nico", "n1", date(2012, 2, 29), None),
        ("olga", "o1", None, "expired"),
        ("olga", "o2", date(2011, 5, 27), None),
    ],
)
def test_the_extension_of_each(
    promise: Expected, customer_id: str, contract_id: str, ends_on: date | None, refused: str | None
) -> None:
    (extension,) = (e for e in promise.customers[customer_id].extensions if e.contract_id == contract_id)
    assert (extension.days, extension.ends_on, extension.refused) == (15, ends_on, refused)
    told = promise.customers[customer_id].told
    assert told.get(contract_id) == ends_on
    assert (contract_id in promise.customers[customer_id].not_told) == (refused is not None)


def test_the_other_families_are_not_extended(promise: Expected) -> None:
    assert promise.customers["anna"].extensions == ()
    assert promise.customers["elsa"].extensions == ()


def test_one_voucher_per_customer_with_the_terms_of_the_promise(promise: Expected) -> None:
    for owed in promise.customers.values():
        if owed.exclusion is None:
            assert owed.vouchers == (
                Voucher(date(2012, 5, 13), Decimal("5.00"), Decimal("1.90"), "EUR", "Fotoaruba", True),
            )


@pytest.mark.parametrize(
    ("contract_id", "standing"),
    [
        ("a1", Standing(date(2011, 5, 31), None, (("business-mail", *YEAR),))),
        ("a2", Standing(date(2011, 5, 31), None)),
        ("b1", Standing(date(2012, 1, 15), date(2011, 9, 16))),
        ("b2", Standing(date(2011, 5, 12), None, (("gigamail", *YEAR),))),
        ("b3", Standing(date(2012, 4, 29), None)),
        ("d1", Standing(None, None)),
        ("d2", Standing(None, date(2011, 5, 13))),
        ("d3", Standing(date(2012, 1, 4), date(2011, 5, 29))),
        ("l1", Standing(date(2011, 5, 5), date(2011, 5, 10))),
        ("g1", Standing(date(2011, 4, 28), None)),
    ],
)
def test_how_each_contract_must_stand(promise: Expected, contract_id: str, standing: Standing) -> None:
    assert promise.contracts[contract_id] == standing


@pytest.mark.parametrize(
    ("customer_id", "letter"),
    [
        ("anna", Letter("sent", "anna@example.com", "it", "Anna")),
        ("bruno", Letter("sent", "bruno@example.com", "en", "Bruno")),
        ("carla", Letter("no_address", None, "it", "Carla")),
        ("dario", Letter("no_address", None, "en", "Dario")),
        ("elsa", Letter("sent", "elsa@example.org", "en", "Elsa")),
        ("fabio", Letter("sent", "fabio@example.com", "it", "Fabio\nBcc: x")),
        ("unheard", Letter("pending", None, "en", "")),
    ],
)
def test_the_letter_of_each(promise: Expected, customer_id: str, letter: Letter) -> None:
    assert promise.customers[customer_id].letter == letter


def test_the_books(promise: Expected) -> None:
    """14 considered, 4 excluded; 3 add-ons, 13 extensions (8 refused), 10 vouchers."""
    assert promise.books() == {
        "incident_id": "aruba-2011-04-29",
        "revision": 1,
        "customers": {"considered": 14, "entitled": 10, "excluded": 4, "adjusted": 10, "quarantined": 0},
        "remedies": {"granted": 26, "applied": 18, "refused": 8},
        "letters": {
            "details": {
                "sent": 7,
                "failed": 0,
                "in_doubt": 0,
                "suppressed": 0,
                "no_address": 2,
                "pending": 1,
            }
        },
        "liability": {"EUR": "50.00"},
        "days_granted": 195,
        "closed": False,
        "gaps": [],
    }
    assert promise.days_applied == 75


def test_remedies_and_outcomes_as_they_stand_on_the_wire(promise: Expected) -> None:
    voucher = {
        "kind": "voucher",
        "amount": {"amount": "5.00", "currency": "EUR"},
        "merchant": "Fotoaruba",
        "shipping_cap": {"amount": "1.90", "currency": "EUR"},
        "handling_covered": True,
        "valid_until": "2012-05-13",
    }
    server = {"kind": "extension", "contract_id": "b1", "product": "dedicated-server"}
    gift = {"kind": "addon", "contract_id": "b2", "product": "gigamail", "ends_on": "2012-05-13"}
    bruno, carla = promise.customers["bruno"], promise.customers["carla"]
    assert [remedy.granted() for remedy in bruno.remedies] == [server | {"days": 15}, gift, voucher]
    dates = {"before": "2011-12-31", "after": "2012-01-15"}
    assert [remedy.outcome() for remedy in bruno.remedies] == [
        server | {"outcome": "applied", "ends_on": dates},
        gift | {"outcome": "applied"},
        voucher | {"outcome": "applied"},
    ]
    assert carla.extensions[0].outcome() == {
        "kind": "extension",
        "contract_id": "c1",
        "product": "virtual-server",
        "outcome": "refused",
        "reason": "expired",
    }
