r"""`make faults`: incidents one after the other under a schedule of faults, and the oracle's verdict in the end.

    python -m tests.faults.run                            the whole attack, about an hour
    python -m tests.faults.run --seed 7 --kills 60 --cuts 3     these faults and no others

Progress on stderr. Exit 0 when nothing was missed and nothing happened twice; 1 otherwise, with everything kept in the
folder and the seed that strikes the same faults again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tests.e2e.expected import Expected
from tests.e2e.faults import SMTP_CONNECTIONS
from tests.e2e.world import another
from tests.faults import disks, state
from tests.faults.judge import Judge, Promise, Verdict, closed_books
from tests.faults.schedule import Kind, Strike, Wanted, in_doubt_at_most, schedule
from tests.faults.siege import Siege, besieged
from tests.faults.strikes import Striker

# Everyone gets an add-on on each contract with mail, and keeps it: so mostly others are hit, or contracts would grow.
_SCOPES: tuple[Mapping[str, Any], ...] = (
    {"everyone": True},
    {"families": ["dedicated", "housing", "virtual", "pec", "adsl"]},
    {"families": ["pec", "virtual"]},
    {"families": ["dedicated", "housing", "virtual", "adsl"]},
    {"sites": ["arezzo"], "families": ["pec"]},
    {"families": ["dedicated", "housing", "virtual", "pec", "adsl"]},
    {"sites": ["arezzo"], "families": ["dedicated", "virtual", "pec"]},
    {"families": ["adsl", "pec"]},
)
_WITHOUT_FAULTS = len(_SCOPES)
_ALL = Wanted(
    kills=500, freezes=20, restarts=20, broker=50, database=50, cuts=30, refusals=10, stalls=15, delays=10,
    throttles=10, replies_lost=40, relay=20, clocks=10, disk=10, losses=5,
)  # fmt: skip
_INCIDENT_SECONDS = 900.0
_SETTLE_SECONDS = 120.0


@dataclass
class Story:
    """What has been declared, what was struck, and how long it took."""

    declared: list[Mapping[str, Any]] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    last: Expected | None = None
    struck: Counter[str] = field(default_factory=Counter)
    void: Counter[str] = field(default_factory=Counter)
    told: int = 0
    """Customers told so far."""


def main(arguments: list[str] | None = None) -> int:
    """Run the siege; returns the exit code."""
    options = _parser().parse_args(arguments)
    told = {one.name: getattr(options, one.name) for one in fields(Wanted)}
    wanted = _ALL if not any(told.values()) else Wanted(**{name: count or 0 for name, count in told.items()})
    folder = Path(options.folder or tempfile.mkdtemp(prefix="amends-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    if wanted.disk and (why := disks.refusal()):
        _say(f"SKIPPED {wanted.disk} full disks: {why}")
        wanted = replace(wanted, disk=0)
    workers = {"entitlements": 2, "billing": 3, "notifications": 2}
    settings = {"AMENDS_BATCH_RECORDS": "1000", "AMENDS_LETTERS_IN_HAND": "200"}
    with besieged(folder, options.customers, settings=settings, workers=workers) as siege:
        result = _siege(siege, options, wanted)
    result["folder"] = str(folder)
    (folder / "result.json").write_text(json.dumps(result, indent=2))
    if options.output == "json":
        print(json.dumps(result))
    else:
        _show(result)
    if result["complaints"]:
        _say(f"kept in {folder}; the same faults again: --seed {options.seed}")
        return 1
    if not options.folder:
        shutil.rmtree(folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two faults, on the average")
    parser.add_argument("--folder", help="where to keep everything (kept anyway when something is wrong)")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    for one in fields(Wanted):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=int, metavar="N")
    return parser


def _siege(siege: Siege, options: argparse.Namespace, wanted: Wanted) -> dict[str, Any]:
    story = Story()
    strikes = schedule(options.seed, wanted, siege.workers, sorted(siege.proxies), options.every)
    state.lay_tripwires(siege)
    _say(f"{len(strikes)} faults; first {_WITHOUT_FAULTS} incidents without any")
    calm_began = time.monotonic()
    for number in range(_WITHOUT_FAULTS):
        _incident(siege, story, number)
    calm_seconds, calm_told = time.monotonic() - calm_began, story.told
    began = time.monotonic()
    complaints = _under_faults(siege, story, strikes)
    seconds = time.monotonic() - began
    told = story.told - calm_told
    verdict = _verdict(siege, story, complaints)
    bound = in_doubt_at_most(strikes, SMTP_CONNECTIONS)
    if verdict.in_doubt > bound:
        verdict.complaints.append(f"{verdict.in_doubt} letters in doubt, and {bound} are the most there can be")
    calm_pace = calm_seconds / max(1, calm_told)
    return {
        "seed": options.seed,
        "faults": dict(story.struck),
        "found nothing to strike": dict(story.void),
        "incidents": len(story.promises),
        "customers told": story.told,
        "missed": verdict.missed,
        "twice": verdict.twice,
        "in doubt": verdict.in_doubt,
        "in doubt at most": bound,
        "failed, the relay had refused them": verdict.failed,
        "seconds under faults": round(seconds, 1),
        "time under faults ÷ without": round(seconds / max(1, told) / calm_pace, 2),
        "complaints": verdict.complaints,
    }


def _under_faults(siege: Siege, story: Story, strikes: list[Strike]) -> list[str]:
    """Incident after incident until all faults have struck; returns what went wrong on the way."""
    over = threading.Event()
    failures: list[BaseException] = []
    complaints: list[str] = []
    striking = threading.Thread(target=_strike_all, args=(siege, story, strikes, over, failures), name="strikes")
    striking.start()
    try:
        while striking.is_alive():
            _incident(siege, story, len(story.promises))
    except AssertionError as late:
        complaints.append(str(late))
    finally:
        over.set()
        striking.join()
    return complaints + [f"the striker: {error!r}" for error in failures]


def _incident(siege: Siege, story: Story, number: int) -> None:
    """Declare one more incident over the same customers, and wait until everyone is told."""
    declaration = another(f"siege-{number}", scope=_SCOPES[number % len(_SCOPES)])
    story.declared.append(declaration)
    _declare(siege, declaration)
    story.last = siege.expect(declaration)
    promise = Promise.of(story.last)
    story.promises.append(promise)
    states = ("sent", "failed", "in_doubt", "suppressed", "no_address")
    deadline, again = time.monotonic() + _INCIDENT_SECONDS, time.monotonic() + 60.0
    while True:
        tally = siege.tally("notifications", declaration["incident_id"])
        if sum(tally.get(name, 0) for name in states) >= len(promise.letters):
            break
        assert time.monotonic() < deadline, f"{declaration['incident_id']} stands still: {tally}"
        if time.monotonic() > again and not siege.knows_of(declaration["incident_id"]):
            _declare(siege, declaration)  # Kafka was lost before anybody had read it: who declares sees to it
        again = max(again, time.monotonic() + 10.0) if time.monotonic() > again else again
        time.sleep(0.2)
    story.told += len(promise.letters)
    _say(f"{declaration['incident_id']}: {len(promise.letters)} told; {sum(story.struck.values())} faults struck")


def _declare(siege: Siege, declaration: Mapping[str, Any]) -> None:
    """As a pipeline does: until Kafka has taken it."""
    siege.declare_until_taken(declaration)


def _strike_all(
    siege: Siege, story: Story, strikes: list[Strike], over: threading.Event, failures: list[BaseException]
) -> None:
    """Strike when it is time, and take back what has lasted long enough; the end leaves nothing out of order."""
    striker = Striker(siege, lambda: list(story.declared))
    began, behind = time.monotonic(), 0.0
    try:
        for strike in strikes:
            while (wait := began + behind + strike.at_seconds - time.monotonic()) > 0 and not over.is_set():
                striker.take_back(all_of_it=False)
                time.sleep(min(wait, 0.1))
            if over.is_set():
                break
            behind = max(behind, time.monotonic() - began - strike.at_seconds)
            struck = striker.strike(strike)
            (story.struck if struck else story.void)[strike.kind.value] += 1
            if strike.kind in (Kind.LOSS, Kind.DISK):
                _say(f"{strike.kind}: {strike.target}")
    except BaseException as error:  # noqa: BLE001 — it is raised again where somebody waits for it
        failures.append(error)
    finally:
        striker.take_back()


def _verdict(siege: Siege, story: Story, complaints: list[str]) -> Verdict:
    _say("the faults are over: waiting until all has come to rest")
    siege.make_peace()
    state.await_rest(siege, _SETTLE_SECONDS)
    _say("judging")
    assert story.last is not None
    verdict = Judge(siege).read().judge(story.promises, story.last.contracts)
    verdict.complaints += complaints
    _say("reading the books")
    verdict.complaints += closed_books(siege, story.promises)
    return verdict


def _show(result: Mapping[str, Any]) -> None:
    for name, value in result.items():
        if isinstance(value, dict):
            for kind, count in value.items():
                print(f"{name + ': ' + kind:<44}{count:>12}")
        elif isinstance(value, list):
            for line in value:
                print(f"WRONG  {line}")
        else:
            print(f"{name:<44}{value!s:>12}")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
