"""`amends quarantine`: from a record that a service could not process to books that close again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local import stack as local
from deploy.local.customer_base import Base, generate, incident
from deploy.local.stack import Stack
from tests.e2e import outside
from tests.e2e.world import World
from tests.integration.cli.command import Ran, amends

CASE = "aruba-2011-04-29"


@dataclass(frozen=True)
class Village:
    """A stack of its own: what is broken here stays broken for nobody else."""

    root: Path
    stack: Stack
    base: Base

    def run(self, *arguments: str, exits: int = 0) -> Ran:
        ran = amends(*arguments, root=self.root)
        assert ran.exits == exits, (ran.out, ran.said)
        return ran

    def listed(self, service: str, *more: str) -> list[dict[str, Any]]:
        """The records of a service as `list` tells programs of them."""
        found: dict[str, Any] = self.run("quarantine", "list", "--service", service, *more, "--output", "json").json
        records: list[dict[str, Any]] = found[service]["records"]
        return records

    def wait_for(self, service: str, count: int, *more: str) -> list[dict[str, Any]]:
        World.until(lambda: len(self.listed(service, *more)) == count, f"{count} records of {service}")
        return self.listed(service, *more)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    """200 customers, the case seen through."""
    folder = tmp_path_factory.mktemp("village")
    root = folder / ".amends"
    try:
        stack = local.up(root)
        base = generate(folder / "base", 200)
        village = Village(root, stack, base)
        village.run("import", "contracts", str(base.contracts_csv))
        village.run("import", "customers", str(base.customers_csv))
        outside.declare(stack.kafka, incident())
        village.run("watch", CASE)
        yield village
    finally:
        local.down(root)


def headers(kind: str) -> list[tuple[str, bytes]]:
    return outside.binary(id="q-1", source="urn:test", type=kind, specversion="1.0")


def publish(village: Village, topic: str, kind: str, key: str, value: bytes) -> None:
    outside.publish(village.stack.kafka, topic, key.encode(), value, headers(kind))


@pytest.fixture(scope="module")
def orders(village: Village) -> list[dict[str, Any]]:
    """Three declarations under a policy that nobody has published yet, and one that is noise with a name in it."""
    for number in range(3):
        data = incident(incident_id=f"later-{number}") | {"policy": "later@1", "scope": {"contract_ids": ["none"]}}
        publish(village, "amends.incidents.v1", "incident.declared.v1", f"later-{number}", json.dumps(data).encode())
    publish(village, "amends.customers.v1", "customer.changed.v1", "noise", b'{"name": "Ermenegilda \x1b[31m')
    village.wait_for("notifications", 1, "--topic", "amends.customers.v1")
    return village.wait_for("entitlements", 3)


def test_the_list_names_what_is_set_aside_and_never_shows_what_it_says(
    village: Village, orders: list[dict[str, Any]]
) -> None:
    text = village.run("quarantine", "list").out
    assert "later@1" in text
    assert "not a valid customer.changed.v1" in text
    assert all(f"│ {record['id']} " in text or f" {record['id']} " in text for record in orders)
    assert "Ermenegilda" not in text
    told = village.run("quarantine", "list", "--output", "json")
    assert told.json.keys() == {"entitlements", "billing", "notifications"}
    assert "Ermenegilda" not in told.out
    assert told.json["billing"]["records"] == []
    assert village.listed("entitlements", "--reason", "later@1", "--limit", "2") == orders[:2]


def test_a_record_is_shown_whole_when_it_is_asked_for_and_moves_no_cursor(village: Village, orders: Any) -> None:
    (noise,) = village.listed("notifications", "--topic", "amends.customers.v1")
    shown = village.run("quarantine", "show", "notifications", str(noise["id"]))
    assert "Ermenegilda \\x1b[31m" in shown.out
    assert "\x1b" not in shown.out
    told = village.run("quarantine", "show", "notifications", str(noise["id"]), "--output", "json").json
    assert told["value"] == {"text": '{"name": "Ermenegilda \x1b[31m'}
    assert told["key"] == {"text": "noise"}
    missing = village.run("quarantine", "show", "billing", "999999", exits=1)
    assert missing.said == "billing has no record 999999 in its quarantine"


def test_a_record_that_is_poison_again_is_counted_and_ends_with_1(village: Village, orders: Any) -> None:
    number = str(orders[0]["id"])
    ran = village.run("quarantine", "retry", "entitlements", number, "--output", "json", exits=1)
    assert ran.json["results"] == {"refused": 1}
    assert "1 of 1 records not done: 1 refused again" in ran.said
    again = village.run("quarantine", "retry", "entitlements", number, exits=1)
    assert f"entitlements {number}: refused again (tried 2 times)" in again.out
    assert village.listed("entitlements")[0]["attempts"] == 2


def test_a_record_that_is_dropped_is_kept_with_who_and_why(village: Village, orders: Any) -> None:
    number = str(orders[2]["id"])
    ran = village.run("quarantine", "drop", "entitlements", number, "--as", "anna", "--why", "declared twice")
    assert "1 dropped" in ran.out
    told = village.run("quarantine", "show", "entitlements", number, "--output", "json").json
    assert (told["state"], told["dropped"]["by"], told["dropped"]["why"]) == ("dropped", "anna", "declared twice")
    refused = village.run("quarantine", "retry", "entitlements", number, exits=1)
    assert "dropped before" in refused.out


def test_everything_that_waits_is_tried_again_once_what_was_missing_is_there(
    village: Village, orders: Any, tmp_path: Path
) -> None:
    policy = (
        "name: later\nversion: 1\ntitle: Published later\ntime_zone: Europe/Rome\nrules:\n  - rule: voucher\n"
        "    per: customer\n    across_incidents: each\n    give:\n"
        '      voucher: {amount: {amount: "5.00", currency: EUR}, merchant: Shop, valid_for: 1 year}\n'
    )
    (tmp_path / "later@1.yaml").write_text(policy)
    village.stack.stop("entitlements")
    village.stack.start("entitlements", environment={"AMENDS_POLICIES": str(tmp_path)})
    ran = village.run("quarantine", "retry", "--all", "--reason", "later@1", "--output", "json")
    assert ran.json["results"] == {"applied": 2}
    assert [record["state"] for record in village.listed("entitlements")] == ["applied", "applied", "dropped"]
    for number in range(2):
        assert village.run("reconcile", f"later-{number}").exits == 0
    nothing = village.run("quarantine", "retry", "entitlements", "--all")
    assert "nothing to do" in nothing.out


# ── the books ─────────────────────────────────────────────────────────────────────────────────────────────────────


SECOND = "second"
REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON entry FOR EACH ROW
WHEN (NEW.incident_id = 'second' AND NEW.customer_id IN (%s)) EXECUTE FUNCTION refuse();
"""


def told_to_billing(village: Village, *statements: str) -> list[Any]:
    """Change billing's database behind its back; the last statement's rows."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(village.stack.databases["billing"])
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return list(await connection.fetch(statements[-1]))
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def second(village: Village) -> list[str]:
    """An incident in which billing cannot store what two customers are owed; the two."""
    rows = told_to_billing(
        village, f"SELECT DISTINCT customer_id FROM entry WHERE incident_id = '{CASE}' ORDER BY 1 LIMIT 2"
    )
    customers = [row["customer_id"] for row in rows]
    told_to_billing(village, REFUSES % ", ".join(f"'{one}'" for one in customers), "SELECT 1")
    outside.declare(village.stack.kafka, incident(incident_id=SECOND))
    village.wait_for("billing", 2)
    World.until(lambda: len(books(village)["gaps"]) == 2, "nothing else is missing")
    told_to_billing(village, "DROP TRIGGER refuse ON entry", "SELECT 1")
    return customers


def books(village: Village) -> dict[str, Any]:
    told: dict[str, Any] = amends("reconcile", SECOND, "--output", "json", root=village.root).json
    return told


def test_the_books_close_over_what_was_tried_again_and_over_what_was_dropped(
    village: Village, second: list[str]
) -> None:
    first = books(village)
    entitled = first["customers"]["entitled"]
    assert first["customers"] | {"adjusted": entitled - 2, "quarantined": 2} == first["customers"]
    assert first["gaps"][0] == f"2 customers are entitled and quarantined in billing: {', '.join(second)}"
    assert not first["closed"]

    (one,) = village.listed("billing", "--key", second[0])
    (other,) = village.listed("billing", "--key", second[1])
    village.run("quarantine", "retry", "billing", str(one["id"]))
    village.run("quarantine", "drop", "billing", str(other["id"]), "--as", "anna", "--why", "left us")
    told = json.loads(village.run("watch", SECOND, "--output", "json").out)
    assert told["done"]
    after = books(village)
    assert after["customers"] | {"adjusted": entitled - 1, "quarantined": 1} == after["customers"]
    assert (after["gaps"], after["closed"]) == ([], True)
    # He is an answer for this incident alone.
    assert amends("reconcile", CASE, "--output", "json", root=village.root).json["customers"]["quarantined"] == 0

    village.run("quarantine", "retry", "billing", str(other["id"]), "--even-dropped")
    village.run("watch", SECOND)
    last = books(village)
    assert last["customers"] | {"adjusted": entitled, "quarantined": 0} == last["customers"]
    assert (last["gaps"], last["closed"]) == ([], True)
    assert {record["state"] for record in village.listed("billing")} == {"applied"}


# ── a service that has halted ─────────────────────────────────────────────────────────────────────────────────────


def test_a_service_that_has_halted_is_named_with_the_next_command_and_goes_on(village: Village, second: Any) -> None:
    assert village.run("quarantine", "resume", "billing", exits=1).said == "billing has not halted"
    village.stack.stop("notifications")
    village.stack.start("notifications", environment={"AMENDS_QUARANTINE_IN_A_ROW": "5"})
    before = len(village.listed("notifications"))
    for number in range(6):
        publish(village, "amends.policies.v1", "policy.published.v1", f"p{number}@1", b"{")
    next_command = "amends quarantine list --service notifications --topic amends.policies.v1"
    World.until(lambda: next_command in amends("status", root=village.root).said, "it has halted")
    status = village.run("status", exits=1)
    assert "does not work" in status.out
    assert "records in a row cannot be processed" in status.said
    wrong = {c["name"]: c.get("wrong") for c in village.run("status", "--output", "json", exits=1).json}
    assert next_command in str(wrong.pop("notifications"))
    assert set(wrong.values()) == {None}

    shown = village.run(*next_command.split()[1:])
    assert "notifications has halted" in shown.out
    assert "in the batch that was rolled back, the first at amends.policies.v1[0]" in shown.out

    outside.declare(village.stack.kafka, incident(incident_id="meanwhile") | {"scope": {"families": ["pec"]}})
    watched = village.run("watch", "meanwhile", exits=1)
    assert next_command in watched.said

    resumed = village.run("quarantine", "resume", "notifications", "--output", "json").json
    assert resumed == {"resumed": ["notifications"]}
    village.stack.stop("notifications")
    village.stack.start("notifications")
    village.wait_for("notifications", before + 6, "--limit", "500")
    village.run("watch", "meanwhile")


@pytest.mark.parametrize(
    "command",
    [
        ["quarantine", "list", "--service", "board"],
        ["quarantine", "list", "--state", "lost"],
        ["quarantine", "list", "--limit", "0"],
        ["quarantine", "show", "billing"],
        ["quarantine", "show", "billing", "x"],
        ["quarantine", "retry"],
        ["quarantine", "retry", "billing"],
        ["quarantine", "retry", "billing", "1", "--all"],
        ["quarantine", "retry", "billing", "1", "--topic", "t"],
        ["quarantine", "retry", "--all", "--even-dropped"],
        ["quarantine", "drop", "billing", "1", "--as", "anna"],
        ["quarantine", "drop", "billing", "1", "--as", "two words", "--why", "x"],
        ["quarantine", "drop", "billing", "--as", "anna", "--why", "x"],
        ["quarantine", "resume"],
    ],
)
def test_wrong_usage_ends_with_2(village: Village, command: list[str]) -> None:
    ran = amends(*command, root=village.root)
    assert (ran.exits, ran.out) == (2, ""), ran.said
    assert ran.said
