"""A case with everything that can happen to a remedy, small enough to work out by hand; and what is to come of it."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.unit.billing.builders import addon, contract, credit, event, extension, voucher

SECOND = "aruba-2011-07-08"
_LATER = datetime(2011, 7, 10, 10, 0, tzinfo=UTC)

CONTRACTS = [
    contract("K-1", "2012-03-01", customer_id="C-1"),
    contract("K-2", "2011-09-30", customer_id="C-1"),
    contract("K-3", None, customer_id="C-2"),
    contract("K-4", "2011-05-01", customer_id="C-3"),
    contract("K-5", "2012-03-01", "2011-05-10", customer_id="C-4"),
    contract("K-6", "2012-02-14", "2011-12-31", customer_id="C-5"),
    contract("K-7", "2012-03-01", customer_id="C-7"),
]

EVENTS = [
    event(extension("K-1"), addon("K-2"), voucher("C-1"), customer_id="C-1"),
    event(extension("K-3"), voucher("C-2"), customer_id="C-2"),
    event(extension("K-4"), addon("K-4"), customer_id="C-3"),
    event(extension("K-5"), voucher("C-4"), credit(customer_id="C-4"), customer_id="C-4"),
    event(extension("K-6", rule="a"), extension("K-6", 5, rule="b"), customer_id="C-5"),
    event(extension("K-404"), credit(customer_id="C-6"), customer_id="C-6"),
    event(extension("K-1", 7, incident=SECOND), voucher("C-1", SECOND), customer_id="C-1", incident=SECOND,
          declared_at=_LATER),
    event(extension("K-6", 3, incident=SECOND), addon("K-6", incident=SECOND), customer_id="C-5", incident=SECOND,
          declared_at=_LATER),
]  # fmt: skip

ENDS = {
    "K-1": "2012-03-23",  # 1 March + 15 + 7
    "K-2": "2011-09-30",
    "K-3": None,
    "K-4": "2011-05-01",
    "K-5": "2012-03-01",
    "K-6": "2012-03-08",  # 14 February + 15 + 5 + 3, over the leap day
    "K-7": "2012-03-01",  # of a customer who was spared
}
VERSIONS = {"K-1": 3, "K-2": 2, "K-3": 1, "K-4": 2, "K-5": 1, "K-6": 5, "K-7": 1}

OUTCOMES = {
    ("C-1", "aruba-2011-04-29"): ["applied", "applied", "applied"],
    ("C-2", "aruba-2011-04-29"): ["open_ended", "applied"],
    ("C-3", "aruba-2011-04-29"): ["expired", "applied"],
    ("C-4", "aruba-2011-04-29"): ["terminated", "applied", "applied"],
    ("C-5", "aruba-2011-04-29"): ["applied", "applied"],
    ("C-6", "aruba-2011-04-29"): ["unknown_contract", "applied"],
    ("C-1", SECOND): ["applied", "applied"],
    ("C-5", SECOND): ["applied", "applied"],
}
