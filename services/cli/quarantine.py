"""`amends quarantine list|show|retry|drop|resume`: the records that a service could not process.

`list` never shows what a record says: it may hold somebody's name or address. `show` does, one record at a time.
Leaves to `records` how they are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from services.cli import records
from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import bars

app = typer.Typer(no_args_is_help=True, help="The records that a service could not process: look, mend, try again.")

_PAGE = 500


class Service(StrEnum):
    """Who has a quarantine."""

    ENTITLEMENTS = "entitlements"
    BILLING = "billing"
    NOTIFICATIONS = "notifications"


class State(StrEnum):
    """What has become of a record."""

    SET_ASIDE = "set_aside"
    APPLIED = "applied"
    DROPPED = "dropped"
    SUPERSEDED = "superseded"


Whose = Annotated[Service, typer.Argument(metavar="SERVICE", help="Whose quarantine it is in.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID…", min=1, help="The records, by the numbers that `list` shows.")]
Only = Annotated[Service | None, typer.Option("--service", help="Only this service's.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only records of this topic.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only records with this text in the reason.")]
Key = Annotated[str | None, typer.Option("--key", help="Only records with this key, such as a customer's id.")]
InState = Annotated[State | None, typer.Option("--state", help="Only records in this state.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many records of each service.")]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="Who answers for it.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why it is not to be applied.")]


@app.command("list")
def list_command(
    root: Root = ROOT,
    service: Only = None,
    topic: Topic = None,
    reason: Reason = None,
    key: Key = None,
    state: InState = None,
    limit: Limit = 50,
    output: Output = Format.TEXT,
) -> None:
    """List what was set aside, with the totals by topic and reason; it does not show what the records say."""
    services = Services(root)
    asked = _asked(topic=topic, reason=reason, key=key, state=state)
    found = {name: _first(services, name, asked, limit) for name in _those(service)}
    if output is Format.JSON:
        print_json(found)
    else:
        records.show_list(found)


@app.command("show")
def show_command(whose: Whose, quarantine_id: Annotated[int, typer.Argument(metavar="ID", min=1)],
                 root: Root = ROOT, output: Output = Format.TEXT) -> None:  # fmt: skip
    """Show one record whole: its bytes, headers and key, the reason, and what became of it."""
    record = _one(Services(root), whose, quarantine_id)
    if output is Format.JSON:
        print_json(record)
    else:
        records.show_record(whose, record)


@app.command("retry")
def retry_command(
    whose: Annotated[Service | None, typer.Argument(metavar="[SERVICE]", help="Whose quarantine it is in.")] = None,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID…]", min=1, help="The records.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every record that is set aside.")] = False,
    topic: Topic = None,
    reason: Reason = None,
    even_dropped: Annotated[bool, typer.Option("--even-dropped", help="Also records that somebody dropped.")] = False,
    root: Root = ROOT,
    output: Output = Format.TEXT,
) -> None:
    """Try records again, as if they had just been read; exits with 1 when any of them is still refused."""
    if everything == bool(ids) or (ids and whose is None):
        raise typer.BadParameter("write SERVICE ID…, or --all (for one SERVICE, or for all of them)")
    if not everything and (topic or reason):
        raise typer.BadParameter("--topic and --reason choose among --all")
    if everything and even_dropped:
        raise typer.BadParameter("a record that somebody dropped is tried again by its ID, never with --all")
    services = Services(root)
    asked = _asked(topic=topic, reason=reason, state=State.SET_ASIDE)
    if ids and whose:
        chosen: Iterable[tuple[str, int]] = [(whose.value, number) for number in ids]
        total = len(ids)
    else:
        pages = [(name, _get(services, name, asked, 1)["count"]) for name in _those(whose)]
        total = sum(count for _, count in pages)
        chosen = ((name, row["id"]) for name, count in pages for row in _all(services, name, asked, count))
    _finish(_retried(services, chosen, total, even_dropped), output)


@app.command("drop")
def drop_command(whose: Whose, ids: Ids, name: Name, why: Why, root: Root = ROOT,
                 output: Output = Format.TEXT) -> None:  # fmt: skip
    """Answer for it that records are not applied; they are kept with who, why and when."""
    if not name or name.split() != [name] or not why.strip():
        raise typer.BadParameter(
            "write who answers for it, without spaces, and why: --as anna --why 'a test of theirs'"
        )
    services = Services(root)
    done = [
        {"service": whose.value} | _ask(services, whose, number, "drop", {"by": name, "why": why}) for number in ids
    ]
    _finish(done, output)


@app.command("resume")
def resume_command(whose: Whose, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Let a service that has halted read the same records again, once what was wrong is mended."""
    services = Services(root)
    workers = [name for name in services.stack.http if name.partition("-")[0] == whose.value]
    resumed = [name for name in workers if services.ask(name, "/consumer/resume")["resumed"]]
    if output is Format.JSON:
        print_json({"resumed": resumed})
    elif resumed:
        data.print(f"{', '.join(resumed)} reads on: see `amends quarantine list --service {whose.value}`")
    if not resumed:
        raise CommandError(f"{whose.value} has not halted")


def _those(service: Service | None) -> list[str]:
    return [one.value for one in (Service if service is None else [service])]


def _asked(**filters: str | None) -> dict[str, str]:
    return {name: str(value) for name, value in filters.items() if value}


def _get(services: Services, service: str, asked: dict[str, str], limit: int, after: int = 0) -> dict[str, Any]:
    query = urlencode({**asked, "limit": min(limit, _PAGE), "after": after})
    page: dict[str, Any] = services.get(service, f"/quarantine?{query}")
    return page


def _first(services: Services, service: str, asked: dict[str, str], limit: int) -> dict[str, Any]:
    """The first records of a service, with its totals; `more` says how many there are beyond them."""
    found = _get(services, service, asked, limit)
    after = found.pop("next")
    while after is not None and len(found["records"]) < limit:
        page = _get(services, service, asked, limit - len(found["records"]), after)
        found["records"] += page["records"]
        after = page["next"]
    return {**found, "more": found["count"] - len(found["records"])}


def _all(services: Services, service: str, asked: dict[str, str], count: int) -> Iterator[dict[str, Any]]:
    """The records that there are by now, each once, in the order in which they were set aside."""
    after: int | None = 0
    while after is not None and count > 0:
        page = _get(services, service, asked, _PAGE, after)
        yield from page["records"]
        count, after = count - len(page["records"]), page["next"]


def _one(services: Services, service: str, quarantine_id: int) -> dict[str, Any]:
    try:
        record: dict[str, Any] = services.get(service, f"/quarantine/{quarantine_id}", as_operator=True)
    except KeyError:
        raise CommandError(f"{service} has no record {quarantine_id} in its quarantine") from None
    return record


def _ask(services: Services, service: str, quarantine_id: int, what: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = services.ask(service, f"/quarantine/{quarantine_id}/{what}", body)
    return answer


def _retried(
    services: Services, chosen: Iterable[tuple[str, int]], total: int, even_dropped: bool
) -> list[dict[str, Any]]:
    """What became of each; one that a service does not answer for is told, and ends nothing."""
    done = []
    with bars() as progress:
        task = progress.add_task("retried", total=total, note="")
        for service, number in chosen:
            try:
                answer = _ask(services, service, number, "retry", {"even_dropped": even_dropped})
            except CommandError as error:
                answer = {"id": number, "result": "failed", "reason": str(error), "attempts": None}
            done.append({"service": service} | answer)
            results = Counter(one["result"] for one in done)
            progress.update(task, completed=len(done), note=records.in_short(results))
    return done


def _finish(done: list[dict[str, Any]], output: Format) -> None:
    """Say what became of the records; raises `CommandError` unless each is as it was wanted."""
    results = Counter(one["result"] for one in done)
    if output is Format.JSON:
        print_json({"records": done, "results": results})
    else:
        records.show_done(done, results)
    left = sum(results[name] for name in records.NOT_DONE)
    if left:
        raise CommandError(f"{left} of {len(done)} records not done: {records.in_short(results)}")
