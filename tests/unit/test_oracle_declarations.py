"""The oracle under other declarations than the case's, its reading of addresses, and its independence."""

from __future__ import annotations

import ast
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.local.customer_edges import BAD_ADDRESSES, ODD_ADDRESSES
from tests.e2e import expected, oracle
from tests.e2e.expected import Standing
from tests.e2e.oracle import usable
from tests.unit.test_oracle import CONTRACTS, DECLARATION, YEAR, promised


def test_what_billing_has_never_heard_of_it_refuses(tmp_path: Path) -> None:
    promise = promised(tmp_path, unknown=("b1", "b2"))
    bruno = promise.customers["bruno"]
    assert [e.refused for e in bruno.extensions] == ["unknown_contract"]
    assert bruno.addons[0].outcome() == {
        "kind": "addon",
        "contract_id": "b2",
        "product": "gigamail",
        "outcome": "refused",
        "reason": "unknown_contract",
    }
    assert promise.contracts["b2"] == Standing(date(2011, 5, 12), None)
    assert bruno.vouchers


@pytest.mark.parametrize(
    ("scope", "excluded", "entitled"),
    [
        ({"sites": ["bergamo"]}, {}, {"bruno"}),
        ({"families": ["pec", "housing"]}, {}, {"dario", "elsa"}),
        ({"sites": ["bergamo"], "families": ["dedicated"]}, {}, set()),
        ({"contract_ids": ["c2", "a2"]}, {}, {"carla", "anna"}),
        ({"contract_ids": ["c2", "g2", "b3"]}, {"gino": "started_after", "bruno": "started_after"}, {"carla"}),
    ],
)
def test_only_those_with_a_contract_that_every_list_of_the_scope_names_are_considered(
    tmp_path: Path, scope: dict[str, Any], excluded: dict[str, str], entitled: set[str]
) -> None:
    promise = promised(tmp_path, DECLARATION | {"scope": scope})
    assert {owed.customer_id: owed.exclusion for owed in promise.customers.values() if owed.exclusion} == excluded
    assert promise.customers.keys() - excluded.keys() == entitled
    assert promise.contracts["a1"].complimentary == ()


def test_ownership_counts_a_contract_out_of_scope_that_was_in_service(tmp_path: Path) -> None:
    promise = promised(tmp_path, DECLARATION | {"scope": {"contract_ids": ["b2"]}})
    assert [addon.product for addon in promise.customers["bruno"].addons] == ["gigamail"]
    assert promise.customers["bruno"].extensions == ()


CONTRACTS_TO_2013 = CONTRACTS.replace(
    "a1,anna,hosting,hosting-linux,arezzo,2009-06-01,2011", "a1,anna,hosting,x,y,2009-06-01,2013"
)
SECOND: dict[str, Any] = DECLARATION | {"incident_id": "second"}
JULY: dict[str, Any] = DECLARATION | {
    "incident_id": "july",
    "impact": {"starts_at": "2011-07-08T12:00:00+02:00", "ends_at": "2011-07-08T12:30:00+02:00"},
    "declared_at": "2011-07-15T10:00:00+02:00",
}


def test_a_second_incident_adds_to_what_the_first_has_left(tmp_path: Path) -> None:
    first = promised(tmp_path)
    second = promised(tmp_path, SECOND, earlier=first)
    assert second.contracts["b1"] == Standing(date(2012, 1, 30), date(2011, 10, 1))
    (extension,) = second.customers["bruno"].extensions
    assert (extension.before, extension.ends_on) == (date(2012, 1, 15), date(2012, 1, 30))
    assert second.contracts["a1"].complimentary == (("business-mail", *YEAR), ("business-mail", *YEAR))


def test_what_an_earlier_incident_gave_is_owned_once_it_runs(tmp_path: Path) -> None:
    first = promised(tmp_path, DECLARATION, CONTRACTS_TO_2013)
    assert [addon.product for addon in first.customers["anna"].addons] == ["business-mail"]
    july = promised(tmp_path, JULY, CONTRACTS_TO_2013, earlier=first)
    assert [addon.product for addon in july.customers["anna"].addons] == ["gigamail"]


def test_a_window_without_an_end_reaches_to_the_declaration(tmp_path: Path) -> None:
    open_window = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}
    promise = promised(tmp_path, DECLARATION | {"impact": open_window})
    assert promise.customers["gino"].exclusion is None  # g2 started on 1 May
    assert promise.customers["mara"].exclusion is None


def test_a_window_that_ends_at_midnight_does_not_touch_the_next_day(tmp_path: Path) -> None:
    impact = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-05-01T00:00:00+02:00"}
    assert promised(tmp_path, DECLARATION | {"impact": impact}).customers["gino"].exclusion == "ended_before"


def test_a_year_from_29_february_is_28_february(tmp_path: Path) -> None:
    declared = DECLARATION | {"declared_at": "2012-02-29T10:00:00+01:00"}
    assert promised(tmp_path, declared).customers["anna"].vouchers[0].valid_until == date(2013, 2, 28)


@pytest.mark.parametrize("change", [{"drill": True}, {"policy": "aruba-2011-07-08@1"}])
def test_another_promise_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one promise"):
        promised(tmp_path, DECLARATION | change)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.c",
        "O'Brien+Fatture@Example.ORG",
        "#$&'*+/=?^_`{|}~-@example.com",
        "mario@esèmpio.com",
        "m" * 64 + "@example.com",
        "m" * 64 + "@" + "a." * 94 + "a",  # 254
    ],
)
def test_a_usable_address(address: str) -> None:
    assert usable(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "mario",
        "@example.com",
        "mario@",
        "mario@localhost",
        "mario@@example.com",
        "mario@rossi@example.com",
        ".mario@example.com",
        "mario.@example.com",
        "mario..rossi@example.com",
        "mario rossi@example.com",
        "mario@example.com\n",
        "mario@example.com\r\nBcc: x@example.org",
        "màrio@example.com",
        '"mario"@example.com',
        "mario@example.com.",
        "mario@.example.com",
        "mario@-example.com",
        "mario@example-.com",
        "mario@exam_ple.com",
        "mario%example.org@example.com",
        "example.org!mario@example.com",
        "m" * 65 + "@example.com",
        "m" * 64 + "@" + "a." * 94 + "aa",  # 255
    ],
)
def test_an_address_that_cannot_be_used(address: str) -> None:
    assert not usable(address)


def test_the_bad_addresses_of_the_customer_base_are_bad_and_the_odd_ones_are_not() -> None:
    assert not any(usable(address) for address in BAD_ADDRESSES)
    assert all(usable(address) for address in ODD_ADDRESSES)


def test_the_oracle_stands_on_the_standard_library_alone() -> None:
    for module in (oracle, expected):
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name == "tests.e2e.expected" or name.split(".")[0] in sys.stdlib_module_names, name
