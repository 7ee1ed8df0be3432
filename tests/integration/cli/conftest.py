"""A small stack with one incident seen through, for the commands that look at one."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Town:
    """A stack, its folder, and the customer base that was imported."""

    root: Path
    stack: Stack
    base: Base


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
        stack = Stack.load(root)
        outside.declare(stack.kafka, incident())
        watched = amends("watch", INCIDENT, root=root)
        assert watched.exits == 0, watched.said
        yield Town(root, stack, base)
    finally:
        local.down(root)
    assert not local.status(root) or not any(component.running for component in local.status(root))
