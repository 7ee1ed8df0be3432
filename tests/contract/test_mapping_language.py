"""What a map may say, and what is said of one that is wrong: the path, the value, what to write instead."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.mapping.language import MapError, parsed, read_map
from schemas.yaml_files import YamlError

GOOD: dict[str, Any] = {
    "makes": "contracts",
    "tables": {"sites": {"x": "y"}},
    "each": {"customer_id": {"column": "Customer"}},
    "contracts": [
        {
            "contract": "hosting",
            "when": {"column": "Plan", "filled": True},
            "contract_id": {"text": "{Code}-H"},
            "family": "hosting",
            "product": {"column": "Plan"},
            "starts_on": {"column": "From"},
            "monthly_fee": {"column": "Fee"},
            "currency": "EUR",
            "addons": ["backup"],
            "attributes": {"boxes": {"column": "Boxes", "as": "number"}},
        }
    ],
}
GONE = object()


def problems(told: Any, makes: Any = "contracts") -> tuple[str, ...]:
    with pytest.raises(YamlError) as raised:
        parsed(told if isinstance(told, str) else yaml.safe_dump(told), makes)
    return raised.value.problems


def with_changed(path: str, value: Any) -> dict[str, Any]:
    """The good map with one place written differently, or left out."""
    told: Any = copy.deepcopy(GOOD)
    node = told
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    result: dict[str, Any] = told
    return result


def test_the_good_map_is_good() -> None:
    assert parsed(yaml.safe_dump(GOOD), "contracts").makes == "contracts"


BAD: list[tuple[str, str, Any, str]] = [
    ("a misspelt field", "contracts.0.produkt", "x", "contracts[0].produkt: is no field here: did you mean product?"),
    (
        "a misspelt field of a value",
        "contracts.0.product",
        {"columm": "Plan"},
        "contracts[0].product.columm: is no field here: did you mean column?",
    ),
    (
        "a field of another kind of value",
        "contracts.0.product",
        {"column": "Plan", "divided_by": 12},
        "contracts[0].product.divided_by: is no field here",
    ),
    ("no contracts", "contracts", [], "contracts: () is empty: write at least 1"),
    ("contracts that are no list", "contracts", {"a": 1}, "contracts: {'a': 1} is not a list"),
    ("a name that is no text", "contracts.0.contract", 5, "contracts[0].contract: 5 is not a text: write it in quotes"),
    (
        "a needed field left out",
        "contracts.0.product",
        GONE,
        "contracts[0].product: is missing, here and in each: write it",
    ),
    ("no currency", "contracts.0.currency", GONE, "contracts[0].currency: is missing although there is a monthly_fee"),
    ("an unknown delimiter", "file.delimiter", "#", "file.delimiter: '#' is not one of them: write"),
    (
        "an unknown encoding",
        "file.encoding",
        "latin1",
        "file.encoding: 'latin1' is not one of them: write utf-8, utf-16, cp1252",
    ),
    ("a header before the file", "file.header_line", 0, "file.header_line: 0 is too small: write 1 or more"),
    (
        "a form of a date without a month",
        "reading.dates",
        "DD-YYYY",
        "reading.dates: 'DD-YYYY' is no form of a date: write YYYY (or YY), MM",
    ),
    (
        "a form of a date in small letters",
        "reading.dates",
        "dd/mm/yyyy",
        "reading.dates: 'dd/mm/yyyy' is no form of a date",
    ),
    ("a day twice", "reading.dates", "DD/MM/YYYY DD", "is no form of a date"),
    (
        "one mark for decimals and thousands",
        "reading",
        {"decimals": ",", "thousands": ","},
        "reading: thousands ',' are the decimals too",
    ),
    ("yes and no alike", "reading", {"yes": ["x"], "no": ["x", "n"]}, "reading: 'x' is both yes and no"),
    (
        "no source",
        "contracts.0.product",
        {"as": "slug"},
        "contracts[0].product: has no source: write exactly one of value, column, text",
    ),
    (
        "a source without a word",
        "contracts.0.product",
        {"column": None},
        "contracts[0].product: has no source: write exactly one of value, column, text",
    ),
    (
        "a constant without a word",
        "contracts.0.attributes.boxes",
        {"value": None},
        "contracts[0].attributes.boxes: has no source: write exactly one of value, column, text, whether",
    ),
    (
        "two sources",
        "contracts.0.product",
        {"column": "A", "text": "{B}"},
        "contracts[0].product: has column and text: write exactly one",
    ),
    (
        "a constant with something done to it",
        "contracts.0.product",
        {"value": "A", "as": "slug"},
        "contracts[0].product: has as beside a constant",
    ),
    (
        "otherwise without a translation",
        "contracts.0.product",
        {"column": "A", "otherwise": "x"},
        "contracts[0].product: has otherwise without translate or table",
    ),
    (
        "two translations",
        "contracts.0.product",
        {"column": "A", "translate": {"x": "y"}, "table": "sites"},
        "contracts[0].product: has translate and table",
    ),
    (
        "a table that is not there",
        "contracts.0.site",
        {"column": "A", "table": "site"},
        "contracts[0].site.table: there is no table 'site': did you mean sites?",
    ),
    (
        "a table far inside that is not there",
        "contracts.0.site",
        {"column": "A", "if_empty": {"column": "B", "table": "z"}},
        "contracts[0].site.if_empty.table: there is no table 'z': write the table under tables",
    ),
    (
        "a translation that is no mapping",
        "contracts.0.site",
        {"column": "A", "translate": "x"},
        "contracts[0].site.translate: 'x' is not a mapping",
    ),
    (
        "a translation into a truth",
        "contracts.0.site",
        {"column": "A", "translate": {"x": True}},
        "contracts[0].site.translate.x: True is not a text: write it in quotes",
    ),
    (
        "a pattern without a column",
        "contracts.0.contract_id",
        {"text": "K"},
        "contracts[0].contract_id.text: 'K' has no column between { and }",
    ),
    (
        "a pattern with an open brace",
        "contracts.0.contract_id",
        {"text": "{Code"},
        "contracts[0].contract_id.text: '{Code' has a { of no pair",
    ),
    ("a number for a text", "contracts.0.site", 1, "contracts[0].site.value: 1 is not a text: write it in quotes"),
    (
        "a fee that is a number",
        "contracts.0.monthly_fee",
        4.99,
        "contracts[0].monthly_fee.value: 4.99 is not a text: write it in quotes",
    ),
    (
        "a fee divided by nothing",
        "contracts.0.monthly_fee",
        {"column": "A", "divided_by": 0},
        "contracts[0].monthly_fee.divided_by: 0 is too small",
    ),
    (
        "a day that is none",
        "contracts.0.starts_on",
        "2011-02-29",
        "contracts[0].starts_on.value: '2011-02-29' is no date: write YYYY-MM-DD",
    ),
    (
        "a form for a computed day",
        "contracts.0.starts_on",
        {"from": "2011-02-28", "format": "DD/MM/YYYY"},
        "contracts[0].starts_on: has format without column",
    ),
    (
        "a length added to a column",
        "contracts.0.starts_on",
        {"column": "A", "plus": {"days": 1}},
        "contracts[0].starts_on: has plus without from",
    ),
    (
        "a length without a unit",
        "contracts.0.starts_on",
        {"from": "2011-02-28", "plus": {}},
        "contracts[0].starts_on.plus: has no length: write years, months or days",
    ),
    (
        "a length below nothing",
        "contracts.0.starts_on",
        {"from": "2011-02-28", "plus": {"days": -1}},
        "contracts[0].starts_on.plus.days.value: -1 is too small: write 0 or more",
    ),
    (
        "half a month",
        "contracts.0.starts_on",
        {"from": "2011-02-28", "plus": {"months": 0.5}},
        "contracts[0].starts_on.plus.months.value: 0.5 is not a whole number",
    ),
    (
        "a test without a test",
        "contracts.0.when",
        {"column": "A"},
        "contracts[0].when: has no test: write exactly one of filled, is, is_not, at_least/less_than",
    ),
    (
        "two tests in one",
        "contracts.0.when",
        {"column": "A", "is": "x", "filled": True},
        "contracts[0].when: has filled and is: write exactly one",
    ),
    (
        "a test of no column",
        "contracts.0.when",
        {"is": "x"},
        "contracts[0].when: has no test: write exactly one of column, all, any",
    ),
    (
        "a test beside a list",
        "contracts.0.when",
        {"any": [{"column": "A", "is": "x"}], "is": "y"},
        "contracts[0].when: has is beside any",
    ),
    (
        "a bound that is no number",
        "contracts.0.when",
        {"column": "A", "at_least": "many"},
        "contracts[0].when.at_least: 'many' is no number",
    ),
    (
        "a word that is a truth",
        "contracts.0.when",
        {"column": "A", "is": True},
        "contracts[0].when.is[0]: True is not a text: write it in quotes",
    ),
    ("an empty list of tests", "contracts.0.when", [], "contracts[0].when.all: () is empty"),
    ("a wrong test in a list", "only", [{"column": "A", "is": "x"}, {"column": "B"}], "only.all[1]: has no test"),
    (
        "an attribute of an unknown kind",
        "contracts.0.attributes.boxes.as",
        "float",
        "contracts[0].attributes.boxes.as: 'float' is not one of them: write text, number, yes_no",
    ),
    (
        "a field of an attribute that is none",
        "contracts.0.attributes.boxes.unit",
        "x",
        "contracts[0].attributes.boxes.unit: is no field here: The fields here are column, text",
    ),
    (
        "an unknown place for other columns",
        "other_columns",
        "keep",
        "other_columns: 'keep' is not one of them: write refuse, ignore or attributes",
    ),
    ("ignored columns that are no list", "ignore", "A", "ignore: 'A' is not a list"),
]


@pytest.mark.parametrize(("path", "value", "says"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_told_with_its_path_and_what_to_write(path: str, value: Any, says: str) -> None:
    (problem,) = problems(with_changed(path, value))
    assert says in problem


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = with_changed("contracts.0.produkt", "x")
    told["file"] = {"delimiter": "#"}
    told["reading"] = {"decimals": "'"}
    assert [problem.split(":")[0] for problem in problems(told)] == [
        "file.delimiter",
        "reading.decimals",
        "contracts[0].produkt",
    ]


def test_two_contracts_of_one_name_are_refused() -> None:
    told = copy.deepcopy(GOOD)
    told["contracts"].append(copy.deepcopy(told["contracts"][0]))
    assert problems(told) == tuple(
        f"contracts[{at}].contract: 'hosting' is the name of another one too: write a name of its own" for at in (0, 1)
    )


def test_a_contract_takes_what_it_leaves_out_from_each() -> None:
    told = copy.deepcopy(GOOD)
    told["each"] |= {"site": "everywhere", "family": "any", "addons": ["a"], "attributes": {"x": "1", "boxes": "2"}}
    (template,) = parsed(yaml.safe_dump(told), "contracts").templates
    assert template.customer_id is not None
    assert template.model_dump(include={"site": {"value"}, "family": {"value"}}) == {
        "site": {"value": "everywhere"},
        "family": {"value": "hosting"},
    }
    assert [addon["value"] for addon in template.model_dump()["addons"]] == ["a", "backup"]
    attributes = template.model_dump()["attributes"]
    assert {name: attribute["value"] or attribute["column"] for name, attribute in attributes.items()} == {
        "x": "1",
        "boxes": "Boxes",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty: write makes: contracts"),
        ("- a\n", "is not a mapping: write makes: contracts"),
        ("makes: customers\n", "the map makes customers, and contracts are wanted: import customers with it"),
        ("makes: bills\n", "makes: 'bills' is not one of them: write contracts"),
        ("makes: contracts\nmakes: contracts\n", "makes: stands twice, on line 1 and again on line 2: keep one"),
        ("makes: [contracts\n", "line 2, column 1"),
        ("makes: &a contracts\nignore: [*a]\n", "ignore[0]: is an alias of an anchor: write it out"),
        ("makes: !!int contracts\n", "write plain values, without a !!tag"),
        ("makes: !python/object:os.system x\n", "could not determine a constructor"),
        ("makes: \x07\n", "line 1: character 7 may not stand in YAML"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_map(text: str, says: str) -> None:
    assert any(says in problem for problem in problems(text))


def test_words_that_yaml_takes_for_something_else_are_words() -> None:
    """In YAML 1.1 no is false, 0123 is 83, 1:30 is 90, and 2011-04-29 is a date."""
    text = (
        "makes: customers\nreading: {yes: [sì, yes], no: [no, off]}\n"
        "only: {column: State, is: [no, 0123, 1:30, 2011-04-29, 12]}\n"
        "customers: [{customer_id: {column: Code, translate: {no: y, 0123: 0124}}}]\n"
    )
    read = parsed(text, "customers")
    assert read.reading.no == ("no", "off")
    assert read.only is not None
    assert read.only.is_ == ("no", "0123", "1:30", "2011-04-29", "12")
    (customer,) = read.templates
    assert customer.customer_id is not None
    assert customer.customer_id.translate == {"no": "y", "0123": "0124"}


def test_a_file_of_a_wrong_map_is_named(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump(with_changed("contracts.0.produkt", "x")), encoding="utf-8")
    with pytest.raises(MapError, match=r"^map\.yaml: contracts\[0\]\.produkt: is no field here"):
        read_map(path, "contracts")
    path.write_bytes("makes: città\n".encode("latin-1"))
    with pytest.raises(MapError, match=r"^map\.yaml: byte 11 is not UTF-8: save the map as UTF-8"):
        read_map(path, "contracts")
    with pytest.raises(FileNotFoundError):
        read_map(tmp_path / "none.yaml", "contracts")
