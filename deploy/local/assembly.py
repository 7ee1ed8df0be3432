"""Putting the components of a stack together, and taking them apart: what comes before what, and what is written down.

Every function here expects the stack's lock to be held. Leaves to `stack` what a caller may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from signal import Signals
from types import MappingProxyType

from deploy.local import mail, ports, postgres
from deploy.local.components import Component, Starter, runs
from deploy.local.errors import StackError
from deploy.local.kafka import broker
from deploy.local.kafka.topics import make_topics
from deploy.local.layout import DATABASES, Layout, Secrets, State, write_private
from deploy.local.processes import ask_to_end, end_by_force, marked, stop, working_in
from deploy.local.services import (
    SERVICES,
    STOP_SECONDS,
    migrate,
    service_component,
    service_environment,
    service_of,
    worker_names,
)

FOUNDATION = (broker.NAME, postgres.NAME, mail.NAME)
MAX_WORKERS = 16

_STOPS: Mapping[str, tuple[Signals, float]] = {
    # PostgreSQL's SIGINT is its "fast" end: open transactions are rolled back, and clients sent away.
    mail.NAME: (Signals.SIGTERM, 10.0),
    postgres.NAME: (Signals.SIGINT, 30.0),
    broker.NAME: (Signals.SIGTERM, 20.0),
}
"""How each of the foundation is ended, in this order, after the services."""


def checked_workers(workers: Mapping[str, int]) -> dict[str, int]:
    """The counts as given; raises `StackError` for a service that is none, or a count out of bounds."""
    for service, count in workers.items():
        if service not in SERVICES:
            raise StackError(f"no service {service!r}; there are {', '.join(SERVICES)}")
        if not 1 <= count <= MAX_WORKERS:
            raise StackError(f"{service} cannot have {count} workers: write 1 to {MAX_WORKERS}")
    return dict(workers)


def wanted_workers(state: State) -> list[str]:
    """The names of all workers that should run."""
    return [name for service in SERVICES for name in worker_names(service, state.workers[service])]


def known_components(state: State) -> list[str]:
    """What has a port in this stack: the foundation, then the workers."""
    workers = sorted(
        (name for name in state.ports if service_of(name) in SERVICES),
        key=lambda name: (SERVICES.index(service_of(name)), name),
    )
    return [*(name for name in FOUNDATION if name in state.ports), *workers]


def choose_ports(state: State, workers: Sequence[str]) -> None:
    """Give a port to each component that has none.

    While nothing of the stack runs, nobody relies on the remembered ports, and those that a stranger took meanwhile
    are replaced.
    """
    at_rest = not any(runs(state, name) for name in state.processes)
    detours = [broker.behind(name) for name in state.detours]
    for name in (broker.NAME, broker.CONTROLLER, *detours, postgres.NAME, mail.NAME, *workers):
        port = state.ports.get(name)
        if port is None or (at_rest and not ports.is_free(port)):
            state.ports[name] = ports.choose(state.ports.values())


@contextmanager
def starter(layout: Layout, state: State, on_step: Callable[[str], None]) -> Iterator[Starter]:
    """A starter whose starts are taken back unless the block ends in peace; an interrupt is no peace."""
    starting = Starter(layout, state, on_step)
    try:
        yield starting
    except BaseException:
        starting.take_back()
        raise


def component(
    layout: Layout,
    state: State,
    secrets: Secrets,
    name: str,
    on_step: Callable[[str], None],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Component:
    """The component of this name, ready to be started; its port must have been chosen.

    `environment` goes over what it gets otherwise.
    """
    if not runs(state, name):
        end_strays(layout, name)
    if name == broker.NAME:
        found = broker.kafka(layout, state.ports, state.detours, on_step)
    elif name == postgres.NAME:
        found = postgres.postgres(layout, state.ports[postgres.NAME], secrets)
    elif name == mail.NAME:
        found = mail.mail(layout, state.ports[mail.NAME])
    else:
        found = service_component(layout, state, secrets, name)
    return replace(found, environment={**found.environment, **environment})


def end_strays(layout: Layout, name: str) -> None:
    """End what a killed PostgreSQL may have left behind: a new one refuses to start while such a child lives."""
    if name == postgres.NAME:
        end_by_force(working_in(layout.data(name)))


def start_foundation(
    layout: Layout, state: State, secrets: Secrets, starting: Starter, on_step: Callable[[str], None]
) -> None:
    """Kafka with its topics, PostgreSQL with its databases, the mail sink: what is missing of them."""
    parts = [component(layout, state, secrets, name, on_step) for name in FOUNDATION]
    started = {part.name for part in starting.start(parts)}
    starting.wait_ready(parts)
    if postgres.NAME in started:
        on_step("making the databases")
        postgres.make_databases(state.ports[postgres.NAME], secrets)
    if broker.NAME in started:
        on_step("making the topics")
        make_topics(f"{ports.HOST}:{state.ports[broker.NAME]}")


def start_services(
    layout: Layout,
    state: State,
    secrets: Secrets,
    starting: Starter,
    names: Sequence[str],
    on_step: Callable[[str], None],
) -> None:
    """Migrate for, and start, those of these workers that do not run; wait until all are ready."""
    missing = [name for name in names if not runs(state, name)]
    services = dict.fromkeys(service_of(name) for name in missing)
    migrate(layout, {name: service_environment(layout, state, secrets, name) for name in services}, on_step)
    parts = [component(layout, state, secrets, name, on_step) for name in names]
    starting.start(parts)
    starting.wait_ready(parts)


def end_surplus(layout: Layout, state: State, wanted: Sequence[str], on_step: Callable[[str], None]) -> None:
    """End the workers that should no longer be there, and forget them."""
    for name in [name for name in known_components(state) if name not in (*FOUNDATION, *wanted)]:
        on_step(f"ending {name}")
        stop_component(layout, state, name)
        del state.ports[name]


def stop_component(layout: Layout, state: State, name: str) -> None:
    """Ask the component to end, wait, end it by force if need be; one that does not run is left alone."""
    process = state.processes.get(name)
    if process is not None:
        by, seconds = _STOPS.get(name, (Signals.SIGTERM, STOP_SECONDS))
        stop(process, by=by, within_seconds=seconds)
        del state.processes[name]
        state.save(layout)
    end_strays(layout, name)


def end_all(layout: Layout, state: State, on_step: Callable[[str], None]) -> None:
    """End services, then the foundation, then whatever else still bears this stack's mark."""
    layout.stack_file.unlink(missing_ok=True)
    services = [name for name in state.processes if name not in FOUNDATION]
    # All are asked at once, so that their last batches end side by side.
    ask_to_end([state.processes[name] for name in services], Signals.SIGTERM)
    for name in [*services, *(name for name in _STOPS if name in state.processes)]:
        if runs(state, name):
            on_step(f"ending {name}")
        stop_component(layout, state, name)
    end_by_force([*marked(layout.root), *working_in(layout.data(postgres.NAME))])


def write_stack(layout: Layout, state: State, secrets: Secrets) -> None:
    """Tell other programs where everything is."""
    workers = [name for name in known_components(state) if name not in FOUNDATION]
    write_private(
        layout.stack_file,
        {
            "kafka": f"{ports.HOST}:{state.ports[broker.NAME]}",
            "databases": {name: postgres.dsn(state.ports[postgres.NAME], secrets, name) for name in DATABASES},
            "smtp": f"{ports.HOST}:{state.ports[mail.NAME]}",
            "mailbox": str(layout.mailbox),
            "http": {name: f"http://{ports.HOST}:{state.ports[name]}" for name in workers},
            "pids": {name: process.pid for name, process in state.processes.items()},
        },
    )
