-- What becomes of a record that was set aside: it is tried again, dropped, or overtaken by a later one of its key.
ALTER TABLE quarantine
    ADD COLUMN record_time bigint,
    ADD COLUMN state text NOT NULL DEFAULT 'set_aside'
        CONSTRAINT quarantine_state_check CHECK (state IN ('set_aside', 'applied', 'dropped', 'superseded')),
    ADD COLUMN attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN tried_at timestamptz,
    ADD COLUMN applied_at timestamptz,
    ADD COLUMN dropped_at timestamptz,
    ADD COLUMN dropped_by text,
    ADD COLUMN dropped_why text,
    ADD COLUMN digest bytea NOT NULL GENERATED ALWAYS AS (
        sha256(coalesce(sha256(key), ''::bytea) || coalesce(sha256(value), ''::bytea) || sha256(headers))
    ) STORED,
    ADD CONSTRAINT quarantine_applied_check CHECK ((state = 'applied') = (applied_at IS NOT NULL)),
    ADD CONSTRAINT quarantine_dropped_check CHECK (
        (dropped_at IS NULL) = (dropped_by IS NULL) AND (dropped_at IS NULL) = (dropped_why IS NULL)
        AND (state <> 'dropped' OR dropped_at IS NOT NULL)
    );

-- A topic that is made anew in the same cluster counts from 0 again: another record at the same place is another one.
ALTER TABLE quarantine
    DROP CONSTRAINT quarantine_cluster_topic_partition_record_offset_key,
    ADD CONSTRAINT quarantine_once UNIQUE (cluster, topic, partition, record_offset, digest);

DROP INDEX quarantine_key;
CREATE INDEX quarantine_standing ON quarantine (topic, key) WHERE state IN ('set_aside', 'dropped');
