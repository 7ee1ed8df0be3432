"""The state machine of `lives`, in two processes at once: at least 2,000 lives of up to 50 steps, and no difference."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHARDS = 2
_SECONDS = int(os.environ.get("AMENDS_LIFE_SECONDS", "1800"))


@pytest.mark.timeout(_SECONDS + 60)
def test_any_life_leaves_the_books_as_the_oracle_says() -> None:
    shards = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.life.lives"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(SHARDS)
    ]
    told = []
    try:
        for shard in shards:
            output, _ = shard.communicate(timeout=_SECONDS)
            told.append((shard.returncode, output))
    finally:
        for shard in shards:
            if shard.poll() is None:
                shard.terminate()
                shard.wait(timeout=60)
    for returncode, output in told:
        assert returncode == 0, output[-20_000:]
