"""One Kafka node as a component of the stack: its settings, its storage, its command line."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local import ports
from deploy.local.components import Component, plain_environment
from deploy.local.errors import StackError, tail
from deploy.local.kafka.jars import bring_jars, find_java
from deploy.local.layout import Layout

NAME = "kafka"
CONTROLLER = "kafka-controller"
"""The name under which the port between broker and controller is remembered."""

# Few cores: the parallel collector costs less than G1's barriers, and pauses of a small heap are short. A broker that
# lives for minutes does not earn back what the second compiler costs: without it a third of its time is saved.
JVM = ("-Xms512m", "-Xmx1g", "-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
FORMAT_SECONDS = 120
_FOLDER = Path(__file__).parent


def behind(detour: str) -> str:
    """The name under which the port is remembered where Kafka listens for those who come by this detour."""
    return f"{NAME}@{detour}"


def kafka(
    layout: Layout, chosen: Mapping[str, int], detours: Mapping[str, int], on_step: Callable[[str], None]
) -> Component:
    """The broker of this stack; brings its jars if need be.

    Ports come from `chosen` (`NAME`, `CONTROLLER`, and one `behind` each detour). A detour's own port is somebody
    else's, who passes on what comes: a client that comes by it is told to come back by it.
    """
    jars = bring_jars(on_step)
    java = find_java()
    environment = plain_environment(layout)
    settings = layout.root / "kafka.properties"
    log4j = f"-Dlog4j2.configurationFile={_FOLDER / 'log4j2.xml'}"
    classpath = ("-cp", f"{jars}/*")

    def prepare() -> None:
        settings.write_text(_settings(layout, chosen, detours), encoding="utf-8")
        command = (java, log4j, *classpath, "kafka.tools.StorageTool")
        _format(layout, command, settings, environment)

    return Component(
        name=NAME,
        command=(java, *JVM, log4j, *classpath, "kafka.Kafka", str(settings)),
        environment=environment,
        ports=(chosen[NAME], chosen[CONTROLLER], *(chosen[behind(name)] for name in detours)),
        is_ready=lambda: ports.accepts(chosen[NAME]),
        prepare=prepare,
        ready_seconds=90.0,
        stop_seconds=20.0,
    )


def _settings(layout: Layout, chosen: Mapping[str, int], detours: Mapping[str, int]) -> str:
    controller = f"{ports.HOST}:{chosen[CONTROLLER]}"
    listening = {"PLAINTEXT": chosen[NAME], **{_listener(name): chosen[behind(name)] for name in detours}}
    told = {"PLAINTEXT": chosen[NAME], **{_listener(name): port for name, port in detours.items()}}
    lines = [
        (_FOLDER / "server.properties").read_text(encoding="utf-8"),
        f"listener.security.protocol.map={','.join(f'{name}:PLAINTEXT' for name in (*listening, 'CONTROLLER'))}",
        f"listeners={_addresses(listening)},CONTROLLER://{controller}",
        f"advertised.listeners={_addresses(told)}",
        f"controller.quorum.voters=1@{controller}",
        f"log.dirs={layout.data(NAME)}",
    ]
    return "\n".join(lines) + "\n"


def _listener(detour: str) -> str:
    return f"DETOUR_{detour.upper()}"


def _addresses(listeners: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{ports.HOST}:{port}" for name, port in listeners.items())


def _format(layout: Layout, tool: tuple[str, ...], settings: Path, environment: Mapping[str, str]) -> None:
    """Give the node its empty storage, once; storage whose formatting was interrupted is made anew."""
    data, done, log = layout.data(NAME), layout.data(f"{NAME}.formatted"), layout.log(f"{NAME}.format")
    if done.exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [*tool, "format", f"--cluster-id={cluster}", "--config", str(settings)]  # an id may begin with a dash
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, timeout=FORMAT_SECONDS, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise StackError(f"Kafka's storage was not formatted within {FORMAT_SECONDS} s. {tail(log)}") from error
    if code != 0:
        raise StackError(f"Kafka's storage could not be formatted (exit {code}). {tail(log)}")
    done.touch()
