"""One fault each, in the middle of an incident: frozen, full, out of time, turned away; the end is as if nothing had
happened."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.expected import Expected
from tests.e2e.faults import SMTP_CONNECTIONS, in_the_middle
from tests.faults import disks, state, strikes
from tests.faults.judge import judged
from tests.faults.moods import Mood
from tests.faults.siege import Siege


def _see_through(siege: Siege, expected: Expected, *, in_doubt_at_most: int = 0) -> None:
    siege.watch(expected.incident_id)
    judged(siege, expected, in_doubt_at_most=in_doubt_at_most)


def test_a_worker_that_slept_while_another_took_its_partitions_changes_nothing_when_it_wakes(siege: Siege) -> None:
    """It falls asleep with a batch in hand, its claim on the way; when it wakes, others have been there long ago."""
    topic, way = "amends.entitlements.v1", siege.proxies["billing-2-postgres"]
    expected = in_the_middle(siege, "zombie", "entitlements")
    held = way.held
    way.hold_at(topic.encode())
    siege.until(lambda: way.held > held, "the worker is about to claim a batch")
    siege.signal("billing-2", signal.SIGSTOP)
    considered = len(expected.customers)
    siege.until(lambda: siege.tally("entitlements", "zombie").get("considered", 0) >= considered, "all are decided")
    siege.until(lambda: state.has_read(siege, "billing", "entitlements", topic), "another worker has done it all", 18.0)
    siege.signal("billing-2", signal.SIGCONT)
    way.mend()
    _see_through(siege, expected)


def test_a_database_whose_disk_is_full_is_waited_for(siege: Siege) -> None:
    if why := disks.refusal():
        pytest.skip(why)
    expected = in_the_middle(siege, "disk-full-database", "billing")
    strikes.fill_disk(siege, "postgres", 5.0)
    _see_through(siege, expected)


@pytest.mark.parametrize("moods", [(Mood.STORM, Mood.SLOW), (Mood.GREYLISTING, Mood.CROWDED), (Mood.STALLED,)])
def test_a_relay_in_bad_moods_is_outlasted(siege: Siege, moods: tuple[Mood, ...]) -> None:
    expected = in_the_middle(siege, f"relay-{'-'.join(moods)}", "entitlements")
    for mood in moods:
        siege.relay.be(mood)
        time.sleep(3.0)
    siege.relay.be(Mood.CALM)
    _see_through(siege, expected, in_doubt_at_most=SMTP_CONNECTIONS)


def test_whom_the_relay_refuses_for_good_is_counted_as_failed_and_keeps_his_remedies(siege: Siege) -> None:
    siege.relay.be(Mood.REFUSING)
    expected = in_the_middle(siege, "relay-refusing", "notifications")
    siege.watch(expected.incident_id)
    letters = siege.books(expected.incident_id)["letters"]["details"]
    refused = {o.letter.recipient for o in expected.customers.values() if o.letter} & siege.relay.temper.refused
    assert letters["failed"] == len(refused) > 0
    assert letters["in_doubt"] == 0
    assert siege.books(expected.incident_id)["closed"]


def test_clocks_that_jump_change_no_decision_and_stop_nothing(siege: Siege) -> None:
    for name in siege.workers:
        siege.turn_clock(name, timedelta(hours=30).total_seconds())
    expected = in_the_middle(siege, "clocks", "billing")
    for name in siege.workers:
        siege.turn_clock(name, timedelta(hours=-15).total_seconds())
    _see_through(siege, expected)
    told_at = [
        datetime.fromisoformat(record.headers["ce_time"]) - datetime.now(UTC)
        for records in siege.read("amends.entitlements.v1", "amends.adjustments.v1").values()
        for record in records
        if record.data["incident_id"] == expected.incident_id
    ]
    assert max(told_at) > timedelta(hours=10) or min(told_at) < timedelta(hours=-10), "no clock was wrong"


def test_kafka_is_lost_in_mid_incident_and_the_outboxes_make_it_whole(siege: Siege) -> None:
    expected = in_the_middle(siege, "loss", "billing")
    siege.lose_kafka([siege.heard("loss")])
    _see_through(siege, expected)
