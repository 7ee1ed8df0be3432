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

-- Records that can never be processed, with their bytes and the reason.
CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    cluster text NOT NULL,
    key bytea,
    value bytea,
    headers bytea NOT NULL, -- msgpack: [[name, value bytes], …]
    reason text NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (cluster, topic, partition, record_offset)
);
CREATE INDEX quarantine_key ON quarantine (topic, key);

-- Running totals per subject and lane, kept with the effects that they count.
CREATE TABLE tally (
    subject text NOT NULL,
    lane text NOT NULL,
    name text NOT NULL,
    total bigint NOT NULL,
    PRIMARY KEY (subject, lane, name)
) WITH (fillfactor = 50);
