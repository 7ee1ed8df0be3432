"""A small stack with one incident seen through, for the commands that look at one; and policies that need a person."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local import stack as local
from deploy.local.customer_base import Base, generate, incident
from deploy.local.stack import Stack
from tests.e2e import outside
from tests.integration.cli.command import amends

INCIDENT = "aruba-2011-04-29"
_RULE = """
time_zone: Europe/Rome
rules:
  - rule: voucher
    per: customer
    across_incidents: each
    give:
      voucher: {amount: {amount: "5.00", currency: EUR}, merchant: Shop, valid_for: 1 year}
"""
POLICIES = {
    # A voucher for each of about 400 customers is more than goes without approval, and less than the ceiling.
    "budget@1": f"name: budget\nversion: 1\ntitle: Within a budget{_RULE}"
    'budget: [{currency: EUR, ceiling: "3000.00", approval_above: "20 %"}]\n',
    "ceiling@1": f"name: ceiling\nversion: 1\ntitle: With a low ceiling{_RULE}"
    'budget: [{currency: EUR, ceiling: "300.00", approval_above: "20 %"}]\n',
    "canary@1": f"name: canary\nversion: 1\ntitle: Some first{_RULE}canary: 50\nwhen_narrowed: reverse\n",
}
"""Policies beside the shipped ones: they stand at a gate."""


@dataclass(frozen=True)
class Town:
    """A stack, its folder, and the customer base that was imported."""

    root: Path
    stack: Stack
    base: Base


def publish(root: Path, folder: Path) -> None:
    """Publish `POLICIES`, as a service that has their files does; once they are published the files are not needed."""
    for key, text in POLICIES.items():
        (folder / f"{key}.yaml").write_text(text)
    stack = Stack.load(root)
    stack.kill("entitlements")
    environment = {**os.environ, **stack.environment("entitlements"), "AMENDS_POLICIES": str(folder)}
    command = [sys.executable, "-m", "services.entitlements", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as service:
        assert service.stdout is not None
        try:
            assert any(b'"standing"' in line for line in service.stdout), "it ended before it stood"
        finally:
            service.terminate()
    assert amends("up", root=root).exits == 0


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """400 customers, the case's incident declared and seen through, all by the command."""
    folder = tmp_path_factory.mktemp("town")
    root = folder / ".amends"
    try:
        assert amends("up", root=root).exits == 0
        base = generate(folder / "base", 400)
        assert amends("import", "contracts", base.contracts_csv, root=root).exits == 0
        assert amends("import", "customers", base.customers_csv, root=root).exits == 0
        publish(root, tmp_path_factory.mktemp("policies"))
        stack = Stack.load(root)
        outside.declare(stack.kafka, incident())
        watched = amends("watch", INCIDENT, root=root)
        assert watched.exits == 0, watched.said
        yield Town(root, stack, base)
    finally:
        local.down(root)
    assert not local.status(root) or not any(component.running for component in local.status(root))
