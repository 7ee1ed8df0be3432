"""A service that dies again and again: one life after the other out of its nursery, until it has died everywhere.

Leaves to `points` where a life ends, to `standing` whether everything has come to rest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from deploy.local.components import plain_environment
from deploy.local.errors import tail
from deploy.local.layout import PROJECT, Layout
from deploy.local.stack import Stack
from tests.faults.points import Mode
from tests.faults.reviewed import may_end

LIVES_AT_MOST = 3_000
_READY_SECONDS, _END_SECONDS = 10.0, 12.0


class Lives:
    """The lives of one service. `points` is the file of the points at which it was struck, one a line."""

    def __init__(
        self,
        stack: Stack,
        service: str,
        folder: Path,
        mode: Mode,
        *,
        spared: Iterable[str] = (),
        only: str = "*",
        ways: bool = False,
        settings: Mapping[str, str] | None = None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.service, self.points, self.log = service, folder / f"{service}.{mode}.points", folder / f"{service}.log"
        self.points.touch()
        self.log.touch()
        self.deaths, self.ends = 0, list[str]()
        """How often it was killed at a point; the points at which a failure has ended it."""
        self._url, self._on_death = stack.http[service], on_death
        self._wish: dict[str, Any] = {
            "mode": mode, "points": str(self.points), "log": str(self.log), "spared": sorted(spared), "only": only,
            "ways": ways,
        }  # fmt: skip
        environment = {**plain_environment(Layout.at(stack.root)), **stack.environment(service), **(settings or {})}
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", service],
            env=environment, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._hear() == {"ready": service}
        self._thread: threading.Thread | None = None
        self._pid, self._stopping = 0, False
        self._trouble: BaseException | None = None

    @property
    def struck(self) -> list[str]:
        """The points at which it was struck, in their order."""
        return self.points.read_text("utf-8").splitlines()

    def job(self, *arguments: str) -> None:
        """Have it do a job; whenever it is killed meanwhile, once more, until it is done."""
        while (code := self._live(arguments)) != 0:
            mended = code == 1 and self._wish["mode"] == "fail"  # whoever has started it does so again
            assert code == -signal.SIGKILL or mended, f"{self.service} {arguments}: {code}. {tail(self.log)}"

    def spare(self) -> None:
        """It is not struck any more."""
        self._wish |= {"mode": "note", "points": str(self.points.with_suffix(".passed"))}

    def begin(self) -> None:
        """Have it serve, whatever it dies of, until `end`."""
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, name=self.service)
        self._thread.start()

    def end(self) -> None:
        """Ask it to end, life after life, until one does so in peace."""
        self._stopping = True
        thread = self._thread
        assert thread is not None
        while thread.is_alive():
            pid = self._pid
            self._wait_ready(thread)
            if pid == self._pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                until = time.monotonic() + _END_SECONDS
                while thread.is_alive() and self._pid == pid:
                    assert time.monotonic() < until, f"{self.service} does not end. {tail(self.log)}"
                    time.sleep(0.01)
        self.check()

    def check(self) -> None:
        """Raise what went wrong with keeping it alive."""
        if self._trouble is not None:
            raise self._trouble

    def close(self) -> None:
        """End it and its nursery by force."""
        self._stopping = True
        with suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, signal.SIGKILL)
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.kill()
        self._nursery.wait()
        if self._thread is not None:
            self._thread.join()
        self._nursery.stdin.close()
        self._nursery.stdout.close()

    def _keep(self) -> None:
        try:
            while (code := self._live(["serve"])) != 0:
                if code == -signal.SIGTERM and self._stopping:  # it had not yet begun to listen for that
                    continue
                if code != -signal.SIGKILL:
                    self._ended(code)
            if not self._stopping:
                raise AssertionError(f"{self.service} has ended by itself. {tail(self.log)}")
        except BaseException as trouble:  # noqa: BLE001 — `check` raises it where the test is
            if not self._stopping or isinstance(trouble, AssertionError):
                self._trouble = trouble

    def _ended(self, code: int) -> None:
        """It ended by itself: after a failure where that may be, its supervisor starts it again."""
        struck = self.struck
        allowed = self._wish["mode"] == "fail" and code == 1 and struck and may_end(struck[-1])
        assert allowed, f"{self.service} ended with {code} after {struck[-1:]}. {tail(self.log)}"
        self.ends.append(struck[-1])

    def _live(self, arguments: Sequence[str]) -> int:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps({**self._wish, "arguments": arguments}) + "\n")
        self._nursery.stdin.flush()
        self._pid = self._hear()["pid"]
        code: int = self._hear()["ended"]
        if code == -signal.SIGKILL:
            self.deaths += 1
            assert self.deaths <= LIVES_AT_MOST, f"{self.service} does not come to an end"
            self._on_death()
        return code

    def _hear(self) -> dict[str, Any]:
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        if not line:
            raise ConnectionError(f"the nursery of {self.service} is gone")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _wait_ready(self, thread: threading.Thread) -> None:
        until = time.monotonic() + _READY_SECONDS
        while thread.is_alive():
            with suppress(httpx.TransportError):
                if httpx.get(f"{self._url}/livez", timeout=1.0).is_success:
                    return
            assert time.monotonic() < until, f"{self.service} does not come up. {tail(self.log)}"
            time.sleep(0.01)


def without_reply(journal: Path) -> set[str]:
    """The letters that the journal of a dead sender says were on the wire: begun, and no reply heard."""
    last: dict[bytes, bytes] = {}
    octets = journal.read_bytes() if journal.exists() else b""
    for start in range(17, len(octets) - 16, 17):
        last[octets[start : start + 16]] = octets[start + 16 : start + 17]
    return {letter.hex() for letter, mark in last.items() if mark == b"S"}
