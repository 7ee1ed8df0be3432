"""`amends import --map`: a provider's own export; and `--dry-run`, which needs no stack and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.csv_files import read_contracts, read_customers
from tests.e2e import outside
from tests.integration.cli.command import amends
from tests.integration.cli.conftest import Town

EXAMPLES = Path(__file__).parents[3] / "schemas" / "mapping" / "examples"
EXPORT = EXAMPLES / "export.csv"
TOPICS = ("amends.customers.v1", "amends.contracts.v1")


def test_an_export_becomes_contracts_and_customers(town: Town) -> None:
    contracts = list(read_contracts(EXAMPLES / "contracts.csv"))
    customers = list(read_customers(EXAMPLES / "customers.csv"))
    for changed in (len(contracts), 0):
        mapped = EXAMPLES / "contracts.yaml"
        ran = amends("import", "contracts", EXPORT, "--map", mapped, "--output", "json", root=town.root)
        assert (ran.exits, ran.json) == (0, {"contracts": len(contracts), "changed": changed, "rows": 6})
    ran = amends("import", "customers", EXPORT, "--map", EXAMPLES / "customers.yaml", "-o", "json", root=town.root)
    counts = {"rows": 6, "left_out": 1, "without": 0, "repeated": 0}
    assert (ran.exits, ran.json) == (0, {"customers": len(customers), **counts})
    told = outside.read(town.stack.kafka, TOPICS)
    assert {record.key for record in told["amends.contracts.v1"]} >= {contract.contract_id for contract in contracts}
    by_id = {record.key: record.data for record in told["amends.customers.v1"]}
    assert [by_id[customer.customer_id] for customer in customers] == [
        customer.model_dump(mode="json") for customer in customers
    ]


@pytest.mark.parametrize("what", ["contracts", "customers"])
def test_a_row_that_does_not_fit_is_named_and_imports_nothing(town: Town, tmp_path: Path, what: str) -> None:
    before = outside.ends(town.stack.kafka, *TOPICS)
    file = tmp_path / "export.csv"
    file.write_bytes(EXPORT.read_bytes().replace(b"10024;", b"10 024;"))
    ran = amends("import", what, file, "--map", EXAMPLES / f"{what}.yaml", root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    for words in ("export.csv line 4, column Cod. cliente", "is no identifier", "nothing was imported"):
        assert words in ran.said
    assert outside.ends(town.stack.kafka, *TOPICS) == before


def test_a_dry_run_shows_what_an_import_would_make_and_changes_nothing(town: Town) -> None:
    before = outside.ends(town.stack.kafka, *TOPICS)
    for what in ("contracts", "customers"):
        ran = amends("import", what, EXPORT, "--map", EXAMPLES / f"{what}.yaml", "--dry-run", root=town.root)
        assert ran.exits == 0, ran.said
        assert "nothing was changed" in ran.out
    assert outside.ends(town.stack.kafka, *TOPICS) == before
