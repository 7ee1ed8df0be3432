"""A small map and file, and what the tests of maps have in common. JSON is YAML, so maps are written as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.csv_errors import CsvError, CsvErrors
from schemas.events import ContractChanged, CustomerChanged
from schemas.mapping.language import ContractMap, CustomerMap, parsed
from schemas.mapping.mapped import Counts, mapped_contracts, mapped_customers

HERE: dict[str, Any] = {
    "contract": "hosting",
    "contract_id": {"text": "K-{Code}"},
    "customer_id": {"text": "C-{Code}"},
    "family": "hosting",
    "product": "hosting-linux",
    "starts_on": "2009-03-01",
}
"""A contract for which the column Code is enough."""


def contract_map(*contracts: dict[str, Any], **rest: Any) -> ContractMap:
    """A map of these contracts, each `HERE` with something changed."""
    told = {"makes": "contracts", "contracts": [HERE | contract for contract in contracts or [{}]], **rest}
    read = parsed(json.dumps(told, ensure_ascii=False), "contracts")
    assert isinstance(read, ContractMap)
    return read


def customer_map(**rest: Any) -> CustomerMap:
    """A map of customers with the columns Code, Name, Mail."""
    customer = {"customer_id": {"column": "Code"}, "name": {"column": "Name"}, "email": {"column": "Mail"}}
    read = parsed(json.dumps({"makes": "customers", "customers": [customer], **rest}, ensure_ascii=False), "customers")
    assert isinstance(read, CustomerMap)
    return read


class Export:
    """A file of a provider in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "export.csv"
        self.counts = Counts()

    def write(self, content: str | bytes) -> None:
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def contracts(self, content: str | bytes, mapping: ContractMap) -> list[ContractChanged]:
        self.write(content)
        self.counts = Counts()
        return list(mapped_contracts(self.path, mapping, self.counts))

    def customers(self, content: str | bytes, mapping: CustomerMap) -> list[CustomerChanged]:
        self.write(content)
        self.counts = Counts()
        return list(mapped_customers(self.path, mapping, self.counts))

    def refused(self, content: str | bytes, mapping: ContractMap | CustomerMap) -> tuple[CsvError, ...]:
        """The errors of a file that is not imported."""
        try:
            if isinstance(mapping, ContractMap):
                self.contracts(content, mapping)
            else:
                self.customers(content, mapping)
        except CsvErrors as errors:
            return errors.errors
        raise AssertionError("the file was found right")
