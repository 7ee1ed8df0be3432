"""What a map makes of one value. The rows of the tables: what stands in the file, what the map says, what comes out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from schemas.events import ContractChanged
from tests.contract.mapping_cases import Export, contract_map

ITALIAN = {"dates": "DD/MM/YYYY", "decimals": ",", "thousands": "."}


def file_of(**columns: str) -> str:
    """A file with the column Code and these, and one row."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["Code", *columns], ["1", *columns.values()]])
    return out.getvalue()


def made(export: Export, said: dict[str, Any], columns: dict[str, str], reading: dict[str, Any]) -> ContractChanged:
    (one,) = export.contracts(file_of(**columns), contract_map(said, reading=reading, other_columns="ignore"))
    return one


TEXTS: list[tuple[str, dict[str, str], Any, str | None]] = [
    ("a constant", {}, "arezzo-1", "arezzo-1"),
    ("a column", {"A": "x"}, {"column": "A"}, "x"),
    ("a column with blanks around it", {"A": " \u00a0x "}, {"column": "A"}, "x"),
    ("an empty column", {"A": ""}, {"column": "A"}, None),
    ("a word for nothing", {"A": "n/d"}, {"column": "A"}, None),
    ("a pattern", {"A": "x", "B b": "y"}, {"text": "{A}-{B b}"}, "x-y"),
    ("a pattern with braces and per cent", {"A": "x"}, {"text": "{{%s}}-{A}%"}, "{%s}-x%"),
    ("a pattern of which one column is empty", {"A": "x", "B": ""}, {"text": "{A}-{B}"}, None),
    ("words taken away", {"A": "DC x (I)"}, {"column": "A", "without": ["DC", "(I)"]}, "x"),
    ("translated", {"A": "x"}, {"column": "A", "translate": {"x": "y"}}, "y"),
    ("translated by a number", {"A": "12"}, {"column": "A", "translate": {12: 13}}, "13"),
    ("translated from a code that looks like a number", {"A": "012"}, {"column": "A", "translate": {"012": "y"}}, "y"),
    ("translated by a table", {"A": "x"}, {"column": "A", "table": "sites"}, "from-table"),
    ("translated into nothing", {"A": "x"}, {"column": "A", "translate": {"x": ""}}, None),
    ("not translated, otherwise", {"A": "z"}, {"column": "A", "translate": {"x": "y"}, "otherwise": "other"}, "other"),
    (
        "not translated, otherwise as it is",
        {"A": "Z"},
        {"column": "A", "translate": {"x": "y"}, "otherwise": {"column": "A", "as": "lower"}},
        "z",
    ),
    ("a translation, then a name", {"A": "x"}, {"column": "A", "translate": {"x": "Y y"}, "as": "slug"}, "y-y"),
    ("what is empty is not translated", {"A": ""}, {"column": "A", "translate": {"x": "y"}}, None),
    ("empty, something else", {"A": "", "B": "y"}, {"column": "A", "if_empty": {"column": "B"}}, "y"),
    ("not empty, not something else", {"A": "x", "B": "y"}, {"column": "A", "if_empty": {"column": "B"}}, "x"),
    ("small letters", {"A": "ÀB"}, {"column": "A", "as": "lower"}, "àb"),
    ("capitals", {"A": "àb"}, {"column": "A", "as": "upper"}, "ÀB"),
    ("a name", {"A": " Hosting  Città: Größe 2.0! "}, {"column": "A", "as": "slug"}, "hosting-citta-grosse-2-0"),
]


@pytest.mark.parametrize(("columns", "said", "site"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_a_text(export: Export, columns: dict[str, str], said: Any, site: str | None) -> None:
    mapping = contract_map(
        {"site": said},
        reading={"empty": ["n/d"]},
        tables={"sites": {"x": "from-table"}},
        other_columns="ignore",
    )
    (one,) = export.contracts(file_of(**columns), mapping)
    assert one.site == site


DATES: list[tuple[str, dict[str, str], Any, str | None]] = [
    ("a constant", {}, "2012-02-29", "2012-02-29"),
    ("of the file's form", {"A": "01/03/2012"}, {"column": "A"}, "2012-03-01"),
    ("of a form of its own", {"A": "2012.3.1"}, {"column": "A", "format": "YYYY.M.D"}, "2012-03-01"),
    ("one digit or two", {"A": "11-12-2012"}, {"column": "A", "format": "D-M-YYYY"}, "2012-12-11"),
    ("a year of two digits", {"A": "01/03/12"}, {"column": "A", "format": "DD/MM/YY"}, "2012-03-01"),
    ("with a time", {"A": "2012-03-01 00:00:00"}, {"column": "A", "format": "YYYY-MM-DD *"}, "2012-03-01"),
    ("nothing", {"A": ""}, {"column": "A"}, None),
    ("nothing, then another", {"A": "", "B": "01/03/2012"}, {"column": "A", "if_empty": {"column": "B"}}, "2012-03-01"),
    ("months on", {"A": "31/08/2010"}, {"from": {"column": "A"}, "plus": {"months": 6}}, "2011-02-28"),
    ("months on, over a leap day", {"A": "31/08/2011"}, {"from": {"column": "A"}, "plus": {"months": 6}}, "2012-02-29"),
    ("years on", {"A": "29/02/2012"}, {"from": {"column": "A"}, "plus": {"years": 1}}, "2013-02-28"),
    (
        "a year and a month on",
        {"A": "30/12/2011"},
        {"from": {"column": "A"}, "plus": {"years": 1, "months": 2}},
        "2013-02-28",
    ),
    (
        "a term of months, through its last day",
        {"A": "01/03/2011", "B": "24"},
        {"from": {"column": "A"}, "plus": {"months": {"column": "B"}}, "minus": {"days": 1}},
        "2013-02-28",
    ),
    (
        "a term in words",
        {"A": "01/03/2011", "B": "biennale"},
        {"from": {"column": "A"}, "plus": {"months": {"column": "B", "translate": {"biennale": 24}}}},
        "2013-03-01",
    ),
    (
        "a term with its unit",
        {"A": "01/03/2011", "B": "12 mesi"},
        {"from": {"column": "A"}, "plus": {"months": {"column": "B", "without": "mesi"}}},
        "2012-03-01",
    ),
    (
        "no term, no end",
        {"A": "01/03/2011", "B": ""},
        {"from": {"column": "A"}, "plus": {"months": {"column": "B"}}},
        None,
    ),
    (
        "no term, the usual one",
        {"A": "01/03/2011", "B": ""},
        {"from": {"column": "A"}, "plus": {"months": {"column": "B", "if_empty": 12}}},
        "2012-03-01",
    ),
    ("days on", {"A": "28/02/2012"}, {"from": {"column": "A"}, "plus": {"days": 2}}, "2012-03-01"),
]


@pytest.mark.parametrize(("columns", "said", "day"), [case[1:] for case in DATES], ids=[case[0] for case in DATES])
def test_a_date(export: Export, columns: dict[str, str], said: Any, day: str | None) -> None:
    one = made(export, {"ends_on": said}, columns, ITALIAN)
    assert (one.ends_on and one.ends_on.isoformat()) == day


@pytest.mark.parametrize(("months", "day"), [("0", "2011-04-30"), ("2", "2011-02-28"), ("34", "2008-06-30")])
def test_a_start_from_a_tenure_in_months(export: Export, months: str, day: str) -> None:
    said = {"starts_on": {"from": "2011-04-30", "minus": {"months": {"column": "Tenure"}}}}
    assert made(export, said, {"Tenure": months}, {}).starts_on.isoformat() == day


@pytest.mark.parametrize(("year", "full"), [("69", 1969), ("99", 1999), ("00", 2000), ("11", 2011), ("68", 2068)])
def test_a_year_of_two_digits_is_between_1969_and_2068(export: Export, year: str, full: int) -> None:
    said = {"starts_on": {"column": "A", "format": "DD/MM/YY"}}
    assert made(export, said, {"A": f"01/03/{year}"}, {}).starts_on.year == full


FEES: list[tuple[str, dict[str, str], Any, str, dict[str, Any], str | None]] = [
    ("a constant", {}, "4.99", "EUR", {}, "4.99"),
    ("a decimal point", {"A": "4.99"}, {"column": "A"}, "EUR", {}, "4.99"),
    ("a decimal comma", {"A": "4,99"}, {"column": "A"}, "EUR", ITALIAN, "4.99"),
    ("thousands", {"A": "1.234.567,50"}, {"column": "A"}, "EUR", ITALIAN, "1234567.50"),
    ("thousands left out", {"A": "1234,50"}, {"column": "A"}, "EUR", ITALIAN, "1234.50"),
    ("blanks for thousands", {"A": "1 234,50"}, {"column": "A"}, "EUR", {"decimals": ",", "thousands": " "}, "1234.50"),
    ("as many decimals as the currency has", {"A": "4,9"}, {"column": "A"}, "EUR", ITALIAN, "4.90"),
    ("noughts behind the decimals", {"A": "4,990000"}, {"column": "A"}, "EUR", ITALIAN, "4.99"),
    ("noughts before", {"A": "004,99"}, {"column": "A"}, "EUR", ITALIAN, "4.99"),
    ("a currency without decimals", {"A": "500,00"}, {"column": "A"}, "JPY", ITALIAN, "500"),
    ("a currency of three", {"A": "0,5"}, {"column": "A"}, "KWD", ITALIAN, "0.500"),
    ("the sign taken away", {"A": "€ 4,99"}, {"column": "A", "without": "€"}, "EUR", ITALIAN, "4.99"),
    ("by the year", {"A": "59,88"}, {"column": "A", "divided_by": 12}, "EUR", ITALIAN, "4.99"),
    ("by the year, rounded half up", {"A": "89,82"}, {"column": "A", "divided_by": 12}, "EUR", ITALIAN, "7.49"),
    ("by the year, rounded once", {"A": "0.5394"}, {"column": "A", "divided_by": 12}, "EUR", {}, "0.04"),
    ("nothing", {"A": ""}, {"column": "A"}, "EUR", ITALIAN, None),
    (
        "nothing, then by the year",
        {"A": "", "B": "120"},
        {"column": "A", "if_empty": {"column": "B", "divided_by": 12}},
        "EUR",
        {},
        "10.00",
    ),
]


@pytest.mark.parametrize(
    ("columns", "said", "currency", "reading", "amount"), [case[1:] for case in FEES], ids=[case[0] for case in FEES]
)
def test_a_fee(
    export: Export, columns: dict[str, str], said: Any, currency: str, reading: dict[str, Any], amount: str | None
) -> None:
    fee = made(export, {"monthly_fee": said, "currency": currency}, columns, reading).monthly_fee
    assert (fee and str(fee.amount)) == amount
    assert fee is None or fee.currency == currency


ADDONS: list[tuple[str, dict[str, str], list[Any], tuple[str, ...]]] = [
    ("none", {}, [], ()),
    ("a constant", {}, ["backup"], ("backup",)),
    ("a constant for some", {"A": "3"}, [{"value": "backup", "when": {"column": "A", "at_least": 3}}], ("backup",)),
    ("a constant for others", {"A": "2"}, [{"value": "backup", "when": {"column": "A", "at_least": 3}}], ()),
    ("a column", {"A": "Daily Backup"}, [{"column": "A", "as": "slug"}], ("daily-backup",)),
    ("an empty column", {"A": ""}, [{"column": "A"}], ()),
    ("a list", {"A": "x, y ,"}, [{"column": "A", "split": ","}], ("x", "y")),
    (
        "a list, translated",
        {"A": "x|y"},
        [{"column": "A", "split": "|", "translate": {"x": "1", "y": "2"}}],
        ("1", "2"),
    ),
    (
        "a list, some of it left out",
        {"A": "x|y"},
        [{"column": "A", "split": "|", "translate": {"x": "1"}, "otherwise": ""}],
        ("1",),
    ),
    (
        "several, each once",
        {"A": "x,y", "B": "y"},
        [{"column": "A", "split": ","}, {"column": "B"}, "z"],
        ("x", "y", "z"),
    ),
]


@pytest.mark.parametrize(("columns", "said", "addons"), [case[1:] for case in ADDONS], ids=[case[0] for case in ADDONS])
def test_addons(export: Export, columns: dict[str, str], said: list[Any], addons: tuple[str, ...]) -> None:
    assert made(export, {"addons": said}, columns, {}).addons == addons


ATTRIBUTES: list[tuple[str, dict[str, str], Any, Any]] = [
    ("a text", {"A": 'a "b" \\ è'}, {"column": "A"}, 'a "b" \\ è'),
    ("a constant text", {}, "x", "x"),
    ("a constant number", {}, 5, 5),
    ("a constant with decimals", {}, 4.5, 4.5),
    ("a constant no", {}, False, False),
    ("a number", {"A": "1.234"}, {"column": "A", "as": "number"}, 1234),
    ("a number with decimals", {"A": "4,50"}, {"column": "A", "as": "number"}, 4.5),
    ("a number below nothing", {"A": "-3"}, {"column": "A", "as": "number"}, -3),
    ("yes", {"A": "sì"}, {"column": "A", "as": "yes_no"}, True),
    ("no", {"A": "no"}, {"column": "A", "as": "yes_no"}, False),
    ("a date", {"A": "01/03/2012"}, {"column": "A", "as": "date"}, "2012-03-01"),
    (
        "a date of its own form",
        {"A": "2012/03/01"},
        {"column": "A", "as": "date", "format": "YYYY/MM/DD"},
        "2012-03-01",
    ),
    ("a name", {"A": "Piano Oro"}, {"column": "A", "as": "slug"}, "piano-oro"),
    ("translated into a number", {"A": "due"}, {"column": "A", "translate": {"due": 2}, "as": "number"}, 2),
    ("a test that holds", {"A": "3"}, {"whether": {"column": "A", "at_least": 1}}, True),
    ("a test that does not", {"A": "0"}, {"whether": [{"column": "A", "at_least": 1}]}, False),
    ("nothing is left out", {"A": ""}, {"column": "A", "as": "number"}, None),
]


@pytest.mark.parametrize(
    ("columns", "said", "value"), [case[1:] for case in ATTRIBUTES], ids=[case[0] for case in ATTRIBUTES]
)
def test_an_attribute(export: Export, columns: dict[str, str], said: Any, value: Any) -> None:
    reading = {**ITALIAN, "yes": ["sì"], "no": ["no"]}
    attributes = made(export, {"attributes": {"it": said}}, columns, reading).attributes
    assert attributes == ({} if value is None else {"it": value})
    assert type(attributes.get("it")) is type(value)


CONDITIONS: list[tuple[str, str, Any, bool]] = [
    ("filled", "x", {"column": "A", "filled": True}, True),
    ("not filled", "", {"column": "A", "filled": True}, False),
    ("filled with a word for nothing", "-", {"column": "A", "filled": True}, False),
    ("empty", "", {"column": "A", "filled": False}, True),
    ("is", "x", {"column": "A", "is": "x"}, True),
    ("is another", "X", {"column": "A", "is": "x"}, False),
    ("is one of", "y", {"column": "A", "is": ["x", "y"]}, True),
    ("is not", "y", {"column": "A", "is_not": "x"}, True),
    ("is not one of", "y", {"column": "A", "is_not": ["x", "y"]}, False),
    ("at least", "1.000", {"column": "A", "at_least": 1000}, True),
    ("less", "999,99", {"column": "A", "at_least": 1000}, False),
    ("less than", "4,98", {"column": "A", "less_than": 4.99}, True),
    ("not less than", "4,99", {"column": "A", "less_than": 4.99}, False),
    ("between", "5", {"column": "A", "at_least": 5, "less_than": 6}, True),
    ("an empty number", "", {"column": "A", "less_than": 6}, False),
    ("all", "x", {"all": [{"column": "A", "is": "x"}, {"column": "Code", "is": "1"}]}, True),
    ("not all", "x", [{"column": "A", "is": "x"}, {"column": "Code", "is": "2"}], False),
    ("any", "x", {"any": [{"column": "A", "is": "y"}, {"column": "Code", "is": "1"}]}, True),
    ("not any", "x", {"any": [{"column": "A", "is": "y"}, {"column": "Code", "is": "2"}]}, False),
    ("a later test is not asked", "x", [{"column": "Code", "is": "2"}, {"column": "A", "at_least": 1}], False),
    (
        "nor one behind a test that held",
        "x",
        {"any": [{"column": "Code", "is": "1"}, {"column": "A", "at_least": 1}]},
        True,
    ),
]


@pytest.mark.parametrize(
    ("value", "condition", "holds"), [case[1:] for case in CONDITIONS], ids=[case[0] for case in CONDITIONS]
)
def test_a_condition(export: Export, value: str, condition: Any, holds: bool) -> None:
    reading = {**ITALIAN, "empty": ["-"]}
    mapping = contract_map({"when": condition}, reading=reading, other_columns="ignore")
    assert len(export.contracts(file_of(A=value), mapping)) == holds
    assert export.counts.without == (not holds)
    mapping = contract_map({}, only=condition, reading=reading, other_columns="ignore")
    assert len(export.contracts(file_of(A=value), mapping)) == holds
    assert export.counts.left_out == (not holds)


def test_what_stands_in_for_nothing_in_one_field_does_not_in_another(export: Export) -> None:
    said = {"site": {"column": "A", "if_empty": {"column": "B"}}, "attributes": {"a": {"column": "A"}}}
    one = made(export, said, {"A": "", "B": "y"}, {})
    assert (one.site, one.attributes) == ("y", {})
