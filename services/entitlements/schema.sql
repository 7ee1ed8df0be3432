-- The documented schema of entitlements' own tables:
-- where the migrations lead, in one piece, for people to read.
-- What every service's database has beside them stands in services/runtime/schema.sql.
-- Nothing runs this file but the test that compares it with the migrations, word for word of PostgreSQL's catalogs
-- (tests/integration/test_schemas_of_databases.py): whoever writes a migration puts this right with it.

-- Who holds which contract, as the topic `contracts` tells it: a projection, without a name or an address.
CREATE TABLE contract (
    contract_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    family text NOT NULL,
    product text NOT NULL,
    site text,
    starts_on date NOT NULL,
    ends_on date,
    terminated_on date,
    monthly_fee numeric(16, 4),
    currency text,
    addons text[] NOT NULL,
    attributes jsonb NOT NULL,
    complimentary jsonb NOT NULL, -- [[product, starts_on, ends_on], …]
    version integer NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX contract_customer ON contract (customer_id);

-- What was declared, word for word. The digest tells a repetition from a contradiction.
CREATE TABLE declaration (
    incident_id text NOT NULL,
    revision integer NOT NULL,
    digest text NOT NULL,
    body jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incident_id, revision)
);

-- A run over the customers of a declaration. It waits until the projection has read `contracts` up to the barrier.
CREATE TABLE plan (
    incident_id text NOT NULL,
    revision integer NOT NULL,
    run integer NOT NULL,
    state text NOT NULL DEFAULT 'declared' CHECK (state IN ('declared', 'waiting', 'running', 'done')),
    barrier jsonb, -- {"cluster": …, "ends": {partition: end offset}}
    customers bigint NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (incident_id, revision, run),
    FOREIGN KEY (incident_id, revision) REFERENCES declaration,
    CHECK (state IN ('declared', 'done') OR barrier IS NOT NULL)
);

-- A plan's share for one worker at a time: the customers from the first to the last. `facts` is what was decided with.
CREATE TABLE chunk (
    incident_id text NOT NULL,
    revision integer NOT NULL,
    run integer NOT NULL,
    chunk integer NOT NULL,
    first_customer text COLLATE "C" NOT NULL,
    last_customer text COLLATE "C" NOT NULL,
    done_at timestamptz,
    facts bytea,
    PRIMARY KEY (incident_id, revision, run, chunk),
    FOREIGN KEY (incident_id, revision, run) REFERENCES plan
) WITH (fillfactor = 50);
ALTER TABLE chunk ALTER COLUMN facts SET STORAGE EXTERNAL;
CREATE INDEX chunk_open ON chunk (incident_id, revision, run, chunk) WHERE done_at IS NULL;

-- Every customer that an incident was considered for, and why he is owed nothing, if so.
CREATE TABLE consideration (
    incident_id text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    exclusion text,
    PRIMARY KEY (incident_id, customer_id)
);

-- What is owed: one row per remedy, its id a function of incident, customer, target and rule.
CREATE TABLE granted (
    incident_id text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    rule text NOT NULL,
    target text COLLATE "C" NOT NULL,
    grant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    revision integer NOT NULL,
    run integer NOT NULL,
    choice text NOT NULL CHECK (choice IN ('give', 'instead')),
    kind text NOT NULL CHECK (kind IN ('extension', 'addon', 'voucher', 'credit')),
    days integer,
    amount numeric(16, 4),
    currency text,
    PRIMARY KEY (incident_id, customer_id, rule, target)
);
