"""The CSV files of an import taken apart: lines, quoting, headers, encodings, and a bad file as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import csv_rows
from schemas.csv_errors import ERRORS_AT_MOST
from schemas.csv_files import CsvErrors, read_customers
from schemas.csv_rows import ROWS_PER_BLOCK
from schemas.events import CustomerChanged
from tests.contract.csv_cases import CONTRACTS, CUSTOMERS, FULL, SPARE, Contracts, Customers, errors_of, row

# ── lines and rows ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_count_right_after_quoted_newlines_and_blank_lines(contracts: Contracts, end: str) -> None:
    before = row(contract_id="K3", attributes='{\n"a":\n1}') + "\n"  # lines 2 to 4, and a blank one
    content = (CONTRACTS + before + row(ends_on="never")).replace("\n", end)
    (error,) = errors_of(lambda: contracts(content))
    assert (error.line, error.column) == (6, "ends_on")


def test_a_value_after_a_quoted_newline_has_its_own_line(customers: Customers) -> None:
    (error,) = errors_of(lambda: customers(CUSTOMERS + 'C1,"Made\nup",one@c1.example,' + "x" * 36 + "\n"))
    assert (error.line, error.column) == (3, "locale")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("C1,Made-up,one@c1.example\n", "the row has 3 values, the header 4 columns"),
        ("C1,Made-up, S.r.l.,one@c1.example,it\n", "the row has 5 values, the header 4 columns: quote a value"),
    ],
    ids=["too few", "too many"],
)
def test_a_row_with_another_number_of_values(customers: Customers, bad: str, says: str) -> None:
    (error,) = errors_of(lambda: customers(CUSTOMERS + "C0,,,\n" + bad + "C2,,,\n"))
    assert (error.line, error.column, error.value) == (3, None, None)
    assert says in str(error)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('C1,"Made-up,,\nC2,,,\n', "no closing"),
        ('C1,"Made"-up,,\n', "text follows a closing quote"),
        ("C1,Made\rup,,\n", "carriage return"),
        ('C1,"' + "x" * 200_000 + '",,\n', "longer than 131072 characters"),
    ],
    ids=["open quote", "text after a quote", "lone carriage return", "huge value"],
)
def test_broken_quoting_names_the_row_and_ends_the_reading(customers: Customers, bad: str, says: str) -> None:
    with pytest.raises(CsvErrors) as raised:
        customers(CUSTOMERS + 'C0,"Made\nup",,\n' + bad)
    (error,) = raised.value.errors
    assert (error.line, raised.value.stopped) == (4, True)
    assert says in str(error)


def test_a_file_of_one_endless_line_is_not_read_into_memory(
    customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(csv_rows, "_LINE_BYTES_AT_MOST", 5000)
    (error,) = errors_of(lambda: customers(CUSTOMERS + "C1," + "x" * 50_000))
    assert error.line == 2
    assert "longer than 5000 bytes" in str(error)


# ── headers and encodings ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "column", "says"),
    [
        ("", None, "there is no header: the first line names the columns, customer_id,name,email,locale"),
        ("\n" + CUSTOMERS, None, "there is no header"),
        ("customer_id,name,locale\n", "email", "the column is missing: the header has customer_id,name,locale"),
        ("customer_id,name,e-mail,locale\n", "e-mail", "there is no such column: is it email?"),
        ("Customer_ID,name,email,locale\n", "Customer_ID", "is it customer_id?"),
        ("customer_id,name,email,locale,age\n", "age", "there is no such column: leave it out"),
        ("customer_id,name,email,locale,name\n", "name", "the column is there twice"),
        ("customer_id;name;email;locale\n", None, "separate the columns by commas"),
        ('"customer_id,name\n', None, "no closing"),
    ],
    ids=[
        "empty file",
        "blank first line",
        "missing",
        "misspelt",
        "capitals",
        "unknown",
        "twice",
        "semicolons",
        "quote",
    ],
)
def test_a_wrong_header(customers: Customers, content: str, column: str | None, says: str) -> None:
    (error,) = errors_of(lambda: customers(content))
    assert (error.line, error.column) == (1, column)
    assert says in str(error)


def test_a_byte_that_is_not_utf8_is_told_with_line_and_column(customers: Customers) -> None:
    content = (CUSTOMERS + 'C1,"Zoë\nMade-up",,\nC2,Zoé,,\n').encode("latin-1")
    errors = errors_of(lambda: customers(content))
    assert [(error.line, error.column) for error in errors] == [(2, "name"), (4, "name")]
    assert str(errors[1]) == (
        'customers.csv line 4, column name: "Zo\\xe9" has a byte (0xE9) that is not UTF-8: save the file as UTF-8'
    )


def test_a_byte_that_is_not_utf8_far_into_the_file(customers: Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_CHUNK_BYTES", 1000)
    rows = "".join(f"C{i},Zoë,,\n" for i in range(ROWS_PER_BLOCK + 50)).encode()
    (error,) = errors_of(lambda: customers(CUSTOMERS.encode() + rows + b"X,Zo\xeb,,\n"))
    assert (error.line, error.column) == (ROWS_PER_BLOCK + 52, "name")


def test_a_nul_byte_in_free_text_is_refused_too(customers: Customers) -> None:
    """The event would hold it, but no database does."""
    (error,) = errors_of(lambda: customers(CUSTOMERS + "C0,,,\nC1,Made\0up,,\n"))
    assert (error.line, error.column) == (3, "name")
    assert "NUL byte" in str(error)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_refused_at_its_first_line(customers: Customers, encoding: str) -> None:
    (error,) = errors_of(lambda: customers((CUSTOMERS + "C1,,,\n").encode(encoding)))
    assert error.line == 1
    assert "UTF-16" in str(error)
    assert "UTF-8" in str(error)


# ── a bad file as a whole ──────────────────────────────────────────────────────────────────────────────────────


def test_a_bad_file_is_given_up_after_so_many_errors(customers: Customers) -> None:
    with pytest.raises(CsvErrors) as raised:
        customers(CUSTOMERS + "".join(f"C {i},,,\n" for i in range(1000)))
    assert [error.line for error in raised.value.errors] == list(range(2, 2 + ERRORS_AT_MOST))
    assert raised.value.stopped
    assert str(raised.value).count("\n") == ERRORS_AT_MOST
    assert "reading stopped here" in str(raised.value)


def test_errors_of_the_whole_file_are_told_together_in_the_order_of_the_lines(customers: Customers) -> None:
    good = "".join(f"C{i},,,\n" for i in range(ROWS_PER_BLOCK))
    with pytest.raises(CsvErrors) as raised:
        customers(CUSTOMERS + "A B,,,\n" + good + "C1,,,\n" + "D E,,,\n")
    assert [error.line for error in raised.value.errors] == [2, ROWS_PER_BLOCK + 3, ROWS_PER_BLOCK + 4]
    assert not raised.value.stopped


def test_no_event_comes_after_an_error_has_been_met(tmp_path: Path) -> None:
    """What came before is the caller's to drop: it is told by the error at the end."""
    path = tmp_path / "customers.csv"
    rows = [f"C{i},,,\n" for i in range(3 * ROWS_PER_BLOCK)]
    rows[ROWS_PER_BLOCK + 5] = "C 5,,,\n"
    path.write_text(CUSTOMERS + "".join(rows), encoding="utf-8")

    def read(events: Iterator[CustomerChanged], into: list[str]) -> None:
        for event in events:
            into.append(event.customer_id)

    seen: list[str] = []
    errors_of(lambda: read(read_customers(path), seen))
    assert seen == [f"C{i}" for i in range(ROWS_PER_BLOCK)]


def test_the_way_for_bad_blocks_reads_good_rows_like_the_fast_one(
    contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = CONTRACTS + FULL + SPARE + row(contract_id="K3", currency="JPY", monthly_fee="5", addons="")
    fast = contracts(content)
    monkeypatch.setattr(csv_rows.Table, "suspect", True)
    assert contracts(content) == fast
