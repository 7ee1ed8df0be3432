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

-- The policies as they were published, once and for all: the digest tells whether a file says something else by now.
CREATE TABLE policy (
    policy text PRIMARY KEY,
    digest text NOT NULL,
    body jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

-- An incident. Its row is the lock for what happens one at a time: orders, money under a ceiling, the audit trail.
CREATE TABLE incident (
    incident_id text PRIMARY KEY,
    revision integer NOT NULL DEFAULT 0, -- the last one in force; 0 while even the first is awaited
    held boolean NOT NULL DEFAULT false, -- a later revision waits for one that has not come
    drill boolean NOT NULL DEFAULT false,
    paused boolean NOT NULL DEFAULT false,
    ordered_at timestamptz, -- the last order to pause or to resume: a later one counts, whatever the order of arrival
    ordered_by text,
    spent jsonb NOT NULL DEFAULT '{}', -- {currency: amount at most}, under a policy with a budget
    entries integer NOT NULL DEFAULT 0, -- of the audit trail: how many there are, and the last one's hash
    head text
);

-- What was declared, word for word, one row for each revision. The digest tells a repetition from a contradiction.
CREATE TABLE declaration (
    incident_id text NOT NULL,
    revision integer NOT NULL,
    digest text NOT NULL,
    body jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    type text NOT NULL DEFAULT 'incident.declared.v1',
    PRIMARY KEY (incident_id, revision),
    CONSTRAINT declaration_of_an_incident FOREIGN KEY (incident_id) REFERENCES incident
);

-- A run over the customers of a revision. It waits until the projection has read `contracts` up to the barrier, and at
-- a gate (`approval`, `halted`) for a person who approves the hash.
CREATE TABLE plan (
    incident_id text NOT NULL,
    revision integer NOT NULL,
    run integer NOT NULL,
    state text NOT NULL DEFAULT 'declared' CHECK (state IN ('declared', 'waiting', 'forecasting', 'approval', 'canary',
                                                            'running', 'halted', 'superseded', 'done')),
    barrier jsonb, -- {"cluster": …, "ends": {partition: end offset}}
    customers bigint NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    gate text CHECK (gate IN ('start', 'rest', 'ceiling')),
    forecast jsonb,
    hash text,
    expires_at timestamptz, -- until when the plan at the gate may be approved
    allowed jsonb, -- {currency: amount} that the incident may come to; null without a budget
    reason text, -- why it stands still, in words
    go_on_at timestamptz, -- when the rest follows the canary by itself
    PRIMARY KEY (incident_id, revision, run),
    FOREIGN KEY (incident_id, revision) REFERENCES declaration,
    CONSTRAINT plan_barrier_check CHECK (state IN ('declared', 'superseded', 'done') OR barrier IS NOT NULL),
    CONSTRAINT plan_asks_check CHECK (state NOT IN ('approval', 'halted') OR (gate IS NOT NULL AND hash IS NOT NULL))
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
    canary boolean NOT NULL DEFAULT false, -- decided before the others
    forecast jsonb, -- what it will come to, where the policy wants that known beforehand
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
    drill boolean NOT NULL DEFAULT false,
    PRIMARY KEY (incident_id, customer_id)
);

-- What is owed, entry by entry: one for each remedy, one more for a difference, one for what is withdrawn. An entry's
-- id is a function of incident, customer, target, rule and stamp: the revision since which it has been owed.
CREATE TABLE granted (
    incident_id text NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    rule text NOT NULL,
    target text COLLATE "C" NOT NULL,
    grant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    revision integer NOT NULL, -- of the run that wrote it
    run integer NOT NULL,
    choice text NOT NULL CHECK (choice IN ('give', 'instead')),
    kind text NOT NULL CHECK (kind IN ('extension', 'addon', 'voucher', 'credit')),
    days integer,
    amount numeric(16, 4),
    currency text,
    stamp integer NOT NULL,
    withdraws uuid, -- the entry that is not owed any more
    honoured boolean NOT NULL DEFAULT false, -- and stands all the same
    drill boolean NOT NULL DEFAULT false,
    PRIMARY KEY (incident_id, customer_id, entry_id),
    CHECK (withdraws IS NOT NULL OR NOT honoured)
);

-- Who answers for which plan.
CREATE TABLE approval (
    incident_id text NOT NULL REFERENCES incident,
    hash text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    event_id text NOT NULL,
    PRIMARY KEY (incident_id, event_id)
);

-- Who did what, chained by hash (schemas/audit.py): append-only, so that a changed byte is found.
CREATE TABLE audit (
    incident_id text NOT NULL REFERENCES incident,
    number integer NOT NULL,
    at text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL,
    previous text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (incident_id, number)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a row is never changed or deleted', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON policy FOR EACH ROW EXECUTE FUNCTION refuse_change();
