"""A policy that has every construct of the language, and that policy spoiled in every field that the case's lacks.

As in `bad_policies`: what is replaced, by what, and what is told after the file's name.
"""

from __future__ import annotations

KEY = "every-construct@3"
EVERY = """
name: every-construct
version: 3
title: Every construct of the language
time_zone: Europe/Rome
rules:
  - rule: lost-hours
    per: contract
    when:
      families: [dedicated]
      products: [dedicated-server]
      sites: [arezzo]
      attributes: {tier: [gold, silver], managed: true, cores: 8}
      addons: [backup]
      outage: {at_least: 90 minutes, less_than: 2 days}
      tenure: {at_least: 1 year, less_than: 120 months}
      monthly_fee: {currency: EUR, at_least: "10", less_than: "500.50"}
    give:
      credit:
        amount: {amount: "1.00", currency: EUR}
        per: started hour
        after: 2 hours
        at_most: "50 %"
    across_incidents: each
  - rule: lost-days
    per: contract
    give:
      extension: {days: 1, per: started day, at_most: 30}
    if_refused:
      - reasons: [terminated, expired]
        give:
          credit: {same_worth: true}
      - reasons: [open_ended]
        give:
          voucher: {share: "5.5 %", at_most: {amount: "20.00", currency: EUR}, merchant: Shop, valid_for: 6 months}
  - rule: tiers
    per: contract
    give:
      credit:
        bands:
          - {availability_below: "99.9 %", share: "10 %"}
          - {availability_below: "99 %", amount: {amount: "40.00", currency: EUR}}
        at_most: "100 %"
  - rule: long-ones
    per: contract
    give:
      extension:
        bands:
          - {outage: {at_least: 4 hours}, days: 1}
          - {outage: {at_least: 1 day}, days: 7}
  - rule: gift
    per: contract
    when: {families: [hosting]}
    give:
      addon: {product: mail, for: 1 year}
    if_owned:
      product: mail
      instead:
        addon: {product: backup, for: 90 days}
  - rule: the-others
    per: customer
    unless: [lost-hours, lost-days]
    give:
      voucher:
        amount: {amount: "5.00", currency: EUR}
        merchant: Shop
        shipping_cap: {amount: "1.90", currency: EUR}
        handling_covered: true
        valid_for: 1 year
letters: [announcement, details]
texts:
  en: {announcement: We are sorry., details: Here is what you get., correction: It has changed.}
budget:
  - {currency: EUR, ceiling: "1000", approval_above: "20 %"}
  - {currency: USD, ceiling: "10.00"}
canary: {customers: 1000, then: 30 minutes}
when_narrowed: reverse
approval_valid_for: 12 hours
"""
PERIOD = 'is no period: write a text such as "1 year", "6 months" or "15 days"'
LENGTH = 'is no length of time: write a text such as "90 minutes", "2 hours" or "1 day"'
SHARE = 'is no share: write a percentage in quotes such as "20 %"'
MONEY = 'write a decimal string such as "5.00"'
WHEN, LOST = "rules[0].when", "rules[0].give.credit"
ONE_QUANTITY = "write exactly one of days, amount, share"
CAPS = 'write days such as 30, {amount: "20.00", currency: EUR}, or "100 %" of the monthly fee'

BAD = [
    # conditions
    ("[gold, silver]", "[]", f"{WHEN}.attributes.tier: [] is empty: write at least 1, or one value without [ and ]"),
    (
        "[gold, silver]",
        "[gold, [silver]]",
        f"{WHEN}.attributes.tier: ['silver'] cannot be compared: write true, false, a whole number or a text",
    ),
    (
        "cores: 8",
        "cores: 99999999999999999999",
        f"{WHEN}.attributes.cores: 99999999999999999999 cannot be compared: "
        "write true, false, a whole number or a text",
    ),
    ("addons: [backup]", "addons: backup", f"{WHEN}.addons: 'backup' is not a list: "
     "write its items after - or between [ and ]"),
    ("at_least: 90 minutes", "at_least: 90", f"{WHEN}.outage.at_least: 90 {LENGTH}"),
    ("at_least: 90 minutes", "at_least: 1.5 hours", f"{WHEN}.outage.at_least: '1.5 hours' {LENGTH}"),
    ("at_least: 90 minutes", "at_least: 0 hours", f"{WHEN}.outage.at_least: '0 hours' {LENGTH}"),
    ("at_least: 90 minutes", "at_least: 1 month", f"{WHEN}.outage.at_least: '1 month' {LENGTH}"),
    ("less_than: 2 days", "less_than: 400 days",
     f"{WHEN}.outage.less_than: '400 days' is too long: write 366 days at most"),
    (
        "{at_least: 90 minutes, less_than: 2 days}",
        "{at_least: 2 days, less_than: 90 minutes}",
        f"{WHEN}.outage: nothing is at least 2 days and less than 90 minutes: write less_than as the larger one",
    ),
    ("{at_least: 90 minutes, less_than: 2 days}", "{}",
     f"{WHEN}.outage: says nothing: write at_least, less_than or both"),
    ("outage: {at_least: 90 minutes, less_than: 2 days}", "outage: 90 minutes",
     f"{WHEN}.outage: '90 minutes' is not a mapping: write fields and their values"),
    ("at_least: 1 year", "at_least: 1 hour", f"{WHEN}.tenure.at_least: '1 hour' {PERIOD}"),
    (
        "{at_least: 1 year, less_than: 120 months}",
        "{at_least: 1 year, less_than: 12 months}",
        f"{WHEN}.tenure: nothing is at least 1 year and less than 12 months: write less_than as the larger one",
    ),
    ("{at_least: 1 year, less_than: 120 months}", "{}",
     f"{WHEN}.tenure: says nothing: write at_least, less_than or both"),
    ('at_least: "10"', "at_least: 10", f"{WHEN}.monthly_fee.at_least: 10 is a number, not a text: {MONEY}"),
    (
        'at_least: "10"',
        'at_least: "10.005"',
        f'{WHEN}.monthly_fee: 10.005 EUR has too many decimals: EUR has 2, write for example "10.01"',
    ),
    (
        'at_least: "10", less_than: "500.50"',
        'at_least: "10", less_than: "9"',
        f"{WHEN}.monthly_fee: nothing is at least 10.00 and less than 9.00: write less_than as the larger one",
    ),
    ("currency: EUR, at_least", "at_least", f"{WHEN}.monthly_fee.currency: is missing: write it"),
    (
        ', at_least: "10", less_than: "500.50"',
        "",
        f"{WHEN}.monthly_fee: says nothing: write at_least, less_than or both",
    ),
    # how much
    ("per: started hour", "per: hour",
     f"{LOST}.per: 'hour' is not one of them: write started hour, started day or calendar day"),
    (
        "per: started hour\n        after: 2 hours",
        "after: 2 hours",
        f"{LOST}: after is a grace for what per counts: write per too, for example per: calendar day",
    ),
    ("after: 2 hours", "after: two", f"{LOST}.after: 'two' {LENGTH}"),
    ('at_most: "50 %"', "at_most: 0.5", f"{LOST}.at_most: 0.5 caps nothing: {CAPS}"),
    ('at_most: "50 %"', "at_most: true", f"{LOST}.at_most: True caps nothing: {CAPS}"),
    ('at_most: "50 %"', "at_most: half", f"{LOST}.at_most: 'half' {SHARE}"),
    ('at_most: "50 %"', 'at_most: "2000 %"', f"{LOST}.at_most: '2000 %' is too much: write \"1000 %\" at most"),
    (
        'at_most: "50 %"',
        'at_most: "0 %"',
        f"{LOST}.at_most: '0 %' is nothing: write a percentage in quotes such as \"20 %\"",
    ),
    ('at_most: "50 %"', "at_most: {amount: 5, currency: EUR}",
     f"{LOST}.at_most.amount: 5 is a number, not a text: {MONEY}"),
    ('at_most: "50 %"', 'at_most: {amout: "5.00", currency: EUR}',
     f"{LOST}.at_most.amout: is no field here: did you mean amount? The fields here are amount, currency"),
    (
        'at_most: "50 %"',
        "at_most: 5",
        f'{LOST}: at_most does not cap money: write {{amount: "20.00", currency: EUR}} or "100 %" of the monthly fee',
    ),
    (
        'at_most: "50 %"',
        'at_most: {amount: "5.00", currency: USD}',
        f"{LOST}: is in EUR and in USD: write all of it in one currency",
    ),
    (
        'per: started hour\n        after: 2 hours\n        at_most: "50 %"',
        'at_most: {amount: "5.00", currency: EUR}',
        f"{LOST}: at_most caps an amount that is always the same: leave at_most out",
    ),
    (
        'amount: {amount: "1.00", currency: EUR}\n        per',
        "per",
        f"{LOST}: says nothing: write exactly one of amount, share, bands, same_worth",
    ),
    (
        "per: started hour",
        'share: "5 %"\n        per: started hour',
        f"{LOST}: says amount and share: write exactly one of amount, share, bands, same_worth",
    ),
    (
        'amount: {amount: "1.00", currency: EUR}\n        per',
        "share: 0.05\n        per",
        f"{LOST}.share: 0.05 {SHARE}",
    ),
    (
        "at_most: 30}",
        'at_most: "50 %"}',
        "rules[1].give.extension: at_most does not cap days here: write days such as 30",
    ),
    (
        "per: started day, at_most: 30",
        "at_most: 30",
        "rules[1].give.extension: at_most does not cap days here: leave it out, days are not more than they are",
    ),
    ("at_most: 30}", "at_most: 0}", "rules[1].give.extension.at_most: 0 is too small: write 1 or more"),
    # bands
    (
        '{availability_below: "99.9 %", share: "10 %"}',
        '{share: "10 %"}',
        "rules[2].give.credit.bands[0]: is for nothing: write exactly one of outage, availability_below",
    ),
    (
        '{availability_below: "99.9 %", share: "10 %"}',
        '{availability_below: "99.9 %"}',
        f"rules[2].give.credit.bands[0]: gives nothing: {ONE_QUANTITY}",
    ),
    (
        '{availability_below: "99.9 %", share: "10 %"}',
        '{availability_below: "99.9 %", share: "10 %", days: 1}',
        f"rules[2].give.credit.bands[0]: gives days and share: {ONE_QUANTITY}",
    ),
    ('availability_below: "99.9 %"', "availability_below: 99.9",
     f"rules[2].give.credit.bands[0].availability_below: 99.9 {SHARE}"),
    ('availability_below: "99.9 %"', 'availability_below: "101 %"',
     "rules[2].give.credit.bands[0].availability_below: '101 %' is too much: write \"100 %\" at most"),
    ('availability_below: "99 %"', 'availability_below: "99.9 %"',
     "rules[2].give.credit: bands[1] does not come after the one before it: write them rising"),
    (
        'availability_below: "99 %"',
        "outage: {at_least: 1 hour}",
        "rules[2].give.credit: bands go by outage and by availability_below: write all of them by one of the two",
    ),
    (
        '{availability_below: "99.9 %", share: "10 %"}',
        '{availability_below: "99.9 %", days: 1}',
        "rules[2].give.credit: bands[0] gives days: write amount or share, or give an extension",
    ),
    (
        "{outage: {at_least: 4 hours}, days: 1}",
        '{outage: {at_least: 4 hours}, share: "10 %"}',
        "rules[3].give.extension: bands[0] gives money: an extension gives days",
    ),
    (
        "{outage: {at_least: 4 hours}, days: 1}",
        "{outage: {less_than: 4 hours}, days: 1}",
        "rules[3].give.extension.bands[0]: outage is not where the band begins: "
        "write {at_least: 2 hours} alone; it reaches to the next band",
    ),
    (
        "{outage: {at_least: 4 hours}, days: 1}",
        "{outage: {at_least: 4 hours, less_than: 8 hours}, days: 1}",
        "rules[3].give.extension.bands[0]: outage is not where the band begins: "
        "write {at_least: 2 hours} alone; it reaches to the next band",
    ),
    (
        "outage: {at_least: 1 day}",
        "outage: {at_least: 4 hours}",
        "rules[3].give.extension: bands[1] does not come after the one before it: write them rising",
    ),
    # what takes its place
    (
        "reasons: [terminated, expired]",
        "reasons: [gone]",
        "rules[1].if_refused[0].reasons[0]: 'gone' is not one of them: "
        "write expired, terminated, open_ended or unknown_contract",
    ),
    (
        "reasons: [open_ended]",
        "reasons: [expired]",
        "rules[1]: if_refused says twice what takes the place when expired: write it once",
    ),
    (
        "credit: {same_worth: true}",
        "extension: {days: 3}",
        "rules[1].if_refused[0]: gives an extension, which could be refused as well: write credit or voucher",
    ),
    (
        "credit: {same_worth: true}",
        'credit: {same_worth: "yes"}',
        "rules[1].if_refused[0].give.credit.same_worth: 'yes' is neither true nor false: "
        "write true or false, without quotes",
    ),
    (
        "credit: {same_worth: true}",
        "credit: {same_worth: true, per: started day}",
        "rules[1].if_refused[0].give.credit: same_worth is reckoned from the days: leave per out",
    ),
    (
        "extension: {days: 1, per: started day, at_most: 30}",
        "addon: {product: x, for: 1 year}",
        "rules[1]: same_worth is the worth of days: write it where an extension is given",
    ),
    (
        'at_most: {amount: "20.00", currency: EUR}, merchant: Shop',
        'shipping_cap: {amount: "20.00", currency: EUR}, merchant: Shop',
        "rules[1].if_refused[1].give.voucher: shipping_cap is in EUR and a share is in whatever the fee is in: "
        "cap it with an at_most in EUR",
    ),
    (
        'voucher:\n        amount: {amount: "5.00", currency: EUR}',
        'voucher:\n        share: "5 %"\n        at_most: {amount: "5.00", currency: EUR}',
        "rules[5]: a share of the monthly fee is of a contract's: write per: contract",
    ),
    (
        "unless: [lost-hours, lost-days]",
        'if_refused: [{reasons: [expired], give: {credit: {amount: {amount: "1.00", currency: EUR}}}}]',
        "rules[5]: no voucher is ever refused: leave if_refused out",
    ),
    (
        'amount: {amount: "1.00", currency: EUR}\n        per: started hour\n'
        '        after: 2 hours\n        at_most: "50 %"',
        "same_worth: true",
        "rules[0]: same_worth is the worth of days that were refused: write it under if_refused alone",
    ),
    # between rules
    (
        "unless: [lost-hours, lost-days]",
        "unless: [lost-hours, the-others]",
        "rules[5].unless[1]: no rule before this one is called 'the-others': "
        "write one of lost-hours, lost-days, tiers, long-ones, gift",
    ),
    (
        "per: contract\n    when:\n      families: [dedicated]",
        "per: contract\n    unless: [tiers]\n    when:\n      families: [dedicated]",
        "rules[0].unless[0]: no rule before this one is called 'tiers': leave it out, this is the first rule",
    ),
    ("unless: [lost-hours, lost-days]", "unless: []",
     "rules[5].unless: [] is empty: write at least 1, or leave the field out if it is optional"),
    ("across_incidents: each", "across_incidents: both",
     "rules[0].across_incidents: 'both' is not one of them: write merged or each"),
    # the whole
    ("letters: [announcement, details]", "letters: [details, details]", "letters: names one twice: write each once"),
    ("letters: [announcement, details]", "letters: [details]",
     "texts.en.announcement: no such letter is written: add announcement to letters, or leave the text out"),
    ("details: Here", "detail: Here",
     "texts.en.detail.[key]: 'detail' is not one of them: write announcement, details or correction"),
    ("  en: {", "  english: {",
     "texts.english.[key]: 'english' has a character that may not stand here: write one that matches ^[a-z]{2}$"),
    ('ceiling: "1000"', "ceiling: 1000", f"budget[0].ceiling: 1000 is a number, not a text: {MONEY}"),
    ('ceiling: "1000"', 'ceiling: "1000.001"',
     'budget[0]: 1000.001 EUR has too many decimals: EUR has 2, write for example "1000.00"'),
    ('approval_above: "20 %"', "approval_above: 0.2", f"budget[0].approval_above: 0.2 {SHARE}"),
    ('approval_above: "20 %"', 'approval_above: "120 %"',
     "budget[0].approval_above: '120 %' is too much: write \"100 %\" at most"),
    ("currency: USD, ceiling", "currency: EUR, ceiling",
     "budget[1].currency: EUR has a ceiling already: write it once"),
    (
        'currency: EUR, ceiling: "1000"',
        'currency: GBP, ceiling: "1000"',
        "rules[5]: gives EUR, and the budget has no ceiling for it: add {currency: EUR, ceiling: \"…\"} to budget",
    ),
    ("canary: {customers: 1000, then: 30 minutes}", "canary: 0", "canary.customers: 0 is too small: write 1 or more"),
    (
        "canary: {customers: 1000, then: 30 minutes}",
        "canary: some",
        "canary: 'some' is no canary: write a number of customers such as 1000, or "
        "{customers: 1000, then: 30 minutes}",
    ),
    ("then: 30 minutes", "then: later",
     "canary.then: 'later' is nothing to wait for: write approval, or a text such as \"30 minutes\""),
    ("when_narrowed: reverse", "when_narrowed: revert",
     "when_narrowed: 'revert' is not one of them: write honour or reverse"),
    ("approval_valid_for: 12 hours", "approval_valid_for: 1 year", f"approval_valid_for: '1 year' {LENGTH}"),
    ("when_narrowed: reverse", "when_narrowed:",
     "when_narrowed: is empty: write its value, or leave the field out"),
    ("families: [hosting]", "families: [hosting, ~]",
     "rules[4].when.families[1]: is empty: write its value, or leave the field out"),
    ("title: Every construct of the language", 'title: "Every\\nconstruct"',
     "title: 'Every\\nconstruct' has a character that may not stand here: "
     "write one that matches ^[^\\x00-\\x1f\\x7f]+$"),
    ("merchant: Shop\n", 'merchant: "\\ud800"\n',
     "rules[5].give.voucher.merchant: '\\ud800' has half a character: write whole ones"),
]  # fmt: skip
