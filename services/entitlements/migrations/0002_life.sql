-- The life of an incident: revisions in force, plans that wait for a person, entries that are withdrawn, an audit trail.

CREATE TABLE policy (
    policy text PRIMARY KEY,
    digest text NOT NULL,
    body jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE incident (
    incident_id text PRIMARY KEY,
    revision integer NOT NULL DEFAULT 0,
    held boolean NOT NULL DEFAULT false,
    drill boolean NOT NULL DEFAULT false,
    paused boolean NOT NULL DEFAULT false,
    ordered_at timestamptz,
    ordered_by text,
    spent jsonb NOT NULL DEFAULT '{}',
    entries integer NOT NULL DEFAULT 0,
    head text
);
INSERT INTO incident (incident_id, revision) SELECT incident_id, max(revision) FROM declaration GROUP BY incident_id;

ALTER TABLE declaration
    ADD COLUMN type text NOT NULL DEFAULT 'incident.declared.v1',
    ADD CONSTRAINT declaration_of_an_incident FOREIGN KEY (incident_id) REFERENCES incident;

ALTER TABLE plan
    DROP CONSTRAINT plan_state_check,
    DROP CONSTRAINT plan_check,
    ADD CONSTRAINT plan_state_check CHECK (state IN ('declared', 'waiting', 'forecasting', 'approval', 'canary', 'running',
                                                     'halted', 'superseded', 'done')),
    ADD CONSTRAINT plan_barrier_check CHECK (state IN ('declared', 'superseded', 'done') OR barrier IS NOT NULL),
    ADD COLUMN gate text CHECK (gate IN ('start', 'rest', 'ceiling')),
    ADD COLUMN forecast jsonb,
    ADD COLUMN hash text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN allowed jsonb,
    ADD COLUMN reason text,
    ADD COLUMN go_on_at timestamptz,
    ADD CONSTRAINT plan_asks_check CHECK (state NOT IN ('approval', 'halted') OR (gate IS NOT NULL AND hash IS NOT NULL));

ALTER TABLE chunk
    ADD COLUMN canary boolean NOT NULL DEFAULT false,
    ADD COLUMN forecast jsonb;

ALTER TABLE consideration ADD COLUMN drill boolean NOT NULL DEFAULT false;

ALTER TABLE granted
    DROP CONSTRAINT granted_pkey,
    ADD PRIMARY KEY (incident_id, customer_id, entry_id),
    ADD COLUMN stamp integer,
    ADD COLUMN withdraws uuid,
    ADD COLUMN honoured boolean NOT NULL DEFAULT false,
    ADD COLUMN drill boolean NOT NULL DEFAULT false,
    ADD CHECK (withdraws IS NOT NULL OR NOT honoured);
UPDATE granted SET stamp = revision;
ALTER TABLE granted ALTER COLUMN stamp SET NOT NULL;

CREATE TABLE approval (
    incident_id text NOT NULL REFERENCES incident,
    hash text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    event_id text NOT NULL,
    PRIMARY KEY (incident_id, event_id)
);

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
