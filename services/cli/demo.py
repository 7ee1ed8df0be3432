"""`amends demo`: the main job on a stack of its own, from nothing to closed books, and nothing left behind.

A service that dies meanwhile is started again, as a supervisor would: try it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import stack
from deploy.local.customer_base import CUSTOMERS_AT_MOST, Base, generate, incident
from schemas import topics
from schemas.events import IncidentDeclared
from services.cli import imports
from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.orders import Order, send
from services.cli.output import data, people
from services.cli.progress import bars, counting
from services.cli.reconcile import reconcile, show
from services.cli.standing import NOTHING, Standing, standing
from services.cli.watch import follow
from services.runtime import broker

Customers = Annotated[int, typer.Option("--customers", min=1, max=CUSTOMERS_AT_MOST, help="How many customers.")]
_DEADLINE_SECONDS = 3600.0
_LOOK_AGAIN_SECONDS = 0.2
_LETTERS_LOOKED_AT = 2_000
_PAGE_OCTETS = 8_000


def demo_command(customers: Customers = 10_000, root: Root = ROOT) -> None:
    """Declare the incident of 29 April 2011 to a synthetic customer base, and see it through."""
    if any(component.running for component in stack.status(root)):
        raise CommandError(f"a stack runs at {root}: end it with `amends down` first, the demo starts from nothing")
    with _fresh_stack(root):
        services = Services(root)
        base = _generate(root / "base", customers)
        _import(services, base)
        _wait_until_read(services)
        declaration = IncidentDeclared.model_validate(incident(), strict=False)
        people.print(f"declaring [bold]{declaration.title}[/] on amends.incidents.v1")
        started = time.monotonic()
        send(services, Order.of(declaration))
        with bars() as progress:
            end = follow(_supervised(services, declaration.incident_id), progress, _DEADLINE_SECONDS)
        seconds = time.monotonic() - started
        books = reconcile(services, declaration.incident_id)
        show(books)
        _show_letter(services.stack.mailbox)
        data.print(
            f"{end.considered:,} customers in {seconds:.1f} s from the declaration to the last letter: "
            f"[bold]{end.considered / seconds:,.0f} customers/s[/]"
        )
        if not books["closed"]:
            raise CommandError("the books do not close")


@contextmanager
def _fresh_stack(root: Path) -> Iterator[None]:
    """A stack that is there for the demo alone, whatever ends it."""
    try:
        with people.status("starting") as status:
            stack.up(root, fresh=True, on_step=status.update)
        yield
    finally:
        with people.status("ending the stack"):
            stack.down(root)


def _generate(folder: Path, customers: int) -> Base:
    with counting("synthetic customers") as report:
        base = generate(folder, customers, on_progress=lambda done, _: report("generated", done))
    people.print(f"generated {base.customers:,} synthetic customers with {base.contracts:,} contracts")
    return base


def _import(services: Services, base: Base) -> None:
    started = time.monotonic()
    with counting("contracts") as report:
        imports.contracts(services, base.contracts_csv, report)
    with counting("customers") as report:
        imports.customers(services, base.customers_csv, report)
    people.print(f"imported them in {time.monotonic() - started:.1f} s")


def _wait_until_read(services: Services) -> None:
    """A customer base is there long before an incident: do not count the reading of it as a part of the run."""
    with people.status("the services read the customer base"):
        for service, topic in (("entitlements", topics.CONTRACTS), ("notifications", topics.CUSTOMERS)):
            ends = asyncio.run(broker.end_offsets(services.stack.kafka, topic))
            until = time.monotonic() + _DEADLINE_SECONDS
            while time.monotonic() < until:
                rows = services.get(service, "/positions")
                standing = {row["partition"]: row["next"] for row in rows if row["topic"] == topic}
                if all(standing.get(partition, 0) >= end for partition, end in ends.items()):
                    break
                time.sleep(_LOOK_AGAIN_SECONDS)


def _supervised(services: Services, incident_id: str) -> Callable[[], Standing]:
    """A look at how far it is that starts again whatever service has died; the last look stands meanwhile."""
    last = NOTHING

    def look() -> Standing:
        nonlocal last
        for service in services.stack.http:
            if not services.stack.is_running(service):
                people.print(f"[yellow]{service} has died: starting it again[/]")
                services.stack.start(service)
        with suppress(CommandError):  # not planned yet, or a service has just died: the next look tells
            last = standing(services, incident_id)
        return last

    return look


def _show_letter(mailbox: Path) -> None:
    """One letter as it was received: of the first ones the one that says most on a page."""
    letters = list(_first_letters(mailbox, _LETTERS_LOOKED_AT))
    if not letters:
        people.print("no letter was received")
        return
    raw = max(letters, key=lambda letter: len(letter) if len(letter) < _PAGE_OCTETS else 0)
    letter: EmailMessage = message_from_bytes(raw, policy=policy.default)
    data.rule("one letter, as received")
    for name, value in letter.items():
        data.print(f"{name}: {value}", markup=False)
    text, page = letter.get_body(("plain",)), letter.get_body(("html",))
    data.print("\n" + (text.get_content() if text is not None else ""), markup=False)
    if page is not None:
        (mailbox.parent / "letter.html").write_text(page.get_content(), "utf-8")
        data.print(f"[dim]the same as a page: {mailbox.parent / 'letter.html'}; all letters: {mailbox}[/]")
    data.rule()


def _first_letters(mailbox: Path, at_most: int) -> Iterator[bytes]:
    """The first letters of an mbox, without reading all of it."""
    letter: list[bytes] = []
    with mailbox.open("rb") as file:
        for line in file:
            if line.startswith(b"From ") and letter:
                yield b"".join(letter)
                at_most -= 1
                letter = []
                if not at_most:
                    return
            elif not line.startswith(b"From "):
                letter.append(line)
    if letter:
        yield b"".join(letter)
