"""The customers at the edges of the promise: a made-up case for each way to misread a rule.

Only data. Which of them stands where in the customer base is decided in `customer_base`; what each is owed
is decided nowhere here. All of it is invented; addresses end in the domains reserved for examples (RFC
2606) or cannot work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

PRODUCTS: Mapping[str, tuple[str, ...]] = {
    "hosting": ("hosting-linux", "hosting-windows"),
    "domain": ("domain-it", "domain-com", "domain-eu"),
    "dedicated": ("dedicated-server",),
    "housing": ("housing",),
    "virtual": ("virtual-server",),
    "pec": ("pec-mailbox",),
    "adsl": ("adsl-business",),
}
FEES: Mapping[str, tuple[str, ...]] = {
    "hosting": ("2.50", "4.99", "9.90"),
    "domain": ("0.99", "1.25"),
    "dedicated": ("69.00", "99.00", "149.50"),
    "housing": ("120.00", "480.00"),
    "virtual": ("10.00", "19.90"),
    "pec": ("0.42", "2.08"),
    "adsl": ("19.95", "29.90"),
}


def quoted(text: str) -> str:
    """One CSV field (RFC 4180): in quotes only where it must be."""
    if any(mark in text for mark in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def columns(
    family: str,
    starts_on: str,
    ends_on: str = "",
    terminated_on: str = "",
    *,
    addons: str = "",
    attributes: Mapping[str, object] | None = None,
    product: str = "",
    site: str = "arezzo",
    fee: str | None = None,
    currency: str = "EUR",
) -> str:
    """The columns of contracts.csv from `family` to `attributes`, as CSV text without a line end."""
    described = "" if attributes is None else quoted(json.dumps(attributes, ensure_ascii=False))
    price = FEES[family][0] if fee is None else fee
    return (
        f"{family},{product or PRODUCTS[family][0]},{site},{starts_on},{ends_on},{terminated_on},"
        f"{price},{currency},{addons},{described}"
    )


@dataclass(frozen=True, slots=True)
class Edge:
    """One such customer: `contracts` as `columns` writes them; None stands for something ordinary."""

    what: str
    contracts: tuple[str, ...]
    name: str | None = None
    email: str | None = None
    locale: str | None = None


MAIL = {"includes_email": True}
NO_MAIL = {"includes_email": False}
_HOSTING = columns("hosting", "2009-06-01", "2011-05-31", attributes=MAIL)


def _server(starts_on: str, ends_on: str = "", terminated_on: str = "", zone: str = "") -> tuple[str, ...]:
    attributes = {"time_zone": zone} if zone else None
    return (columns("dedicated", starts_on, ends_on, terminated_on, attributes=attributes),)


DATES: tuple[Edge, ...] = (
    Edge("started on the day of the incident", _server("2011-04-29", "2012-04-28")),
    Edge("started the day after", _server("2011-04-30", "2012-04-29")),
    Edge("started between incident and declaration", _server("2011-05-10", "2012-05-09")),
    Edge("ended the day before", _server("2010-04-29", "2011-04-28")),
    Edge("ends on the day of the incident", _server("2010-04-30", "2011-04-29")),
    Edge("ended the day before the declaration", _server("2010-05-13", "2011-05-12")),
    Edge("ends on the day of the declaration", _server("2010-05-14", "2011-05-13")),
    Edge("ends the day after the declaration", _server("2010-05-15", "2011-05-14")),
    Edge("terminated long before", _server("2008-01-01", "2011-12-31", "2011-02-01")),
    Edge("first day without service is the incident's", _server("2008-01-01", "2011-12-31", "2011-04-29")),
    Edge("last day of service is the incident's", _server("2008-01-01", "2011-12-31", "2011-04-30")),
    Edge("terminated on the day of the declaration", _server("2008-01-01", "2011-12-31", "2011-05-13")),
    Edge("terminated the day after the declaration", _server("2008-01-01", "2011-12-31", "2011-05-14")),
    Edge("ended, then terminated, before the declaration", _server("2008-05-06", "2011-05-05", "2011-05-10")),
    Edge("terminated, then ended, before the declaration", _server("2008-05-11", "2011-05-10", "2011-05-05")),
    Edge("ended, then terminated, before the incident", _server("2008-03-02", "2011-03-01", "2011-04-01")),
    Edge("terminated, then ended, before the incident", _server("2008-04-02", "2011-04-01", "2011-03-01")),
    Edge("cancelled on its first day", _server("2011-04-29", "2012-04-28", "2011-04-29")),
    Edge("open-ended", _server("2007-09-01")),
    Edge("open-ended, terminated before the declaration", _server("2007-09-01", "", "2011-05-06")),
    Edge("open-ended with a scheduled cancellation", _server("2007-09-01", "", "2011-10-01")),
    Edge("a scheduled cancellation", _server("2007-01-01", "2011-12-31", "2011-09-01")),
    Edge("days run into 29 February", _server("2007-02-15", "2012-02-14")),
    Edge("days run over 31 December", _server("2007-12-21", "2011-12-20")),
    Edge("days run over the end of daylight saving", _server("2007-10-26", "2011-10-25")),
    Edge("zone where the window ends at midnight", _server("2011-04-30", "2012-04-29", "", "Pacific/Auckland")),
    Edge("zone where it was already 30 April", _server("2011-04-30", "2012-04-29", "", "Pacific/Kiritimati")),
    Edge("zone where it was still 28 April", _server("2010-04-29", "2011-04-28", "", "America/New_York")),
    Edge(
        "that zone, terminated on 29 April",
        _server("2010-04-29", "2011-12-31", "2011-04-29", "America/New_York"),
    ),
    Edge(
        "that zone, cancelled on its first day", _server("2011-04-29", "2012-04-28", "2011-04-29", "America/New_York")
    ),
    Edge("zone declared on 12 May", _server("2010-05-13", "2011-05-12", "", "Pacific/Honolulu")),
    Edge(
        "that zone, terminated on 13 May",
        _server("2010-05-13", "2011-12-31", "2011-05-13", "Pacific/Honolulu"),
    ),
)

_ENDED = columns("hosting", "2009-04-01", "2011-03-31", addons="business-mail", attributes=MAIL)
_TERMINATED = columns("hosting", "2009-04-01", "2012-03-31", "2011-01-10", attributes=MAIL)
_LATER = columns("domain", "2011-05-02", "2012-05-01", attributes=MAIL)
_OWNER = columns("hosting", "2009-06-01", "2011-05-31", addons="backup;business-mail", attributes=MAIL)

HOLDINGS: tuple[Edge, ...] = (
    Edge("spared for three reasons", (_ENDED, _TERMINATED, _LATER)),
    Edge("spared for two reasons", (_LATER, _ENDED)),
    Edge("one spared, one hit", (_TERMINATED, _HOSTING)),
    Edge("hosting without e-mail", (columns("hosting", "2009-06-01", "2011-06-30", attributes=NO_MAIL),)),
    Edge("hosting that does not say", (columns("hosting", "2009-06-01", "2011-06-30", attributes={}),)),
    Edge("owns business-mail", (_OWNER,)),
    Edge("owns it on one of two", (_OWNER, columns("domain", "2006-06-01", "2011-07-31", attributes=MAIL))),
    Edge("owned it on a contract that had ended", (_ENDED, _HOSTING)),
    Edge(
        "owns it on a server",
        (columns("dedicated", "2009-06-01", "2012-05-31", addons="business-mail"), _HOSTING),
    ),
    Edge(
        "owns both",
        (columns("hosting", "2009-06-01", "2012-05-31", addons="business-mail;gigamail", attributes=MAIL),),
    ),
    Edge(
        "owns gigamail alone",
        (columns("hosting", "2009-06-01", "2012-05-31", addons="gigamail", attributes=MAIL),),
    ),
    Edge("hosting that expired meanwhile", (columns("hosting", "2009-05-06", "2011-05-05", attributes=MAIL),)),
    Edge(
        "one of each family, each with e-mail",
        tuple(columns(family, "2008-03-01", "2012-02-29", attributes=MAIL) for family in PRODUCTS),
    ),
    Edge("in Bergamo", (columns("virtual", "2010-01-01", "2011-12-31", site="bergamo"),)),
    Edge(
        "without a site or a fee",
        (columns("adsl", "2010-01-01", "2011-12-31", site="", fee="", currency=""),),
    ),
    Edge(
        "a currency without cents",
        (columns("virtual", "2010-01-01", "2011-12-31", fee="1200", currency="JPY"),),
    ),
    Edge(
        "attributes that want quoting",
        (columns("hosting", "2009-06-01", "2012-05-31", attributes=MAIL | {"label": 'Città "Rossa", n. 1\n'}),),
    ),
)

HOSTILE_NAMES: tuple[str, ...] = (
    "Mario\r\nBcc: vittima@example.org",
    "Mario\nSubject: altro",
    "Mario\rX-Injected: 1",
    "Mario\r\n.\r\nMAIL FROM:<vittima@example.org>",
    "=?utf-8?q?Mario=0D=0ABcc=3A_vittima=40example=2Eorg?=",
    "=?utf-8?b?TWFyaW8NCkJjYzogdml0dGltYUBleGFtcGxlLm9yZw==?=",
    "<script>alert('x')</script>",
    '<a href="https://example.com/">Rossi</a> & "Figli", S.n.c.',
    "{{ 7 * 7 }}{% raw %}${x}%s{0}",
    "\u202eoiraM \u2066isolato",
    "\u0645\u0627\u0631\u064a\u0648 \u05de\u05e8\u05d9\u05d5",
    "Mario\u2028Rossi\u2029Bianchi\x85Verdi",
    "Mario\tRossi\x07\x1b[31m\x7f",
    "Wolfeschlegelsteinhausenbergerdorff" * 8 + "x" * 20,
    "\U0001f469\u200d\U0001f4bb Zo\u0308e\u0301",
    "=cmd|'/c calc'!A1",
    "..",
    "   ",
    "",
)
BAD_ADDRESSES: tuple[str, ...] = (
    "",
    "nessun indirizzo",
    "mario.example.com",
    "mario@@example.com",
    "mario@rossi@example.com",
    "@example.com",
    "mario@",
    "mario@localhost",
    ".mario@example.com",
    "mario.@example.com",
    "mario..rossi@example.com",
    "mario rossi@example.com",
    "mario@-posta.example.com",
    "mario@posta-.example.com",
    "mario@posta..example.com",
    "mario@po_sta.example.com",
    "mario@example.com\r\nBcc: vittima@example.org",
    "Mario <mario@example.com>",
    "màrio@example.com",
    "mario%example.org@example.com",
    "m" * 65 + "@example.com",
    "mario@" + "sub-domain." * 23 + "example.com",
)
ODD_ADDRESSES: tuple[str, ...] = (
    "O'Brien+Fatture@Example.ORG",
    "#$&'*+/?=^_`{|}~-@example.com",
    "m" * 64 + "@example.com",
    "1@caffè.example.com",
)

EDGES: tuple[Edge, ...] = (
    *DATES,
    *HOLDINGS,
    *(Edge("a hostile name", (_HOSTING, *_server("2009-01-01", "2011-12-31")), name=name) for name in HOSTILE_NAMES),
    *(Edge("no usable address", (_HOSTING,), email=email) for email in BAD_ADDRESSES),
    *(Edge("an odd but usable address", (_HOSTING,), email=email) for email in ODD_ADDRESSES),
    *(Edge("a locale", (_HOSTING,), locale=locale) for locale in ("it", "it-IT", "en", "en-GB", "de", "")),
)
"""Every edge, in the order in which `customer_base` deals them out."""
