"""A map makes what a script would have: the examples that are documented, and any rows at all."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import csv_rows
from schemas.csv_files import read_contracts, read_customers
from schemas.events import ContractChanged
from schemas.mapping.language import (
    ContractMap,
    ContractTemplate,
    CustomerMap,
    CustomerTemplate,
    FileShape,
    Habits,
    parsed,
    read_map,
)
from schemas.mapping.mapped import Counts, mapped_contracts, mapped_customers
from schemas.mapping.values import (
    AddonValue,
    AttributeValue,
    Condition,
    CountValue,
    DateValue,
    FeeValue,
    Node,
    Span,
    TextValue,
)
from tests.contract.mapping_cases import Export, contract_map

EXAMPLES = Path(__file__).parents[2] / "schemas" / "mapping" / "examples"
PAGE = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")


# ── the examples that are documented ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "map_file", "result"),
    [("export.csv", "contracts.yaml", "contracts.csv"), ("telecom.csv", "telecom.yaml", "telecom-contracts.csv")],
)
def test_an_example_makes_the_contracts_beside_it(file: str, map_file: str, result: str) -> None:
    mapping = read_map(EXAMPLES / map_file, "contracts")
    assert isinstance(mapping, ContractMap)
    made = list(mapped_contracts(EXAMPLES / file, mapping, Counts()))
    assert made == list(read_contracts(EXAMPLES / result))


def test_the_example_of_customers_makes_the_customers_beside_it() -> None:
    mapping = read_map(EXAMPLES / "customers.yaml", "customers")
    assert isinstance(mapping, CustomerMap)
    counts = Counts()
    assert list(mapped_customers(EXAMPLES / "export.csv", mapping, counts)) == list(
        read_customers(EXAMPLES / "customers.csv")
    )
    assert (counts.rows, counts.left_out, counts.made) == (6, 1, {"customer": 5})


def test_the_map_on_the_page_makes_the_same_hosting_and_fax_contracts(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    mapping = parsed(text, "contracts")
    assert isinstance(mapping, ContractMap)
    made = list(mapped_contracts(EXAMPLES / "export.csv", mapping, Counts()))
    shown = {"contract_id", "customer_id", "family", "product", "starts_on", "ends_on", "monthly_fee"}
    expected = [one for one in read_contracts(EXAMPLES / "contracts.csv") if one.family in ("hosting", "fax")]
    assert [one.model_dump(include=shown) for one in made] == [one.model_dump(include=shown) for one in expected]


MODELS = (
    ContractMap, CustomerMap, FileShape, Habits, ContractTemplate, CustomerTemplate,
    TextValue, DateValue, FeeValue, AddonValue, AttributeValue, CountValue, Span, Condition,
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_every_word_of_the_language_is_on_its_page(model: type[Node]) -> None:
    for name, field in model.model_fields.items():
        word = field.alias or name
        assert word in ("value", "customer") or re.search(rf"(?m)(?:^|[`.{{ ]){word}[:`.]", PAGE), word


def test_names_and_addresses_of_the_example_stay_out_of_its_contracts() -> None:
    text = (EXAMPLES / "contracts.csv").read_text(encoding="utf-8")
    assert not any(word in text for word in ("Bianchi S.n.c.", "@", "Rossi"))


DAYS = st.dates(date(2000, 1, 1), date(2030, 12, 31))
ROW = st.fixed_dictionaries(
    {
        "Plan": st.sampled_from(["Basic", "Pro", ""]),
        "From": DAYS,
        "Months": st.one_of(st.just(""), st.integers(1, 60).map(str)),
        "Fee": st.one_of(st.just(""), st.decimals(0, 9999, places=2).map(lambda fee: f"{fee}".replace(".", ","))),
        "Fax": st.booleans(),
        "Note": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    }
)
MAPPING = contract_map(
    {
        "when": {"column": "Plan", "filled": True},
        "product": {"column": "Plan", "as": "slug"},
        "starts_on": {"column": "From"},
        "ends_on": {"from": {"column": "From"}, "plus": {"months": {"column": "Months"}}, "minus": {"days": 1}},
        "monthly_fee": {"column": "Fee"},
        "currency": "EUR",
    },
    {
        "contract": "fax",
        "when": {"column": "Fax", "is": "yes"},
        "contract_id": {"text": "F-{Code}"},
        "starts_on": {"column": "From"},
    },
    file={"delimiter": ";"},
    reading={"dates": "DD/MM/YYYY", "decimals": ","},
    other_columns="attributes",
)


def months_on(day: date, months: int) -> date:
    """The same day some months later, counted by hand: the month's last day where it has no such day."""
    for _ in range(months):
        year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
        day = date(year, month, 1)
    return day


def as_a_script_would(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contracts of the rows, written out."""
    made: list[dict[str, Any]] = []
    for code, row in enumerate(rows):
        note = {"Note": row["Note"].strip()} if row["Note"].strip() else {}
        common = {
            "customer_id": f"C-{code}",
            "family": "hosting",
            "starts_on": row["From"].isoformat(),
            "attributes": note,
        }
        if row["Plan"]:
            one = common | {"contract_id": f"K-{code}", "product": row["Plan"].lower()}
            if row["Fee"]:
                one["monthly_fee"] = {"amount": row["Fee"].replace(",", "."), "currency": "EUR"}
            if row["Months"]:
                first = months_on(row["From"].replace(day=1), int(row["Months"]))
                following = months_on(first, 1)
                last = min(row["From"].day, (following - first).days)
                one["ends_on"] = date.fromordinal(first.toordinal() + last - 2).isoformat()
            made.append(one)
        if row["Fax"]:
            made.append(common | {"contract_id": f"F-{code}", "product": "hosting-linux"})
    return made


def written(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(["Code", "Plan", "From", "Months", "Fee", "Fax", "Note"])
    for code, row in enumerate(rows):
        told = row | {"From": row["From"].strftime("%d/%m/%Y"), "Fax": "yes" if row["Fax"] else "no"}
        writer.writerow([code, *[told[name] for name in ("Plan", "From", "Months", "Fee", "Fax", "Note")]])
    return out.getvalue()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=12))
def test_a_map_makes_of_any_rows_what_a_script_would(export: Export, rows: list[dict[str, Any]]) -> None:
    made = export.contracts(written(rows), MAPPING)
    assert made == [ContractChanged.model_validate_json(json.dumps(contract)) for contract in as_a_script_would(rows)]
    assert export.counts.rows == len(rows)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=12))
def test_the_way_for_bad_blocks_makes_of_good_rows_what_the_fast_one_does(
    export: Export, rows: list[dict[str, Any]]
) -> None:
    fast, counts = export.contracts(written(rows), MAPPING), export.counts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows.Table, "suspect", True)
        assert export.contracts(written(rows), MAPPING) == fast
    assert export.counts == counts
