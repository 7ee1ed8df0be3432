"""The server has done what it was asked, and its reply is lost with the connection: nobody knows, and nothing is lost.

The reply to every third act is lost, so the replies lost are of all kinds that there are: a batch's commit and the one
that marks it published, a claim of letters and their settling, one batch's Produce and the next one's.
"""

from __future__ import annotations

import pytest

from deploy.local.services import SERVICES
from tests.e2e.faults import in_the_middle
from tests.faults.judge import judged
from tests.faults.siege import Siege


def _lost(siege: Siege, way: str, times: int) -> int:
    """An incident whose replies on this way are lost; returns how many were."""
    proxy = siege.proxies[way]
    before = proxy.lost
    proxy.lose_replies(times, every=3)
    expected = in_the_middle(siege, f"lost-{way}", way.partition("-")[0])
    siege.until(lambda: proxy.lost - before >= min(times, 2), f"replies are lost on the way {way}", 60.0)
    siege.watch(expected.incident_id)
    proxy.lose_replies(0)
    lost = proxy.lost - before
    judged(siege, expected)
    return lost


@pytest.mark.parametrize("service", SERVICES)
def test_a_commit_whose_reply_is_lost_is_a_commit_all_the_same(siege: Siege, service: str) -> None:
    assert _lost(siege, f"{service}-postgres", 5) >= 2


@pytest.mark.parametrize("service", SERVICES)
def test_a_batch_whose_acknowledgement_is_lost_stands_in_the_topic_as_the_same_events(
    siege: Siege, service: str
) -> None:
    assert _lost(siege, f"{service}-kafka", 3) >= 2


def test_a_letter_whose_acceptance_is_lost_is_in_doubt_and_is_not_sent_again(siege: Siege) -> None:
    proxy = siege.proxies["notifications-smtp"]
    before = proxy.lost
    proxy.lose_replies(5, after=20, every=40)
    expected = in_the_middle(siege, "lost-dots", "notifications")
    siege.watch(expected.incident_id)
    assert proxy.lost - before == 5
    judged(siege, expected, in_doubt_at_most=5)
    assert siege.books(expected.incident_id)["letters"]["details"]["in_doubt"] == 5
