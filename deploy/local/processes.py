"""Processes of the stack: started apart from the terminal, known by more than a number, ended with their children.

A pid alone says little: the kernel gives it to the next one. So a process is remembered with the moment of its start,
and nothing is ever signalled whose moment differs. Leaves to `components` what to start, and when it is ready.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

MARK = "AMENDS_STACK"
"""Every process of a stack carries the stack's folder in this variable, and so do its children."""

POLL_SECONDS = 0.02

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A pid and the moment of its start (boot and clock ticks since): together they name one process for good."""

    pid: int
    started: str


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name stands in parentheses and may hold anything; what follows the last one is plain fields.
    return text.rpartition(")")[2].split()


def identify(pid: int) -> ProcessId | None:
    """The process that has this pid now, or None if there is none (one that only waits to be reaped is none)."""
    fields = _stat(pid)
    # A first thread that ended waits as a zombie too while others of the process still hold its files and ports.
    if not fields or (fields[0] in "ZX" and int(fields[17]) <= 1):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ProcessId(pid, f"{boot}/{fields[19]}")


def is_alive(process: ProcessId) -> bool:
    """Whether this very process still runs; reaps it if it was ours and has ended."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        del _children[process.pid]
    return identify(process.pid) == process


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    account: tuple[int, int] | None = None,
) -> ProcessId:
    """Start a process in a session of its own, without input, its output appended to `log`.

    `account` is the (user, group) to run as, for a caller that is root. Raises `OSError` if it cannot be started.
    """
    user, group = account or (None, None)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if account is None else [],
        )
    _children[child.pid] = child
    # Ended already: any moment but its own will do, for it is not alive and never will be again.
    return identify(child.pid) or ProcessId(child.pid, "ended")


def stop(process: ProcessId, *, by: signal.Signals, within_seconds: float) -> None:
    """Ask the process to end, wait, then end it and all that it started by force."""
    descendants = _descendants(process)
    if is_alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, by)
        _wait_gone([process], within_seconds)
    end_by_force([process, *descendants])


def ask_to_end(processes: Iterable[ProcessId], by: signal.Signals) -> None:
    """Signal those that are alive, and do not wait: `stop` does."""
    for process in processes:
        if is_alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, by)


def end_by_force(processes: Iterable[ProcessId]) -> None:
    """SIGKILL to those that are alive, and wait until they are gone."""
    doomed = [process for process in processes if is_alive(process)]
    for process in doomed:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    _wait_gone(doomed, 10.0)


def marked(root: Path) -> list[ProcessId]:
    """Every process that bears the mark of the stack at `root`, whoever its parent is by now."""
    wanted = f"{MARK}={root}".encode()
    return _others(lambda pid: wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))


def working_in(folder: Path) -> list[ProcessId]:
    """Every process whose working folder this is: how PostgreSQL is known, which overwrites its environment."""
    return _others(lambda pid: os.readlink(f"/proc/{pid}/cwd") == str(folder))


def _others(belongs: Callable[[int], bool]) -> list[ProcessId]:
    """The processes of which `belongs` is true, never the caller or one of its ancestors."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: list[ProcessId] = []
    for pid in set(psutil.pids()) - ours:
        # One that ended meanwhile, or is somebody else's, cannot be looked into and is not meant.
        with suppress(OSError):
            if belongs(pid) and (process := identify(pid)):
                found.append(process)
    return found


def _descendants(process: ProcessId) -> list[ProcessId]:
    if not is_alive(process):
        return []
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [known for child in children if (known := identify(child.pid))]


def _wait_gone(processes: Sequence[ProcessId], seconds: float) -> bool:
    return wait_until(lambda: not any(is_alive(process) for process in processes), seconds)


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask every few milliseconds until `done()`, at most for so many seconds; returns whether it came true."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block is through: a process is never started without being noted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(signal.Signals(number))

    held = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)
