"""`amends import`: a good file is published, a bad one is explained by line and column and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.csv_cases import CONTRACTS, CUSTOMERS, FULL, row
from tests.e2e import outside
from tests.integration.cli.command import amends
from tests.integration.cli.conftest import Town

TOPICS = ("amends.customers.v1", "amends.contracts.v1")
GOOD = "C1,Made-up,one@c1.example,it\n"


def ends(town: Town) -> outside.Positions:
    return outside.ends(town.stack.kafka, *TOPICS)


@pytest.mark.parametrize(
    ("what", "content", "words"),
    [
        ("customers", "customer_id,name,email\n", ["customers.csv", "line 1", "locale"]),
        ("customers", CUSTOMERS + GOOD + "C2,Two\n", ["customers.csv", "line 3", "2 values"]),
        ("customers", CUSTOMERS + GOOD + ",No id,,\n", ["customers.csv", "line 3", "customer_id", "is empty"]),
        ("customers", CUSTOMERS + GOOD + GOOD, ["line 3", "customer_id", "line 2 has it already"]),
        ("customers", CUSTOMERS.encode() + b"C2,Nicol\xf2,,it\n", ["line 2", "name", "0xF2", "UTF-8"]),
        ("customers", "", ["customers.csv"]),
        ("contracts", CONTRACTS.replace(",site", ""), ["contracts.csv", "line 1", "site"]),
        ("contracts", CONTRACTS + FULL + row(contract_id="K9", ends_on="2011-02-30"), ["line 3", "ends_on", "02-30"]),
        ("contracts", CONTRACTS + FULL + FULL, ["line 3", "contract_id", "line 2 has it already"]),
        ("contracts", CONTRACTS.encode() + FULL.encode() + b"K9,C1,pec,p\xe8,,2011-01-01,,,,,,\n", ["line 3", "0xE8"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_explained_and_imports_nothing(
    town: Town, tmp_path: Path, what: str, content: str | bytes, words: list[str]
) -> None:
    before = ends(town)
    file = tmp_path / f"{what}.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    ran = amends("import", what, file, "--output", "json", root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    for word in [*words, "nothing was imported"]:
        assert word in ran.said
    assert ends(town) == before


def test_a_bad_line_behind_thousands_of_good_ones_imports_none_of_them(town: Town, tmp_path: Path) -> None:
    before = ends(town)
    for what, head, good in (
        ("customers", CUSTOMERS, "C{0},x,,\n"),
        ("contracts", CONTRACTS, "K{0},C1,pec,p,,2011-01-01,,,,,,\n"),
    ):
        file = tmp_path / f"{what}.csv"
        bad = good.format(99_999).replace(",x,", ",x,,,").replace("2011-01-01", "2011-01-99")
        file.write_text(head + "".join(good.format(number) for number in range(12_000)) + bad)
        ran = amends("import", what, file, root=town.root)
        assert (ran.exits, ran.out) == (1, "")
        assert "line 12002" in ran.said
    assert ends(town) == before


def test_contracts_that_are_known_already_are_not_published_again(town: Town) -> None:
    before = ends(town)
    ran = amends("import", "contracts", town.base.contracts_csv, "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    assert ran.json == {"contracts": town.base.contracts, "changed": 0}
    assert ends(town) == before


def test_a_good_file_is_published_and_counted(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(CUSTOMERS + "C7000001,Città,one@example.com,it\nC7000002,,,\n", encoding="utf-8")
    ran = amends("import", "customers", file, "--output", "json", root=town.root)
    assert (ran.exits, ran.json) == (0, {"customers": 2})
    records = outside.read(town.stack.kafka, ["amends.customers.v1"])["amends.customers.v1"]
    told = {record.key: record.data for record in records}
    assert told["C7000001"] == {
        "customer_id": "C7000001", "name": "Città", "email": "one@example.com", "locale": "it",
    }  # fmt: skip
    assert told["C7000002"] == {"customer_id": "C7000002", "name": None, "email": None, "locale": None}


def test_a_changed_contract_is_published_as_it_is_now(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "contracts.csv"
    for fee, changed in (("9.90", 1), ("19.90", 1), ("19.90", 0)):
        file.write_text(CONTRACTS + row(contract_id="K7000001", customer_id="C7000001", monthly_fee=fee))
        ran = amends("import", "contracts", file, "--output", "json", root=town.root)
        assert (ran.exits, ran.json) == (0, {"contracts": 1, "changed": changed})
    records = outside.read(town.stack.kafka, ["amends.contracts.v1"])["amends.contracts.v1"]
    told = [record.data for record in records if record.key == "K7000001"]
    assert [one["monthly_fee"]["amount"] for one in told] == ["9.90", "19.90"]
    assert json.dumps(told[-1]["addons"]) == '["backup", "ssl"]'
