"""A real PostgreSQL for the proofs of an incident's life: one cluster, the three services' databases, migrated.

Nothing here has to outlive a crash of the machine, so it does not wait for the disk; in everything else it is the
server that the services have. Leaves to `world` what is done with the databases.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deploy.local.components import Component, Starter
from deploy.local.layout import DATABASES, Layout, Secrets, State
from deploy.local.ports import FIRST, LAST, is_free
from deploy.local.postgres import dsn, make_databases, postgres

_IN_HASTE = """
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
min_wal_size = 80MB
autovacuum_naptime = 15s
"""
_PORTS = range(FIRST, LAST)


def _hasty(component: Component, layout: Layout) -> Component:
    def prepare() -> None:
        component.prepare()
        with (layout.data("postgres") / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_IN_HASTE)

    return replace(component, prepare=prepare)


def _port() -> int:
    """A free port; two processes that start at once do not look at the same ones."""
    ports = list(_PORTS)
    random.Random(f"{os.getpid()} {time.monotonic_ns()}").shuffle(ports)
    return next(port for port in ports if is_free(port))


@contextmanager
def running(root: Path | None = None) -> Iterator[dict[str, str]]:
    """A cluster for as long as the block lasts: each service's connection string, its database still empty."""
    with tempfile.TemporaryDirectory(prefix="amends-life-") as temporary:
        layout = Layout.at(root or Path(temporary) / "cluster")
        layout.make()
        state, secrets = State.load(layout), Secrets.load_or_make(layout)
        port = state.ports["postgres"] = _port()
        starter = Starter(layout, state, lambda _step: None)
        component = _hasty(postgres(layout, port, secrets), layout)
        try:
            starter.start([component])
            starter.wait_ready([component])
            make_databases(port, secrets)
            yield {name: dsn(port, secrets, name) for name in DATABASES}
        finally:
            starter.take_back()
