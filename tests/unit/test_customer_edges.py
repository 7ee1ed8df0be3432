"""Ten thousand customers hold every edge that the rules speak of, found in the files by what the rows say."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.customer_base import generate
from deploy.local.customer_edges import EDGES

Row = dict[str, str]
Base = tuple[list[Row], list[Row]]


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


@pytest.fixture(scope="module")
def customers_and_contracts(tmp_path_factory: pytest.TempPathFactory) -> Base:
    base = generate(tmp_path_factory.mktemp("base"), 10_000)
    return rows(base.customers_csv), rows(base.contracts_csv)


@pytest.fixture(scope="module")
def customers(customers_and_contracts: Base) -> list[Row]:
    return customers_and_contracts[0]


@pytest.fixture(scope="module")
def contracts(customers_and_contracts: Base) -> list[Row]:
    return customers_and_contracts[1]


@pytest.fixture(scope="module")
def by_customer(contracts: list[Row]) -> dict[str, list[Row]]:
    held: dict[str, list[Row]] = {}
    for contract in contracts:
        held.setdefault(contract["customer_id"], []).append(contract)
    return held


def term(row: Row) -> tuple[str, str, str]:
    return row["starts_on"], row["ends_on"], row["terminated_on"]


def zoned(row: Row) -> str:
    return str(json.loads(row["attributes"] or "{}").get("time_zone", ""))


INCIDENT, DECLARED = "2011-04-29", "2011-05-13"
CONTRACT_EDGES: dict[str, Callable[[Row], bool]] = {
    "started on the day": lambda row: row["starts_on"] == INCIDENT,
    "started the day after": lambda row: row["starts_on"] == "2011-04-30",
    "ends on the day": lambda row: row["ends_on"] == INCIDENT,
    "ended the day before": lambda row: row["ends_on"] == "2011-04-28",
    "ended before": lambda row: "" < row["ends_on"] < "2011-04-01",
    "ended in between": lambda row: INCIDENT < row["ends_on"] < DECLARED,
    "ends on the day of the declaration": lambda row: row["ends_on"] == DECLARED,
    "terminated before": lambda row: "" < row["terminated_on"] < "2011-04-01",
    "terminated on the day": lambda row: row["terminated_on"] == INCIDENT,
    "terminated in between": lambda row: INCIDENT < row["terminated_on"] < DECLARED,
    "terminated on the day of the declaration": lambda row: row["terminated_on"] == DECLARED,
    "cancellation ahead": lambda row: DECLARED < row["terminated_on"] <= row["ends_on"],
    "open-ended": lambda row: term(row)[1:] == ("", ""),
    "open-ended and terminated": lambda row: not row["ends_on"] and "" < row["terminated_on"] < DECLARED,
    "open-ended, cancellation ahead": lambda row: not row["ends_on"] and row["terminated_on"] > DECLARED,
    "ended first": lambda row: INCIDENT < row["ends_on"] < row["terminated_on"] < DECLARED,
    "terminated first": lambda row: INCIDENT < row["terminated_on"] < row["ends_on"] < DECLARED,
    "cancelled on its first day": lambda row: row["starts_on"] == row["terminated_on"],
    "other time zone": lambda row: zoned(row) not in ("", "Europe/Rome"),
    "window ends at midnight there": lambda row: zoned(row) == "Pacific/Auckland" and term(row)[0] == "2011-04-30",
    "next day there": lambda row: zoned(row) == "Pacific/Kiritimati" and term(row)[0] == "2011-04-30",
    "day before there": lambda row: zoned(row) == "America/New_York" and term(row)[1] == "2011-04-28",
    "declared the day before there": lambda row: zoned(row) == "Pacific/Honolulu" and term(row)[1] == "2011-05-12",
    "hosting without e-mail": lambda row: row["family"] == "hosting" and "false" in row["attributes"],
    "hosting that does not say": lambda row: row["family"] == "hosting" and row["attributes"] == "{}",
    "e-mail in a family without the gift": lambda row: row["family"] == "pec" and "true" in row["attributes"],
    "owner": lambda row: "business-mail" in row["addons"].split(";"),
    "owner of both": lambda row: row["addons"] == "business-mail;gigamail",
    "owner of gigamail alone": lambda row: row["addons"] == "gigamail",
    "owner on a server": lambda row: row["family"] == "dedicated" and row["addons"] == "business-mail",
    "no site": lambda row: not row["site"],
    "bergamo": lambda row: row["site"] == "bergamo",
    "no fee": lambda row: not row["monthly_fee"] and not row["currency"],
    "another currency": lambda row: row["currency"] not in ("", "EUR"),
    "no attributes": lambda row: not row["attributes"],
}


@pytest.mark.parametrize("edge", CONTRACT_EDGES)
def test_every_edge_of_a_contract_occurs(contracts: list[Row], edge: str) -> None:
    assert any(CONTRACT_EDGES[edge](row) for row in contracts)


CUSTOMER_EDGES: dict[str, Callable[[Row], bool]] = {
    "no address": lambda row: not row["email"],
    "no at": lambda row: row["email"] > "" and "@" not in row["email"],
    "header in the address": lambda row: "\r\nBcc:" in row["email"],
    "long local part": lambda row: len(row["email"].split("@")[0]) == 65,
    "longest local part": lambda row: len(row["email"].split("@")[0]) == 64,
    "long address": lambda row: len(row["email"]) > 254,
    "odd address": lambda row: row["email"].startswith("#$&'*+"),
    "address that may be a route": lambda row: "%" in row["email"],
    "address with a domain outside ASCII": lambda row: not row["email"].rpartition("@")[2].isascii(),
    "header in the name": lambda row: "\r\nBcc:" in row["name"],
    "dot line": lambda row: "\r\n.\r\n" in row["name"],
    "lone CR": lambda row: re.search(r"\r(?!\n)", row["name"]) is not None,
    "lone LF": lambda row: re.search(r"(?<!\r)\n", row["name"]) is not None,
    "control characters": lambda row: "\x07\x1b" in row["name"],
    "line separators": lambda row: "\u2028" in row["name"] and "\x85" in row["name"],
    "encoded word": lambda row: row["name"].startswith("=?utf-8?q?"),
    "HTML": lambda row: "<script>" in row["name"],
    "template": lambda row: "{{" in row["name"],
    "right to left": lambda row: "\u202e" in row["name"],
    "300 characters": lambda row: len(row["name"]) == 300,
    "no name": lambda row: not row["name"],
    "Italian of Italy": lambda row: row["locale"] == "it-IT",
    "English": lambda row: row["locale"] == "en",
    "German": lambda row: row["locale"] == "de",
    "no locale": lambda row: not row["locale"],
}


@pytest.mark.parametrize("edge", CUSTOMER_EDGES)
def test_every_edge_of_a_customer_occurs(customers: list[Row], edge: str) -> None:
    assert any(CUSTOMER_EDGES[edge](row) for row in customers)


def test_every_edge_is_dealt_out(by_customer: dict[str, list[Row]]) -> None:
    held = Counter(tuple(",".join(list(row.values())[2:-1]) for row in own) for own in by_customer.values())
    for edge in EDGES:
        parsed = tuple(",".join(next(csv.reader([text], strict=True))[:-1]) for text in edge.contracts)
        assert held[parsed], edge.what
    assert len(EDGES) * 50 <= 10_000


def test_a_customer_can_have_been_spared_for_three_reasons(by_customer: dict[str, list[Row]]) -> None:
    assert any(
        len(own) == 3
        and any("" < row["ends_on"] < INCIDENT for row in own)
        and any("" < row["terminated_on"] < INCIDENT for row in own)
        and any(row["starts_on"] > INCIDENT for row in own)
        for own in by_customer.values()
    )
