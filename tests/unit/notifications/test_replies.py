"""What a relay's replies mean for a letter."""

import pytest

from services.notifications.domain import Deferred, Failed, InDoubt, Sent
from services.notifications.replies import (
    NoReplyError,
    Offer,
    Replies,
    Reply,
    Step,
    after_the_dot,
    before_the_dot,
    offer_of,
)


def test_replies_come_whole_from_any_portions() -> None:
    stream = b"250-one\r\n250-two\r\n250 three\r\n354\r\n451 later\n"
    replies = Replies()
    whole = [reply for octet in stream for reply in replies.feed(bytes([octet]))]
    assert [reply.code for reply in whole] == [250, 354, 451]
    assert whole == Replies().feed(stream)
    assert whole[0].note == "250-one 250-two 250 three"


@pytest.mark.parametrize("noise", [b"hello\r\n", b"25 x\r\n", b"\r\n", b"250_ok\r\n", b"2x0 ok\r\n"])
def test_what_is_no_reply_is_noise(noise: bytes) -> None:
    with pytest.raises(NoReplyError, match="no reply of SMTP"):
        Replies().feed(noise)


@pytest.mark.parametrize("portion", [b"250 endless", b"250-endless\r\n"])
def test_a_reply_has_an_end(portion: bytes) -> None:
    with pytest.raises(NoReplyError, match="octets"):
        Replies().feed(portion * 7_000)


def test_a_note_is_one_printable_line_of_bounded_length() -> None:
    note = Reply(550, b"550-no\x1b[31m\r\n550 \xff\xfe" + b"x" * 5000).note
    assert note.startswith("550-no[31m 550 ")
    assert note.isprintable()
    assert len(note) == 500


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        (b"250-me greets you\r\n250-pipelining\r\n250-SIZE 1000\r\n250 8BITMIME\r\n", Offer(True, True)),
        (b"250-PIPELINING\r\n250-8BITMIMES\r\n250 HELP\r\n", Offer()),
        (b"250 me\r\n", Offer()),
    ],
)
def test_what_the_relay_offers_is_read_after_its_name(lines: bytes, offer: Offer) -> None:
    (reply,) = Replies().feed(lines)
    assert offer_of(reply) == offer


@pytest.mark.parametrize(
    ("code", "kind"), [(250, Sent), (252, Sent), (421, Deferred), (452, Deferred), (554, Failed), (354, InDoubt)]
)
def test_the_reply_to_the_final_dot_decides(code: int, kind: type) -> None:
    assert type(after_the_dot(Reply(code, b"%d x" % code))) is kind


@pytest.mark.parametrize(
    ("step", "code", "kind"),
    [
        (Step.RCPT, 550, Failed),
        (Step.RCPT, 501, Failed),
        (Step.RCPT, 450, Deferred),
        (Step.MAIL, 552, Failed),
        (Step.MAIL, 530, Deferred),
        (Step.MAIL, 503, Deferred),
        (Step.DATA, 554, Failed),
        (Step.DATA, 503, Deferred),
        (Step.DATA, 250, Deferred),
    ],
)
def test_a_refusal_before_the_dot_is_never_in_doubt(step: Step, code: int, kind: type) -> None:
    assert type(before_the_dot(step, Reply(code, b"%d x" % code))) is kind
