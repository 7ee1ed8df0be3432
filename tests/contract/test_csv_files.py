"""The CSV files of an import: what good ones are read as, and what is said of a bad value, with line and column."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.csv_files import read_customers
from schemas.csv_rows import ROWS_PER_BLOCK
from schemas.events import ContractChanged, CustomerChanged
from schemas.values import Money
from tests.contract.csv_cases import CONTRACTS, CUSTOMERS, FULL, SPARE, Contracts, Customers, errors_of, row

# ── good files ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_row_and_a_spare_one(contracts: Contracts) -> None:
    full, spare = contracts(CONTRACTS + FULL + SPARE)
    assert full == ContractChanged(
        contract_id="K1",
        customer_id="C1",
        family="dedicated",
        product="dedicated-server",
        site="arezzo-1",
        starts_on=date(2009, 3, 1),
        ends_on=date(2012, 2, 29),
        terminated_on=date(2011, 5, 1),
        monthly_fee=Money(amount=Decimal("49.90"), currency="EUR"),
        addons=("backup", "ssl"),
        attributes={"rack": 1},
    )
    assert (spare.site, spare.ends_on, spare.terminated_on, spare.monthly_fee) == (None, None, None, None)
    assert (spare.addons, spare.attributes) == ((), {})


def test_empty_columns_of_a_customer_are_null(customers: Customers) -> None:
    one, two = customers(CUSTOMERS + 'C1,"Made-up, S.r.l.",one@c1.example,it-IT\nC2,,,\n')
    assert (one.name, one.email, one.locale) == ("Made-up, S.r.l.", "one@c1.example", "it-IT")
    assert (two.name, two.email, two.locale) == (None, None, None)


@pytest.mark.parametrize(
    "content",
    [
        (CONTRACTS + FULL).encode(),
        b"\xef\xbb\xbf" + (CONTRACTS + FULL).encode(),
        (CONTRACTS + FULL).replace("\n", "\r\n").encode(),
        (CONTRACTS + FULL).rstrip("\n").encode(),
        (CONTRACTS + "\n" + FULL + "\n\n").encode(),
    ],
    ids=["plain", "byte order mark", "CR LF", "no newline at the end", "blank lines"],
)
def test_the_same_contract_however_the_file_is_written(contracts: Contracts, content: bytes) -> None:
    assert [contract.contract_id for contract in contracts(content)] == ["K1"]


def test_columns_may_stand_in_another_order(customers: Customers) -> None:
    (one,) = customers("email,locale,customer_id,name\none@c1.example,it,C1,Made-up\n")
    assert one == CustomerChanged(customer_id="C1", name="Made-up", email="one@c1.example", locale="it")


def test_a_file_with_a_header_only_has_no_rows(customers: Customers) -> None:
    assert customers(CUSTOMERS) == []


def test_open_text_is_read_like_a_path(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(CUSTOMERS + "C1,Zoë,,\n", encoding="utf-8")
    with path.open(encoding="latin-1") as file:  # whatever the caller opened it as: the file is UTF-8
        assert [customer.name for customer in read_customers(file)] == ["Zoë"]
    assert [customer.name for customer in read_customers(io.StringIO(path.read_text(encoding="utf-8")))] == ["Zoë"]


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_customers(tmp_path / "customers.csv"))


def test_a_contract_called_off_before_it_began_is_read(contracts: Contracts) -> None:
    (contract,) = contracts(CONTRACTS + row(terminated_on="2009-02-01"))
    assert contract.terminated_on == date(2009, 2, 1)


def test_many_blocks_come_out_in_the_order_of_the_file(customers: Customers) -> None:
    count = 2 * ROWS_PER_BLOCK + 10
    read = customers(CUSTOMERS + "".join(f'C{i},"Made\nup",,\n' for i in range(count)))
    assert [customer.customer_id for customer in read] == [f"C{i}" for i in range(count)]


def test_attributes_of_two_contracts_are_not_one_object(contracts: Contracts) -> None:
    one, two = contracts(CONTRACTS + row() + row(contract_id="K2"))
    assert one.attributes == two.attributes
    assert one.attributes is not two.attributes


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_any_name_is_read_as_it_was_written(names: list[str], end: str) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(CUSTOMERS.strip().split(","))
    for i, name in enumerate(names):
        writer.writerow([f"C{i}", name, "", ""])
    read = list(read_customers(io.StringIO(out.getvalue(), newline="")))
    assert [customer.name for customer in read] == [name or None for name in names]


# ── bad values ─────────────────────────────────────────────────────────────────────────────────────────────────

BAD_VALUES: list[tuple[str, dict[str, str], str, str]] = [
    ("no such month", {"ends_on": "2011-13-01"}, "ends_on", '"2011-13-01" is no date: write YYYY-MM-DD'),
    ("no leap day", {"ends_on": "2011-02-29"}, "ends_on", '"2011-02-29" is no date'),
    ("date as people write it", {"terminated_on": "01/05/2011"}, "terminated_on", '"01/05/2011" is no date'),
    ("date without dashes", {"starts_on": "20090301"}, "starts_on", '"20090301" is no date'),
    ("week date", {"starts_on": "2009-W10-7"}, "starts_on", '"2009-W10-7" is no date'),
    ("date with a time", {"starts_on": "2009-03-01T00:00"}, "starts_on", "is no date"),
    ("a number of seconds", {"starts_on": "1235865600"}, "starts_on", "is no date"),
    ("other digits", {"starts_on": "٢٠٠٩-03-01"}, "starts_on", "is no date"),
    ("no start", {"starts_on": ""}, "starts_on", '"" is empty: write a date'),
    ("ends before it starts", {"ends_on": "2009-02-28"}, "ends_on", '"2009-02-28" is before starts_on 2009-03-01'),
    ("comma in a fee", {"monthly_fee": "5,00"}, "monthly_fee", '"5,00" is no amount: write a decimal such as 5.00'),
    ("fee of a spreadsheet", {"monthly_fee": "4.99E1"}, "monthly_fee", "is no amount"),
    ("fee with its currency", {"monthly_fee": "5 EUR"}, "monthly_fee", "is no amount"),
    ("fee below nothing", {"monthly_fee": "-5.00"}, "monthly_fee", "is no amount"),
    ("fee of infinity", {"monthly_fee": "Infinity"}, "monthly_fee", "is no amount"),
    ("too many decimals", {"monthly_fee": "5.001"}, "monthly_fee", "has more decimals than EUR has (2)"),
    ("yen with decimals", {"currency": "JPY"}, "monthly_fee", "has more decimals than JPY has (0)"),
    ("unknown currency", {"currency": "XYZ"}, "currency", '"XYZ" is no currency: write an ISO 4217 code such as EUR'),
    ("currency in small letters", {"currency": "eur"}, "currency", '"eur" is no currency'),
    ("fee without currency", {"currency": ""}, "currency", "is empty although monthly_fee is 49.90"),
    ("currency without fee", {"monthly_fee": ""}, "monthly_fee", "is empty although currency is EUR"),
    ("attributes no JSON", {"attributes": "{rack: 1}"}, "attributes", "is no JSON"),
    ("attributes a list", {"attributes": "[1]"}, "attributes", "is no JSON object"),
    ("attributes not a number", {"attributes": '{"a": NaN}'}, "attributes", "is no JSON"),
    ("attributes with NUL", {"attributes": '{"a": "\\u0000"}'}, "attributes", "NUL"),
    ("no time zone", {"attributes": '{"time_zone": "Europa/Roma"}'}, "attributes", "Europa/Roma"),
    ("a folder of time zones", {"attributes": '{"time_zone": "Europe"}'}, "attributes", "IANA name"),
    ("a path for a time zone", {"attributes": '{"time_zone": "../etc"}'}, "attributes", "IANA name"),
    ("a number for a time zone", {"attributes": '{"time_zone": 2}'}, "attributes", "IANA name"),
    ("empty add-on", {"addons": "backup;;ssl"}, "addons", "has an empty entry"),
    ("add-on with a blank", {"addons": "backup; ssl"}, "addons", "without blanks"),
    ("no id", {"contract_id": ""}, "contract_id", "is empty: write a value"),
    ("no customer", {"customer_id": ""}, "customer_id", "is empty: write a value"),
    ("id with a blank", {"contract_id": "K 1"}, "contract_id", '"K 1" is no identifier'),
    ("id too long", {"contract_id": "K" * 201}, "contract_id", "is longer than 200 characters"),
    ("NUL byte", {"product": "a\0b"}, "product", '"a\\0b" has a NUL byte'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "column", "says"), [case[1:] for case in BAD_VALUES], ids=[case[0] for case in BAD_VALUES]
)
def test_a_bad_value_is_told_with_line_and_column(
    contracts: Contracts, changed: dict[str, str], column: str, says: str
) -> None:
    (error,) = errors_of(lambda: contracts(CONTRACTS + SPARE + row(**changed)))
    assert (error.file, error.line, error.column) == ("contracts.csv", 3, column)
    assert error.value == changed.get(column, "49.90")
    assert says in str(error)


def test_an_error_reads_as_a_sentence(contracts: Contracts) -> None:
    lines = "".join(row(contract_id=f"K{i}") for i in range(10))
    (error,) = errors_of(lambda: contracts(CONTRACTS + lines + row(contract_id="X", ends_on="2011-13-01")))
    assert str(error) == 'contracts.csv line 12, column ends_on: "2011-13-01" is no date: write YYYY-MM-DD'


def test_every_wrong_value_of_a_row_is_told(contracts: Contracts) -> None:
    errors = errors_of(lambda: contracts(CONTRACTS + row(customer_id="", starts_on="x", currency="XYZ", addons=";")))
    assert [error.column for error in errors] == ["starts_on", "currency", "addons", "customer_id"]


def test_a_hostile_value_is_shown_cut_and_escaped(customers: Customers) -> None:
    (error,) = errors_of(lambda: customers(CUSTOMERS + '"C1\n\u202e""\x1b[31m' + "x" * 500 + '",,,\n'))
    shown = str(error)
    assert shown.startswith('customers.csv line 2, column customer_id: "C1\\n\\u202e\\"\\u001b[31mxxx')
    assert len(shown) < 200
    assert shown.isprintable()


# ── duplicates ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_duplicate_id_names_both_lines(contracts: Contracts) -> None:
    (error,) = errors_of(lambda: contracts(CONTRACTS + SPARE + row(attributes='{"a":\n1}') + SPARE))
    assert str(error) == 'contracts.csv line 5, column contract_id: "K2" is there twice: line 2 has it already'


def test_a_duplicate_far_away_names_both_lines(customers: Customers) -> None:
    rows = "".join(f'C{i},"Made\nup",,\n' for i in range(2 * ROWS_PER_BLOCK))
    (error,) = errors_of(lambda: customers(CUSTOMERS + rows + "C7,,,\n"))
    assert (error.line, error.column) == (2 + 4 * ROWS_PER_BLOCK, "customer_id")
    assert "line 16 has it already" in error.problem


def test_a_duplicate_in_a_stream_that_cannot_go_back_is_told_without_the_first_line() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    text = io.TextIOWrapper(Pipe((CUSTOMERS + "C1,,,\nC1,,,\n").encode()))
    (error,) = errors_of(lambda: list(read_customers(text)))
    assert str(error) == 'input line 3, column customer_id: "C1" is there twice: an earlier line has it already'
