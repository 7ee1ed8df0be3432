"""A stack under siege: proxies between any two parts, a relay with moods, a supervisor that starts what dies.

It is the end-to-end tests' world with ways in: what an outsider does to it, and what an attacker can. Leaves the
choice of faults to `schedule`, how each is struck to `strikes`, what must have come of it to `judge`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from aiokafka.errors import KafkaError

from deploy.local import stack as local
from deploy.local.kafka.broker import behind
from deploy.local.layout import Layout, State
from deploy.local.ports import HOST, choose
from deploy.local.services import SERVICES, service_of, worker_names
from tests.e2e import outside
from tests.e2e.world import World
from tests.faults import disks
from tests.faults.acts import Commits, FinalDots, Produces, Watch
from tests.faults.moods import Mood, MoodyRelay
from tests.faults.proxy import Lines, Proxy
from tests.faults.supervisor import Supervisor

CLOCK = Path(__file__).with_name("clock")
IMPATIENT: Mapping[str, str] = MappingProxyType(
    {
        "AMENDS_TRANSACTION_SECONDS": "20",
        "AMENDS_DELIVERY_SECONDS": "8",
        "AMENDS_SMTP_REPLY_SECONDS": "6",
        "AMENDS_SMTP_DOT_SECONDS": "8",
    }
)
"""Shorter deadlines than in production, so that a fault that is waited out costs seconds."""
_REPUBLISH_SECONDS = 1_800.0
"""An hour of incidents is millions of records."""


class Siege(World):
    """A world whose services reach Kafka, PostgreSQL and the relay through proxies only."""

    def __init__(
        self,
        folder: Path,
        customers: int,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        workers: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._settings = {**IMPATIENT, **settings}
        self.lines = Lines()
        self.proxies: dict[str, Proxy] = {}
        self._clocks = folder / "clocks"
        self._clocks.mkdir(parents=True)
        detours = {service: self._front(f"{service}-kafka", 0).port for service in SERVICES}
        self.workers = tuple(name for s in SERVICES for name in worker_names(s, dict(workers).get(s, 1)))
        super().__init__(folder, customers, detours=detours, workers=workers)
        ports = State.load(Layout.at(self.root)).ports
        self.relay = MoodyRelay(self.lines, choose(ports.values()), self.stack.mailbox)
        for service in SERVICES:
            self.proxies[f"{service}-kafka"].target = ports[behind(service)]
        for worker in self.workers:
            self._front(f"{worker}-postgres", ports["postgres"])
        self._front("notifications-smtp", self.relay.port)
        self.supervisor = Supervisor(Layout.at(self.root), ("postgres", "kafka", *self.workers), self._environment)
        for name in self.workers:
            self.stack.stop(name)
        self.supervisor.start()
        self.supervisor.await_ready()

    def _front(self, name: str, target: int) -> Proxy:
        """A proxy on this way; where it leads to may be told later."""
        watches: dict[str, Callable[[], Watch]] = {"kafka": Produces, "postgres": Commits, "smtp": FinalDots}
        watch = watches[name.rpartition("-")[2]]
        taken = [proxy.port for proxy in self.proxies.values()]
        proxy = self.proxies[name] = self.lines.proxy(choose(taken), target, watch)
        return proxy

    def _environment(self, name: str) -> dict[str, str]:
        """A worker's settings by which it goes through the proxies; nothing for the rest."""
        service = service_of(name)
        if service not in SERVICES:
            return {}
        dsn = urlsplit(self.stack.databases[service])
        through = dsn.netloc.rpartition(":")[0] + f":{self.proxies[f'{name}-postgres'].port}"
        return {
            **self._settings,
            "AMENDS_KAFKA": f"{HOST}:{self.proxies[f'{service}-kafka'].port}",
            "AMENDS_DATABASE": urlunsplit(dsn._replace(netloc=through)),
            **(
                {"AMENDS_SMTP": f"{HOST}:{self.proxies['notifications-smtp'].port}"}
                if service == "notifications"
                else {}
            ),
            "PYTHONPATH": str(CLOCK),
            "AMENDS_TEST_CLOCK": str(self._clock(name)),
        }

    def _clock(self, name: str) -> Path:
        return self._clocks / name

    # ── What an attacker can do ──────────────────────────────────────────────────────────────────────────────────

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to a component's process; returns whether it ran."""
        process = self.supervisor.process(name)
        if process is None:
            return False
        os.kill(process.pid, number)
        return True

    def turn_clock(self, name: str, seconds: float) -> None:
        """Put a worker's wall clock forward (or back, if negative) by so much; 0 is the right time."""
        self._clock(name).write_text(str(seconds))

    def knows_of(self, incident_id: str) -> bool:
        """Whether entitlements has heard of it; false while it does not answer."""
        try:
            return self.knows(incident_id)
        except httpx.TransportError:
            return False

    def declare_until_taken(self, declaration: Mapping[str, Any], seconds: float = 120.0) -> None:
        """Publish a declaration as a pipeline does that tries until Kafka has taken it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                outside.declare(self.stack.kafka, declaration)
            except (KafkaError, TimeoutError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def lose_kafka(self, declarations: list[Mapping[str, Any]]) -> None:
        """Kafka dies and its data directory is gone; an operator says `up` and `republish`, and who declared does so
        again: that topic is nobody's outbox."""
        layout = Layout.at(self.root)
        with self.supervisor.holding("kafka"):
            self.signal("kafka", signal.SIGKILL)
            self.until(lambda: self.supervisor.process("kafka") is None, "kafka is dead")
            disks.empty(layout.data("kafka"))
            layout.data("kafka.formatted").unlink()
            self.supervisor.await_ready("postgres", *self.workers)
            self.amends("up")
        self.forget()
        for declaration in declarations:
            self.declare_until_taken(declaration)
        self.amends("republish", within_seconds=_REPUBLISH_SECONDS)

    def make_peace(self) -> None:
        """Take back what is still out of order, and wait until everything runs and is ready."""
        for proxy in self.proxies.values():
            proxy.lose_replies(0)
            proxy.mend()
        self.relay.be(Mood.CALM)
        for name in self.supervisor.names:
            self.signal(name, signal.SIGCONT)
        for name in self.workers:
            self.turn_clock(name, 0)
        self.supervisor.await_ready()

    def close(self) -> None:
        """End everything, and leave no process and no mount."""
        if hasattr(self, "supervisor"):
            self.supervisor.close()
        local.down(self.root)
        disks.release(Layout.at(self.root))
        if hasattr(self, "relay"):
            self.relay.close()
        self.lines.close()


@contextmanager
def besieged(
    folder: Path,
    customers: int,
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
    workers: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Siege]:
    """A siege for as long as the block lasts; however it ends, no process and no mount is left."""
    siege = Siege.__new__(Siege)
    siege.root = folder / ".amends"
    siege.lines = Lines()
    try:
        siege.__init__(folder, customers, settings=settings, workers=workers)  # type: ignore[misc]
        yield siege
    finally:
        siege.close()
