"""Which addresses a letter can be sent to."""

import pytest

from services.notifications.addresses import usable


@pytest.mark.parametrize(
    ("email", "address"),
    [
        ("mario@example.it", "mario@example.it"),
        ("  mario@example.it ", "mario@example.it"),
        ("Mario.Rossi+amends@Posta.Example.IT", "Mario.Rossi+amends@posta.example.it"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("info@münchen.de", "info@xn--mnchen-3ya.de"),
        ("info@faß.de", "info@xn--fa-hia.de"),
        ("info@xn--mnchen-3ya.de", "info@xn--mnchen-3ya.de"),
        ("a@1.example.it", "a@1.example.it"),
        ("l" * 64 + "@example.it", "l" * 64 + "@example.it"),
    ],
)
def test_a_plain_address_is_usable_with_its_domain_in_ascii(email: str, address: str) -> None:
    assert usable(email) == address


@pytest.mark.parametrize(
    "email",
    [
        None,
        "",
        " ",
        "mario",
        "mario@",
        "@example.it",
        "mario@example",
        "mario@example.it\r\nBcc: x@y.it",
        "mario@example.it\n",
        "mario\r\n@example.it",
        "mario@example.it,luigi@example.it",
        "mario@example.it luigi@example.it",
        "mario @example.it",
        "mario@exa mple.it",
        "Mario <mario@example.it>",
        "<mario@example.it>",
        '"mario rossi"@example.it',
        '"<x@y.it>"@example.it',
        "mario(comment)@example.it",
        "mario@luigi@example.it",
        "=?utf-8?q?mario?=@example.it",
        "mario%other.it@example.it",
        "other.it!mario@example.it",
        ".mario@example.it",
        "mario.@example.it",
        "mario..rossi@example.it",
        "marió@example.it",
        "mario@[127.0.0.1]",
        "mario@127.0.0.1",
        "mario@example.it.",
        "mario@-example.it",
        "mario@example-.it",
        "mario@exa_mple.it",
        "mario@example..it",
        "mario@xn--zzzzzz--.it",
        "mario@ex\u202eample.it",
        "mario@ex\x00ample.it",
        "mario@例え。\r\nテスト",
        "l" * 65 + "@example.it",
        "mario@" + "d" * 64 + ".it",
        "mario@" + ".".join(["d" * 60] * 5) + ".it",
        "l" * 64 + "@" + ".".join(["d" * 60] * 3) + ".examples.it",
    ],
)
def test_anything_else_is_no_address(email: str | None) -> None:
    assert usable(email) is None
