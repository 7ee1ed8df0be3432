"""`amends up`, `status`, `down` with several workers: what is missing is started, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import stack as local
from deploy.local.customer_base import generate, incident
from deploy.local.stack import Stack
from tests.e2e.oracle import read_promise
from tests.integration.cli.command import amends, left_over

WORKERS = ("entitlements", "entitlements-2", "billing", "billing-2", "notifications", "notifications-2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack with two workers of each service."""
    root = tmp_path_factory.mktemp("workers") / ".amends"
    try:
        ran = amends("up", "--workers", "entitlements=2,billing=2,notifications=2", "--output", "json", root=root)
        assert ran.exits == 0, ran.said
        assert ran.json["stack"] == str(root / "stack.json")
        assert ran.json["http"].keys() == set(WORKERS)
        yield root
    finally:
        local.down(root)


def test_two_workers_of_each_service_share_an_incident_and_its_books_close(root: Path, tmp_path: Path) -> None:
    base = generate(tmp_path, 3_000)
    assert amends("import", "contracts", base.contracts_csv, root=root).exits == 0
    assert amends("import", "customers", base.customers_csv, root=root).exits == 0
    file = tmp_path / "incident.json"
    file.write_text(json.dumps(incident()))
    assert amends("declare", file, root=root).exits == 0
    assert amends("watch", incident()["incident_id"], root=root).exits == 0
    books = amends("reconcile", incident()["incident_id"], "--output", "json", root=root)
    wanted = read_promise(base.customers_csv, base.contracts_csv, incident()).books()
    assert books.exits == 0
    assert {name: value for name, value in books.json.items() if name in wanted} == wanted


def test_status_names_what_is_dead_and_ends_with_1(root: Path) -> None:
    os.kill(Stack.load(root).pids["billing-2"], signal.SIGKILL)
    os.kill(Stack.load(root).pids["mail"], signal.SIGKILL)
    ran = amends("status", "--output", "json", root=root)
    assert ran.exits == 1
    assert {component["name"] for component in ran.json if not component["running"]} == {"mail", "billing-2"}
    assert "not everything runs: `amends up` starts what is missing" in ran.said
    assert "does not run" in amends("status", root=root).out


def test_up_starts_what_is_missing_and_nothing_else(root: Path) -> None:
    if local.status(root) and all(component.running for component in local.status(root)):
        Stack.load(root).kill("billing-2")
    before, dead = Stack.load(root).pids, {c.name for c in local.status(root) if not c.running}
    assert amends("up", root=root).exits == 0
    after = Stack.load(root).pids
    assert {name for name in after if after[name] != before.get(name)} == dead
    assert amends("status", root=root).exits == 0


def test_up_on_a_stack_that_runs_starts_nothing(root: Path) -> None:
    before = Stack.load(root).pids
    assert amends("up", root=root).exits == 0
    assert Stack.load(root).pids == before


def test_up_refuses_a_service_that_is_none(root: Path) -> None:
    ran = amends("up", "--workers", "billling=2", root=root)
    assert (ran.exits, ran.out) == (1, "")
    assert "no service 'billling'; there are entitlements, billing, notifications" in ran.said


def test_demo_does_not_touch_a_stack_that_runs(root: Path) -> None:
    before = Stack.load(root).pids
    ran = amends("demo", root=root)
    assert ran.exits == 1
    assert f"a stack runs at {root}: end it with `amends down` first" in ran.said
    assert Stack.load(root).pids == before


def test_down_leaves_no_process_however_often_it_is_run(root: Path) -> None:
    assert amends("down", root=root).exits == 0
    assert left_over(root) == []
    assert not (root / "stack.json").exists()
    assert amends("down", root=root).exits == 0
    assert left_over(root) == []
    ran = amends("status", "--output", "json", root=root)
    assert ran.exits == 1
    assert not any(component["running"] for component in ran.json)
