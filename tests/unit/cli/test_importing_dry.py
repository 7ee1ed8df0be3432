"""`amends import --dry-run`: what is shown of a file, without a stack, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import imports
from services.cli.errors import CommandError

EXAMPLES = Path(__file__).parents[3] / "schemas" / "mapping" / "examples"


def dry(*arguments: str | Path, root: Path) -> str:
    """What a dry run says; there is no stack under `root`."""
    ran = CliRunner().invoke(
        imports.app, [*map(str, arguments), "--dry-run", "--root", str(root)], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_first_contracts_and_the_counts_are_shown(tmp_path: Path) -> None:
    said = dry("contracts", EXAMPLES / "export.csv", "--map", EXAMPLES / "contracts.yaml", "--show", "2", root=tmp_path)
    assert said.splitlines() == [
        "10023-hosting: customer C-10023, hosting hosting-linux at arezzo-1, 2009-03-01 to 2011-02-28, "
        "4.99 EUR a month, with daily-backup and ssl-certificate, "
        "customer_state attivo, includes_email true, mailboxes 5",
        "10023-domain: customer C-10023, domain domain-registration, 2009-03-01 to 2012-02-28, "
        "customer_state attivo, domain panetteria-bianchi.example, includes_email false",
        "… and 10 more",
        "12 contracts from 6 rows, 1 left out",
        "4 hosting, 4 domain, 2 certified mail, 2 fax",
        "nothing was changed: this was a dry run",
    ]


def test_the_first_customers_and_the_counts_are_shown(tmp_path: Path) -> None:
    said = dry("customers", EXAMPLES / "export.csv", "--map", EXAMPLES / "customers.yaml", root=tmp_path)
    assert said.splitlines()[-3:] == [
        "C-10028: Società Agricola Poggio d'Oro, without an address, it-IT",
        "5 customers from 6 rows, 1 left out",
        "nothing was changed: this was a dry run",
    ]


def test_the_same_as_json(tmp_path: Path) -> None:
    arguments: list[str | Path] = [
        "contracts",
        EXAMPLES / "export.csv",
        "--map",
        EXAMPLES / "contracts.yaml",
        "--show",
        "1",
        "-o",
        "json",
    ]
    told = json.loads(dry(*arguments, root=tmp_path))
    (first,) = told.pop("first")
    assert told == {
        "contracts": 12,
        "rows": 6,
        "left_out": 1,
        "without": 0,
        "repeated": 0,
        "made": {"hosting": 4, "domain": 4, "certified mail": 2, "fax": 2},
    }
    assert (first["contract_id"], first["monthly_fee"]) == ("10023-hosting", {"amount": "4.99", "currency": "EUR"})
    assert "version" not in first


def test_a_file_of_our_own_columns_can_be_tried_too(tmp_path: Path) -> None:
    said = dry("contracts", EXAMPLES / "contracts.csv", "--show", "0", root=tmp_path)
    assert said.splitlines() == ["… and 12 more", "12 contracts", "nothing was changed: this was a dry run"]


def test_a_terminal_gets_no_orders_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name,email,locale\nC1,\x1b]0;owned\x07,,\n", encoding="utf-8")
    assert dry("customers", file, root=tmp_path).splitlines()[0].startswith("C1: \\u001b]0;owned\\u0007,")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["contracts", EXAMPLES / "export.csv"], "export.csv line 1"),
        (["contracts", EXAMPLES / "export.csv", "--map", EXAMPLES / "customers.yaml"], "the map makes customers"),
        (["customers", EXAMPLES / "telecom.csv", "--map", EXAMPLES / "customers.yaml"], "the column is missing"),
        (["customers", EXAMPLES / "export.csv", "--map", EXAMPLES / "export.csv"], "export.csv: byte"),
    ],
)
def test_what_is_wrong_is_told_as_by_an_import(tmp_path: Path, arguments: list[str | Path], says: str) -> None:
    with pytest.raises(CommandError) as refused:
        dry(*arguments, root=tmp_path)
    assert says in str(refused.value)
    assert "nothing was imported" in str(refused.value)


def test_a_map_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        imports.app, ["contracts", str(EXAMPLES / "export.csv"), "--map", str(tmp_path / "no.yaml")]
    )
    assert ran.exit_code == 2
