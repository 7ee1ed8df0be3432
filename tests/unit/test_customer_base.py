"""The customer base: the same from the same seed, in the proportions of the case. Its edges: test_customer_edges."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.customer_base import Base, generate, incident
from schemas.events import ContractChanged, CustomerChanged, IncidentDeclared

Row = dict[str, str]
RESERVED = ("example.com", "example.org")
RESERVED_UNDER = (".example.com", ".example.org")
CUSTOMER_COLUMNS = "customer_id,name,email,locale"
CONTRACT_COLUMNS = (
    "contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,monthly_fee,currency,addons,attributes"
)


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, strict=True))


@dataclass(frozen=True)
class Read:
    base: Base
    customers: list[Row]
    contracts: list[Row]
    by_customer: dict[str, list[Row]]


def read(folder: Path, customers: int) -> Read:
    base = generate(folder, customers)
    contracts = rows(base.contracts_csv)
    held: dict[str, list[Row]] = {}
    for contract in contracts:
        held.setdefault(contract["customer_id"], []).append(contract)
    return Read(base, rows(base.customers_csv), contracts, held)


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read(tmp_path_factory.mktemp("base"), 10_000)


@pytest.fixture(scope="module")
def twenty_thousand(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read(tmp_path_factory.mktemp("base"), 20_000)


def digest(base: Base) -> str:
    return hashlib.sha256(base.customers_csv.read_bytes() + base.contracts_csv.read_bytes()).hexdigest()


# ── The same again ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = digest(generate(tmp_path / "a", 3_000, seed=7))
    assert digest(generate(tmp_path / "b", 3_000, seed=7)) == first
    assert digest(generate(tmp_path / "c", 3_000, seed=8)) != first


def test_the_base_does_not_depend_on_hash_randomisation(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from deploy.local.customer_base import generate; "
        "generate(Path(sys.argv[1]), 1_000)"
    )
    root = str(Path(__file__).parents[2])
    found = set()
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
        subprocess.run([sys.executable, "-c", program, str(folder)], env=env, check=True, timeout=60)
        found.add((folder / "customers.csv").read_bytes() + (folder / "contracts.csv").read_bytes())
    assert len(found) == 1


def test_a_smaller_base_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    small, large = generate(tmp_path / "small", 700), generate(tmp_path / "large", 12_000)
    assert large.customers_csv.read_bytes().startswith(small.customers_csv.read_bytes())
    assert large.contracts_csv.read_bytes().startswith(small.contracts_csv.read_bytes())


# ── The files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_columns_are_the_ones_that_the_import_reads(ten_thousand: Read) -> None:
    for path, header in (
        (ten_thousand.base.customers_csv, CUSTOMER_COLUMNS),
        (ten_thousand.base.contracts_csv, CONTRACT_COLUMNS),
    ):
        assert path.read_bytes().split(b"\n", 1)[0].decode() == header


def test_the_counts_are_the_rows_and_no_id_comes_twice(ten_thousand: Read) -> None:
    base = ten_thousand.base
    assert (base.customers, base.contracts) == (10_000, len(ten_thousand.contracts))
    assert len({row["customer_id"] for row in ten_thousand.customers}) == 10_000
    assert len({row["contract_id"] for row in ten_thousand.contracts}) == base.contracts
    assert ten_thousand.customers[0]["customer_id"] == "C0000001"
    assert ten_thousand.contracts[0]["contract_id"] == "K0000001-1"


def test_every_customer_holds_a_contract_and_every_contract_has_its_customer(ten_thousand: Read) -> None:
    assert set(ten_thousand.by_customer) == {row["customer_id"] for row in ten_thousand.customers}


def test_every_row_is_a_valid_event(ten_thousand: Read) -> None:
    for row in ten_thousand.customers:
        CustomerChanged.model_validate(row, strict=False)
    for row in ten_thousand.contracts:
        typed: dict[str, object] = {name: value for name, value in row.items() if value}
        typed["addons"] = row["addons"].split(";") if row["addons"] else []
        typed["attributes"] = json.loads(row["attributes"] or "{}")
        fee = {"amount": row["monthly_fee"], "currency": row["currency"]}
        typed["monthly_fee"] = fee if row["monthly_fee"] else None
        contract = ContractChanged.model_validate(typed, strict=False)
        assert contract.ends_on is None or contract.ends_on >= contract.starts_on
        assert contract.terminated_on is None or contract.terminated_on >= contract.starts_on


def test_every_address_that_could_work_is_in_a_reserved_domain(ten_thousand: Read) -> None:
    for row in ten_thousand.customers:
        for domain in re.findall(r"@([^\s>@]*\.[^\s>@]*)", row["email"]):
            assert domain.lower() in RESERVED or domain.lower().endswith(RESERVED_UNDER), row


def test_a_file_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        generate(tmp_path, 100, on_progress=stop)
    assert not (tmp_path / "customers.csv").exists()
    assert not (tmp_path / "contracts.csv").exists()


def test_progress_is_told_and_ends_with_all(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(tmp_path, 10_001, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(10_000, 10_001), (10_001, 10_001)]


@pytest.mark.parametrize("customers", [-1, 0, 1_500_001])
def test_a_size_out_of_range_is_refused_before_a_file_is_made(tmp_path: Path, customers: int) -> None:
    with pytest.raises(ValueError, match="1500000"):
        generate(tmp_path / "none", customers)
    assert not (tmp_path / "none").exists()


def test_one_customer_is_a_base(tmp_path: Path) -> None:
    assert generate(tmp_path, 1).customers == 1


def test_the_declaration_is_the_incident_of_the_case() -> None:
    declared = IncidentDeclared.model_validate(incident(), strict=False)
    assert (declared.incident_id, declared.revision, declared.drill) == ("aruba-2011-04-29", 1, False)
    assert declared.policy == "aruba-2011-04-29@1"
    assert declared.scope.everyone
    assert declared.impact.starts_at.isoformat() == "2011-04-29T04:30:00+02:00"
    assert declared.impact.ends_at is not None
    assert declared.impact.ends_at.isoformat() == "2011-04-29T14:00:00+02:00"
    assert declared.declared_at.isoformat() == "2011-05-13T10:00:00+02:00"


# ── The proportions ──────────────────────────────────────────────────────────────────────────────────────────────


def test_domains_are_a_little_over_two_thirds_of_the_customers(twenty_thousand: Read) -> None:
    """1,500,000 customers to a little over 1,000,000 domains."""
    domains = sum(row["family"] == "domain" for row in twenty_thousand.contracts)
    assert 1_000_000 / 1_500_000 < domains / 20_000 < 1_100_000 / 1_500_000


def test_most_customers_hold_one_or_two_contracts_and_one_in_two_thousand_holds_hundreds(twenty_thousand: Read) -> None:
    held = Counter(len(own) for own in twenty_thousand.by_customer.values())
    assert (held[1] + held[2]) / 20_000 > 0.9
    resellers = {size: many for size, many in held.items() if size > 10}
    assert sum(resellers.values()) == 10
    assert min(resellers) >= 50
    assert 200 <= max(resellers) <= 400


@pytest.mark.parametrize(
    ("least", "share", "most"),
    [
        (0.90, lambda row: row["site"] == "arezzo", 0.94),
        (0.80, lambda row: row["family"] == "hosting" and '"includes_email": true' in row["attributes"], 0.90),
        (0.50, lambda row: row["family"] == "domain" and '"includes_email": true' in row["attributes"], 0.60),
    ],
    ids=["arezzo", "hosting with e-mail", "domain with e-mail"],
)
def test_shares_of_the_contracts(
    twenty_thousand: Read, least: float, share: Callable[[Row], bool], most: float
) -> None:
    matching = [row for row in twenty_thousand.contracts if share(row)]
    families = {row["family"] for row in matching}
    among = [row for row in twenty_thousand.contracts if row["family"] in families]
    assert least < len(matching) / len(among) < most


def test_almost_everyone_was_hit_but_not_all(twenty_thousand: Read) -> None:
    spared = sum(
        all(row["starts_on"] > "2011-04-29" or "" < row["ends_on"] < "2011-04-29" for row in own)
        for own in twenty_thousand.by_customer.values()
    )
    assert 0.005 < spared / 20_000 < 0.03


def test_nine_in_ten_read_italian_and_few_have_no_address(twenty_thousand: Read) -> None:
    locales = Counter(row["locale"] for row in twenty_thousand.customers)
    assert 0.9 < locales["it"] / 20_000 < 0.96
    assert all(locales[other] > 100 for other in ("en", "de", ""))
    assert 0.003 < sum(not row["email"] for row in twenty_thousand.customers) / 20_000 < 0.01
