"""Where a stack keeps its things: paths, the lock, and what is remembered from one `up` to the next.

Leaves to the components what stands in their data folders. What holds a secret is readable by its owner only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.processes import ProcessId

PROJECT = Path(__file__).resolve().parents[2]
DATABASES = ("entitlements", "billing", "notifications")
LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one stack and the places in it."""

    root: Path

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def state_file(self) -> Path:
        return self.root / "processes.json"

    @property
    def mailbox(self) -> Path:
        return self.root / "mailbox"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def data(self, name: str) -> Path:
        return self.root / "data" / name

    @classmethod
    def at(cls, root: Path) -> Layout:
        return cls(root.resolve())

    def make(self) -> None:
        for folder in (self.root, self.root / "logs", self.root / "data"):
            folder.mkdir(parents=True, exist_ok=True)

    def wipe(self) -> None:
        """Remove all but the lock file, which is held while this goes on."""
        for path in self.root.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@dataclass(slots=True)
class State:
    """What is remembered: each component's ports and process, each service's workers, the folder of the policies.

    `detours` names ways to Kafka that lead through another port than its own: there Kafka tells clients to come back.
    """

    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, ProcessId] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    policies: str | None = None
    detours: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, layout: Layout) -> State:
        stored = read_json(layout.state_file)
        if stored is None:
            return cls()
        try:
            processes = {
                name: ProcessId(int(entry["pid"]), str(entry["started"])) for name, entry in stored["processes"].items()
            }
            return cls(
                ports=dict(stored["ports"]),
                processes=processes,
                workers=dict(stored["workers"]),
                policies=stored.get("policies"),
                detours=dict(stored.get("detours", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StackError(f"{layout.state_file} cannot be read: {error!r}") from error

    def save(self, layout: Layout) -> None:
        write_private(
            layout.state_file,
            {
                "ports": self.ports,
                "processes": {
                    name: {"pid": process.pid, "started": process.started} for name, process in self.processes.items()
                },
                "workers": self.workers,
                "policies": self.policies,
                "detours": self.detours,
            },
        )


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a stack's programs prove themselves with; made once for each fresh stack."""

    passwords: dict[str, str]
    admin_password: str
    voucher_secret: str
    operator_token: str

    @classmethod
    def load_or_make(cls, layout: Layout) -> Secrets:
        stored = read_json(layout.secrets_file)
        if stored is None:
            stored = {
                "passwords": {name: secrets.token_urlsafe(24) for name in DATABASES},
                "admin_password": secrets.token_urlsafe(24),
                "AMENDS_VOUCHER_SECRET": secrets.token_hex(32),
                "AMENDS_OPERATOR_TOKEN": secrets.token_urlsafe(32),
            }
            write_private(layout.secrets_file, stored)
        try:
            return cls(
                dict(stored["passwords"]),
                str(stored["admin_password"]),
                str(stored["AMENDS_VOUCHER_SECRET"]),
                str(stored["AMENDS_OPERATOR_TOKEN"]),
            )
        except (KeyError, TypeError) as error:
            raise StackError(f"{layout.secrets_file} cannot be read: {error!r}") from error


def read_json(path: Path) -> Any:
    """The file's content, or None if there is no such file; raises `StackError` when it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StackError(f"{path} cannot be read: {error}") from error


def write_private(path: Path, content: object) -> None:
    """Write JSON that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    temporary.replace(path)


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the stack: no other `up` or `down` of it works meanwhile. Raises `StackError` after `LOCK_SECONDS`."""
    with (layout.root / "lock").open("a") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StackError(
                        f"another program has been starting or ending the stack at {layout.root} "
                        f"for {LOCK_SECONDS:.0f} s: wait for it or end it"
                    ) from None
                time.sleep(0.1)
        yield
