"""The case's policy spoiled in every way that was thought of: what is replaced, by what, and what is told.

What is told begins with the path in the file; the file's own name comes before it.
"""

from __future__ import annotations

AMOUNT = "rules[2].give.voucher.amount.amount"
RIGHT = 'write a decimal string such as "5.00"'
PERIOD = 'is no period: write a text such as "1 year", "6 months" or "15 days"'
VALID = "valid_for: 1 year"

BAD = [
    # money
    ('"5.00"', "5.0", f"{AMOUNT}: 5.0 is a float: {RIGHT}"),
    ('"5.00"', ".inf", f"{AMOUNT}: inf is a float: {RIGHT}"),
    ('"5.00"', "5", f"{AMOUNT}: 5 is a number, not a text: {RIGHT}"),
    ('"5.00"', '"5,00"', f"{AMOUNT}: '5,00' is no amount: {RIGHT}"),
    ('"5.00"', '"5.00\\n"', f"{AMOUNT}: '5.00\\n' is no amount: {RIGHT}"),
    ('"5.00"', '"NaN"', f"{AMOUNT}: 'NaN' is no amount: {RIGHT}"),
    ('"5.00"', '"1e3"', f"{AMOUNT}: '1e3' is no amount: {RIGHT}"),
    ('"5.00"', '"-5.00"', f"{AMOUNT}: '-5.00' is no amount: {RIGHT}"),
    ('"5.00"', '"0.00"', f"{AMOUNT}: '0.00' is not more than nothing: {RIGHT}"),
    ('"5.00"', "true", f"{AMOUNT}: True is no amount: {RIGHT}"),
    (
        '"5.00"',
        '"5.005"',
        'rules[2].give.voucher.amount: 5.005 EUR has too many decimals: EUR has 2, write for example "5.01"',
    ),
    (
        '"5.00", currency: EUR',
        '"5.00", currency: JPY',
        "rules[2].give.voucher: shipping_cap is in EUR and amount in JPY: write both in one currency",
    ),
    (
        '"5.00", currency: EUR',
        '"5.00", currency: EURO',
        "rules[2].give.voucher.amount.currency: 'EURO' is no currency: write an ISO 4217 code such as EUR",
    ),
    (
        '"5.00", currency: EUR',
        '"5.00", currency: eur',
        "rules[2].give.voucher.amount.currency: 'eur' is no currency: write an ISO 4217 code such as EUR",
    ),
    (
        "{amount: \"5.00\", currency: EUR}",
        '"5.00"',
        "rules[2].give.voucher.amount: '5.00' is not a mapping: write fields and their values",
    ),
    # fields
    (
        "families: [hosting",
        "famillies: [hosting",
        "rules[0].when.famillies: is no field here: did you mean families? "
        "The fields here are families, products, sites, attributes, addons, outage, tenure, monthly_fee",
    ),
    (
        VALID,
        "valid_for: 1 year\n        length: 3",
        "rules[2].give.voucher.length: is no field here: "
        "The fields here are per, after, at_most, bands, amount, share, merchant, shipping_cap, handling_covered, "
        "valid_for",
    ),
    ("time_zone: Europe/Rome\n", "", "time_zone: is missing: write it"),
    ("merchant: Fotoaruba\n", "\n", "rules[2].give.voucher.merchant: is missing: write it"),
    ("merchant: Fotoaruba", "merchant: no", "rules[2].give.voucher.merchant: False is not a text: write it in quotes"),
    ("per: customer", "per: client", "rules[2].per: 'client' is not one of them: write contract or customer"),
    (
        "letters: [details]",
        "letters: [detail]",
        "letters[0]: 'detail' is not one of them: write announcement or details",
    ),
    # rules
    (
        "rule: photo-voucher",
        "rule: extra-days",
        "rules[2].rule: 'extra-days' is taken: write a name that no other rule has",
    ),
    (
        "rule: photo-voucher",
        "rule: Photo Voucher",
        "rules[2].rule: 'Photo Voucher' has a character that may not stand here: "
        "write one that matches ^[a-z0-9][a-z0-9-]*$",
    ),
    (
        "extension: {days: 15}",
        "extension: {days: 15}\n      addon: {product: x, for: 1 day}",
        "rules[1].give: gives extension and addon: write exactly one of extension, addon, voucher, credit",
    ),
    (
        "extension: {days: 15}",
        "{}",
        "rules[1].give: gives nothing: write exactly one of extension, addon, voucher, credit",
    ),
    (
        "rule: extra-days\n    per: contract",
        "rule: extra-days\n    per: customer",
        "rules[1]: an extension adds days to a contract: write per: contract",
    ),
    (
        "days: 15",
        'days: "15"',
        "rules[1].give.extension.days: '15' is not a whole number: write one such as 1, without quotes",
    ),
    (
        "days: 15",
        "days: 15.0",
        "rules[1].give.extension.days: 15.0 is not a whole number: write one such as 1, without quotes",
    ),
    ("days: 15", "days: 0", "rules[1].give.extension.days: 0 is too small: write 1 or more"),
    ("days: 15", "days: 3661", "rules[1].give.extension.days: 3661 is too large: write 3660 or less"),
    (VALID, "valid_for: a year", f"rules[2].give.voucher.valid_for: 'a year' {PERIOD}"),
    (VALID, "valid_for: 365", f"rules[2].give.voucher.valid_for: 365 {PERIOD}"),
    (VALID, "valid_for: 0 days", f"rules[2].give.voucher.valid_for: '0 days' {PERIOD}"),
    (
        VALID,
        "valid_for: 11 years",
        "rules[2].give.voucher.valid_for: '11 years' is too long: write 10 years at most",
    ),
    (
        "[hosting, domain]",
        "hosting",
        "rules[0].when.families: 'hosting' is not a list: write its items after - or between [ and ]",
    ),
    (
        "[hosting, domain]",
        "[]",
        "rules[0].when.families: [] is empty: write at least 1, or leave the field out if it is optional",
    ),
    ("[hosting, domain]", "[hosting, no]", "rules[0].when.families[1]: False is not a text: write it in quotes"),
    (
        "includes_email: true",
        "includes_email: 1.5",
        "rules[0].when.attributes.includes_email: 1.5 cannot be compared: "
        "write true, false, a whole number or a text",
    ),
    (
        "handling_covered: true",
        'handling_covered: "yes"',
        "rules[2].give.voucher.handling_covered: 'yes' is neither true nor false: write true or false, without quotes",
    ),
    (
        "addon: {product: gigamail, for: 1 year}",
        "addon: {product: gigamail}",
        "rules[0].if_owned.instead.addon.for: is missing: write it",
    ),
    # the head
    (
        "time_zone: Europe/Rome",
        "time_zone: Europe/Rom",
        "time_zone: 'Europe/Rom' is no time zone: write an IANA name such as Europe/Rome",
    ),
    (
        "time_zone: Europe/Rome",
        "time_zone: ../../etc/passwd",
        "time_zone: '../../etc/passwd' is no time zone: write an IANA name such as Europe/Rome",
    ),
    (
        "version: 1",
        "version: 1.0",
        "version: 1.0 is not a whole number: write one such as 1, without quotes",
    ),
    ("title: ", "title: 2011\nold: ", "title: 2011 is not a text: write it in quotes"),
    # YAML
    ("version: 1\n", "version: 1\nversion: 2\n", "version: stands twice, on line 6 and again on line 7: keep one"),
    ("days: 15", "days: 15, days: 16",
     "rules[1].give.extension.days: stands twice, on line 35 and again on line 35: keep one"),
    ("[hosting, domain]", "&f [a]\n      sites: *f", "rules[0].when.sites: is an alias of an anchor: write it out"),
    ("letters: [details]", "letters: &l [*l]", "letters[0]: is an alias of an anchor: write it out"),
    (
        "letters: [details]",
        "letters: [details",
        "line 52, column 1: expected ',' or ']', but got '<stream end>': write YAML as in the policies shipped",
    ),
    ("rules:", "\trules:", "line 12, column 1: found character '\\t' that cannot start any token: "
     "write YAML as in the policies shipped"),
    ("title: ", "title: \x07", "line 7: character 7 may not stand in YAML"),
    ("letters: [details]", "letters: [details]\n---\nname: x", "line 52, column 1: but found another document: "
     "write YAML as in the policies shipped"),
]  # fmt: skip
