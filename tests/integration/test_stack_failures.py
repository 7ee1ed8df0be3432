"""The local stack when something goes wrong on the way: an interrupt, a component that fails, a port that is taken.

Leaves to `test_stack` what a stack that is up does.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local import assembly, ports
from deploy.local.components import Component, Starter, plain_environment
from deploy.local.errors import StackError
from deploy.local.kafka import jars
from deploy.local.layout import PROJECT, Layout, State
from deploy.local.processes import ProcessId, identify, is_alive, spawn, stop, wait_until
from deploy.local.stack import down, up
from tests.integration.test_stack import everything_of

SECONDS = 30.0


@pytest.mark.parametrize("at", ["starting kafka", "starting mail", "making the topics"])
def test_an_interrupted_up_leaves_nothing_half_started(tmp_path: Path, at: str) -> None:
    def interrupt(step: str) -> None:
        if step == at:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        up(tmp_path, services=False, on_step=interrupt)
    assert everything_of(tmp_path) == []
    assert not (tmp_path / "stack.json").exists()


def test_a_cluster_id_that_begins_with_a_dash_is_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One random id in 64 does."""
    monkeypatch.setattr("deploy.local.kafka.broker.uuid.uuid4", lambda: uuid.UUID(bytes=b"\xf8" + bytes(range(15))))
    try:
        assert up(tmp_path, services=False).kafka
    finally:
        down(tmp_path)


def python(layout: Layout, script: str, *, ready: bool, seconds: float = 20.0) -> Component:
    return Component(
        name="trial",
        command=(sys.executable, "-c", script),
        environment=plain_environment(layout),
        ports=(),
        is_ready=lambda: ready,
        ready_seconds=seconds,
    )


@pytest.mark.parametrize(
    ("script", "seconds", "said"),
    [
        ("raise SystemExit('cannot: no such thing')", 20.0, "ended at once"),
        ("print('trying'); import time; time.sleep(300)", 1.0, "not ready"),
    ],
)
def test_a_component_that_does_not_come_up_is_named_with_its_log(
    tmp_path: Path, script: str, seconds: float, said: str
) -> None:
    layout, state = Layout.at(tmp_path), State()
    layout.make()
    component = python(layout, script, ready=False, seconds=seconds)

    def start() -> None:
        with assembly.starter(layout, state, lambda _: None) as starter:
            starter.start([component])
            starter.wait_ready([component])

    with pytest.raises(StackError) as raised:
        start()
    assert said in str(raised.value)
    assert str(layout.log("trial")) in str(raised.value)
    assert ("cannot: no such thing" if seconds > 1 else "trying") in str(raised.value)
    assert everything_of(tmp_path) == []


def test_a_port_that_a_stranger_took_is_named(tmp_path: Path) -> None:
    layout, state = Layout.at(tmp_path), State()
    layout.make()
    port = ports.choose(())
    component = replace(python(layout, "", ready=True), ports=(port,))
    with socket.create_server((ports.HOST, port)), pytest.raises(StackError, match=f"port {port} .* is taken"):
        Starter(layout, state, lambda _: None).start([component])


def test_ports_that_strangers_took_while_the_stack_was_down_are_replaced() -> None:
    with socket.create_server((ports.HOST, 0)) as stranger:
        taken = stranger.getsockname()[1]
        state = State(ports={"kafka": taken})
        assembly.choose_ports(state, [])
    assert taken not in state.ports.values()
    assert len(set(state.ports.values())) == len(state.ports) == 4


def test_stop_ends_a_process_that_will_not_end_and_its_children(tmp_path: Path) -> None:
    script = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True); "
        "open(sys.argv[1], 'w').close(); time.sleep(300)"
    )
    started = tmp_path / "started"
    layout = Layout.at(tmp_path)
    process = spawn(
        [sys.executable, "-c", script, str(started)],
        environment=plain_environment(layout), folder=tmp_path, log=tmp_path / "log",
    )  # fmt: skip
    assert wait_until(started.exists, SECONDS)
    assert len(everything_of(tmp_path)) == 2
    stop(process, by=signal.SIGTERM, within_seconds=0.3)
    assert not is_alive(process)
    assert everything_of(tmp_path) == []


def test_a_recycled_pid_is_never_touched(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    layout.make()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        known = identify(stranger.pid)
        assert known is not None
        State(ports={"mail": 1}, processes={"mail": ProcessId(known.pid, known.started + "0")}).save(layout)
        down(tmp_path)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("workers", [{"board": 1}, {"billing": 0}, {"billing": 1000}])
def test_a_wrong_number_of_workers_is_refused_before_anything_starts(tmp_path: Path, workers: dict[str, int]) -> None:
    with pytest.raises(StackError):
        up(tmp_path / "none", workers=workers)
    assert not (tmp_path / "none").exists()


def test_jars_of_an_interrupted_download_are_not_taken_for_whole(tmp_path: Path) -> None:
    whole = PROJECT / ".cache" / "kafka" / jars.kafka_version()
    half = tmp_path / jars.kafka_version()
    half.mkdir()
    (half / "kafka_2.13-0.jar").write_bytes(b"half")
    steps: list[str] = []
    folder = jars.bring_jars(steps.append, tmp_path)
    assert len(steps) == 1
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    assert jars.bring_jars(steps.append, tmp_path) == folder
    assert len(steps) == 1
    assert list(tmp_path.iterdir()) == [folder]
