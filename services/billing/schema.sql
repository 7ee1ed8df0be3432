-- The documented schema of billing's own tables:
-- where the migrations lead, in one piece, for people to read.
-- What every service's database has beside them stands in services/runtime/schema.sql.
-- Nothing runs this file but the test that compares it with the migrations, word for word of PostgreSQL's catalogs
-- (tests/integration/test_schemas_of_databases.py): whoever writes a migration puts this right with it.
-- (A column that a later migration added comes last in its table.)

-- The contracts. What a remedy adds is kept apart from what was agreed: the dates that count are computed, never set,
-- so two incidents in any order give the same end.
CREATE TABLE contract (
    contract_id text PRIMARY KEY,
    customer_id text NOT NULL,
    family text NOT NULL,
    product text NOT NULL,
    site text,
    starts_on date NOT NULL,
    base_ends_on date,
    base_terminated_on date,
    extension_days integer NOT NULL DEFAULT 0 CHECK (extension_days >= 0),
    ends_on date GENERATED ALWAYS AS (base_ends_on + extension_days) STORED,
    -- A scheduled cancellation moves with the extension.
    terminated_on date GENERATED ALWAYS AS (base_terminated_on + extension_days) STORED,
    -- The day of the month on which a renewal falls: it stays when the end moves.
    anchor_day smallint GENERATED ALWAYS AS (extract(day FROM base_ends_on)::smallint) STORED,
    monthly_fee numeric(16, 4),
    currency text,
    addons text[] NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    CHECK (extension_days = 0 OR base_ends_on IS NOT NULL),
    CHECK ((monthly_fee IS NULL) = (currency IS NULL))
) WITH (fillfactor = 80);

-- The ledger: one entry for every remedy that was asked for, and one for everything that is no longer owed, applied or
-- refused. What is taken back has negative days or a negative amount: sums are the truth. Entries are never changed.
CREATE TABLE entry (
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    entry_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    revision integer NOT NULL,
    rule text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('extension', 'addon', 'voucher', 'credit')),
    outcome text NOT NULL CHECK (outcome IN ('applied', 'refused')),
    reason text CONSTRAINT entry_check CHECK ((outcome = 'refused') = (reason IS NOT NULL)),
    contract_id text,
    product text,
    days integer,
    ends_on_before date,
    ends_on_after date CONSTRAINT entry_check2 CHECK (kind <> 'extension' OR outcome = 'refused'
                                                      OR coalesce(ends_on_after = ends_on_before + days, false)),
    amount numeric(16, 4),
    currency text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    reverses uuid, -- the entry that is no longer owed
    substitutes uuid, -- the refused entry in whose place this one stands
    drill boolean NOT NULL DEFAULT false, -- it has moved and issued nothing
    PRIMARY KEY (incident_id, customer_id, entry_id),
    -- (A check that is null is passed: what must be there is asked for.)
    CONSTRAINT entry_days_check CHECK (kind <> 'extension' OR CASE
        WHEN reverses IS NULL THEN coalesce(days > 0, false)
        ELSE coalesce(days < 0, outcome = 'refused') END),
    CONSTRAINT entry_amount_check CHECK (kind NOT IN ('voucher', 'credit') OR CASE
        WHEN reverses IS NULL THEN coalesce(amount > 0, false)
        ELSE coalesce(amount < 0, outcome = 'refused') END),
    CONSTRAINT entry_currency_check CHECK ((amount IS NULL) = (currency IS NULL)),
    CONSTRAINT entry_place_check CHECK (reverses IS NULL OR substitutes IS NULL)
);
-- Nothing is taken back twice.
CREATE UNIQUE INDEX entry_taken_back ON entry (reverses) WHERE reverses IS NOT NULL AND outcome = 'applied';

-- Complimentary add-ons: contracts of their own, with an end of their own, that never renew. One that is withdrawn ends
-- on that day. What is issued, here and below, bears the id of its entry.
CREATE TABLE addon (
    addon_id uuid PRIMARY KEY,
    entry_id uuid NOT NULL,
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    contract_id text NOT NULL,
    product text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    renews boolean NOT NULL DEFAULT false CHECK (NOT renews),
    withdrawn_on date,
    CHECK (ends_on >= starts_on),
    CONSTRAINT addon_is_its_entry CHECK (addon_id = entry_id)
);
CREATE INDEX addon_contract ON addon (contract_id);

-- Vouchers. Value and shipping have separate caps; of the code only a keyed hash is kept.
CREATE TABLE voucher (
    voucher_id uuid PRIMARY KEY,
    entry_id uuid NOT NULL,
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    amount numeric(16, 4) NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    merchant text NOT NULL,
    shipping_cap numeric(16, 4) CHECK (shipping_cap >= 0),
    handling_covered boolean NOT NULL,
    valid_until date NOT NULL,
    code_hash bytea NOT NULL,
    redeemed_at timestamptz,
    voided_at timestamptz, -- when it was no longer owed; what was redeemed before is never taken back
    CONSTRAINT voucher_is_its_entry CHECK (voucher_id = entry_id),
    CONSTRAINT voucher_redeemed_or_void CHECK (redeemed_at IS NULL OR voided_at IS NULL)
);
CREATE UNIQUE INDEX voucher_code ON voucher (code_hash);

-- Money on the customer's account: signed entries, never a balance that is overwritten.
CREATE TABLE credit (
    credit_id uuid PRIMARY KEY,
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    amount numeric(16, 4) NOT NULL,
    currency text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    reverses uuid, -- the entry that is no longer owed: of that only is something taken back
    CONSTRAINT credit_amount_check CHECK (CASE WHEN reverses IS NULL THEN amount > 0 ELSE amount < 0 END)
);
CREATE INDEX credit_customer ON credit (customer_id);

-- Withdrawals that came before what they withdraw: they take effect with it.
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

-- The ledger and the account are append-only, whoever writes.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a row is never changed or deleted', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON credit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
