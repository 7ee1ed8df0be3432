"""`python -m tests.sabotage.run [NAME…]`: put each bug in, in a copy of the project, and see which test catches it.

Everything happens in copies, one per worker; the project itself is only read. First the tests must pass in the
untouched copies, or nothing that they say later is believed. Ends with 0 when every bug was caught, else 1.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from tests.sabotage.bug import Bug
from tests.sabotage.bugs import BUGS
from tests.sabotage.copies import Copy
from tests.sabotage.trial import Pytest, Verdict, caught_by

_WORKERS = 2
_SECONDS_PER_BUG = 180.0
_SECONDS_UNTOUCHED = 600.0
_SECONDS_PER_TEST, _TIMES_AS_LONG = 15.0, 5.0
"""A test may take so long with a bug in, or so many times as long as it took without: then it hangs, and has failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one bug: the test that caught it and what that said, or why none did."""

    bug: Bug
    test: str | None
    words: str
    seconds: float


class NotBelievedError(Exception):
    """The tests do not pass without any bug."""


def try_one(copy: Copy, pytest: Pytest, bug: Bug, took: Mapping[str, float]) -> Outcome:
    """Put a bug in, run its tests, take it out again; `took` is how long the tests took without it."""
    started = time.monotonic()
    before = copy.put_in(bug)
    try:
        problem = copy.why_not_importable(bug.module)
        if problem is not None:
            return Outcome(bug, None, f"the bug is badly made: {problem}", time.monotonic() - started)
        longest = max(took.get(test, 0.0) for test in bug.caught_by)
        limit = max(_SECONDS_PER_TEST, longest * _TIMES_AS_LONG)
        verdict = pytest.run(copy, bug.caught_by, _SECONDS_PER_BUG, limit)
    finally:
        copy.write(bug.file, before)
    caught = caught_by(verdict, bug.caught_by)
    if caught is not None:
        return Outcome(bug, *caught, time.monotonic() - started)
    failed = "; ".join(f"{test}: {words}" for test, words in verdict.failed)
    why = "its tests passed" if verdict.passed else verdict.trouble or failed
    return Outcome(bug, None, why, time.monotonic() - started)


def check_untouched(copies: Sequence[Copy], pytest: Pytest, bugs: Sequence[Bug]) -> dict[str, float]:
    """Run all tests that are named once, shared out by file over the copies; how long each took, in seconds.

    Raises NotBelievedError unless all pass.
    """
    by_file: dict[str, set[str]] = {}
    for test in {test for bug in bugs for test in bug.caught_by}:
        by_file.setdefault(test.partition("::")[0], set()).add(test)
    files, several = sorted(by_file), len(copies)
    shares = [[test for file in files[n::several] for test in sorted(by_file[file])] for n in range(several)]
    took: dict[str, float] = {}
    with ThreadPoolExecutor(several) as workers, _ending(pytest):
        for verdict in workers.map(partial(_run_untouched, pytest), copies, shares):
            if not verdict.passed:
                raise NotBelievedError("; ".join(" ".join(one) for one in verdict.failed) or verdict.trouble)
            took.update(verdict.took)
    return took


def _run_untouched(pytest: Pytest, copy: Copy, tests: Sequence[str]) -> Verdict:
    return pytest.run(copy, tests, _SECONDS_UNTOUCHED, None) if tests else Verdict(True)


def try_all(
    copies: Sequence[Copy],
    pytest: Pytest,
    bugs: Sequence[Bug],
    took: Mapping[str, float],
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """Try every bug, each worker one at a time in its own copy; in the order of the list."""
    waiting: queue.SimpleQueue[Bug] = queue.SimpleQueue()
    for bug in sorted(bugs, key=lambda bug: not _needs_a_stack(bug)):  # the slow ones first
        waiting.put(bug)
    outcomes: dict[str, Outcome] = {}
    telling = threading.Lock()

    def work(copy: Copy) -> None:
        while not pytest.is_stopped:
            try:
                bug = waiting.get_nowait()
            except queue.Empty:
                return
            outcome = try_one(copy, pytest, bug, took)
            with telling:
                outcomes[bug.name] = outcome
                tell(outcome)

    with ThreadPoolExecutor(len(copies)) as workers, _ending(pytest):
        for done in [workers.submit(work, copy) for copy in copies]:
            done.result()
    return [outcomes[bug.name] for bug in bugs if bug.name in outcomes]


@contextmanager
def _ending(pytest: Pytest) -> Iterator[None]:
    """What goes wrong here ends what is running, before anybody waits for it."""
    try:
        yield
    except BaseException:
        pytest.stop()
        raise


def _needs_a_stack(bug: Bug) -> bool:
    return any("/integration/" in test for test in bug.caught_by)


def chosen(names: Iterable[str]) -> list[Bug]:
    """The bugs whose names hold one of these words, all of them without any. Raises SystemExit for a word of none."""
    words = list(names)
    for word in words:
        if not any(word in bug.name for bug in BUGS):
            sys.stderr.write(f"no bug is called {word!r}: see tests/sabotage/bugs.py\n")
            raise SystemExit(2)
    return [bug for bug in BUGS if not words or any(word in bug.name for word in words)]


def main(arguments: Sequence[str]) -> int:
    """The command line: 0 when all bugs were caught, 1 when one was not or nothing can be believed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only bugs whose names hold one of these words")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--workers", type=int, choices=range(1, 9), default=_WORKERS, metavar="N")
    options = parser.parse_args(arguments)
    bugs = chosen(options.names)
    pytest, started = Pytest(), time.monotonic()
    signal.signal(signal.SIGTERM, _broken_off)
    with tempfile.TemporaryDirectory(prefix="amends-sabotage-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as somebody else than we do
        try:
            copies = [Copy(Path(folder) / f"copy-{number}") for number in range(1, options.workers + 1)]
            _say(f"{len(bugs)} bugs; first their tests without any bug")
            took = check_untouched(copies, pytest, bugs)
            _say(f"all {len(took)} pass, after {time.monotonic() - started:.0f} s")
            outcomes = try_all(copies, pytest, bugs, took, _teller(len(bugs)))
        except NotBelievedError as error:
            _say(f"the tests do not pass without any bug, so nothing was tried: {error}")
            return 1
        except KeyboardInterrupt:
            _say("broken off")
            return 130
    caught = sum(outcome.test is not None for outcome in outcomes)
    if options.output == "json":
        sys.stdout.write(json.dumps([_told(outcome) for outcome in outcomes], indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(table(outcomes))
    _say(f"{caught} of {len(bugs)} bugs were caught, in {time.monotonic() - started:.0f} s")
    return 0 if caught == len(bugs) else 1


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a bug: the part, the bug, the test that caught it."""
    rows = [("PART", "BUG", "CAUGHT BY", "S")] + [
        (one.bug.part, one.bug.name, _short(one.test) if one.test else f"NOT CAUGHT: {one.words}", f"{one.seconds:.0f}")
        for one in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{part:{widths[0]}}  {name:{widths[1]}}  {s:>3}  {by}\n" for part, name, by, s in rows)


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.bug.name, "part": outcome.bug.part, "file": outcome.bug.file, "harm": outcome.bug.harm,
        "caught_by": outcome.test, "said": outcome.words, "seconds": round(outcome.seconds, 1),
    }  # fmt: skip


def _teller(total: int) -> Callable[[Outcome], None]:
    number = 0

    def tell(outcome: Outcome) -> None:
        nonlocal number
        number += 1
        became = f"caught by {_short(outcome.test)}" if outcome.test else f"NOT CAUGHT: {outcome.words}"
        _say(f"{number}/{total}  {outcome.bug.name}: {became}, {outcome.seconds:.0f} s")

    return tell


def _short(test: str) -> str:
    """A test's name without the folder that all are in."""
    return test.removeprefix("tests/")


def _broken_off(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
