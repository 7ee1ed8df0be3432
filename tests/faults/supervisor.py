"""Starts again whatever of a stack has died, at once and without waiting for it, as a supervisor does.

Leaves to `deploy.local` what each component is and how it is started. What is held down on purpose stays down.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx

from deploy.local import assembly, ports
from deploy.local.components import runs
from deploy.local.errors import StackError
from deploy.local.layout import Layout, Secrets, State, locked
from deploy.local.processes import ProcessId

_LOOK_EVERY_SECONDS = 0.1
_PAUSE_AFTER_FAILURE_SECONDS = 0.5

Settings = Callable[[str], Mapping[str, str]]
"""The environment of a component, over what it gets otherwise."""


class Supervisor:
    """Looks after some components of one stack, in a thread of its own."""

    def __init__(self, layout: Layout, names: tuple[str, ...], settings: Settings) -> None:
        self.layout, self.names = layout, names
        self.starts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._settings = settings
        self._held: Counter[str] = Counter()
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Look after them from now on."""
        self._thread.start()

    def close(self) -> None:
        """Start nothing any more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(30.0)

    @contextmanager
    def holding(self, *names: str) -> Iterator[None]:
        """Start none of these again within the block."""
        with self._turn:
            self._held.update(names)
        try:
            yield
        finally:
            with self._turn:
                self._held.subtract(names)

    def process(self, name: str) -> ProcessId | None:
        """The component's process, None while it does not run."""
        state = State.load(self.layout)
        return state.processes[name] if runs(state, name) else None

    def launch(self, name: str) -> None:
        """Start a component if it does not run; raises `StackError` or `OSError` when it cannot be started."""
        with locked(self.layout):
            state = State.load(self.layout)
            if runs(state, name):
                return
            secrets = Secrets.load_or_make(self.layout)
            component = assembly.component(self.layout, state, secrets, name, lambda _step: None, self._settings(name))
            with assembly.starter(self.layout, state, lambda _step: None) as starter:
                starter.start([component])
            self.starts[name] += 1

    def is_ready(self, name: str) -> bool:
        """Whether it answers; of a service, whether it says that it is ready."""
        port = State.load(self.layout).ports[name]
        if name in ("kafka", "postgres", "mail"):
            return self.process(name) is not None and ports.accepts(port)
        try:
            return httpx.get(f"http://{ports.HOST}:{port}/readyz", timeout=2.0).is_success
        except httpx.TransportError:
            return False

    def await_ready(self, *names: str, seconds: float = 60.0) -> None:
        """Wait until these (all of them, unless told) are ready; fails when they are not in time."""
        deadline = time.monotonic() + seconds
        for name in names or self.names:
            while not self.is_ready(name):
                assert time.monotonic() < deadline, f"{name} is not ready after {seconds:.0f} s: {self.troubles[-3:]}"
                time.sleep(0.05)

    def _run(self) -> None:
        again: dict[str, float] = {}
        while not self._over.wait(_LOOK_EVERY_SECONDS):
            for name in self.names:
                with self._turn:
                    if self._held[name] or time.monotonic() < again.get(name, 0.0) or self.process(name):
                        continue
                    try:
                        self.launch(name)
                    except (StackError, OSError) as error:  # its disk may be full just now: again, in a while
                        self.troubles.append(f"{name}: {error}")
                    again[name] = time.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS
