"""What was looked at and left out, with the reason: points that no run reaches, boundaries where nothing can fail.

A point that is in no run and not here fails the test: a new `await` has to be reached by the story, or argued for. So
does an entry that leaves nothing out any more. Patterns are those of `fnmatch`, on a point's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from tests.faults.boundaries import Boundary

_READS = "answers over HTTP what is in the tables, and changes nothing"
_LOST_LOG = "another life of a log: tests/integration/runtime/test_lives_of_a_log.py, tests/e2e/test_loss_of_kafka.py"
_HALT = "nothing halts here: tests/integration/runtime/test_halting.py"
_REFUSES = "this stack's relay refuses nothing: tests/integration/test_mailer_in_trouble.py"
_AWAY = "the relay is never away here, and takes what it is given: tests/integration/test_mailer_in_trouble.py"
_FAILS = "only after a failure: passed where services fail instead of die"
_FULL = "a whole handful is less than a mailer may hold: tests/integration/test_mailer.py"
_DAMAGED = "a damaged journal, a full disk: tests/unit/notifications/test_journal.py"
_MENDED = "a record that can be applied after all: tests/integration/runtime/test_mending.py"

UNREACHED: Mapping[str, str] = MappingProxyType(
    {
        "runtime.census:*": _READS,
        "runtime.http:api.totals#*": _READS,
        "runtime.http:api.standing#*": _READS,
        "runtime.http:_mount_probes.*": _READS,
        "runtime.http:_count_quarantine#*": _READS,
        "runtime.quarantine_routes:_mount_looking.*": _READS,
        "runtime.quarantine:count#*": _READS,
        "runtime.quarantine:standing#*": _READS,
        "runtime.positions:all_of#*": _READS,
        "runtime.tally:totals#*": _READS,
        "runtime.service:parts.answers#*": _READS,
        "entitlements.books:mount.[!r]*": _READS,
        "entitlements.books:_mount_policies.*": _READS,
        "entitlements.books:_incident#*": _READS,
        "entitlements.previews:*": _READS,
        "entitlements.story:*": _READS,
        "billing.books:*": _READS,
        "billing.trials:*": _READS,
        "billing.store:Store.read_contracts#*": _READS,
        "notifications.books:*": _READS,
        "notifications.samples:*": _READS,
        "runtime.consumer:Consumer.run#1 *": _HALT,
        "runtime.consumer:Consumer._stand_still#*": _HALT,
        "runtime.positions:stand#3 *": _LOST_LOG,
        "runtime.relay:Publisher.follow#1 *": _LOST_LOG,
        "entitlements.plan:Planner._start#3 *": _LOST_LOG,
        "runtime.broker:join#2 *": _FAILS,
        "runtime.consumer:Consumer.run#3 *": _FAILS,
        "runtime.consumer:Consumer._stand#1 *": "before the group has given it anything: a matter of milliseconds",
        "runtime.database:connect#2 *": _FAILS,
        "runtime.relay:Publisher.publish#3 *": _FAILS,
        "runtime.relay:Publisher._ready#3 *": _FAILS,
        "runtime.relay:Relay._publish_again#2 *": _FAILS,
        "runtime.service:Parts.persistent.keep#2 *": _FAILS,
        "runtime.service:run#3 *": "a task that does not end: tests/integration/runtime/test_service.py",
        "runtime.mending:Mender.retry#3 *": _FAILS,
        "runtime.mending:Mender._retry#3 lea*": _MENDED,
        "runtime.mending:Mender._retry#3 left": _MENDED,
        "runtime.mending:Mender._retry#[67] *": _MENDED,
        "notifications.journal:Journal.open#[45] *": _DAMAGED,
        "notifications.journal:Journal.set_aside#*": _DAMAGED,
        "notifications.journal:Journal._write#2 *": _DAMAGED,
        "notifications.mailer:Mailer.send#1 *": _AWAY,
        "notifications.mailer:Mailer._keep#2 *": _AWAY,
        "notifications.mailer:Mailer._keep#4 after": _AWAY,
        "notifications.mailer:_Run.feed#*": _FULL,
        "notifications.mailer:_Run._make_room#*": _FULL,
        "notifications.sender:Sender.run#3 *": _FAILS,
        "notifications.sender:Sender._fall_silent#*": _FAILS,
        "notifications.sender:Sender._send#[26] *": _AWAY,
        "notifications.sender:Sender.tidy#4 *": "a worker that never comes back: tests/integration/notifications/"
        "test_workers.py",
        "notifications.smtp:Session._opening_reply#2 *": _REFUSES,
        "notifications.smtp:Session._write_the_next_command#1 *": _REFUSES,
        "notifications.smtp:Session._data_reply#1 *": _REFUSES,
        "notifications.smtp:Session._refused#1 *": _REFUSES,
        "notifications.smtp:Session._dot_reply#1 *": _REFUSES,
        "notifications.smtp:Session._pull#1 *": _REFUSES,
        "notifications.smtp:Session._end#*": _AWAY,
    }
)

_WAITS_WITHIN = re.compile(
    r"asyncio\.(sleep|wait|gather)\(|\bwait\(|\.put\(|\.get\(\)|\.changed\(\)|_change\b|_room\b|_make_room\(|"
    r"_fall_silent\(|_starting\b|session\.opened|request\.body\(\)|"
    r"\.(stop|close)\(\)"  # who lets go has let go, whatever the other side says of it
)
_CANNOT_FAIL = ("self._write(", "self._settle(", "desk.settle(", "tell(mail.letter_id", "os.close(")

MAY_END = (
    "*.app:serve#*",
    "runtime.service:parts#*",
    "runtime.service:_migrate#*",
    "runtime.service:run#*",
    "runtime.service:_with#*",
    "*.app:serve",
    "runtime.service:main",
    "*journal:Journal.open#*",
    "*journal:Journal.close#*",
)
"""Where a lost connection may end the process: it was not serving yet, or not any more, and its supervisor decides."""


def spared(found: Iterable[Boundary]) -> list[str]:
    """The boundaries at which no connection can be lost and no disk can be full: they wait within the process."""
    return [one.name for one in found if _waits(one)]


def _waits(one: Boundary) -> bool:
    if one.kind == "call":
        return one.code.startswith(_CANNOT_FAIL)
    return _WAITS_WITHIN.search(one.code) is not None


def may_end(point: str) -> bool:
    """Whether a failure at this point may end the process."""
    name, _, way = point.partition(" for ")
    return any(fnmatchcase(name, pattern) or fnmatchcase(way, pattern) for pattern in MAY_END)


def reason(point: str) -> str | None:
    """Why no run reaches a point; None when nobody has said."""
    return next((why for pattern, why in UNREACHED.items() if fnmatchcase(point, pattern)), None)
