-- recorded_entries: Which of these entries stand in the ledger already
SELECT entry.entry_id::text FROM unnest($1::text[], $2::text[], $3::uuid[]) AS asked(incident_id, customer_id, entry_id)
JOIN entry USING (incident_id, customer_id, entry_id);

-- lock_contracts: The contracts that a batch speaks of, held until it is committed, in one order for all
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency,
       addons, attributes, version
FROM contract WHERE contract_id = ANY($1::text[]) ORDER BY contract_id FOR UPDATE;

-- read_contracts: Contracts as they stand, for a trial that changes nothing
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency,
       addons, attributes, version
FROM contract WHERE contract_id = ANY($1::text[]);

-- contracts_after: Contracts as they stand, in order from one on, held until they are published
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency,
       addons, attributes, version
FROM contract WHERE contract_id > $1 ORDER BY contract_id LIMIT $2 FOR UPDATE;

-- complimentary: The add-ons that remedies have put on these contracts; a withdrawn one ends on that day
SELECT contract_id, addon_id::text, product, starts_on, greatest(starts_on, least(ends_on, withdrawn_on)) AS ends_on
FROM addon WHERE contract_id = ANY($1::text[]) ORDER BY addon_id;

-- anything_held: Whether any withdrawal waits for what it withdraws; hardly ever
SELECT EXISTS (SELECT FROM held_withdrawal);

-- held_count: How many withdrawals wait
SELECT count(*) FROM held_withdrawal;

-- held: The withdrawals that wait, of these customers
SELECT incident_id, customer_id, entry_id::text, grant_id::text, revision, rule, withdraws::text, honoured, declared_at,
       time_zone, drill, letters
FROM unnest($1::text[], $2::text[]) AS asked(incident_id, customer_id)
JOIN held_withdrawal USING (incident_id, customer_id) ORDER BY revision, entry_id;

-- hold: Let a withdrawal wait for what it withdraws; one that waits already goes on waiting
INSERT INTO held_withdrawal (incident_id, customer_id, entry_id, grant_id, revision, rule, withdraws, honoured,
                             declared_at, time_zone, drill, letters)
VALUES ($1, $2, $3::text::uuid, $4::text::uuid, $5, $6, $7::text::uuid, $8, $9, $10, $11, $12)
ON CONFLICT (incident_id, customer_id, entry_id) DO NOTHING;

-- release: These need not wait any more
DELETE FROM held_withdrawal WHERE entry_id = ANY($1::uuid[]);

-- ledger: All entries of these customers for these incidents
SELECT incident_id, customer_id, revision, entry_id::text, grant_id::text, rule, kind, drill, reason, contract_id,
       product, days, ends_on_before, ends_on_after, amount, currency, reverses::text, substitutes::text
FROM unnest($1::text[], $2::text[]) AS asked(incident_id, customer_id) JOIN entry USING (incident_id, customer_id);

-- lock_vouchers: Vouchers that may be withdrawn, held against whoever would redeem them until it is decided
SELECT voucher_id::text, amount, currency, merchant, shipping_cap, handling_covered, valid_until, '' AS code, code_hash,
       redeemed_at IS NOT NULL AS redeemed
FROM voucher WHERE voucher_id = ANY($1::uuid[]) ORDER BY voucher_id FOR UPDATE;

-- new_entry: Where a batch's entries land before they are written
CREATE TEMPORARY TABLE IF NOT EXISTS new_entry AS
SELECT incident_id, customer_id, entry_id, grant_id, revision, rule, kind, outcome, reason, contract_id, product, days,
       ends_on_before, ends_on_after, amount, currency, reverses, substitutes, drill
FROM entry WITH NO DATA;
TRUNCATE new_entry;

-- record_entries: Write entries to the ledger; only one that was not there moves its contract's end, and none of a drill
WITH recorded AS (
    INSERT INTO entry (incident_id, customer_id, entry_id, grant_id, revision, rule, kind, outcome, reason, contract_id,
                       product, days, ends_on_before, ends_on_after, amount, currency, reverses, substitutes, drill)
    SELECT * FROM new_entry
    ON CONFLICT (incident_id, customer_id, entry_id) DO NOTHING
    RETURNING kind, outcome, contract_id, days, drill
), moved AS (
    UPDATE contract SET extension_days = extension_days + added.days, version = version + added.entries
    FROM (SELECT contract_id, coalesce(sum(days) FILTER (WHERE kind = 'extension'), 0)::integer AS days,
                 count(*)::integer AS entries
          FROM recorded WHERE outcome = 'applied' AND contract_id IS NOT NULL AND NOT drill
          GROUP BY contract_id) AS added
    WHERE contract.contract_id = added.contract_id
)
SELECT count(*) FROM recorded;

-- new_addon: Where a batch's add-ons land before they are issued
CREATE TEMPORARY TABLE IF NOT EXISTS new_addon AS
SELECT addon_id, entry_id, incident_id, customer_id, contract_id, product, starts_on, ends_on FROM addon WITH NO DATA;
TRUNCATE new_addon;

-- issue_addons: Put complimentary add-ons on contracts, once each
INSERT INTO addon (addon_id, entry_id, incident_id, customer_id, contract_id, product, starts_on, ends_on)
SELECT * FROM new_addon ON CONFLICT (addon_id) DO NOTHING;

-- withdraw_addons: End add-ons on the day from which they are no longer owed, once each
UPDATE addon SET withdrawn_on = $2 WHERE addon_id = ANY($1::uuid[]) AND withdrawn_on IS NULL RETURNING 1;

-- new_voucher: Where a batch's vouchers land before they are issued
CREATE TEMPORARY TABLE IF NOT EXISTS new_voucher AS
SELECT voucher_id, entry_id, incident_id, customer_id, amount, currency, merchant, shipping_cap, handling_covered,
       valid_until, code_hash
FROM voucher WITH NO DATA;
TRUNCATE new_voucher;

-- issue_vouchers: Issue vouchers, once each
INSERT INTO voucher (voucher_id, entry_id, incident_id, customer_id, amount, currency, merchant, shipping_cap,
                     handling_covered, valid_until, code_hash)
SELECT * FROM new_voucher ON CONFLICT (voucher_id) DO NOTHING;

-- void_vouchers: Make vouchers worthless, as long as nobody has redeemed them
UPDATE voucher SET voided_at = $2 WHERE voucher_id = ANY($1::uuid[]) AND redeemed_at IS NULL AND voided_at IS NULL
RETURNING 1;

-- new_credit: Where a batch's credits land before they are booked
CREATE TEMPORARY TABLE IF NOT EXISTS new_credit AS
SELECT credit_id, incident_id, customer_id, amount, currency, reverses FROM credit WITH NO DATA;
TRUNCATE new_credit;

-- book_credits: Book credits and what is taken back of them, once each
INSERT INTO credit (credit_id, incident_id, customer_id, amount, currency, reverses)
SELECT * FROM new_credit ON CONFLICT (credit_id) DO NOTHING;

-- redeem_voucher: Redeem a voucher by its code's hash; no row when there is none, it is used or void, or it is too late
UPDATE voucher SET redeemed_at = $2
WHERE code_hash = $1 AND redeemed_at IS NULL AND voided_at IS NULL AND valid_until >= ($2 AT TIME ZONE $3)::date
RETURNING voucher_id::text, amount, currency, merchant, shipping_cap, handling_covered, valid_until, redeemed_at;

-- why_not_redeemed: What became of the voucher that was not redeemed; no row for a code that was never issued
SELECT CASE WHEN redeemed_at IS NOT NULL THEN 'redeemed' WHEN voided_at IS NOT NULL THEN 'void' ELSE 'expired' END
FROM voucher WHERE code_hash = $1;

-- account: What was booked on a customer's account, the oldest first
SELECT credit_id::text, incident_id, amount, currency, reverses::text, booked_at AS recorded_at
FROM credit WHERE customer_id = $1 ORDER BY booked_at, credit_id;

-- balances: What stands on a customer's account, by currency
SELECT currency, sum(amount) AS amount FROM credit WHERE customer_id = $1 GROUP BY currency ORDER BY currency;

-- books: An incident's ledger in numbers; substitutes and reversals are counted apart, and in the sums
SELECT count(DISTINCT customer_id) AS customers,
       count(*) FILTER (WHERE outcome = 'applied' AND reverses IS NULL AND substitutes IS NULL) AS applied,
       count(*) FILTER (WHERE outcome = 'refused' AND reverses IS NULL) AS refused,
       count(*) FILTER (WHERE substitutes IS NOT NULL) AS substituted,
       coalesce(sum(days) FILTER (WHERE outcome = 'applied'), 0)::bigint AS days,
       coalesce(bool_or(drill), false) AS drill
FROM entry WHERE incident_id = $1;

-- refusals: What was refused, by reason
SELECT reason, count(*) AS remedies FROM entry
WHERE incident_id = $1 AND outcome = 'refused' AND reverses IS NULL GROUP BY reason;

-- reversals: What became of what was withdrawn; the reason is null for what was taken back
SELECT reason, count(*) AS entries FROM entry WHERE incident_id = $1 AND reverses IS NOT NULL GROUP BY reason;

-- held_of_incident: How many of an incident's withdrawals wait for what they withdraw
SELECT count(*) FROM held_withdrawal WHERE incident_id = $1;

-- liability: What an incident's vouchers and credits are worth, less what was taken back, by currency
SELECT currency, sum(amount) AS amount FROM entry
WHERE incident_id = $1 AND outcome = 'applied' AND amount IS NOT NULL GROUP BY currency ORDER BY currency;

-- out_of_balance: Contracts whose extension is not the sum of their ledger entries (there must be none)
SELECT contract_id, extension_days, coalesce(ledger.days, 0) AS ledger_days
FROM contract FULL JOIN (
    SELECT contract_id, sum(days)::integer AS days FROM entry
    WHERE kind = 'extension' AND outcome = 'applied' AND NOT drill GROUP BY contract_id
) AS ledger USING (contract_id)
WHERE coalesce(extension_days, 0) <> coalesce(ledger.days, 0) ORDER BY contract_id LIMIT 100;

-- effects: What an incident has put into the world and taken out of it, to compare with its ledger
SELECT (SELECT count(*) FROM addon WHERE incident_id = $1) AS addons,
       (SELECT count(*) FROM addon WHERE incident_id = $1 AND withdrawn_on IS NOT NULL) AS withdrawn_addons,
       (SELECT count(*) FROM voucher WHERE incident_id = $1) AS vouchers,
       (SELECT count(*) FROM voucher WHERE incident_id = $1 AND voided_at IS NOT NULL) AS void_vouchers,
       (SELECT count(*) FROM credit WHERE incident_id = $1) AS credits,
       count(*) FILTER (WHERE kind = 'addon' AND reverses IS NULL) AS addons_entries,
       count(*) FILTER (WHERE kind = 'addon' AND reverses IS NOT NULL) AS withdrawn_addons_entries,
       count(*) FILTER (WHERE kind = 'voucher' AND reverses IS NULL) AS vouchers_entries,
       count(*) FILTER (WHERE kind = 'voucher' AND reverses IS NOT NULL) AS void_vouchers_entries,
       count(*) FILTER (WHERE kind = 'credit') AS credits_entries
FROM entry WHERE incident_id = $1 AND outcome = 'applied' AND NOT drill;

-- unbalanced_accounts: Customers whose credits for an incident are not what its ledger says (there must be none)
SELECT customer_id, currency, coalesce(booked.amount, 0) AS booked, coalesce(ledger.amount, 0) AS ledger
FROM (SELECT customer_id, currency, sum(amount) AS amount FROM credit WHERE incident_id = $1
      GROUP BY customer_id, currency) AS booked
FULL JOIN (SELECT customer_id, currency, sum(amount) AS amount FROM entry
           WHERE incident_id = $1 AND kind = 'credit' AND outcome = 'applied' AND NOT drill
           GROUP BY customer_id, currency) AS ledger USING (customer_id, currency)
WHERE coalesce(booked.amount, 0) <> coalesce(ledger.amount, 0) ORDER BY customer_id, currency LIMIT 100;

-- customer_entries: One customer's entries for an incident
SELECT entry_id::text, grant_id::text, revision, rule, kind, outcome, reason, contract_id, product, days, ends_on_before,
       ends_on_after, amount, currency, recorded_at, reverses::text, substitutes::text, drill
FROM entry WHERE incident_id = $1 AND customer_id = $2
ORDER BY rule, contract_id, revision, reverses IS NOT NULL, substitutes IS NOT NULL, entry_id;

-- customer_vouchers: One customer's vouchers for an incident, without their codes
SELECT voucher_id::text, amount, currency, merchant, shipping_cap, handling_covered, valid_until, redeemed_at, voided_at
FROM voucher WHERE incident_id = $1 AND customer_id = $2 ORDER BY voucher_id;

-- stage: Where an import lands before it is compared
CREATE TEMPORARY TABLE staged (
    contract_id text, customer_id text, family text, product text, site text, starts_on date, ends_on date,
    terminated_on date, monthly_fee numeric, currency text, addons text[], attributes jsonb
) ON COMMIT DROP;

-- stage_merged: Which contracts the import has changed
CREATE TEMPORARY TABLE merged (contract_id text PRIMARY KEY) ON COMMIT DROP;

-- lost_ends: Contracts that the import would make open-ended, and whose end has been extended (there must be none)
SELECT contract_id, extension_days FROM staged JOIN contract USING (contract_id)
WHERE staged.ends_on IS NULL AND extension_days > 0 ORDER BY contract_id LIMIT 20;

-- merge: Take over what the import changes of the agreed terms; what remedies have added stays added
WITH changed AS (
    INSERT INTO contract (contract_id, customer_id, family, product, site, starts_on, base_ends_on, base_terminated_on,
                          monthly_fee, currency, addons, attributes)
    SELECT * FROM staged
    ON CONFLICT (contract_id) DO UPDATE SET
        customer_id = excluded.customer_id, family = excluded.family, product = excluded.product,
        site = excluded.site, starts_on = excluded.starts_on, base_ends_on = excluded.base_ends_on,
        base_terminated_on = excluded.base_terminated_on, monthly_fee = excluded.monthly_fee,
        currency = excluded.currency, addons = excluded.addons, attributes = excluded.attributes,
        version = contract.version + 1
    WHERE (contract.customer_id, contract.family, contract.product, contract.site, contract.starts_on,
           contract.base_ends_on, contract.base_terminated_on, contract.monthly_fee, contract.currency,
           contract.addons, contract.attributes)
        IS DISTINCT FROM
          (excluded.customer_id, excluded.family, excluded.product, excluded.site, excluded.starts_on,
           excluded.base_ends_on, excluded.base_terminated_on, excluded.monthly_fee, excluded.currency,
           excluded.addons, excluded.attributes)
    RETURNING contract_id
)
INSERT INTO merged SELECT contract_id FROM changed;

-- merged_contracts: The contracts that the import has changed, as they are now
SELECT contract_id, customer_id, family, product, site, starts_on, ends_on, terminated_on, monthly_fee, currency,
       addons, attributes, version
FROM merged JOIN contract USING (contract_id);
