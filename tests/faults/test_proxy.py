"""The proxy does what it is told to, and nothing else: an attack that does not strike proves nothing."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from deploy.local.ports import HOST, choose
from tests.faults.acts import Commits, FinalDots, Produces, Watch
from tests.faults.proxy import Lines, Proxy

COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00Z\x00\x00\x00\x05I"


def _frame(content: bytes) -> bytes:
    return struct.pack("!i", len(content)) + content


PRODUCE, PRODUCED = _frame(struct.pack("!hhi", 0, 9, 7) + b"records" * 50), _frame(struct.pack("!i", 7) + b"taken")
FETCH, FETCHED = _frame(struct.pack("!hhi", 1, 9, 6) + b"more"), _frame(struct.pack("!i", 6) + b"here" * 100)


class _Answering(socketserver.ThreadingTCPServer):
    """Answers each request of its book in full, and remembers what it was asked."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, book: dict[bytes, bytes]) -> None:
        self.book, self.heard = book, b""
        super().__init__((HOST, 0), _Conversation)


class _Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server, waiting = self.server, b""
        assert isinstance(server, _Answering)
        while data := self.request.recv(65536):
            server.heard += data
            waiting += data
            for asked, answer in server.book.items():
                while asked in waiting:
                    waiting = waiting.replace(asked, b"", 1)
                    self.request.sendall(answer)


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.close()


Through = Callable[[dict[bytes, bytes], Callable[[], Watch]], tuple[Proxy, _Answering]]


@pytest.fixture
def through(lines: Lines) -> Iterator[Through]:
    """A server that answers by a book, and the proxy before it."""
    servers: list[_Answering] = []

    def make(book: dict[bytes, bytes], watch: Callable[[], Watch]) -> tuple[Proxy, _Answering]:
        server = _Answering(book)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return lines.proxy(choose(()), server.server_address[1], watch), server

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def _client(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=10.0)


def _ask(client: socket.socket, asked: bytes, length: int) -> bytes:
    """What comes back, up to so many octets; less when the connection ends first."""
    client.sendall(asked)
    answer = b""
    try:
        while len(answer) < length and (data := client.recv(65536)):
            answer += data
    except ConnectionResetError:
        pass
    return answer


ACTS = pytest.mark.parametrize(
    ("watch", "asked", "answer"),
    [(Commits, COMMIT, COMMITTED), (FinalDots, b"letter\r\n.\r\n", b"250 OK\r\n"), (Produces, PRODUCE, PRODUCED)],
    ids=["commit", "final dot", "produce"],
)


@ACTS
def test_it_passes_everything_on_both_ways(
    through: Through, watch: Callable[[], Watch], asked: bytes, answer: bytes
) -> None:
    proxy, server = through({asked: answer}, watch)
    with _client(proxy) as client:
        assert [_ask(client, asked, len(answer)) for _ in range(3)] == [answer] * 3
    assert server.heard == asked * 3
    assert proxy.lost == 0


@ACTS
def test_the_reply_it_is_told_to_lose_is_lost_after_the_server_has_heard_all_of_it(
    through: Through, watch: Callable[[], Watch], asked: bytes, answer: bytes
) -> None:
    proxy, server = through({asked: answer}, watch)
    proxy.lose_replies(1, after=1)
    with _client(proxy) as client:
        assert _ask(client, asked, len(answer)) == answer
        assert _ask(client, asked, len(answer)) == b""
    assert server.heard == asked * 2
    assert proxy.lost == 1
    with _client(proxy) as client:  # it was told to lose one
        assert _ask(client, asked, len(answer)) == answer


@pytest.mark.parametrize(
    ("watch", "asked", "answer"),
    [(FinalDots, b"letter\r\n.\r\n", b"250 OK\r\n"), (Produces, PRODUCE, PRODUCED)],
    ids=["final dot", "produce"],  # a commit is one short write
)
def test_an_act_is_seen_in_whatever_portions_it_comes(watch: Callable[[], Watch], asked: bytes, answer: bytes) -> None:
    seen = watch()
    assert [seen.asked(asked[n : n + 1]) for n in range(len(asked))] == [False] * (len(asked) - 1) + [True]
    assert [seen.answered(answer[n : n + 1]) for n in range(len(answer))] == [False] * (len(answer) - 1) + [True]


def test_what_is_no_act_loses_no_reply(through: Through) -> None:
    proxy, _ = through({FETCH: FETCHED, PRODUCE: PRODUCED}, Produces)
    proxy.lose_replies(1)
    with _client(proxy) as client:
        assert _ask(client, FETCH, len(FETCHED)) == FETCHED
        assert _ask(client, PRODUCE, len(PRODUCED)) == b""
    assert proxy.lost == 1


def test_a_cut_ends_what_is_open_and_takes_new_connections(through: Through) -> None:
    proxy, _ = through({COMMIT: COMMITTED}, Commits)
    with _client(proxy) as client:
        assert _ask(client, COMMIT, len(COMMITTED)) == COMMITTED
        assert proxy.cut() == 1
        assert _ask(client, b"", 1) == b""
    with _client(proxy) as client:
        assert _ask(client, COMMIT, len(COMMITTED)) == COMMITTED


def test_what_is_refused_cannot_connect_until_it_is_mended(through: Through) -> None:
    proxy, _ = through({COMMIT: COMMITTED}, Commits)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _client(proxy)
    proxy.mend()
    with _client(proxy) as client:
        assert _ask(client, COMMIT, len(COMMITTED)) == COMMITTED


def test_a_stall_takes_bytes_and_keeps_them_until_it_is_mended(through: Through) -> None:
    proxy, server = through({COMMIT: COMMITTED}, Commits)
    with _client(proxy) as known:
        _ask(known, COMMIT, len(COMMITTED))
        proxy.stall()
        with _client(proxy) as new:
            known.sendall(COMMIT)
            new.sendall(COMMIT)
            time.sleep(0.2)
            assert server.heard == COMMIT
            proxy.mend()
            assert _ask(known, b"", len(COMMITTED)) == COMMITTED
            assert _ask(new, b"", len(COMMITTED)) == COMMITTED


def test_a_request_is_held_before_the_server_hears_of_it(through: Through) -> None:
    proxy, server = through({FETCH: FETCHED, PRODUCE: PRODUCED}, Produces)
    proxy.hold_at(PRODUCE[:8])
    with _client(proxy) as client:
        assert _ask(client, FETCH, len(FETCHED)) == FETCHED
        client.sendall(PRODUCE)
        client.sendall(PRODUCE)
        time.sleep(0.2)
        assert (server.heard, proxy.held) == (FETCH, 1)
        proxy.mend()
        assert _ask(client, b"", 2 * len(PRODUCED)) == PRODUCED * 2


def test_what_is_delayed_comes_later_and_in_order(through: Through) -> None:
    proxy, _ = through({COMMIT: COMMITTED}, Commits)
    with _client(proxy) as client:
        _ask(client, COMMIT, len(COMMITTED))
        proxy.delay(0.2)
        asked_at = time.monotonic()
        assert _ask(client, COMMIT, len(COMMITTED)) == COMMITTED
        assert time.monotonic() - asked_at >= 0.4


def test_a_throttle_lets_no_more_pass_than_it_is_told(through: Through) -> None:
    proxy, _ = through({b"!": b"x" * 200_000}, Commits)
    proxy.throttle(400_000)
    with _client(proxy) as client:
        asked_at = time.monotonic()
        assert len(_ask(client, b"!", 200_000)) == 200_000
        assert time.monotonic() - asked_at >= 0.2
