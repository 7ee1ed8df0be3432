"""The mail sink over real sockets: what it answers, what it keeps, and that it does so in this order.

Speed is measured elsewhere; here only that nothing is lost, changed or taken for something else.
"""

from __future__ import annotations

import mailbox
import os
import resource
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.layout import PROJECT
from deploy.local.mail_sink import MAX_ERRORS, MAX_LETTER_BYTES, MAX_LINE_BYTES, MAX_RECIPIENTS
from deploy.local.processes import wait_until

SECONDS = 20.0
ENVELOPE = b"MAIL FROM:<from@amends.example>\r\nRCPT TO:<to@amends.example>\r\nDATA\r\n"
LETTER = b"Subject: hello\r\n\r\nfirst line\r\n.\r\n"


class Sink:
    """A running sink and its mailbox."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, path: Path) -> None:
        self.process, self.port, self.path = process, port, path

    def letters(self) -> list[mailbox.mboxMessage]:
        box = mailbox.mbox(self.path, create=False)
        try:
            return list(box)
        finally:
            box.close()

    def connect(self) -> Client:
        return Client(self.port)


class Client:
    """A client that says exactly what it is told to."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((ports.HOST, port), timeout=SECONDS)
        self._replies = self._socket.makefile("rb")
        assert self.reply().startswith(b"220 ")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()
        self._socket.close()

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self) -> bytes:
        """The next reply's last line; empty when the sink has closed the connection."""
        while True:
            line = self._replies.readline()
            if line[3:4] != b"-":
                return line

    def ask(self, data: bytes, count: int = 1) -> list[int]:
        """The codes of the next `count` replies to `data`."""
        self.say(data)
        return [int(self.reply()[:3]) for _ in range(count)]

    def is_closed(self) -> bool:
        try:
            return self._replies.readline() == b""
        except ConnectionResetError:
            return True


Start = Callable[..., Sink]


@pytest.fixture
def start_sink(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def start(preexec: Callable[[], None] | None = None) -> Sink:
        port, path = ports.choose(()), tmp_path / "mailbox"
        command = [sys.executable, "-m", "deploy.local.mail_sink", "--port", str(port), "--mbox", str(path)]
        process = subprocess.Popen(command, cwd=PROJECT, preexec_fn=preexec)
        running.append(process)
        assert wait_until(lambda: ports.accepts(port), SECONDS)
        return Sink(process, port, path)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def sink(start_sink: Start) -> Sink:
    return start_sink()


def body_of(message: mailbox.mboxMessage) -> str:
    payload = message.get_payload()
    assert isinstance(payload, str)
    return payload


def test_letters_come_out_of_the_mbox_as_they_went_in(sink: Sink) -> None:
    with smtplib.SMTP(ports.HOST, sink.port, timeout=SECONDS) as client:
        client.sendmail("from@amends.example", ["a@amends.example", "b@amends.example"], "Subject: one\n\ntext\n")
        client.sendmail("from@amends.example", ["c@amends.example"], "Subject: two\n\ntext\n")
    first, second = sink.letters()
    assert (first["Subject"], second["Subject"]) == ("one", "two")
    assert first.get_all("X-Envelope-To") == ["a@amends.example", "b@amends.example"]
    assert second.get_all("X-Envelope-To") == ["c@amends.example"]
    assert first["X-Envelope-From"] == "<from@amends.example>"
    assert body_of(first).rstrip("\n") == "text"


def test_pipelining_8bit_and_the_size_limit_are_advertised(sink: Sink) -> None:
    with smtplib.SMTP(ports.HOST, sink.port, timeout=SECONDS) as client:
        client.ehlo()
        assert client.has_extn("pipelining")
        assert client.has_extn("8bitmime")
        assert client.esmtp_features["size"] == str(MAX_LETTER_BYTES)


def test_a_pipelined_group_gets_one_reply_per_command_in_order(sink: Sink) -> None:
    with sink.connect() as client:
        group = b"EHLO x\r\nMAIL FROM:<f@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:<bad\r\nRCPT TO:<b@x>\r\nDATA\r\n"
        assert client.ask(group, 6) == [250, 250, 250, 501, 250, 354]
        assert client.ask(LETTER + ENVELOPE + LETTER + b"QUIT\r\n", 6) == [250, 250, 250, 354, 250, 221]
    assert [message.get_all("X-Envelope-To") for message in sink.letters()] == [
        ["a@x", "b@x"],
        ["to@amends.example"],
    ]


def test_a_letter_is_in_the_mbox_before_it_is_answered(sink: Sink) -> None:
    with sink.connect() as client:
        for count in range(1, 20):
            assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
            assert sink.path.read_bytes().count(b"X-Envelope-To:") == count


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"..\r\n", "."),
        (b"a\r\n..b\r\n", "a\n.b"),
        (b"..a\r\nb\r\n...\r\n", ".a\nb\n.."),
        (b".x\r\n", "x"),
        (b"a.\r\n.\n.\r\n.b\r\n", "a.\n\n.\nb"),
        (b"From me\r\n>From you\r\nnot From us\r\n", ">From me\n>>From you\nnot From us"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_dots_are_unstuffed_and_from_lines_quoted_however_the_letter_is_cut(
    sink: Sink, sent: bytes, kept: str, piece: int
) -> None:
    with sink.connect() as client:
        assert client.ask(ENVELOPE, 3) == [250, 250, 354]
        whole = b"Subject: s\r\n\r\n" + sent + b".\r\n"
        for start in range(0, len(whole), piece):
            client.say(whole[start : start + piece])
        assert client.ask(b"", 1) == [250]
        # A letter without a header, whose first line begins with a dot.
        assert client.ask(ENVELOPE + sent + b".\r\n", 4) == [250, 250, 354, 250]
    first, second = sink.letters()
    assert body_of(first).rstrip("\n") == kept
    assert kept in second.as_string()


def test_an_empty_letter_is_a_letter(sink: Sink) -> None:
    with sink.connect() as client:
        assert client.ask(ENVELOPE + b".\r\n", 4) == [250, 250, 354, 250]
        assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
    assert [message["Subject"] for message in sink.letters()] == [None, "hello"]


def test_a_line_of_one_dot_ended_by_a_bare_lf_ends_no_letter(sink: Sink) -> None:
    smuggled = b"Subject: s\r\n\r\na\n.\nMAIL FROM:<evil@x>\r\nb\n.\r\nc\r\n.\r\n"
    with sink.connect() as client:
        assert client.ask(ENVELOPE + smuggled, 4) == [250, 250, 354, 250]
    assert len(sink.letters()) == 1


def test_twenty_connections_at_once_lose_and_mix_nothing(sink: Sink) -> None:
    letters_each = 200

    def send(number: int) -> None:
        with sink.connect() as client:
            for count in range(letters_each):
                name = f"{number}-{count}".encode()
                envelope = b"MAIL FROM:<f@x>\r\nRCPT TO:<" + name + b"@x>\r\nDATA\r\n"
                assert client.ask(envelope, 3) == [250, 250, 354]
                text = (b"line of " + name + b"\r\n") * 100
                assert client.ask(b"Subject: " + name + b"\r\n\r\n" + text + b".\r\n") == [250]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send, range(20)))
    letters = sink.letters()
    assert len(letters) == 20 * letters_each
    assert len({message["Subject"] for message in letters}) == 20 * letters_each
    for message in letters:
        assert message["X-Envelope-To"] == f"{message['Subject']}@x"
        assert set(body_of(message).split("\n")) == {f"line of {message['Subject']}", ""}


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (b"DATA\r\n", [503]),
        (b"MAIL FROM:<f@x>\r\nDATA\r\n", [250, 503]),
        (b"RCPT TO:<a@x>\r\n", [503]),
        (b"MAIL FROM:<f@x>\r\nMAIL FROM:<g@x>\r\n", [250, 503]),
        (b"MAIL FROM:<f@x>\r\nRSET\r\nRCPT TO:<a@x>\r\n", [250, 250, 503]),
        (b"MAIL FROM:<f@x>\r\nRCPT TO:<>\r\nDATA\r\n", [250, 501, 503]),
        (b"MAIL FROM:<f@x> SIZE=99999999999\r\n", [552]),
        (b"MAIL FROM:<f@x> BODY=8BITMIME SIZE=100\r\n", [250]),
        (b"MAIL FROM:<f@x> SMTPUTF8\r\n", [555]),
        (b"MAIL FROM:<a b@x>\r\n", [501]),
        ("MAIL FROM:<è@x>\r\n".encode(), [501]),
        (b"MAIL FROM:<f@x>\r\nRCPT TO:<a@x\x00>\r\n", [250, 500]),
        (b"NOOP\nNOOP\r\n", [500, 250]),
        (b"BDAT 5 LAST\r\nnoop\r\n\r\n", [502, 250, 502]),
    ],
)
def test_what_is_out_of_order_or_malformed_is_refused(sink: Sink, said: bytes, codes: list[int]) -> None:
    with sink.connect() as client:
        assert client.ask(said, len(codes)) == codes
        assert client.ask(b"RSET\r\n" + ENVELOPE + LETTER, 5) == [250, 250, 250, 354, 250]
    assert len(sink.letters()) == 1


def test_a_command_line_without_an_end_is_cut_off(sink: Sink) -> None:
    with sink.connect() as client:
        assert client.ask(b"NOOP " + b"x" * MAX_LINE_BYTES) == [500]
        assert client.is_closed()


def test_a_client_that_errs_without_end_is_sent_away(sink: Sink) -> None:
    with sink.connect() as client:
        assert client.ask(b"NONSENSE\r\n" * MAX_ERRORS, MAX_ERRORS + 1) == [502] * MAX_ERRORS + [421]
        assert client.is_closed()


def test_there_are_so_many_recipients_and_no_more(sink: Sink) -> None:
    recipients = b"RCPT TO:<a@x>\r\n" * (MAX_RECIPIENTS + 1)
    with sink.connect() as client:
        codes = client.ask(b"MAIL FROM:<f@x>\r\n" + recipients, MAX_RECIPIENTS + 2)
        assert codes == [250] * (MAX_RECIPIENTS + 1) + [452]


def test_an_oversize_letter_is_refused_whole_and_the_next_one_taken(sink: Sink) -> None:
    with sink.connect() as client:
        assert client.ask(ENVELOPE, 3) == [250, 250, 354]
        client.say(b"y" * (MAX_LETTER_BYTES + 10))
        # What is thrown away may be cut anywhere: here it goes on with a dot in the middle of a line.
        for piece in (b"y.\r\ny", b"y" * 1000):
            time.sleep(0.05)
            client.say(piece)
        assert client.ask(b"\r\n.\r\n") == [552]
        assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
    assert [message["Subject"] for message in sink.letters()] == ["hello"]


def test_a_letter_whose_end_never_came_is_not_kept(sink: Sink) -> None:
    with sink.connect() as client:
        assert client.ask(ENVELOPE + b"Subject: half\r\n", 3) == [250, 250, 354]
    with sink.connect() as client:
        assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
    assert [message["Subject"] for message in sink.letters()] == ["hello"]


def test_a_letter_that_cannot_be_kept_is_not_accepted_and_leaves_no_part(start_sink: Start) -> None:
    limit = 4096

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    sink = start_sink(small_files)
    big = b"Subject: big\r\n\r\n" + b"x" * limit + b"\r\n.\r\n"
    with sink.connect() as client:
        assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
        assert client.ask(ENVELOPE + big, 4) == [250, 250, 354, 452]
        assert client.ask(ENVELOPE + LETTER, 4) == [250, 250, 354, 250]
    assert [message["Subject"] for message in sink.letters()] == ["hello", "hello"]


def test_sigterm_ends_it_with_clients_connected(sink: Sink) -> None:
    with sink.connect() as client:
        os.kill(sink.process.pid, signal.SIGTERM)
        assert client.reply().startswith(b"421 ")
        assert sink.process.wait(SECONDS) == 0
