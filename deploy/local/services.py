"""The services as components of the stack: their environment, their migrations, their workers.

A service may have several workers, processes alike that share its database and its partitions. The first bears the
service's name and is the one that is asked over HTTP; the others are called `NAME-2`, `NAME-3`, …
"""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from deploy.local import ports
from deploy.local.components import Component, plain_environment
from deploy.local.errors import StackError, tail
from deploy.local.kafka import broker
from deploy.local.layout import PROJECT, Layout, Secrets, State
from deploy.local.mail import NAME as MAIL
from deploy.local.postgres import NAME as POSTGRES
from deploy.local.postgres import dsn

SERVICES = ("entitlements", "billing", "notifications")
MAIL_FROM = "service@amends.example"
MIGRATE_SECONDS = 120
READY_SECONDS = 90.0
STOP_SECONDS = 20.0


def worker_names(service: str, count: int) -> list[str]:
    """The names of a service's workers: `billing`, `billing-2`, …"""
    return [service, *(f"{service}-{number}" for number in range(2, count + 1))]


def service_of(worker: str) -> str:
    """The service that a worker belongs to."""
    return worker.partition("-")[0]


def service_environment(layout: Layout, state: State, secrets: Secrets, worker: str) -> dict[str, str]:
    """The settings of one worker, as environment variables; its HTTP port must have been chosen."""
    service = service_of(worker)
    settings = {
        "AMENDS_KAFKA": f"{ports.HOST}:{state.ports[broker.NAME]}",
        "AMENDS_DATABASE": dsn(state.ports[POSTGRES], secrets, service),
        "AMENDS_HTTP": f"{ports.HOST}:{state.ports[worker]}",
        "AMENDS_OPERATOR_TOKEN": secrets.operator_token,
        "AMENDS_WORKER": worker.partition("-")[2] or "1",
    }
    if service == "entitlements" and state.policies is not None:
        settings["AMENDS_POLICIES"] = state.policies
    if service == "billing":
        settings["AMENDS_VOUCHER_SECRET"] = secrets.voucher_secret
    if service == "notifications":
        settings["AMENDS_SMTP"] = f"{ports.HOST}:{state.ports[MAIL]}"
        settings["AMENDS_MAIL_FROM"] = MAIL_FROM
        settings["AMENDS_STATE"] = str(layout.data(worker))
    return settings


def service_component(layout: Layout, state: State, secrets: Secrets, worker: str) -> Component:
    """One worker of a service."""
    port = state.ports[worker]
    settings = service_environment(layout, state, secrets, worker)
    return Component(
        name=worker,
        command=(sys.executable, "-m", f"services.{service_of(worker)}", "serve"),
        environment={**plain_environment(layout), **settings},
        ports=(port,),
        is_ready=lambda: _is_ready(port),
        prepare=lambda: layout.data(worker).mkdir(parents=True, exist_ok=True),
        ready_seconds=READY_SECONDS,
        stop_seconds=STOP_SECONDS,
    )


def migrate(layout: Layout, settings: Mapping[str, Mapping[str, str]], on_step: Callable[[str], None]) -> None:
    """Bring the databases of these services up to date, side by side; raises `StackError` if one cannot be.

    `settings` holds each service's environment. All are ended before this returns or raises.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for service, environment in settings.items():
            on_step(f"migrating the database of {service}")
            with layout.log(f"{service}.migrate").open("wb") as output:
                running[service] = subprocess.Popen(
                    [sys.executable, "-m", f"services.{service}", "migrate"],
                    env={**plain_environment(layout), **environment},
                    cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
        _wait_migrated(layout, running)
    finally:
        _end(running.values())


def _wait_migrated(layout: Layout, running: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for service, process in running.items():
        log = layout.log(f"{service}.migrate")
        try:
            code = process.wait(MIGRATE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{service} did not migrate within {MIGRATE_SECONDS} s. {tail(log)}") from error
        if code != 0:
            raise StackError(f"{service} could not migrate its database (exit {code}). {tail(log)}")


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
