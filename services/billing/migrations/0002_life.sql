-- The life of an incident: what was given may be taken back (by entries of their own), stand in for what was refused,
-- or be a drill. What is issued bears the id of its entry.

ALTER TABLE entry
    ADD COLUMN reverses uuid,
    ADD COLUMN substitutes uuid,
    ADD COLUMN drill boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT entry_check1,
    ADD CONSTRAINT entry_days_check CHECK (kind <> 'extension' OR CASE
        WHEN reverses IS NULL THEN coalesce(days > 0, false)
        ELSE coalesce(days < 0, outcome = 'refused') END),
    ADD CONSTRAINT entry_amount_check CHECK (kind NOT IN ('voucher', 'credit') OR CASE
        WHEN reverses IS NULL THEN coalesce(amount > 0, false)
        ELSE coalesce(amount < 0, outcome = 'refused') END),
    ADD CONSTRAINT entry_currency_check CHECK ((amount IS NULL) = (currency IS NULL)),
    ADD CONSTRAINT entry_place_check CHECK (reverses IS NULL OR substitutes IS NULL);

CREATE UNIQUE INDEX entry_taken_back ON entry (reverses) WHERE reverses IS NOT NULL AND outcome = 'applied';

UPDATE addon SET addon_id = entry_id;
UPDATE voucher SET voucher_id = entry_id;
UPDATE credit SET credit_id = entry.entry_id FROM entry
WHERE entry.incident_id = credit.incident_id AND entry.customer_id = credit.customer_id
  AND entry.grant_id = credit.credit_id;

ALTER TABLE addon
    ADD COLUMN withdrawn_on date,
    ADD CONSTRAINT addon_is_its_entry CHECK (addon_id = entry_id);

ALTER TABLE voucher
    ADD COLUMN voided_at timestamptz,
    ADD CONSTRAINT voucher_is_its_entry CHECK (voucher_id = entry_id),
    ADD CONSTRAINT voucher_redeemed_or_void CHECK (redeemed_at IS NULL OR voided_at IS NULL);
CREATE UNIQUE INDEX voucher_code ON voucher (code_hash);

ALTER TABLE credit
    ADD COLUMN reverses uuid,
    DROP CONSTRAINT credit_amount_check,
    ADD CONSTRAINT credit_amount_check CHECK (CASE WHEN reverses IS NULL THEN amount > 0 ELSE amount < 0 END);
CREATE INDEX credit_customer ON credit (customer_id);

CREATE TABLE held_withdrawal (
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    entry_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    revision integer NOT NULL,
    rule text NOT NULL,
    withdraws uuid NOT NULL,
    honoured boolean NOT NULL,
    declared_at timestamptz NOT NULL,
    time_zone text NOT NULL,
    drill boolean NOT NULL,
    letters text[],
    held_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incident_id, customer_id, entry_id)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a row is never changed or deleted', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON credit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
