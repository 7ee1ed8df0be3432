"""The service as the process that it is: started with its environment, asked, told to end, or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from deploy.local import ports
from deploy.local.layout import PROJECT
from deploy.local.stack import Stack
from tests.integration.wire import until

TOKEN = "the-token-of-the-tests"
SECONDS = 30.0


class Process:
    """One life of `python -m services.notifications serve`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process, self._port = process, port

    async def is_ready(self) -> bool:
        """Whether it answers that it is; raises AssertionError if it has ended."""
        assert self._process.returncode is None, f"ended with {self._process.returncode}"
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://{ports.HOST}:{self._port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def get(self, path: str) -> str:
        """What it says at a path."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{ports.HOST}:{self._port}{path}")).text

    async def post(self, path: str, body: object) -> str:
        """What it says to a stranger who sends this to a path."""
        async with httpx.AsyncClient() as client:
            return (await client.post(f"http://{ports.HOST}:{self._port}{path}", json=body)).text

    async def end(self) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), SECONDS)

    async def kill(self) -> None:
        """End it without a word."""
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.wait_for(self._process.wait(), SECONDS)


def _environment(stack: Stack, smtp: str, folder: Path, port: int) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "AMENDS_KAFKA": stack.kafka,
        "AMENDS_DATABASE": stack.databases["notifications"],
        "AMENDS_HTTP": f"{ports.HOST}:{port}",
        "AMENDS_OPERATOR_TOKEN": TOKEN,
        "AMENDS_SMTP": smtp,
        "AMENDS_MAIL_FROM": "assistenza@amends.example",
        "AMENDS_STATE": str(folder),
        "AMENDS_LOG_LEVEL": "debug",
    }


@asynccontextmanager
async def serving(stack: Stack, smtp: str, folder: Path, **settings: str) -> AsyncIterator[Process]:
    """The service, ready; it writes its log to `log` in the folder. At the end of the block it is gone."""
    port = ports.choose(())
    environment = _environment(stack, smtp, folder, port) | settings
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.notifications",
            "serve",
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=log,
        )
    service = Process(process, port)
    try:
        await until(service.is_ready, SECONDS)
        yield service
    finally:
        await service.kill()
