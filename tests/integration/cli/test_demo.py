"""`amends demo`: closed books at its end, and no process left, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.command import AMENDS, amends, left_over

_SECONDS = 90.0


def test_the_demo_closes_its_books_and_leaves_nothing_running(tmp_path: Path) -> None:
    root = tmp_path / ".amends"
    ran = amends("demo", "--customers", "500", root=root)
    assert ran.exits == 0, ran.said
    assert "The books close." in ran.out
    assert "Message-ID: <" in ran.out
    assert "customers/s" in ran.out
    assert left_over(root) == []


@pytest.mark.parametrize(
    ("number", "exits", "when"),
    [
        (signal.SIGINT, 130, "declaring"),
        (signal.SIGTERM, 143, "generated"),
        (signal.SIGINT, 130, ""),
    ],
    ids=["ctrl-c while it runs", "terminated while it imports", "ctrl-c while it starts"],
)
def test_a_demo_that_is_broken_off_leaves_no_process(
    tmp_path: Path, number: signal.Signals, exits: int, when: str
) -> None:
    root = tmp_path / ".amends"
    command = [str(AMENDS), "demo", "--customers", "10000", "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True) as demo:
        try:
            _wait_for(demo, when, root)
            os.killpg(demo.pid, number)  # as a terminal does, which asks everything in the foreground
            assert demo.stderr is not None
            assert b"Traceback" not in demo.stderr.read()
            assert demo.wait(_SECONDS) == exits
            assert left_over(root) == []
        finally:
            demo.kill()
            amends("down", root=root)


def _wait_for(demo: subprocess.Popen[bytes], words: str, root: Path) -> None:
    """Until the demo has said this; without words, until it has begun to start something."""
    assert demo.stderr is not None
    if words:
        for line in demo.stderr:
            if words.encode() in line:
                return
        raise AssertionError(f"the demo ended before it said {words!r}")
    while not (root / "processes.json").exists():
        assert demo.poll() is None
