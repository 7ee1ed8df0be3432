"""Running some tests in a copy, and what is to be believed of it.

A test has caught a bug when pytest ran it and it failed in its own body. What could not be collected or set up, what
failed only because the bug is badly made, and what did not end in time, has caught nothing.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import psutil

from tests.sabotage.copies import Copy

_GRACE_SECONDS = 30.0
_FAILED = 1
"""Pytest's exit code for: tests ran, and some failed."""
_BADLY_MADE = re.compile(
    r"SyntaxError|UndefinedColumn|UndefinedTable|UndefinedFunction|IndeterminateDatatype|AmbiguousColumn"
    r"|NameError|ImportError|ModuleNotFoundError|UnboundLocalError|AttributeError|TypeError"
)
"""What a bug that no engineer could have run once says; a test that hears it has shown nothing of what it is for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of running tests: whether all passed, which failed in their bodies with which words, else why not.

    `took` is how long each test's body took at most, in seconds.
    """

    passed: bool
    failed: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    took: Mapping[str, float] = field(default_factory=dict)


class Pytest:
    """Runs pytest in copies, and can break off all that is running."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.is_stopped = False

    def run(self, copy: Copy, tests: Sequence[str], deadline_seconds: float, one_test_seconds: float | None) -> Verdict:
        """Run these tests; what has not ended by the deadline is ended, with whatever it has started.

        With a limit for each test they are run until one fails: a test whose body takes longer has failed.
        """
        report, output = copy.folder / ".report.xml", copy.folder / ".output"
        report.unlink(missing_ok=True)
        command = [
            str(copy.python), "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", str(copy.folder / ".tests"),
            "--tb=short", f"--junit-xml={report}", "-o", "junit_duration_report=call", "-o", "timeout_func_only=true",
            *tests,
        ]  # fmt: skip
        if one_test_seconds is not None:
            command += ["-x", f"--timeout={one_test_seconds:.0f}"]
        with output.open("wb") as said:
            pytest = subprocess.Popen(
                command, cwd=copy.folder, env=dict(copy.variables), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                process_group=0,  # a Ctrl-C is for us; pytest hears of it once, and takes its stack down undisturbed
            )  # fmt: skip
            with self._lock:
                self._running.add(pytest)
                if self.is_stopped:
                    pytest.send_signal(signal.SIGINT)
            try:
                in_time = self._wait(pytest, deadline_seconds)
            finally:
                with self._lock:
                    self._running.discard(pytest)
        if not in_time:
            return Verdict(False, trouble=f"did not end within {deadline_seconds:.0f} s")
        failed, took = _read(report) if report.exists() else ((), {})
        if pytest.returncode == 0:
            return Verdict(True, took=took)
        trouble = "" if pytest.returncode == _FAILED and failed else _last_words(output)
        return Verdict(False, failed, trouble, took)

    def stop(self) -> None:
        """Break off what is running; each pytest takes its own processes down."""
        with self._lock:
            self.is_stopped = True
            for pytest in self._running:
                pytest.send_signal(signal.SIGINT)

    def _wait(self, pytest: subprocess.Popen[bytes], seconds: float) -> bool:
        try:
            pytest.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(pytest)
            return False
        except BaseException:
            _end(pytest)
            raise
        return True


def caught_by(verdict: Verdict, named: Iterable[str]) -> tuple[str, str] | None:
    """The test that has caught the bug, and what it said; None when none has."""
    if verdict.passed or verdict.trouble:
        return None
    wanted = set(named)
    for test, words in verdict.failed:
        if test in wanted and not _BADLY_MADE.search(words):
            return test, words
    return None


def _read(report: Path) -> tuple[tuple[tuple[str, str], ...], dict[str, float]]:
    """The tests that failed in their bodies, and how long each took; without parameters.

    An error in a fixture is no failure, and neither is a module that could not be imported.
    """
    failed: list[tuple[str, str]] = []
    took: dict[str, float] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        test = f"{case.get('classname', '').replace('.', '/')}.py::{name}"
        took[test] = max(took.get(test, 0.0), float(case.get("time", "0")))
        failure = case.find("failure")
        if failure is not None:
            failed.append((test, " ".join(failure.get("message", "").split())))
    return tuple(failed), took


def _last_words(output: Path) -> str:
    said = output.read_text(errors="replace").strip().splitlines()
    return " / ".join(said[-3:])[-300:] or "pytest said nothing"


def _end(pytest: subprocess.Popen[bytes]) -> None:
    """End it as on Ctrl-C, so that it takes its stack down; then whatever of it is left."""
    try:
        children = psutil.Process(pytest.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    pytest.send_signal(signal.SIGINT)
    try:
        pytest.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.kill()
        pytest.wait()
    for child in children:
        if child.is_running():
            child.kill()
