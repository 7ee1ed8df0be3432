"""What the story must have come to, whoever died in it: the oracle's books against the topics, the databases, the mbox.

Shares no code with the services. Leaves the telling to `crashes`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from services.entitlements.policy import SHIPPED
from tests.e2e import outside
from tests.e2e.life import Book, Told, books
from tests.faults.crashes import CONNECTIONS, Run
from tests.faults.story import CASE, FORGOTTEN, LATEST, OUTSIDER, POLICIES, Base, Chapter
from tests.life.oracle import Oracle
from tests.life.telling import same

TOPICS = ("entitlements", "announcements", "adjustments", "letters", "contracts", "progress")
_WATCHED = ("entitlements", "announcements", "adjustments")


class Story:
    """What each customer must be told and hold, book by book."""

    def __init__(self, base: Base, told: Sequence[Chapter]) -> None:
        self._told = told
        trees = [yaml.safe_load(text) for text in POLICIES.values()]
        trees.append(yaml.safe_load((SHIPPED / f"{CASE}.yaml").read_text("utf-8")))
        self.books = books(base.contracts)
        self.news: dict[tuple[str, str], list[list[Told]]] = defaultdict(list)
        for book in self.books.values():
            book.oracle.policies = Oracle(trees).policies
            self._live(book)

    def _live(self, book: Book) -> None:
        for chapter in self._told:
            for event in chapter.events:
                if event.topic == "incidents" and event.data is not None and event.type != "incident.approved.v1":
                    book.oracle.hear(event.type, event.event_id, dict(event.data))
            for incident_id in (chapter.revised, *chapter.again):
                if incident_id is not None:
                    self._decide(book, incident_id)

    def _decide(self, book: Book, incident_id: str) -> None:
        """The incident is decided, applied, and the contracts that changed are told again."""
        news: list[Told] = []
        if book.customer_id in book.oracle.considered(book.oracle.incidents[incident_id]):
            news = book.oracle.decide(incident_id, book.customer_id, book.customer_id)
            for kind, _, data in list(news):
                if kind in ("entitlement.granted.v1", "entitlement.withdrawn.v1"):
                    answers, changed = book.ledger.hear(kind, data)
                    news += answers
                    for account in changed.values():
                        book.oracle.hear_contract(account.told())
        self.news[book.customer_id, incident_id].append(news)
        book.told += news


def judge(run: Run, *, read_twice: bool = False) -> None:
    """Everything must be as it would be if nobody had ever died, nor read everything twice."""
    story = Story(run.base, run.told)
    records = outside.read(run.stack.kafka, [f"amends.{name}.v1" for name in TOPICS])
    for of_topic in records.values():
        _one_event_one_text(of_topic)
    _events(story, [record for name in _WATCHED for record in records[f"amends.{name}.v1"]])
    _contracts(story, records["amends.contracts.v1"])
    _letters(run, story, [record.data for record in _once(records["amends.letters.v1"])])
    _set_aside(run, read_twice)


def _one_event_one_text(records: Iterable[outside.Record]) -> None:
    """What is published again is the same to the byte; a contract that is told anew has the time of that telling."""
    first: dict[str, tuple[str, bytes, dict[str, str]]] = {}
    for record in records:
        told_anew = ("ce_time",) if record.topic == "amends.contracts.v1" else ()
        headers = {name: value for name, value in record.headers.items() if name not in told_anew}
        text = (record.key, record.value, headers)
        known = first.setdefault(record.event_id, text)
        assert known == text, f"{record.topic}: {known} and {text}"


def _once(records: Iterable[outside.Record]) -> list[outside.Record]:
    return list({record.event_id: record for record in records}.values())


def _events(story: Story, records: Sequence[outside.Record]) -> None:
    """Nobody is missed, nothing is given, applied, refused or taken back but what the oracle says, once."""
    told: dict[str, list[Told]] = defaultdict(list)
    for record in _once(records):
        if record.key != OUTSIDER:
            told[record.key].append((record.headers["ce_type"], record.key, record.data))
    assert told.keys() <= story.books.keys()
    for name, book in story.books.items():
        same(told.get(name, []), book.told)


def _contracts(story: Story, records: Iterable[outside.Record]) -> None:
    """Every contract ends when the ledger says, and was told so last."""
    last = {record.key: record.data for record in records if record.data is not None}
    for book in story.books.values():
        for name, account in book.ledger.accounts.items():
            expected = account.told()
            for field in ("ends_on", "terminated_on", "version"):
                assert last[name].get(field) == expected[field], f"{name}: {field}"
            gifts = {(gift["product"], gift["ends_on"]) for gift in last[name].get("complimentary", ())}
            assert gifts == {(gift["product"], gift["ends_on"]) for gift in expected["complimentary"]}, name


def _letters(run: Run, story: Story, settled: Sequence[dict[str, Any]]) -> None:
    """Who must have been written what was written that, once; in doubt is what was on the wire at a death, no more."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    statuses: dict[tuple[str, str], set[str]] = defaultdict(set)
    last: dict[str, dict[str, Any]] = {}
    for letter in settled:
        last[letter["letter_id"]] = letter
    for letter in last.values():
        matter = (letter["customer_id"], letter["incident_id"])
        kinds[matter].append(letter["kind"])
        statuses[matter].add(letter["status"])
    for matter, news in story.news.items():
        if matter[0] in (FORGOTTEN, LATEST):  # their letters have waited, and were arranged anew meanwhile
            assert len(set(kinds[matter])) == len(kinds[matter]), matter
            continue
        reachable = bool(statuses[matter] & {"sent", "in_doubt"})
        book = Book(matter[0], story.books[matter[0]].oracle, news=news)
        assert sorted(kinds[matter]) == book.letters(reachable), matter
    received = outside.letter_ids(run.stack.mailbox)
    assert [letter for letter, times in received.items() if times > 1] == []
    by_status: dict[str, set[str]] = defaultdict(set)
    for letter in last.values():
        by_status[letter["status"]].add(letter["letter_id"])
    assert by_status.keys() <= {"sent", "in_doubt", "no_address", "suppressed"}
    assert by_status["sent"] <= received.keys() <= by_status["sent"] | by_status["in_doubt"]
    _in_doubt(run, {letter.replace("-", "") for letter in by_status["in_doubt"]})


def _in_doubt(run: Run, in_doubt: set[str]) -> None:
    if run.mode == "die":
        assert in_doubt == run.in_doubt, "in doubt are the letters on the wire when their sender died, and no others"
        assert run.doubts_at_once <= CONNECTIONS
    elif run.mode == "fail":
        cut = sum(1 for point in run.lives["notifications"].struck if point.startswith(_CUTS_THE_WIRE))
        assert len(in_doubt) <= cut * CONNECTIONS
    else:
        assert not in_doubt


_CUTS_THE_WIRE = ("notifications.sender", "notifications.mailer", "notifications.smtp")


def _set_aside(run: Run, read_twice: bool) -> None:
    """The quarantines hold what must be set aside, once, and nothing waits to be published."""
    expected: Counter[str] = Counter()
    for chapter in run.told:
        expected.update(chapter.set_aside)
        expected.update(chapter.set_aside_late if read_twice else {})
    for service in run.lives:
        rows = run.observer.rows(service, "SELECT topic, reason FROM quarantine ORDER BY quarantine_id")
        assert len(rows) == expected[service], f"{service}: {[tuple(row) for row in rows]}"
    (balance,) = run.observer.rows("billing", f"SELECT sum(amount) FROM credit WHERE customer_id = '{OUTSIDER}'")
    assert balance[0] == 0
