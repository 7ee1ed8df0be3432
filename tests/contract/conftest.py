"""Readers of CSV files that a test writes down as text or bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.csv_files import read_contracts, read_customers
from schemas.events import ContractChanged, CustomerChanged
from tests.contract.mapping_cases import Export


@pytest.fixture
def contracts(tmp_path: Path) -> Callable[[str | bytes], list[ContractChanged]]:
    def read(content: str | bytes) -> list[ContractChanged]:
        path = tmp_path / "contracts.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_contracts(path))

    return read


@pytest.fixture
def customers(tmp_path: Path) -> Callable[[str | bytes], list[CustomerChanged]]:
    def read(content: str | bytes) -> list[CustomerChanged]:
        path = tmp_path / "customers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_customers(path))

    return read


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)
