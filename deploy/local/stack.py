"""The local stack as a whole: `up`, `down`, `status`, and a `Stack` to ask where everything is.

Kafka, PostgreSQL and a mail sink, then the services, each a process of its own on 127.0.0.1; no container engine, no
root. `ROOT/stack.json` tells other programs where they are while the stack is up. Leaves to `components` how a
process is started and waited for, to the other files what each one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from types import MappingProxyType

from deploy.local import assembly
from deploy.local.components import runs
from deploy.local.errors import StackError
from deploy.local.layout import Layout, Secrets, State, locked, read_json
from deploy.local.processes import is_alive, stop
from deploy.local.services import SERVICES, service_environment, service_of


def _no_steps(_step: str) -> None:
    """For callers that show no progress."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything of a running stack is: what `stack.json` says. Addresses are `host:port`."""

    root: Path
    kafka: str
    databases: Mapping[str, str]
    smtp: str
    mailbox: Path
    http: Mapping[str, str]
    pids: Mapping[str, int]

    @classmethod
    def load(cls, root: Path) -> Stack:
        """The stack that is up at `root`; raises `StackError` if there is none."""
        layout = Layout.at(root)
        found = read_json(layout.stack_file)
        if found is None:
            raise StackError(f"no stack is up at {layout.root}: start one with `amends up`")
        try:
            return cls(
                root=layout.root,
                kafka=str(found["kafka"]),
                databases=dict(found["databases"]),
                smtp=str(found["smtp"]),
                mailbox=Path(found["mailbox"]),
                http=dict(found["http"]),
                pids=dict(found["pids"]),
            )
        except (KeyError, TypeError) as error:
            raise StackError(f"{layout.stack_file} cannot be read: {error!r}") from error

    def environment(self, service: str) -> dict[str, str]:
        """The `AMENDS_…` variables of a service, or of one of its workers; raises `StackError` for an unknown one."""
        layout = Layout(self.root)
        state = State.load(layout)
        if service_of(service) not in SERVICES or service not in state.ports:
            raise StackError(f"no service {service!r}; there are {', '.join(SERVICES)}")
        return service_environment(layout, state, Secrets.load_or_make(layout), service)

    def is_running(self, name: str) -> bool:
        """Whether that component's process is alive."""
        return runs(State.load(Layout(self.root)), name)

    def kill(self, name: str) -> None:
        """SIGKILL to a component (`kafka`, `postgres`, `mail`, a service, a worker) and to all that it started."""
        layout = Layout(self.root)
        with locked(layout):
            state = State.load(layout)
            process = state.processes.get(name)
            if process is None or not is_alive(process):
                raise StackError(f"{name} does not run")
            stop(process, by=Signals.SIGKILL, within_seconds=10.0)
            assembly.end_strays(layout, name)

    def stop(self, name: str) -> None:
        """Ask a component to end, and wait until it has; one that does not run is left alone."""
        layout = Layout(self.root)
        with locked(layout):
            state = State.load(layout)
            assembly.stop_component(layout, state, name)

    def start(self, name: str, *, environment: Mapping[str, str] = MappingProxyType({})) -> Stack:
        """Start a component that does not run, wait until it is ready; returns the stack with its new pid.

        `environment` goes over what the component gets otherwise, for this start alone.
        """
        layout = Layout(self.root)
        with locked(layout):
            state = State.load(layout)
            secrets = Secrets.load_or_make(layout)
            if name not in state.ports:
                raise StackError(f"no component {name!r}; there are {', '.join(sorted(state.ports))}")
            with assembly.starter(layout, state, _no_steps) as starter:
                component = assembly.component(layout, state, secrets, name, _no_steps, environment)
                starter.start([component])
                starter.wait_ready([component])
            assembly.write_stack(layout, state, secrets)
        return Stack.load(self.root)

    def restart(self, name: str) -> Stack:
        """End a component politely and start it again at the same address; returns the stack with its new pid."""
        self.stop(name)
        return self.start(name)


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One component: its pid (0 if it was never started), its port, whether it runs."""

    name: str
    pid: int
    port: int
    running: bool


def up(
    root: Path,
    *,
    fresh: bool = False,
    services: bool = True,
    workers: Mapping[str, int] | None = None,
    policies: Path | None = None,
    detours: Mapping[str, int] | None = None,
    on_step: Callable[[str], None] = _no_steps,
) -> Stack:
    """Start what does not run yet, and wait until all is ready.

    `fresh` ends a running stack and forgets everything first. `services=False` leaves the services alone. Remembered
    from one call to the next are: `workers`, how many processes each service has (1 unless told); `policies`, in which
    folder the policies are (those shipped unless told); `detours`, names of ways to Kafka through ports that somebody
    else listens on, and passes on to the one that is remembered `behind` the name (none unless told).

    Raises `StackError`; whatever this call started is ended then, and so it is when it is interrupted.
    """
    layout = Layout.at(root)
    counts = assembly.checked_workers(workers or {})
    layout.make()
    with locked(layout):
        if fresh:
            assembly.end_all(layout, State.load(layout), on_step)
            layout.wipe()
            layout.make()
        state, secrets = State.load(layout), Secrets.load_or_make(layout)
        state.workers = dict.fromkeys(SERVICES, 1) | state.workers | counts
        state.policies = str(policies.resolve()) if policies else state.policies
        state.detours = state.detours | dict(detours or {})
        names = assembly.wanted_workers(state) if services else []
        if services:
            assembly.end_surplus(layout, state, names, on_step)
        assembly.choose_ports(state, names)
        state.save(layout)
        with assembly.starter(layout, state, on_step) as starter:
            assembly.start_foundation(layout, state, secrets, starter, on_step)
            assembly.start_services(layout, state, secrets, starter, names, on_step)
            assembly.write_stack(layout, state, secrets)
    return Stack.load(root)


def down(root: Path, on_step: Callable[[str], None] = _no_steps) -> None:
    """End the stack and leave no process of it, however much of it is gone already; its data stays."""
    layout = Layout.at(root)
    if not layout.root.is_dir():
        return
    with locked(layout):
        assembly.end_all(layout, State.load(layout), on_step)


def status(root: Path) -> list[ComponentStatus]:
    """Every component that was ever started, in the order of its start; an empty list if there was no stack."""
    state = State.load(Layout.at(root))
    return [
        ComponentStatus(
            name=name,
            pid=state.processes[name].pid if name in state.processes else 0,
            port=state.ports[name],
            running=runs(state, name),
        )
        for name in assembly.known_components(state)
    ]
