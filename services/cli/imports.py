"""`amends import customers|contracts`: a provider's files become events, its own exports by a map.

Contracts are billing's: the import is billing's own job, run as a process of its own. Customers are the CRM's: they
are published as the CRM would, once the whole file has been read and found right.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import orjson
import typer

from schemas import topics
from schemas.csv_files import CsvErrors, read_contracts, read_customers
from schemas.events import ContractChanged, CustomerChanged
from schemas.ids import event_id
from schemas.mapping.language import ContractMap, CustomerMap, MapError, read_map
from schemas.mapping.mapped import Counts, mapped_contracts, mapped_customers
from services.cli.asking import ROOT, Root, Services
from services.cli.dry_run import rehearsal, rows_line, rows_told
from services.cli.errors import CommandError
from services.cli.kafka import publish
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import counting
from services.runtime.envelope import Encoder

app = typer.Typer(no_args_is_help=True, help="Import a customer base from CSV files; a bad file changes nothing.")
_CUSTOMER = Encoder("customer.changed.v1", "urn:amends:cli")
Kind = Literal["contracts", "customers"]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]
MapOption = Annotated[
    Path | None,
    typer.Option(
        "--map",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="MAP.yaml",
        help="How another CSV file becomes this one: columns renamed, values translated (schemas/mapping/README.md).",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what the file makes, and change nothing.")]
Shown = Annotated[int, typer.Option("--show", min=0, max=1000, metavar="N", help="How many a dry run shows.")]


@app.command("customers")
def customers_command(
    file: File,
    mapped_by: MapOption = None,
    dry_run: DryRun = False,
    shown: Shown = 5,
    root: Root = ROOT,
    output: Output = Format.TEXT,
) -> None:
    """Import customers.csv (customer_id,name,email,locale), or any CSV file by a map."""
    if dry_run:
        _rehearse("customers", file, mapped_by, shown, output)
        return
    services = Services(root)
    with counting(f"customers from {file.name}") as show:
        count, rows = customers_by(services, file, mapped_by, show)
    of_rows = "" if rows is None else f" {rows_line(rows)}"
    told = {"customers": count, **({} if rows is None else rows_told(rows))}
    _say(output, told, f"{count} customers published{of_rows}")


@app.command("contracts")
def contracts_command(
    file: File,
    mapped_by: MapOption = None,
    dry_run: DryRun = False,
    shown: Shown = 5,
    root: Root = ROOT,
    output: Output = Format.TEXT,
) -> None:
    """Import contracts.csv (contract_id,customer_id,family,product,site,starts_on,…), or any CSV file by a map."""
    if dry_run:
        _rehearse("contracts", file, mapped_by, shown, output)
        return
    services = Services(root)
    with counting(f"contracts from {file.name}") as show:
        done = contracts(services, file, show, mapped_by)
    told = {"contracts": done["read"], "changed": done["published"]}
    of_rows = ""
    if "mapped" in done:
        told["rows"] = done["mapped"]
        of_rows = f" from {done['mapped']} rows"
    _say(output, told, f"{done['read']} contracts read{of_rows}, {done['published']} new or changed, published")


def _rehearse(kind: Kind, file: Path, mapped_by: Path | None, shown: int, output: Format) -> None:
    with counting(f"{kind} from {file.name}") as show:
        counts = None if mapped_by is None else Counts()
        try:
            found = _found(kind, file, mapped_by, counts or Counts())
            would = rehearsal(kind, found, counts, shown, show)
        except (CsvErrors, MapError) as error:
            raise CommandError(f"{error}\nnothing was imported") from None
    _say(output, would.told(), "\n".join(would.lines()))


def _found(
    kind: Kind, file: Path, mapped_by: Path | None, counts: Counts
) -> Iterator[ContractChanged] | Iterator[CustomerChanged]:
    """What a file holds; `counts` tells of the rows of a mapped one."""
    if mapped_by is None:
        return read_contracts(file) if kind == "contracts" else read_customers(file)
    mapping = read_map(mapped_by, kind)
    if isinstance(mapping, ContractMap):
        return mapped_contracts(file, mapping, counts)
    return mapped_customers(file, mapping, counts)


def customers(services: Services, file: Path, show: Callable[[str, int], None]) -> int:
    """Publish the customers of a file; raises `CommandError` for a bad file, which then has changed nothing."""
    return customers_by(services, file, None, show)[0]


def customers_by(
    services: Services, file: Path, mapped_by: Path | None, show: Callable[[str, int], None]
) -> tuple[int, Counts | None]:
    """As `customers`, of any file by a map; returns how many there are, and what became of a mapped file's rows."""
    try:
        mapping = None if mapped_by is None else cast(CustomerMap, read_map(mapped_by, "customers"))
        counts = Counts()

        def read(counts: Counts) -> Iterator[CustomerChanged]:
            return read_customers(file) if mapping is None else mapped_customers(file, mapping, counts)

        for count, _ in enumerate(read(counts), 1):
            if count % 5_000 == 0:
                show("checked", count)
        published = publish(
            services.stack.kafka,
            topics.CUSTOMERS,
            _CUSTOMER,
            (_triple(customer) for customer in read(Counts())),
            lambda sent: show("published", sent),
        )
    except (CsvErrors, MapError) as error:
        raise CommandError(f"{error}\nnothing was imported") from None
    return published, None if mapping is None else counts


def _triple(customer: CustomerChanged) -> tuple[str, str, dict[str, Any]]:
    told = {
        "customer_id": customer.customer_id,
        "name": customer.name,
        "email": customer.email,
        "locale": customer.locale,
    }
    return customer.customer_id, event_id("customer", *[value or "" for value in told.values()]), told


def contracts(
    services: Services, file: Path, show: Callable[[str, int], None], mapped_by: Path | None = None
) -> dict[str, int]:
    """Run billing's import; returns how many contracts were `read` and `published`, and how many rows were `mapped`.

    Raises `CommandError` with what the job said for a bad file, which then has changed nothing.
    """
    done = {"read": 0, "published": 0}
    command = [sys.executable, "-m", "services.billing", "import-contracts", str(file.resolve())]
    if mapped_by is not None:
        command += ["--map", str(mapped_by.resolve())]
    environment = {**os.environ, **services.stack.environment("billing"), "AMENDS_LOG_LEVEL": "error"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        try:
            for line in job.stdout:
                told = orjson.loads(line)
                done[told["phase"]] = told["rows"]
                show(told["phase"], told["rows"])
            problems = job.stderr.read().decode()
        except BaseException:
            job.terminate()
            raise
    if job.returncode:
        raise CommandError(f"{problems.strip()}\nnothing was imported")
    return done


def _say(output: Format, result: dict[str, Any], text: str) -> None:
    if output is Format.JSON:
        print_json(result)
    else:
        data.print(text, markup=False)
