"""How `amends reconcile` ends, for the script that asks: what the services say of an incident is served over HTTP."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.cli import asking
from services.cli.main import main
from tests.unit.cli.test_books import BILLING, ENTITLEMENTS, INCIDENT, NOTIFICATIONS

SERVICES = ("entitlements", "billing", "notifications")


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """The command sets what a SIGTERM does; pytest keeps its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the services answer, by service and path."""
    books = {"entitlements": ENTITLEMENTS, "billing": BILLING, "notifications": NOTIFICATIONS}
    return {
        "/entitlements/incidents/i1": INCIDENT,
        **{f"/{name}/incidents/i1/books": told for name, told in books.items()},
        **{f"/{name}/census/i1/buckets": [] for name in SERVICES},
    }


@pytest.fixture
def not_now() -> dict[str, int]:
    """How often the services say first that it does not suit them, by service and path."""
    return {}


@pytest.fixture
def root(answers: dict[str, Any], not_now: dict[str, int], tmp_path: Path) -> Iterator[Path]:
    """The folder of a stack whose services answer so."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            again = not_now[self.path] = not_now.get(self.path, 0) - 1
            said = {"detail": "not now"} if again >= 0 else answers[self.path]
            self.answer(503 if again >= 0 else 200, json.dumps(said).encode())

        def do_POST(self) -> None:
            self.answer(200, b"".join(json.dumps(line).encode() + b"\n" for line in answers[self.path]))

        def answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        at = f"http://127.0.0.1:{server.server_port}"
        stack = {
            "kafka": "127.0.0.1:1", "databases": {}, "smtp": "127.0.0.1:1", "mailbox": str(tmp_path / "mailbox"),
            "http": {name: f"{at}/{name}" for name in SERVICES}, "pids": {},
        }  # fmt: skip
        (tmp_path / "stack.json").write_text(json.dumps(stack))
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield tmp_path
        server.shutdown()
        serving.join()


def ends(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> object:
    """The exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["amends", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_books_that_close_end_the_command_with_0(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, "reconcile", "i1", "--root", root) == 0


@pytest.mark.parametrize("output", ["text", "json"])
def test_books_that_do_not_close_end_the_command_with_1(
    root: Path,
    answers: dict[str, Any],
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers["/billing/incidents/i1/books"] = BILLING | {"applied": BILLING["applied"] - 1}
    assert ends(monkeypatch, "reconcile", "i1", "--root", root, "--output", output) == 1
    said = capsys.readouterr()
    assert "the books of i1 do not close" in said.err
    if output == "json":
        assert json.loads(said.out)["closed"] is False


def test_a_command_that_cannot_do_it_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, "reconcile", "i1", "--root", tmp_path / "nothing-here") == 1


def test_wrong_usage_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, "reconcile") == 2


def test_a_service_that_says_not_now_is_asked_again(
    root: Path, not_now: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    not_now |= {"/entitlements/incidents/i1": 2, "/billing/incidents/i1/books": 1}
    assert ends(monkeypatch, "reconcile", "i1", "--root", root) == 0


def test_a_service_that_goes_on_saying_not_now_is_not_asked_for_ever(
    root: Path, not_now: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "_NOT_NOW_SECONDS", 0.5)
    not_now["/entitlements/incidents/i1"] = 1_000
    assert ends(monkeypatch, "reconcile", "i1", "--root", root) == 1
    assert "503 not now" in capsys.readouterr().err


def test_a_service_that_breaks_off_is_quoted(
    root: Path, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMENDS_OPERATOR_TOKEN", "for tests")
    answers |= {f"/{name}/republish": [{"records": 5}] for name in SERVICES}
    assert ends(monkeypatch, "republish", "--root", root) == 0
    capsys.readouterr()
    answers["/entitlements/republish"] = [{"records": 5}, {"broke_off": "the broker is away"}]
    assert ends(monkeypatch, "republish", "--root", root) == 1
    said = capsys.readouterr()
    assert "entitlements broke off: the broker is away" in said.err
    assert said.out == ""
