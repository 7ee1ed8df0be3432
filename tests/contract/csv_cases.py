"""Good rows of the CSV files, and what the tests of bad ones have in common."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from schemas.csv_files import CsvError, CsvErrors
from schemas.events import ContractChanged, CustomerChanged

Contracts = Callable[[str | bytes], list[ContractChanged]]
Customers = Callable[[str | bytes], list[CustomerChanged]]

CUSTOMERS = "customer_id,name,email,locale\n"
CONTRACTS = (
    "contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,"
    "monthly_fee,currency,addons,attributes\n"
)
FULL = (
    'K1,C1,dedicated,dedicated-server,arezzo-1,2009-03-01,2012-02-29,2011-05-01,49.90,EUR,backup;ssl,"{""rack"": 1}"\n'
)
SPARE = "K2,C1,pec,pec-mailbox,,2011-01-01,,,,,,\n"


def row(**changed: str) -> str:
    """A good row of contracts.csv with some values changed."""
    values = dict(zip(CONTRACTS.strip().split(","), next(csv.reader([FULL])), strict=True)) | changed
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values.values())
    return out.getvalue()


def errors_of(read: Callable[[], object]) -> tuple[CsvError, ...]:
    with pytest.raises(CsvErrors) as raised:
        read()
    return raised.value.errors
