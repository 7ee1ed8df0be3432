"""A service as a process: it answers, it ends when it is told to, and it says why when it ends by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local import ports
from deploy.local.layout import PROJECT
from deploy.local.stack import Stack
from tests.integration.runtime.trial import SECONDS, Trial, answers, bare, parcels, until

TOKEN = "a-token-of-the-trial"
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep($1)'"
END_SECONDS = 20.0
"""By then a service has ended: it allows itself less than ten, and this machine may be busy."""


@dataclass
class Service:
    """The process, its address, and where its log goes."""

    process: subprocess.Popen[bytes]
    http: str
    log: Path

    async def answers(self, path: str) -> httpx.Response:
        """Ask until somebody answers."""
        async with httpx.AsyncClient(base_url=self.http, timeout=5.0) as client:
            found: list[httpx.Response] = []

            async def asked() -> bool:
                assert self.process.poll() is None, self.log.read_text()
                try:
                    found.append(await client.get(path))
                except httpx.TransportError:
                    return False
                return True

            await until(asked)
            return found[0]

    async def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        return await asyncio.to_thread(self.process.wait, END_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


Start = Callable[..., Service]


@pytest.fixture
def start(foundation: Stack, trial: Trial, tmp_path: Path) -> Iterator[Start]:
    """Call with changes of the environment: the service as a process; none is left after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(command: str = "serve", **changes: str) -> Service:
        address = f"{ports.HOST}:{ports.choose(())}"
        environment = {
            "PATH": os.environ["PATH"],
            "AMENDS_KAFKA": foundation.kafka,
            "AMENDS_DATABASE": foundation.databases["billing"],
            "AMENDS_HTTP": address,
            "AMENDS_OPERATOR_TOKEN": TOKEN,
            "TRIAL_NAME": trial.group,
            "TRIAL_TOPIC": trial.topic,
            "TRIAL_ANSWERS": trial.answers,
            **changes,
        }
        log = tmp_path / f"{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.runtime.small_service", command],
                cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        started.append(process)
        return Service(process, f"http://{address}", log)

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


async def test_a_service_answers_the_probes_and_shows_its_metrics(trial: Trial, start: Start) -> None:
    await trial.send(parcels(range(30)))
    service = start()
    assert (await service.answers("/livez")).json() == {"service": trial.group, "status": "alive"}
    assert (await service.answers("/readyz")).json() == {"service": trial.group, "ready": True, "wrong": {}}
    await trial.done(30)

    async def counted() -> bool:
        return (
            f'amends_records_consumed_total{{topic="{trial.topic}"}} 30.0' in (await service.answers("/metrics")).text
        )

    await until(counted)
    names = {line.split("{")[0].split(" ")[0] for line in (await service.answers("/metrics")).text.splitlines()}
    assert all(name.startswith("amends_") for name in names if name != "#")


async def test_republishing_needs_the_operators_token(trial: Trial, start: Start) -> None:
    await trial.send(parcels(range(30)))
    service = start()
    await service.answers("/livez")
    await trial.done(30)
    async with httpx.AsyncClient(base_url=service.http, timeout=SECONDS) as client:
        for refused in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            assert (await client.post("/republish", headers=refused)).status_code == 401
        assert len(await trial.read(trial.answers)) == 30
        done = await client.post("/republish", headers={"Authorization": f"Bearer {TOKEN}"})
    assert json.loads(done.text.splitlines()[-1]) == {"records": 30}
    assert [bare(answer) for answer in await trial.read(trial.answers)] == answers(range(30)) * 2


def a_batch_is_in_hand(trial: Trial, service: Service) -> Callable[[], Awaitable[bool]]:
    """Whether the database is at work on a batch."""

    async def in_hand() -> bool:
        assert service.process.poll() is None, service.log.read_text()
        return bool(await trial.pool.fetchval(AT_WORK))

    return in_hand


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_that_is_told_to_end_finishes_the_batch_in_hand(
    trial: Trial, start: Start, told: signal.Signals
) -> None:
    await trial.send(parcels(range(30)))
    service = start(AMENDS_BATCH_RECORDS="10", TRIAL_SLEEP_SECONDS="1.5")
    await until(a_batch_is_in_hand(trial, service))
    service.process.send_signal(told)
    assert await service.ended() == 0
    noted = await trial.numbers()
    assert noted == list(range(10))
    assert await trial.positions() == {0: 10}
    assert [bare(answer) for answer in await trial.read(trial.answers)] == answers(noted)
    assert [line["event"] for line in service.lines()][-1] == "stopping"


async def test_a_batch_that_takes_too_long_is_rolled_back_when_the_service_ends(trial: Trial, start: Start) -> None:
    await trial.send(parcels(range(30)))
    service = start(TRIAL_SLEEP_SECONDS="50")
    await until(a_batch_is_in_hand(trial, service))
    service.process.terminate()
    assert await service.ended() == 0
    assert await trial.numbers() == []
    assert await trial.positions() == {0: 0}
    assert not await trial.pool.fetchval(AT_WORK)


async def test_a_service_that_is_killed_is_taken_over_from(trial: Trial, start: Start) -> None:
    await trial.send(parcels(range(30)))
    first = start(AMENDS_BATCH_RECORDS="10", TRIAL_SLEEP_SECONDS="1.5")
    await until(a_batch_is_in_hand(trial, first))
    first.process.kill()
    await first.ended()
    start()
    await trial.done(30)
    assert await trial.numbers() == list(range(30))


async def test_a_service_without_its_database_gives_up_and_says_so(trial: Trial, start: Start) -> None:
    nowhere = f"{ports.HOST}:{ports.choose(())}"
    service = start(AMENDS_DATABASE=f"postgresql://billing:secret@{nowhere}/billing", AMENDS_PATIENCE_SECONDS="0.5")
    assert await service.ended() == 1
    last = service.lines()[-1]
    assert (last["service"], last["level"], last["event"]) == (trial.group, "error", "ended")
    assert last["error"].startswith("the database does not answer")
    assert "secret" not in service.log.read_text()


async def test_a_service_without_its_broker_gives_up_and_says_so(start: Start) -> None:
    service = start(AMENDS_KAFKA=f"{ports.HOST}:{ports.choose(())}", AMENDS_PATIENCE_SECONDS="0.5")
    assert await service.ended() == 1
    assert service.lines()[-1]["error"].startswith("no batch could be committed for")


async def test_a_service_whose_settings_are_wrong_does_not_start(start: Start) -> None:
    service = start(AMENDS_OPERATOR_TOKEN="")
    assert await service.ended() == 2
    assert service.log.read_text().startswith("AMENDS_OPERATOR_TOKEN: ")


async def test_a_command_that_is_none_is_told_what_there_is(trial: Trial, start: Start) -> None:
    service = start("server")
    assert await service.ended() == 2
    assert service.log.read_text() == f"usage: python -m services.{trial.group} serve | migrate\n"
