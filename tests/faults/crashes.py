"""The story told to services that die, or fail, wherever they can: the run itself.

Each chapter is told, and everything has to come to rest; a service that died is started again at once, and dies at the
next point that it has not died at yet. Leaves to `verdict` what it must have come to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from deploy.local import stack as local
from deploy.local.layout import Layout, Secrets
from deploy.local.services import SERVICES
from tests.e2e import outside
from tests.e2e.world import run_amends
from tests.faults.deaths import Lives, without_reply
from tests.faults.points import Mode
from tests.faults.standing import Look, Observer
from tests.faults.story import CHAPTERS, Base, Chapter, approved, once_more

_SECONDS = 60.0
_LETTERS_IN_HAND = 20
_INCIDENTS_AT_MOST = 40
_SETTINGS = {"AMENDS_CHUNK_CUSTOMERS": "12", "AMENDS_LETTERS_IN_HAND": str(_LETTERS_IN_HAND)}
CONNECTIONS = 4


class Run:
    """One stack whose services live many lives. `in_doubt`: letters that were on the wire when their sender died."""

    def __init__(
        self, folder: Path, mode: Mode, *, spared: Iterable[str] = (), only: str = "*", ways: bool = False
    ) -> None:
        self.folder, self.mode = folder, mode
        self.base = Base(folder)
        self.root = folder / ".amends"
        self.in_doubt: set[str] = set()
        self.doubts_at_once = 0
        self.approvals = 0
        self.told: list[Chapter] = []
        self._more = 0
        self._wishes: dict[str, Any] = {"spared": list(spared), "only": only, "ways": ways}
        self.lives: dict[str, Lives] = {}

    def __enter__(self) -> Run:
        try:
            self.stack = local.up(self.root, policies=self.base.policies)
            for service in SERVICES:
                self.stack.stop(service)
            self._journal.unlink()
            self.observer = Observer(self.stack)
            self.token = Secrets.load_or_make(Layout.at(self.root)).operator_token
            for service in SERVICES:
                self.lives[service] = Lives(
                    self.stack, service, self.folder, self.mode, settings=_SETTINGS, **self._wishes,
                    on_death=self._look_into_the_journal if service == "notifications" else lambda: None,
                )  # fmt: skip
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for lives in self.lives.values():
            lives.close()
        if hasattr(self, "observer"):
            self.observer.close()
        local.down(self.root)

    # ── the story ────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        """The databases are made anew, and the customer base comes in, half of it late."""
        for service, lives in self.lives.items():
            self.observer.execute(service, *_EMPTY)
            lives.job("migrate")
        self.lives["billing"].job("import-contracts", str(self.base.contracts))
        self._import(self.base.early)

    def begin(self) -> None:
        """All services serve from now on."""
        for lives in self.lives.values():
            lives.begin()

    def end(self) -> None:
        """All services are asked to end, until each does so in peace."""
        for lives in self.lives.values():
            lives.end()

    def tell(self) -> None:
        """The whole story; then another incident, and another, until nobody is struck any more."""
        for number, chapter in enumerate(CHAPTERS):
            self.tell_one(chapter)
            if number == 0:
                self._import(self.base.late)
                self.rest("the late half has come")
        self._by_hand()
        before = -1
        while self.struck > before:
            before = self.struck
            self._tell_more()

    def end_at_work(self) -> None:
        """All services are asked to end after they have worked, until nobody is struck on that way any more."""
        self.end()
        before = -1
        while self.struck > before:
            before = self.struck
            self.begin()
            self._tell_more()
            self.end()

    def _tell_more(self) -> None:
        self._more += 1
        assert self._more <= _INCIDENTS_AT_MOST, "incident after incident, and somebody is still struck"
        for chapter in once_more(self._more):
            self.tell_one(chapter)

    @property
    def struck(self) -> int:
        """At how many points the services were struck so far."""
        return sum(len(lives.struck) for lives in self.lives.values())

    @property
    def deaths(self) -> int:
        """How often a service was killed so far."""
        return sum(lives.deaths for lives in self.lives.values())

    def tell_one(self, chapter: Chapter) -> None:
        """One chapter, seen through."""
        self.told.append(chapter)
        for event in chapter.events:
            event.tell(self.stack.kafka)
        what = ", ".join(f"{event.type} {event.key}" for event in chapter.events)
        self.rest(what)

    def rest(self, what: str) -> Look:
        """Wait until everything has come to rest; whoever is asked for an approval gives it."""
        until, deaths = time.monotonic() + _SECONDS, 0
        before: Look | None = None
        answered: set[str] = set()
        while True:
            for lives in self.lives.values():
                lives.check()
            if self.struck > deaths:  # as long as somebody is still struck, it is on its way
                until, deaths = time.monotonic() + _SECONDS, self.struck
            look = self.observer.look()
            for incident_id, plan in look.gates.items():
                if plan not in answered:
                    answered.add(plan)
                    self.approvals += 1
                    approved(incident_id, plan, datetime.now(UTC).isoformat()).tell(self.stack.kafka)
            if look.moving:  # nobody needs to wait a minute for the customers after the first
                self.observer.execute("entitlements", "UPDATE plan SET go_on_at = now() WHERE go_on_at > now()")
            if look.at_rest and not look.gates and look == before:
                return look
            before = look
            assert time.monotonic() < until, f"not at rest within {_SECONDS:.0f} s: {what}: {look}\n{self.ends()}"
            time.sleep(0.05)

    # ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, service: str, path: str, answers: Callable[[httpx.Response], bool], **body: Any) -> httpx.Response:
        """POST as the operator, again and again, until there is an answer."""
        until = time.monotonic() + _SECONDS
        while True:
            try:
                answer = httpx.post(
                    f"{self.stack.http[service]}{path}",
                    headers={"Authorization": f"Bearer {self.token}"}, timeout=30.0, **body,
                )  # fmt: skip
                if answers(answer):
                    return answer
            except httpx.TransportError:
                answer = None
            assert time.monotonic() < until, f"no answer: {service} {path}: {answer and answer.text}"
            time.sleep(0.02)

    def _by_hand(self) -> None:
        """What an operator does: an incident is run again, a bad record is tried again, another one dropped."""
        self.ask("entitlements", "/incidents/case/runs", lambda answer: answer.is_success)
        self.rest("an incident is run again")
        for service in SERVICES:
            (number,) = self.observer.rows(service, "SELECT min(quarantine_id) FROM quarantine")
            for what, body in (("retry", {}), ("drop", {"by": "desk", "why": "it is nonsense"})):
                self.ask(service, f"/quarantine/{number[0]}/{what}", lambda answer: answer.is_success, json=body)
        self._redeem()

    def _redeem(self) -> None:
        """A voucher is redeemed, whoever dies meanwhile once; the second time it is refused."""
        adjustments = outside.read(self.stack.kafka, ["amends.adjustments.v1"])["amends.adjustments.v1"]
        code = next(
            outcome["code"]
            for record in adjustments
            if record.data["incident_id"] == "case"
            for outcome in record.data["outcomes"]
            if outcome["kind"] == "voucher"
        )
        asked = {"code": code, "at": "2011-06-01T10:00:00+02:00", "time_zone": "Europe/Rome"}
        path = "/vouchers/redemptions"
        self.ask("billing", path, lambda answer: answer.status_code in (200, 409), json=asked)
        self.ask("billing", path, lambda answer: answer.status_code == 409, json=asked)
        redeemed = self.observer.rows("billing", "SELECT redeemed_at FROM voucher WHERE redeemed_at IS NOT NULL")
        assert len(redeemed) == 1

    def republish(self) -> None:
        """The outbox loses its oldest row, and every service publishes all that topics may hold once more."""
        for service in SERVICES:
            self.observer.execute(service, _AGES)
            until = time.monotonic() + _SECONDS
            while not self.observer.rows(service, "SELECT FROM tally WHERE lane = 'outbox' AND name = 'pruned'"):
                assert time.monotonic() < until, f"the outbox of {service} is not pruned"
                time.sleep(0.05)
            self.ask(service, "/republish", lambda answer: answer.is_success)
        self.rest("everything is published once more")

    def ends(self) -> str:
        """Every end of a service that nobody had asked for, and that was no death at a point."""
        return "\n".join(end for lives in self.lives.values() for end in lives.ends)

    @property
    def _journal(self) -> Path:
        return Layout.at(self.root).data("notifications") / "w1.journal"

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _import(self, customers: Path) -> None:
        done = run_amends("import", "customers", str(customers), root=self.root)
        assert done.returncode == 0, done.stderr

    def _look_into_the_journal(self) -> None:
        doubtful = without_reply(self._journal)
        self.doubts_at_once = max(self.doubts_at_once, len(doubtful))
        self.in_doubt |= doubtful


_AGES = """
UPDATE outbox SET created_at = now() - interval '100 days' WHERE outbox_id = (SELECT min(outbox_id) FROM outbox)
"""
_EMPTY = (
    """
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE 'DROP TABLE ' || one.name || ' CASCADE';
        END LOOP;
        FOR one IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP
            EXECUTE 'DROP FUNCTION ' || one.name || ' CASCADE';
        END LOOP;
    END $$
    """,
)
