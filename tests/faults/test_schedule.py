"""A schedule is a function of its seed, and strikes as often as it was told to."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.faults.moods import Mood
from tests.faults.schedule import Kind, Wanted, in_doubt_at_most, schedule

WORKERS = ("entitlements", "billing", "notifications", "notifications-2")
WAYS = ("billing-kafka", "billing-postgres", "notifications-smtp")
WANTED = Wanted(kills=50, freezes=5, broker=4, database=3, cuts=6, stalls=2, replies_lost=3, relay=7, disk=4, losses=2)


def test_the_same_seed_is_the_same_schedule_and_another_is_not() -> None:
    first = schedule(7, WANTED, WORKERS, WAYS, 4.0)
    assert first == schedule(7, WANTED, WORKERS, WAYS, 4.0)
    assert first != schedule(8, WANTED, WORKERS, WAYS, 4.0)


def test_each_kind_strikes_as_often_as_wanted_and_at_whom_it_can() -> None:
    strikes = schedule(7, WANTED, WORKERS, WAYS, 4.0)
    assert Counter(strike.kind for strike in strikes) == Counter({kind: n for kind, n in WANTED.kinds() if n})
    targets = {kind: {strike.target for strike in strikes if strike.kind is kind} for kind in Kind}
    assert targets[Kind.KILL] == set(WORKERS)
    assert targets[Kind.CUT] <= set(WAYS)
    assert targets[Kind.DISK] == {"postgres", "kafka"}
    assert targets[Kind.BROKER] == targets[Kind.LOSS] == {"kafka"}
    assert targets[Kind.DATABASE] == {"postgres"}
    assert targets[Kind.RELAY] <= set(Mood) - {Mood.CALM}


def test_faults_come_one_after_the_other_at_the_pace_that_was_asked_for() -> None:
    strikes = schedule(7, WANTED, WORKERS, WAYS, 4.0)
    gaps = [later.at_seconds - one.at_seconds for one, later in pairwise(strikes)]
    assert min(gaps) >= 2.0 - 0.002
    assert max(gaps) <= 6.0 + 0.002


def test_only_what_strikes_at_an_open_connection_to_the_relay_may_leave_letters_in_doubt() -> None:
    harmless = Wanted(broker=3, database=3, disk=2, losses=1)
    assert in_doubt_at_most(schedule(1, harmless, WORKERS, WAYS, 1.0), 4) == 0
    assert in_doubt_at_most(schedule(1, Wanted(kills=5), ("billing",), WAYS, 1.0), 4) == 0
    assert in_doubt_at_most(schedule(1, Wanted(kills=5), ("notifications-2",), WAYS, 1.0), 4) == 20
    assert in_doubt_at_most(schedule(1, Wanted(cuts=2, relay=1), WORKERS, ("notifications-smtp",), 1.0), 4) == 12
