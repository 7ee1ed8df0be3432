"""Starting what a stack is made of: all at once, each noted before the next, each waited for until it is ready.

Leaves to `kafka`, `postgres`, `mail` and `services` what each component is; knows only that a component has a
command, a way to tell that it is ready and a polite way to be ended.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.local import ports
from deploy.local.errors import StackError, tail
from deploy.local.layout import PROJECT, Layout, State
from deploy.local.processes import MARK, interrupts_later, is_alive, spawn, stop, wait_until

PORT_SECONDS = 3.0


def nothing() -> None:
    """For a component that needs no preparation."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the stack. `ports` are those that it listens on; `is_ready` is asked until it says yes."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ports: tuple[int, ...]
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = nothing
    account: tuple[int, int] | None = None
    ready_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0


def plain_environment(layout: Layout) -> dict[str, str]:
    """What every process of the stack gets: where programs are, the language, the mark; no setting of the caller's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", MARK: str(layout.root)}


class Starter:
    """Starts components of one stack, and takes back what it started if asked to.

    Every start is written to the stack's state before anything else happens, so that a later `down` finds it even
    if this program is killed.
    """

    def __init__(self, layout: Layout, state: State, on_step: Callable[[str], None]) -> None:
        self._layout = layout
        self._state = state
        self._on_step = on_step
        self._started: list[Component] = []

    def start(self, components: Sequence[Component]) -> list[Component]:
        """Start those that do not run; returns them. Does not wait: see `wait_ready`."""
        missing = [component for component in components if not runs(self._state, component.name)]
        for component in missing:
            for port in component.ports:
                # The kernel may take a moment to give back what a killed process listened on.
                if not wait_until(lambda port=port: ports.is_free(port), PORT_SECONDS):  # type: ignore[misc]
                    raise StackError(
                        f"{component.name} cannot be started: its port {port} on {ports.HOST} is taken by a program "
                        "outside this stack. End that program, or start anew with `amends up --fresh`"
                    )
            self._on_step(f"starting {component.name}")
            component.prepare()
            self._spawn(component)
        return missing

    def _spawn(self, component: Component) -> None:
        with interrupts_later():
            try:
                process = spawn(
                    component.command,
                    environment=component.environment,
                    folder=PROJECT,
                    log=self._layout.log(component.name),
                    account=component.account,
                )
            except OSError as error:
                raise StackError(f"{component.name} cannot be started: {error}") from error
            self._started.append(component)
            self._state.processes[component.name] = process
            self._state.save(self._layout)

    def wait_ready(self, components: Sequence[Component]) -> None:
        """Wait until each is ready; raises `StackError` with the end of its log if it dies or takes too long."""
        for component in components:
            process = self._state.processes[component.name]
            ready = wait_until(
                lambda component=component, process=process: (  # type: ignore[misc]
                    not is_alive(process) or component.is_ready()
                ),
                component.ready_seconds,
            )
            if not ready or not is_alive(process):
                what = f"was not ready after {component.ready_seconds:.0f} s" if is_alive(process) else "ended at once"
                raise StackError(f"{component.name} {what}. {tail(self._layout.log(component.name))}")

    def take_back(self) -> None:
        """End what this starter started, last first."""
        # A second Ctrl-C out of impatience would leave the rest running.
        with interrupts_later():
            for component in reversed(self._started):
                stop(
                    self._state.processes.pop(component.name),
                    by=component.stop_signal,
                    within_seconds=component.stop_seconds,
                )
            self._started.clear()
            self._state.save(self._layout)


def runs(state: State, name: str) -> bool:
    """Whether the component's process is alive."""
    process = state.processes.get(name)
    return process is not None and is_alive(process)


def find_program(name: str) -> str:
    """Where the program is; raises `StackError` if it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise StackError(f"`{name}` is not installed, or not on the PATH")
    return path
