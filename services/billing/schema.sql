-- The documented schema of billing's own tables:
-- where the migrations lead, in one piece, for people to read.
-- What every service's database has beside them stands in services/runtime/schema.sql.
-- Nothing runs this file but the test that compares it with the migrations, word for word of PostgreSQL's catalogs
-- (tests/integration/test_schemas_of_databases.py): whoever writes a migration puts this right with it.

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

-- The ledger: one entry for every remedy that was asked for, applied or refused. Entries are never changed.
CREATE TABLE entry (
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    entry_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    revision integer NOT NULL,
    rule text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('extension', 'addon', 'voucher', 'credit')),
    outcome text NOT NULL CHECK (outcome IN ('applied', 'refused')),
    reason text CHECK ((outcome = 'refused') = (reason IS NOT NULL)),
    contract_id text,
    product text,
    -- (A check that is null is passed: what must be there is asked for.)
    days integer CHECK (kind <> 'extension' OR coalesce(days > 0, false)),
    ends_on_before date,
    ends_on_after date CHECK (kind <> 'extension' OR outcome = 'refused'
                              OR coalesce(ends_on_after = ends_on_before + days, false)),
    amount numeric(16, 4),
    currency text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incident_id, customer_id, entry_id)
);

-- Complimentary add-ons: contracts of their own, with an end of their own, that never renew.
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
    CHECK (ends_on >= starts_on)
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
    redeemed_at timestamptz
);

-- Money on the customer's account: entries, never a balance that is overwritten.
CREATE TABLE credit (
    credit_id uuid PRIMARY KEY,
    incident_id text NOT NULL,
    customer_id text NOT NULL,
    amount numeric(16, 4) NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now()
);
