"""Rows read by a map: their order, and what is said of a bad one, by line and column."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import Any

import pytest

from schemas.csv_errors import ERRORS_AT_MOST, CsvErrors
from schemas.csv_rows import ROWS_PER_BLOCK
from schemas.mapping.language import ContractMap
from schemas.mapping.mapped import Counts, mapped_contracts
from tests.contract.mapping_cases import Export, contract_map

TWO: dict[str, Any] = {
    "file": {"delimiter": ";"},
    "reading": {"dates": "DD/MM/YYYY"},
}


def two_contracts(**rest: Any) -> ContractMap:
    """Hosting for every row, and a fax for those with a number."""
    return contract_map(
        {"starts_on": {"column": "From"}, "ends_on": {"column": "To"}},
        {
            "contract": "fax",
            "when": {"column": "Fax", "filled": True},
            "contract_id": {"text": "F-{Fax}"},
            "starts_on": {"column": "From"},
        },
        **(TWO | rest),
    )


HEAD = "Code;From;To;Fax\n"


def test_contracts_come_in_the_order_of_the_rows_and_then_of_the_map(export: Export) -> None:
    made = export.contracts(HEAD + "2;01/03/2009;;20\n1;01/03/2009;;\n3;01/03/2009;;30\n", two_contracts())
    assert [contract.contract_id for contract in made] == ["K-2", "F-20", "K-1", "K-3", "F-30"]
    assert (export.counts.rows, export.counts.made) == (3, {"hosting": 3, "fax": 2})


def test_blank_rows_are_none(export: Export) -> None:
    made = export.contracts(HEAD + "\n;;;\n1;01/03/2009;;\n\n", two_contracts())
    assert (len(made), export.counts.rows) == (1, 1)
    (error,) = export.refused(HEAD + ";;;\n1;never;;\n", two_contracts())
    assert error.line == 3


def test_what_a_map_makes_is_checked_as_a_file_of_contracts_is(export: Export) -> None:
    content = HEAD + "1;01/03/2009;28/02/2009;\n2 3;01/03/2009;;\n4;01/03/2009;;4 4\n5;01/03/2009;31/02/2009;\n"
    assert [str(error) for error in export.refused(content, two_contracts())] == [
        'export.csv line 2, column To: "28/02/2009" makes ends_on "2009-02-28" of hosting, which is before '
        "starts_on 2009-03-01: write the last day of the contract",
        'export.csv line 3, column Code: "2 3" makes contract_id "K-2 3" of hosting, which is no identifier: '
        "write it without blanks and control characters",
        'export.csv line 3, column Code: "2 3" makes customer_id "C-2 3" of hosting, which is no identifier: '
        "write it without blanks and control characters",
        'export.csv line 4, column Fax: "4 4" makes contract_id "F-4 4" of fax, which is no identifier: '
        "write it without blanks and control characters",
        'export.csv line 5, column To: "31/02/2009" is no date: write DD/MM/YYYY',
    ]


def test_a_bad_value_is_told_once_whatever_reads_it(export: Export) -> None:
    content = HEAD + "1;2009-03-01;;20\n"
    assert [str(error) for error in export.refused(content, two_contracts())] == [
        'export.csv line 2, column From: "2009-03-01" is no date: write DD/MM/YYYY'
    ]


def test_a_constant_that_is_wrong_names_no_column(export: Export) -> None:
    (error,) = export.refused("Code\n1\n", contract_map({"family": "a b"}))
    assert str(error) == (
        'export.csv line 2: family "a b" of hosting is no identifier: write it without blanks and control characters'
    )


def test_a_value_of_several_columns_names_them(export: Export) -> None:
    mapping = contract_map({"contract_id": {"text": "{Code}-{Kind}"}}, other_columns="ignore")
    (error,) = export.refused("Code,Kind\n1,x y\n", mapping)
    assert str(error).startswith(
        'export.csv line 2, column Code, Kind: "1, x y" makes contract_id "1-x y" of hosting, which is no identifier'
    )


SAID: list[tuple[str, dict[str, Any], str, str]] = [
    ("a value not translated", {"site": {"column": "A", "translate": {"Arezzo 1": "a1", "Milano": "m1"}}}, "Arezo 1",
     '"Arezo 1" is not translated by the map: is it Arezzo 1? If not, add it there, or say what it is otherwise'),
    ("an add-on not translated", {"addons": [{"column": "A", "split": ",", "translate": {"x": "y"}}]}, "x,zzzz",
     '"x,zzzz" is not translated by the map: add it there, or say what it is otherwise'),
    ("a fee that is none", {"monthly_fee": {"column": "A"}, "currency": "EUR"}, "4.99",
     '"4.99" is no number: write one such as 1.234,50'),
    ("a fee below nothing", {"monthly_fee": {"column": "A"}, "currency": "EUR"}, "-4,99",
     '"-4,99" makes monthly_fee "-4.99" of hosting, which is no amount: write a decimal such as 5.00'),
    ("a fee with a part of a cent", {"monthly_fee": {"column": "A"}, "currency": "EUR"}, "4,995",
     '"4,995" makes monthly_fee "4.995" of hosting, which has more decimals than EUR has (2)'),
    ("an unknown currency", {"monthly_fee": "4.99", "currency": {"column": "A"}}, "Euro",
     '"Euro" is no currency: write an ISO 4217 code such as EUR'),
    ("no currency", {"monthly_fee": "4.99", "currency": {"column": "A"}}, "",
     '"" is empty although monthly_fee is 4.99: write both or none'),
    ("a term that is no number", {"ends_on": {"from": "2011-03-01", "plus": {"months": {"column": "A"}}}}, "12 mesi",
     '"12 mesi" is no whole number of months: write one such as 12'),
    ("a term beyond the calendar", {"ends_on": {"from": "2011-03-01", "plus": {"months": {"column": "A"}}}}, "99999",
     '"99999" gives a day outside the years 1 to 9999: write another length'),
    ("a name of nothing", {"site": {"column": "A", "as": "slug"}}, "—",
     '"—" has no letter from a to z and no digit to make a name of: translate it'),
    ("neither yes nor no", {"attributes": {"a": {"column": "A", "as": "yes_no"}}}, "forse",
     '"forse" is neither yes nor no: write yes, y, true, 1 for yes, no, n, false, 0 for no'),
    ("an attribute that is no number", {"attributes": {"a": {"column": "A", "as": "number"}}}, "ten",
     '"ten" is no number: write one such as 1.234,50'),
    ("a number that JSON does not keep", {"attributes": {"a": {"column": "A", "as": "number"}}}, "1234567890123456",
     '"1234567890123456" has more than 15 digits, which no reader of JSON keeps: write as: text'),
    ("a test of what is no number", {"when": {"column": "A", "at_least": 1}}, "ten",
     '"ten" is no number: write one such as 1.234,50'),
    ("a time zone that is none", {"attributes": {"time_zone": {"column": "A"}}}, "Roma",
     'which has time_zone \'Roma\', which is none: write an IANA name such as "Europe/Rome"'),
    ("NUL", {"site": {"column": "A"}}, "x\0", '"x\\0" has a NUL byte: remove it'),
    ("no customer", {"customer_id": {"column": "A"}}, "", '"" is empty: write a value'),
]  # fmt: skip


@pytest.mark.parametrize(("said", "value", "problem"), [case[1:] for case in SAID], ids=[case[0] for case in SAID])
def test_a_bad_value_is_told_with_line_and_column(
    export: Export, said: dict[str, Any], value: str, problem: str
) -> None:
    mapping = contract_map(said, reading={"decimals": ",", "thousands": "."}, other_columns="ignore")
    good = {"customer_id": "C", "currency": "EUR", "when": "1"}.get(next(iter(said)), "")
    if said.get("currency") == {"column": "A"}:
        good = "EUR"
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["Code", "A"], ["0", good], ["1", value]])
    (error,) = export.refused(out.getvalue(), mapping)
    assert (error.line, error.column) == (3, "A")
    assert problem in str(error)


def test_a_row_of_another_length_is_told(export: Export) -> None:
    (error,) = export.refused(HEAD + "1;01/03/2009;;;\n", two_contracts())
    assert str(error) == (
        "export.csv line 2: the row has 5 values, the header 4 columns: quote a value that has a ; in it"
    )


def test_an_id_made_twice_names_both_lines(export: Export) -> None:
    content = HEAD + "1;01/03/2009;;\n2;01/03/2009;;9\n3;01/03/2009;;9\n"
    (error,) = export.refused(content, two_contracts())
    assert str(error) == (
        'export.csv line 4, column Fax: "9" makes contract_id "F-9" of fax, which is there twice: line 3 has it already'
    )


def test_an_id_that_one_row_makes_twice_is_refused(export: Export) -> None:
    mapping = contract_map({}, {"contract": "second"}, {"contract": "third"})
    errors = export.refused("Code\n0\n1\n", mapping)
    assert [(error.line, error.problem) for error in errors] == [
        (line, f'makes contract_id "K-{line - 2}" of {name}, which is there twice: line {line} has it already')
        for line in (2, 3)
        for name in ("second", "third")
    ]


def test_an_id_made_twice_far_apart_is_found(export: Export) -> None:
    count = 2 * ROWS_PER_BLOCK
    content = HEAD + "".join(f"{n};01/03/2009;;\n" for n in range(count)) + "7;01/03/2009;;\n"
    (error,) = export.refused(content, two_contracts())
    assert (error.line, error.problem.endswith("line 9 has it already")) == (count + 2, True)


def test_lines_are_counted_over_quoted_line_breaks_and_what_stands_above_the_header(export: Export) -> None:
    mapping = two_contracts(file={"delimiter": ";", "header_line": 3})
    content = 'A title\n\n"Code";"From";"To";"Fax"\n1;01/03/2009;;"2\n2"\n3;"x\ny";z;\n'
    errors = export.refused(content, mapping)
    assert [(error.line, error.column) for error in errors] == [(4, "Fax"), (6, "From"), (7, "To")]


def test_no_contract_comes_after_an_error_and_the_errors_are_bounded(export: Export) -> None:
    good = "".join(f"{n};01/03/2009;;\n" for n in range(ROWS_PER_BLOCK))
    bad = "".join(f"x{n};never;;\n" for n in range(100))
    rest = "".join(f"y{n};01/03/2009;;\n" for n in range(2 * ROWS_PER_BLOCK))
    export.write(HEAD + good + bad + rest)
    seen: list[str] = []

    def read() -> None:
        for contract in mapped_contracts(export.path, two_contracts(), Counts()):
            seen.append(contract.contract_id)

    with pytest.raises(CsvErrors) as raised:
        read()
    assert len(seen) == ROWS_PER_BLOCK
    assert len(raised.value.errors) == ERRORS_AT_MOST
    assert raised.value.stopped


def test_errors_of_the_whole_file_are_told_in_the_order_of_the_lines(export: Export) -> None:
    good = "".join(f"{n};01/03/2009;;\n" for n in range(ROWS_PER_BLOCK))
    errors = export.refused(
        HEAD + "x;never;;\n" + good + "y y;01/03/2009;;\nz;never;;\n1;01/03/2009;;\n", two_contracts()
    )
    lines = [error.line for error in errors]
    assert lines == sorted(lines)
    assert set(lines) == {2, ROWS_PER_BLOCK + 3, ROWS_PER_BLOCK + 4, ROWS_PER_BLOCK + 5}


def test_a_file_is_read_a_block_at_a_time(export: Export) -> None:
    """The memory that it takes does not grow with the file, but for the ids."""
    export.write(HEAD + "".join(f"{n};01/03/2009;;\n" for n in range(3 * ROWS_PER_BLOCK)))
    made = mapped_contracts(export.path, two_contracts(), export.counts)
    assert len(list(islice(made, 10))) == 10
    assert export.counts.rows == ROWS_PER_BLOCK
