"""A service as a process: its parts, its tasks, its end.

`Parts` is what each composition root starts from. `run` keeps the tasks going until SIGTERM or SIGINT, lets the batch
in hand finish or roll back, and ends within seconds whatever hangs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from services.runtime import database, http, logs, quarantine_routes
from services.runtime.bell import wait
from services.runtime.consumer import Consumer
from services.runtime.database import Pool
from services.runtime.errors import AmendsError, Conflict, GaveUp, Transient, classify
from services.runtime.handling import Route
from services.runtime.mending import Mender
from services.runtime.metrics import Metrics
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher, Relay
from services.runtime.settings import RuntimeSettings, S, load
from services.runtime.work import Transaction, Workbench

log = structlog.get_logger()

MIGRATIONS = Path(__file__).with_name("migrations")
_GRACE_SECONDS, _LAST_GRACE_SECONDS = 7.0, 2.0
_CHECK_SECONDS = 2.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0

Task: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]
"""Works until the event is set, and then ends by itself with its work finished or rolled back."""


@dataclass
class Parts:
    """What every service is built from."""

    name: str
    settings: RuntimeSettings
    metrics: Metrics
    pool: Pool
    publisher: Publisher
    relay: Relay
    workbench: Workbench
    checks: dict[str, http.Check] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)

    def consumer(self, routes: Mapping[str, Route]) -> Consumer:
        """The service's consumer, as a member of the service's group; its halt makes the service unready."""
        settings = self.settings
        consumer = Consumer(
            settings.kafka,
            f"amends.{self.name}",
            routes,
            self.workbench,
            batch_records=settings.batch_records,
            patience_seconds=settings.patience_seconds,
            limit=Limit(settings.quarantine_in_a_row, settings.quarantine_share, settings.quarantine_window),
        )

        async def halted() -> str | None:
            return consumer.halted and f"halted: {consumer.halted}"

        self.checks["consumer"] = halted
        self.routes |= routes
        self.consumers.append(consumer)
        return consumer

    def api(self) -> FastAPI:
        """The service's web application with the checks known by now."""
        token, mender = self.settings.operator_token, Mender(self.workbench, self.routes)
        app = http.api(self.name, self.metrics, self.checks, self.pool, self.relay, token)
        quarantine_routes.mount(app, self.pool, mender, self.consumers, http.operator(token))
        return app

    async def first(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Do a piece of work before the service serves; what passes is waited for, until the patience is over."""
        done = asyncio.Event()

        async def do(_: asyncio.Event) -> None:
            await self.workbench.run(work)
            done.set()

        await self.persistent(do)(done)

    def persistent(self, task: Task) -> Task:
        """A task that is begun again, after a pause, when what passes has stopped it, until the patience is over."""

        async def keep(stop: asyncio.Event) -> None:
            pause, trouble_since = _FIRST_PAUSE_SECONDS, 0.0
            while not stop.is_set():
                began = time.monotonic()
                try:
                    await task(stop)
                except Exception as error:
                    if classify(error) not in (Transient, Conflict):
                        raise
                    now = time.monotonic()
                    if now - began > _LONGEST_PAUSE_SECONDS:  # it had worked for a while: a new trouble
                        pause, trouble_since = _FIRST_PAUSE_SECONDS, 0.0
                    trouble_since = trouble_since or now
                    if now - trouble_since > self.settings.patience_seconds:
                        raise GaveUp(f"{task.__qualname__}: {error!r}") from error
                    log.warning("tried again", task=task.__qualname__, error=repr(error))
                    await wait(stop, pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

        return keep


@asynccontextmanager
async def parts(name: str, settings: RuntimeSettings) -> AsyncIterator[Parts]:
    """Connect what there is to connect to; everything is let go again at the end."""
    metrics = Metrics()
    pool = await database.connect(
        settings.database.get_secret_value(),
        size=settings.pool_size,
        deadline_seconds=settings.patience_seconds,
        statement_seconds=settings.transaction_seconds,
    )
    publisher = Publisher(settings.kafka, delivery_seconds=settings.delivery_seconds, metrics=metrics)
    relay = Relay(pool, publisher, kept=timedelta(days=settings.outbox_kept_days))
    workbench = Workbench(pool, relay, metrics, seconds=settings.transaction_seconds)

    async def answers() -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await pool.fetchval("SELECT 1")
        except Exception as error:
            if classify(error) is not Transient:
                raise
            return f"the database does not answer: {type(error).__name__}"
        return None

    try:
        yield Parts(name, settings, metrics, pool, publisher, relay, workbench, {"database": answers})
    finally:
        await publisher.close()
        await database.close(pool)


async def run(app: FastAPI, address: str, tasks: Sequence[Task]) -> None:
    """Serve HTTP and run the tasks until a signal; a task that fails ends the process with its error."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host, _, port = address.rpartition(":")
    server = _Server(uvicorn.Config(app, host=host, port=int(port), log_config=None, access_log=False, lifespan="off"))
    running = [asyncio.ensure_future(task(stop)) for task in tasks]
    serving = asyncio.ensure_future(server.serve())
    stopped = asyncio.ensure_future(stop.wait())
    _calm_collector()
    everything: list[asyncio.Future[Any]] = [*running, serving, stopped]
    done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    stop.set()
    server.should_exit = True
    _, late = await asyncio.wait([*running, serving], timeout=_GRACE_SECONDS)
    for straggler in late:
        straggler.cancel()
    if late:
        _, stuck = await asyncio.wait(late, timeout=_LAST_GRACE_SECONDS)
        if stuck:
            log.error("ending hard: a task does not stop")
            os._exit(1)
    for ended in done:
        ended.result()


def _calm_collector() -> None:
    """Keep the cyclic collector off the batches: they hold hundreds of thousands of values and no cycles.

    With the default thresholds it walks a batch dozens of times, which was a third of the services' time.
    """
    gc.collect()
    gc.freeze()  # what is there now stays
    gc.set_threshold(200_000, 20, 50)


class _Server(uvicorn.Server):
    """Leaves the signals to `run`."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Nothing is captured."""
        return nullcontext()


async def _migrate(settings: RuntimeSettings, own: Path) -> None:
    """Bring the service's database to the schema that this code needs: the runtime's tables, then the service's."""
    pool = await database.connect(
        settings.database.get_secret_value(),
        size=2,
        deadline_seconds=settings.patience_seconds,
        statement_seconds=settings.patience_seconds,
    )
    try:
        async with pool.acquire() as connection:
            await database.migrate(connection, [MIGRATIONS, own], lambda name: log.info("migrated", migration=name))
    finally:
        await database.close(pool)


def main(
    arguments: Sequence[str],
    name: str,
    settings: type[S],
    migrations: Path,
    serve: Callable[[S], Coroutine[Any, Any, None]],
    *,
    jobs: Mapping[str, Callable[[S, str], Coroutine[Any, Any, None]]] = MappingProxyType({}),
    told: tuple[type[Exception], ...] = (),
) -> int:
    """A service's command line: `serve`, `migrate`, or one of its jobs with an argument; returns the exit code.

    Errors of the `told` types are the user's to mend: their words go to stderr. Ours are logged.
    """
    match arguments:
        case ["serve"]:
            body = serve
        case ["migrate"]:
            body = partial(_migrate, own=migrations)
        case [job, argument] if job in jobs:
            body = partial(_with, jobs[job], argument)
        case _:
            usage = " | ".join(["serve", "migrate", *(f"{job} FILE" for job in jobs)])
            sys.stderr.write(f"usage: python -m services.{name} {usage}\n")
            return 2
    loaded = load(settings)
    logs.configure(name, loaded.worker, loaded.log_level)
    try:
        uvloop.run(body(loaded))
    except told as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except AmendsError as error:
        log.error("ended", error=str(error))
        return 1
    return 0


async def _with(job: Callable[[S, str], Coroutine[Any, Any, None]], argument: str, settings: S) -> None:
    await job(settings, argument)
