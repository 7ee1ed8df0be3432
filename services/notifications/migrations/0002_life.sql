-- Every revision of an incident is kept from here on, and its policy is asked for: the incidents are read anew from
-- their topic, which keeps them for ever. Letters wait until that is done.
DELETE FROM position WHERE topic = 'amends.incidents.v1';
DELETE FROM incident;
ALTER TABLE incident
    ADD COLUMN also jsonb NOT NULL,
    ADD COLUMN policy text NOT NULL,
    ADD COLUMN drill boolean NOT NULL,
    ADD COLUMN retracted_since integer;

-- What was said of an incident, revision by revision: the first possible telling of each.
CREATE TABLE revision (
    incident_id text,
    revision integer,
    type text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (incident_id, revision)
);

-- The last order to pause or to resume an incident.
CREATE TABLE pause (
    incident_id text PRIMARY KEY,
    paused boolean NOT NULL,
    at timestamptz NOT NULL,
    event text COLLATE "C" NOT NULL
);

-- Policies as they were published, once and for all: which letters they want, in which zone, in which words.
CREATE TABLE policy (
    policy text PRIMARY KEY,
    title text NOT NULL,
    time_zone text NOT NULL,
    letters text[] NOT NULL,
    texts jsonb NOT NULL
);

ALTER TABLE letter RENAME COLUMN adjustments TO news;
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'letter_adjustments_not_null') THEN -- since PostgreSQL 18
        ALTER TABLE letter RENAME CONSTRAINT letter_adjustments_not_null TO letter_news_not_null;
    END IF;
END $$;
ALTER TABLE letter
    ADD COLUMN revision integer NOT NULL DEFAULT 1,
    ADD COLUMN drill boolean NOT NULL DEFAULT false,
    ADD COLUMN cancelled text CHECK (cancelled IN ('withdrawn', 'retracted', 'overtaken'));
ALTER TABLE letter ADD CHECK (cancelled IS NULL OR state = 'suppressed');
DROP INDEX letter_pending;
CREATE INDEX letter_pending ON letter (incident_id, due_at) WHERE state = 'pending';
CREATE INDEX letter_retracted ON letter (incident_id) WHERE cancelled = 'retracted';
