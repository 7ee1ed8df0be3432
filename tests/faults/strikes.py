"""How each kind of fault is struck at a siege: what is done, for how long, and how it is taken back.

Leaves which, when and at whom to `schedule`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from deploy.local.layout import Layout
from tests.faults import disks
from tests.faults.moods import Mood
from tests.faults.schedule import Kind, Strike
from tests.faults.siege import Siege

_SPARE_OCTETS = 256 * 1024
_DELAY_SECONDS = 0.2
_WAITED_SECONDS = 20.0
_OCTETS_PER_SECOND = 200_000
_CLOCK_HOURS = (30, -30, 5, -2)

TakeBack = Callable[[], object]


class Striker:
    """Strikes at one siege; what lasts is taken back when its time is over."""

    def __init__(self, siege: Siege, declared: Callable[[], list[Mapping[str, Any]]]) -> None:
        """`declared` says what has been declared so far: whoever declares does so again after a loss of Kafka."""
        self._siege, self._declared = siege, declared
        self._lasting: list[tuple[float, TakeBack]] = []
        self._clocks = 0

    def strike(self, strike: Strike) -> bool:
        """Strike; returns whether there was something to strike (a process that is down already cannot be killed)."""
        siege, kind, target = self._siege, strike.kind, strike.target
        match kind:
            case Kind.KILL:
                return self._once_up(target, signal.SIGKILL)
            case Kind.RESTART:
                return self._once_up(target, signal.SIGTERM)
            case Kind.BROKER:
                siege.supervisor.await_ready("kafka")
                return siege.signal("kafka", signal.SIGKILL)
            case Kind.DATABASE:
                siege.supervisor.await_ready("postgres")
                return siege.signal("postgres", signal.SIGQUIT)
            case Kind.FREEZE:
                if not self._once_up(target, signal.SIGSTOP):
                    return False
                self._until(strike, lambda: siege.signal(target, signal.SIGCONT))
            case Kind.RELAY:
                siege.relay.be(Mood(target))
                self._until(strike, lambda: siege.relay.be(Mood.CALM))
            case Kind.CLOCK:
                siege.turn_clock(target, 3600.0 * _CLOCK_HOURS[self._clocks % len(_CLOCK_HOURS)])
                self._clocks += 1
                self._until(strike, lambda: siege.turn_clock(target, 0.0))
            case Kind.DISK:
                siege.supervisor.await_ready("kafka", "postgres")
                fill_disk(siege, target, strike.seconds)
            case Kind.LOSS:
                self.take_back()
                siege.make_peace()
                siege.lose_kafka(self._declared())
            case _:
                return self._at_a_way(strike)
        return True

    def _once_up(self, worker: str, number: signal.Signals) -> bool:
        """A signal to a worker; one that is down just now is waited for, a moment."""
        return _in_time(lambda: self._siege.signal(worker, number))

    def _at_a_way(self, strike: Strike) -> bool:
        proxy = self._siege.proxies[strike.target]
        match strike.kind:
            case Kind.CUT:
                return _in_time(lambda: proxy.cut() > 0)
            case Kind.REPLY_LOST:
                proxy.lose_replies(proxy.still_to_lose + 1)
                return True
            case Kind.REFUSE:
                proxy.refuse()
            case Kind.STALL:
                proxy.stall()
            case Kind.DELAY:
                proxy.delay(_DELAY_SECONDS)
            case Kind.THROTTLE:
                proxy.throttle(_OCTETS_PER_SECOND)
            case _:
                raise AssertionError(f"nobody knows how to strike {strike}")
        self._until(strike, proxy.mend)
        return True

    def _until(self, strike: Strike, take_back: TakeBack) -> None:
        self._lasting.append((time.monotonic() + strike.seconds, take_back))

    def take_back(self, *, all_of_it: bool = True) -> None:
        """Take back what lasts; only what has lasted long enough unless `all_of_it`."""
        now = time.monotonic()
        over = [one for one in self._lasting if all_of_it or one[0] <= now]
        self._lasting = [one for one in self._lasting if one not in over]
        for _, take_back in over:
            take_back()


def _in_time(struck: Callable[[], bool]) -> bool:
    """Strike as soon as there is something to strike; what is down just now comes back in a moment."""
    deadline = time.monotonic() + _WAITED_SECONDS
    while not struck():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def fill_disk(siege: Siege, name: str, seconds: float) -> None:
    """The disk of `kafka` or `postgres` is full for so long; what dies of it is started again when there is room."""
    folder = Layout.at(siege.root).data(name)
    with siege.supervisor.holding(name):
        if not folder.is_mount():
            siege.signal(name, signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
            siege.until(lambda: siege.supervisor.process(name) is None, f"{name} is down")
            disks.move(folder)
            siege.supervisor.launch(name)
            siege.supervisor.await_ready(name)
        try:
            disks.fill(folder, _SPARE_OCTETS)
            time.sleep(seconds)
        finally:
            disks.make_room(folder)
    siege.supervisor.await_ready(name)
