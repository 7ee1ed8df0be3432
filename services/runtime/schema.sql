-- The documented schema of the runtime's tables, in every service's database:
-- where the migrations lead, in one piece, for people to read.
-- The service's own tables stand in its own schema.sql, and come after these.
-- Nothing runs this file but the test that compares it with the migrations, word for word of PostgreSQL's catalogs
-- (tests/integration/test_schemas_of_databases.py): whoever writes a migration puts this right with it.

-- Which migrations have been applied, and what was in them: one that has changed since is refused.
CREATE TABLE migration (
    name text PRIMARY KEY, -- folder/NNNN_name.sql
    digest text NOT NULL, -- SHA-256 of the file, hexadecimal
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Where each consumer stands. The database decides, not the broker: a batch's effects and the step of its position
-- are one transaction.
CREATE TABLE position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL CHECK (next >= 0),
    -- The life of the log that `next` belongs to: another cluster's offsets mean nothing here.
    cluster text NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- What a batch publishes, byte for byte, one row per batch. The truth on the wire: the topics can be rebuilt from it.
-- Published rows are deleted once no topic would keep their records.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    records integer NOT NULL CHECK (records > 0),
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
-- Already compressed: a second try would only cost.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX outbox_pending ON outbox (outbox_id) WHERE published_at IS NULL;

-- Records that can never be processed, with their bytes and the reason, and what became of each. None is ever deleted.
CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    cluster text NOT NULL,
    key bytea,
    value bytea,
    headers bytea NOT NULL, -- msgpack: [[name, value bytes], …]
    reason text NOT NULL, -- of the last attempt
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    record_time bigint, -- when its producer (or its topic) says that it was written: milliseconds since 1970
    state text NOT NULL DEFAULT 'set_aside'
        CONSTRAINT quarantine_state_check CHECK (state IN ('set_aside', 'applied', 'dropped', 'superseded')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- how often it was tried again
    tried_at timestamptz,
    applied_at timestamptz,
    dropped_at timestamptz, -- stays when a dropped record was tried again after all
    dropped_by text,
    dropped_why text,
    digest bytea NOT NULL GENERATED ALWAYS AS (
        sha256(coalesce(sha256(key), ''::bytea) || coalesce(sha256(value), ''::bytea) || sha256(headers))
    ) STORED,
    CONSTRAINT quarantine_applied_check CHECK ((state = 'applied') = (applied_at IS NOT NULL)),
    CONSTRAINT quarantine_dropped_check CHECK (
        (dropped_at IS NULL) = (dropped_by IS NULL) AND (dropped_at IS NULL) = (dropped_why IS NULL)
        AND (state <> 'dropped' OR dropped_at IS NOT NULL)
    ),
    -- The digest, because a topic that is made anew in the same cluster counts from 0 again.
    CONSTRAINT quarantine_once UNIQUE (cluster, topic, partition, record_offset, digest)
);
-- Who has something there that was not applied: for the books, and for what a later record makes pointless.
CREATE INDEX quarantine_standing ON quarantine (topic, key) WHERE state IN ('set_aside', 'dropped');

-- Running totals per subject and lane, kept with the effects that they count.
CREATE TABLE tally (
    subject text NOT NULL,
    lane text NOT NULL,
    name text NOT NULL,
    total bigint NOT NULL,
    PRIMARY KEY (subject, lane, name)
) WITH (fillfactor = 50);
