"""`amends import customers|contracts`: a provider's files become events.

Contracts are billing's: the import is billing's own job, run as a process of its own. Customers are the CRM's: they
are published as the CRM would, once the whole file has been read and found right.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from schemas import topics
from schemas.csv_files import CsvErrors, read_customers
from schemas.events import CustomerChanged
from schemas.ids import event_id
from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.kafka import publish
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import counting
from services.runtime.envelope import Encoder

app = typer.Typer(no_args_is_help=True, help="Import a customer base from CSV files; a bad file changes nothing.")
_CUSTOMER = Encoder("customer.changed.v1", "urn:amends:cli")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]


@app.command("customers")
def customers_command(file: File, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Import customers.csv: customer_id,name,email,locale."""
    services = Services(root)
    with counting(f"customers from {file.name}") as show:
        count = customers(services, file, show)
    _say(output, {"customers": count}, f"{count} customers published")


@app.command("contracts")
def contracts_command(file: File, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Import contracts.csv: contract_id,customer_id,family,product,site,starts_on,ends_on,terminated_on,…"""
    services = Services(root)
    with counting(f"contracts from {file.name}") as show:
        done = contracts(services, file, show)
    text = f"{done['read']} contracts read, {done['published']} new or changed, published"
    _say(output, {"contracts": done["read"], "changed": done["published"]}, text)


def customers(services: Services, file: Path, show: Callable[[str, int], None]) -> int:
    """Publish the customers of a file; raises `CommandError` for a bad file, which then has changed nothing."""
    try:
        for count, _ in enumerate(read_customers(file), 1):
            if count % 5_000 == 0:
                show("checked", count)
        return publish(
            services.stack.kafka,
            topics.CUSTOMERS,
            _CUSTOMER,
            (_triple(customer) for customer in read_customers(file)),
            lambda sent: show("published", sent),
        )
    except CsvErrors as error:
        raise CommandError(f"{error}\nnothing was imported") from None


def _triple(customer: CustomerChanged) -> tuple[str, str, dict[str, Any]]:
    told = {
        "customer_id": customer.customer_id,
        "name": customer.name,
        "email": customer.email,
        "locale": customer.locale,
    }
    return customer.customer_id, event_id("customer", *[value or "" for value in told.values()]), told


def contracts(services: Services, file: Path, show: Callable[[str, int], None]) -> dict[str, int]:
    """Run billing's import; returns how many contracts were read and how many were published.

    Raises `CommandError` with what the job said for a bad file, which then has changed nothing.
    """
    done = {"read": 0, "published": 0}
    command = [sys.executable, "-m", "services.billing", "import-contracts", str(file.resolve())]
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


def _say(output: Format, result: dict[str, int], text: str) -> None:
    if output is Format.JSON:
        print_json(result)
    else:
        data.print(text)
